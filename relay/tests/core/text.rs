//! The text of a body that goes out, line by line: its order and what is always there.

use control_proto::{Dictionary, Ice, TransportProtocol, Value, flag};

use crate::bodies::{OTHER_PHONE, PHONE, chromium};
use crate::world::*;

/// The lines without their values.
fn outline(body: &str) -> Vec<&str> {
    body.lines()
        .map(|line| line.split([':', ' ']).next().unwrap_or(line))
        .map(|line| {
            if line.starts_with("a=") {
                line
            } else {
                &line[..2]
            }
        })
        .collect()
}

/// A body with all there is, in no order, with a line end missing here and there.
const DISORDER: &str = "v=0\no=- 1 1 IN IP4 10.0.0.20\ns=x\nb=AS:80\nc=IN IP4 10.0.0.20\nt=0 0\na=x-session:1\n\
    a=sendonly\nm=audio 4000 RTP/AVP 96 0 18\na=maxptime:40\na=ptime:20\na=x-first\na=extmap:1 urn:x\na=label:l\n\
    a=fmtp:96 useinbandfec=1\na=rtcp-fb:96 nack\na=x-second:2\na=rtcp-mux\na=mid:m\na=rtpmap:96 opus/48000/2\n\
    b=TIAS:64000\nb=AS:64\ni=info";

#[test]
fn every_line_has_its_place() {
    let mut offer = plain_offer("c", "a", DISORDER);
    offer.transport_protocol = Some(TransportProtocol::UdpTlsRtpSavpf);
    offer.ice = Some(Ice::Force);
    offer.flags.set(flag::TRICKLE_ICE);
    offer.flags.set(flag::LOOP_PROTECT);
    let out = World::new().sdp(&offer);
    assert_eq!(
        outline(&out),
        [
            "v=",
            "o=",
            "s=",
            "b=",
            "t=",
            "a=rtpengine",
            "a=ice-lite",
            "a=x-session", // the session
            "m=",
            "i=",
            "c=",
            "b=",
            "b=",
            "a=mid",
            "a=label", // the medium
            "a=rtpmap",
            "a=fmtp",
            "a=rtcp-fb",
            "a=rtpmap",
            "a=rtpmap",
            "a=extmap",
            "a=x-first",
            "a=x-second",
            "a=sendonly",
            "a=rtcp",
            "a=rtcp-mux",
            "a=crypto",
            "a=crypto",
            "a=crypto",
            "a=crypto",
            "a=crypto",
            "a=crypto",
            "a=setup",
            "a=fingerprint",
            "a=tls-id",
            "a=ptime",
            "a=maxptime",
            "a=ice-ufrag",
            "a=ice-pwd",
            "a=ice-options",
            "a=candidate",
            "a=candidate",
            "a=end-of-candidates",
        ]
    );
    assert!(out.ends_with("\r\n") && !out.replace("\r\n", "").contains(['\r', '\n']));
    assert_eq!(lines(&out, "b="), ["b=AS:80", "b=AS:64", "b=TIAS:64000"]);
    assert_eq!(lines(&out, "a=rtpmap:0"), ["a=rtpmap:0 PCMU/8000"]);
    assert_eq!(lines(&out, "a=rtpmap:18"), ["a=rtpmap:18 G729/8000"]);
}

#[test]
fn each_medium_has_its_own_address_direction_and_rtcp() {
    let two = format!("{PHONE}m=video 4002 RTP/AVP 31\r\n");
    let out = World::new().sdp(&plain_offer("c", "a", &two));
    let (session, media) = out.split_once("m=audio").unwrap();
    assert!(
        !session.contains("c=") && !session.contains("a=send"),
        "{out}"
    );
    for line in [
        "c=IN IP4 ",
        "a=sendrecv",
        "a=rtcp:",
        "a=rtpmap:31 H261/90000",
    ] {
        let count = if line.contains("31") { 1 } else { 2 };
        assert_eq!(media.matches(line).count(), count, "{line}");
    }
}

#[test]
fn a_rejected_medium_has_the_zero_address_its_names_and_nothing_else() {
    let body = PHONE.replace("m=audio 4000", "m=audio 0") + "a=mid:5\r\na=label:7\r\n";
    let out = World::new().sdp(&plain_offer("c", "a", &body));
    let medium = out.split_once("m=audio").unwrap().1;
    assert_eq!(
        medium,
        " 0 RTP/AVP 0 8 101\r\nc=IN IP4 0.0.0.0\r\na=mid:5\r\na=label:7\r\n"
    );
}

#[test]
fn an_incomplete_crypto_line_is_passed_over() {
    let body = PHONE.replace("RTP/AVP", "RTP/SAVP")
        + "a=crypto:1 AES_CM_128_HMAC_SHA1_80\r\n\
           a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\r\n";
    let mut world = World::new();
    world.sdp(&offer_to_phone("c", "a", None, &body));
    let back = world.sdp(&answer("c", "a", "b", OTHER_PHONE));
    assert!(lines(&back, "a=crypto")[0].starts_with("a=crypto:2 AES_CM_128_HMAC_SHA1_32 "));
}

#[test]
fn a_body_that_was_here_before_is_left_alone() {
    let mut world = World::new();
    let mut offer = plain_offer("c", "a", PHONE);
    offer.flags.set(flag::LOOP_PROTECT);
    let out = world.sdp(&offer);
    let [mark] = lines(&out, "a=rtpengine:")[..] else {
        panic!("no mark: {out}")
    };
    assert_eq!(mark.len(), "a=rtpengine:".len() + 12);
    let mut again = plain_offer("c", "x", &out);
    again.flags.set(flag::LOOP_PROTECT);
    assert_eq!(world.sdp(&again), out);
    let foreign = out.replace(mark, "a=rtpengine:0123456789ab");
    again.sdp = Some(foreign.clone().into_bytes());
    assert_ne!(
        world.sdp(&again),
        foreign,
        "another relay's mark says nothing"
    );
}

#[test]
fn header_extensions_are_passed_on_unless_they_are_not_wanted() {
    let extensions = |change: fn(&mut control_proto::Request)| {
        let mut offer = plain_offer("c", "a", &chromium());
        change(&mut offer);
        lines(&World::new().sdp(&offer), "a=extmap:").len()
    };
    assert_eq!(extensions(|_| {}), 1);
    assert_eq!(extensions(|offer| offer.flags.set(flag::STRIP_EXTMAP)), 0);
    fn words(list: &str, uri: &str) -> Dictionary {
        Dictionary::new()
            .with("strip", "all")
            .with(list, Value::List(vec![uri.into()]))
    }
    assert_eq!(
        extensions(|offer| offer.other.push("extmap", words("mask", "x"))),
        0
    );
    let level = |offer: &mut control_proto::Request| {
        let words = words("except", "urn:ietf:params:rtp-hdrext:ssrc-audio-level");
        offer.other.push("extmap", words);
    };
    assert_eq!(extensions(level), 1);
}
