//! Transport protocols, SDES and rtcp-mux: how each side is to be spoken to.

use crate::bodies::{OTHER_PHONE, PHONE};
use crate::world::*;

#[test]
fn the_answer_restores_the_offerers_protocol() {
    use control_proto::TransportProtocol::*;
    let protocols = [
        RtpAvp,
        RtpAvpf,
        RtpSavp,
        RtpSavpf,
        UdpTlsRtpSavp,
        UdpTlsRtpSavpf,
    ];
    for from in protocols {
        for to in protocols {
            let mut world = World::new();
            let offered = secured(PHONE, from.word());
            let mut offer = plain_offer("c", "a", &offered);
            offer.transport_protocol = Some(to);
            let out = world.sdp(&offer);
            assert!(
                lines(&out, "m=")[0].contains(&format!(" {} ", to.word())),
                "{out}"
            );
            let is_secure = to.word().contains("SAVP");
            assert_eq!(lines(&out, "a=crypto").is_empty(), !is_secure);
            assert_eq!(
                lines(&out, "a=setup"),
                if is_secure {
                    vec!["a=setup:actpass"]
                } else {
                    vec![]
                }
            );

            let answered = secured(OTHER_PHONE, to.word());
            let back = world.sdp(&answer("c", "a", "b", &answered));
            assert!(
                lines(&back, "m=")[0].contains(&format!(" {} ", from.word())),
                "{back}"
            );
            let keys = lines(&back, "a=fingerprint").len() + lines(&back, "a=crypto").len();
            assert_eq!(
                keys,
                usize::from(from.word().contains("SAVP")),
                "only the chosen one: {back}"
            );
        }
    }
}

/// The body with that protocol, and with keys where it needs them: SDES by name, or DTLS. The suite stands under the
/// tag that we give it first and the one that we give it last, so that the body does as an answer too.
fn secured(body: &str, protocol: &str) -> String {
    let keys = match protocol {
        "RTP/SAVP" | "RTP/SAVPF" => [1, 5]
            .map(|tag| format!("a=crypto:{tag} AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\r\n"))
            .concat(),
        "RTP/AVP" | "RTP/AVPF" => String::new(),
        _ => format!("a=setup:active\r\na=fingerprint:sha-256 {}\r\n", ["AB"; 32].join(":")),
    };
    format!("{}{keys}", body.replace("RTP/AVP", protocol))
}

#[test]
fn sdes_is_offered_in_order_answered_with_its_tag_and_stable_over_reoffers() {
    let mut world = World::new();
    let mut offer = plain_offer("c", "a", PHONE);
    offer.transport_protocol = Some(control_proto::TransportProtocol::RtpSavp);
    offer.dtls = Some(control_proto::Dtls::Off);
    let out = world.sdp(&offer);
    let suites: Vec<&str> = lines(&out, "a=crypto")
        .iter()
        .map(|line| line.split(' ').nth(1).unwrap())
        .collect();
    assert_eq!(
        suites,
        [
            "AEAD_AES_256_GCM",
            "AEAD_AES_128_GCM",
            "AES_256_CM_HMAC_SHA1_80",
            "AES_256_CM_HMAC_SHA1_32",
            "AES_CM_128_HMAC_SHA1_80",
            "AES_CM_128_HMAC_SHA1_32"
        ]
    );
    assert!(
        !out.contains('='.to_string().repeat(2).as_str()),
        "keys have no padding"
    );
    assert!(lines(&out, "a=fingerprint").is_empty());
    assert_eq!(out, world.sdp(&offer), "the same keys again");

    let offered = "a=crypto:7 AES_CM_128_HMAC_SHA1_32 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd|2^20|1:9\r\n\
                   a=crypto:8 AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd UNENCRYPTED_SRTP\r\n\
                   a=crypto:9 F8_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\r\n\
                   a=crypto:10 AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\r\n";
    let secure = format!("{}{offered}", PHONE.replace("RTP/AVP", "RTP/SAVP"));
    world.sdp(&offer_to_phone("d", "a", None, &secure));
    let back = world.sdp(&answer("d", "a", "b", OTHER_PHONE));
    let [line] = lines(&back, "a=crypto")[..] else {
        panic!("one line: {back}")
    };
    assert!(
        line.starts_with("a=crypto:10 AES_CM_128_HMAC_SHA1_80 inline:"),
        "{line}"
    );
    assert!(!line.contains("AAECAwQF"), "our own key");
    world.sdp(&offer_to_phone("d", "a", Some("b"), &secure));
    assert_eq!(
        back,
        world.sdp(&answer("d", "a", "b", OTHER_PHONE)),
        "the same key again"
    );
}

#[test]
fn rtcp_mux_once_agreed_is_required_from_then_on() {
    let mut world = World::new();
    let muxing = format!("{OTHER_PHONE}a=rtcp-mux\r\n");
    let mut offer = plain_offer("c", "a", PHONE);
    offer.rtcp_mux.offer = true;
    let first = world.sdp(&offer);
    let rtp = addresses(&first).0.port();
    assert_eq!(
        lines(&first, "a=rtcp"),
        [format!("a=rtcp:{}", rtp + 1), "a=rtcp-mux".into()],
        "it may be refused"
    );
    let back = world.sdp(&answer("c", "a", "b", &muxing));
    assert!(
        !back.contains("a=rtcp-mux"),
        "who did not offer it is not answered it"
    );
    let again = world.sdp(&plain_offer("c", "a", PHONE));
    assert_eq!(
        lines(&again, "a=rtcp"),
        [format!("a=rtcp:{rtp}"), "a=rtcp-mux".into()]
    );
}

#[test]
fn a_refused_rtcp_mux_leaves_two_ports() {
    let mut world = World::new();
    let muxing = format!("{PHONE}a=rtcp-mux\r\n");
    let mut offer = plain_offer("c", "a", &muxing);
    offer.rtcp_mux.reject = true;
    assert!(
        world.sdp(&offer).contains("a=rtcp-mux"),
        "the callee may still"
    );
    let back = world.sdp(&answer(
        "c",
        "a",
        "b",
        &format!("{OTHER_PHONE}a=rtcp-mux\r\n"),
    ));
    let (rtp, rtcp) = addresses(&back);
    assert_eq!(
        (back.contains("a=rtcp-mux"), rtcp.port()),
        (false, rtp.port() + 1)
    );
}

#[test]
fn the_answerers_own_protocol_goes_through_where_that_is_asked_for() {
    use control_proto::TransportProtocol::{Accept, RtpAvpf};
    for asked in [false, true] {
        let mut world = World::new();
        world.sdp(&plain_offer(
            "c",
            "a",
            &PHONE.replace("RTP/AVP", "RTP/AVPF"),
        ));
        let mut reply = answer("c", "a", "b", OTHER_PHONE);
        reply.transport_protocol = Some(if asked { Accept } else { RtpAvpf });
        let name = if asked { " RTP/AVP " } else { " RTP/AVPF " };
        assert!(lines(&world.sdp(&reply), "m=")[0].contains(name));
        world.sdp(&plain_offer("d", "a", &secured(PHONE, "RTP/SAVP")));
        reply.call_id = Some("d".into());
        let back = world.sdp(&reply);
        assert!(
            !lines(&back, "m=")[0].contains("/AVP"),
            "never from secure to plain: {back}"
        );
    }
}

#[test]
fn rtcp_mux_is_accepted_for_a_callee_without_it_when_that_is_asked_for() {
    let muxing = format!("{PHONE}a=rtcp-mux\r\n");
    for (accept, demux) in [(false, false), (true, false), (false, true)] {
        let mut world = World::new();
        let mut offer = plain_offer("c", "a", &muxing);
        (offer.rtcp_mux.accept, offer.rtcp_mux.demux) = (accept, demux);
        let to_callee = world.sdp(&offer);
        assert_eq!(
            to_callee.contains("a=rtcp-mux"),
            !demux,
            "demux keeps it from the callee"
        );
        let back = world.sdp(&answer("c", "a", "b", OTHER_PHONE));
        let (rtp, rtcp) = addresses(&back);
        assert_eq!(back.contains("a=rtcp-mux"), accept || demux);
        assert_eq!(rtp == rtcp, accept || demux);
    }
}

#[test]
fn rtcp_mux_that_is_required_takes_one_port_from_the_first_offer_on() {
    let mut world = World::new();
    let mut offer = plain_offer("c", "a", PHONE);
    offer.rtcp_mux.require = true;
    let out = world.sdp(&offer);
    let (rtp, rtcp) = addresses(&out);
    assert_eq!((rtp, out.contains("a=rtcp-mux")), (rtcp, true));
    assert_eq!(
        world.sockets.open.len(),
        3,
        "two for the caller, one for the callee"
    );
}

#[test]
fn an_answer_of_another_kind_than_the_offer_is_no_answer() {
    for (offered, answered) in [
        ("RTP/AVP 0", "udptl t38"),
        ("RTP/AVP 0", "RTP'AVP 0"),
        ("udptl t38", "RTP/AVP 0"),
    ] {
        let body = |of: &str, kind: &str| of.replace("RTP/AVP 0 8 101", kind);
        let mut world = World::new();
        world.sdp(&plain_offer("c", "a", &body(PHONE, offered)));
        let back = world.sdp(&answer("c", "a", "b", &body(OTHER_PHONE, answered)));
        assert_eq!(lines(&back, "m="), [format!("m=audio 0 {answered}")]);
    }
}
