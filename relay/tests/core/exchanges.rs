//! Offers and answers: what each side is told.

use crate::bodies::{OTHER_PHONE, PHONE, chromium, hiding_firefox};
use crate::browser::Browser;
use crate::world::*;
use control_proto::Command;

fn version(sdp: &str) -> u64 {
    lines(sdp, "o=")[0]
        .split(' ')
        .nth(2)
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn a_browser_calls_a_phone() {
    let mut world = World::new();
    let to_phone = world.sdp(&offer_to_phone("c", "a", None, &chromium()));
    let (rtp, rtcp) = addresses(&to_phone);
    assert_eq!(
        to_phone,
        format!(
            "v=0\r\n\
             o=- 4611731400430051336 2 IN IP4 10.0.0.4\r\n\
             s=-\r\n\
             t=0 0\r\n\
             a=extmap-allow-mixed\r\n\
             a=msid-semantic: WMS stream\r\n\
             m=audio {} RTP/AVP 111 0 8 110\r\n\
             c=IN IP4 10.0.0.4\r\n\
             a=mid:0\r\n\
             a=rtpmap:111 opus/48000/2\r\n\
             a=fmtp:111 minptime=10;useinbandfec=1\r\n\
             a=rtcp-fb:111 transport-cc\r\n\
             a=rtpmap:0 PCMU/8000\r\n\
             a=rtpmap:8 PCMA/8000\r\n\
             a=rtpmap:110 telephone-event/48000\r\n\
             a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
             a=msid:stream track\r\n\
             a=sendrecv\r\n\
             a=rtcp:{}\r\n",
            rtp.port(),
            rtcp.port()
        )
    );
    assert_eq!((rtp.port() % 2, rtcp.port()), (0, rtp.port() + 1));

    let to_browser = world.sdp(&answer("c", "a", "b", PHONE));
    let port = addresses(&to_browser).0.port();
    let pick = |prefix: &str| lines(&to_browser, prefix)[0].to_owned();
    assert_eq!(
        to_browser,
        format!(
            "v=0\r\n\
             o=phone 2890844526 1 IN IP4 10.0.0.20\r\n\
             s=call\r\n\
             t=0 0\r\n\
             a=ice-lite\r\n\
             a=group:BUNDLE 0\r\n\
             m=audio {port} UDP/TLS/RTP/SAVPF 0 8 101\r\n\
             c=IN IP4 203.0.113.1\r\n\
             a=mid:0\r\n\
             a=rtpmap:0 PCMU/8000\r\n\
             a=rtpmap:8 PCMA/8000\r\n\
             a=rtpmap:101 telephone-event/8000\r\n\
             a=fmtp:101 0-15\r\n\
             a=x-keep:this\r\n\
             a=sendrecv\r\n\
             a=rtcp:{port}\r\n\
             a=rtcp-mux\r\n\
             a=setup:passive\r\n\
             {}\r\n\
             {}\r\n\
             a=ptime:20\r\n\
             {}\r\n\
             {}\r\n\
             {}\r\n",
            pick("a=fingerprint:sha-256 "),
            pick("a=tls-id:"),
            pick("a=ice-ufrag:"),
            pick("a=ice-pwd:"),
            pick("a=candidate:"),
        )
    );
    assert!(
        pick("a=candidate:").ends_with(&format!(" 1 UDP 2130706431 203.0.113.1 {port} typ host"))
    );
}

#[test]
fn a_phone_calls_a_browser() {
    let mut world = World::new();
    let to_browser = world.sdp(&offer_to_browser("c", "a", None, PHONE));
    let port = addresses(&to_browser).0.port();
    assert_eq!(
        lines(&to_browser, "m="),
        [format!("m=audio {port} UDP/TLS/RTP/SAVPF 0 8 101")]
    );
    assert_eq!(lines(&to_browser, "a=setup"), ["a=setup:actpass"]);
    assert_eq!(lines(&to_browser, "a=mid"), ["a=mid:0"]);
    assert_eq!(
        lines(&to_browser, "a=rtcp"),
        [format!("a=rtcp:{port}"), "a=rtcp-mux".into()]
    );
    assert_eq!(lines(&to_browser, "a=candidate").len(), 1);
    assert_eq!(lines(&to_browser, "a=ice-lite").len(), 1);
    assert!(lines(&to_browser, "a=crypto").is_empty());

    let browser = Browser::new("198.51.100.7:50000");
    let to_phone = world.sdp(&answer("c", "a", "b", &browser.body("active", 2)));
    let rtp = addresses(&to_phone).0;
    assert_eq!(
        lines(&to_phone, "m="),
        [format!("m=audio {} RTP/AVP 0 8 101", rtp.port())]
    );
    assert_eq!(lines(&to_phone, "c="), ["c=IN IP4 10.0.0.4"]);
    for gone in [
        "a=ice",
        "a=fingerprint",
        "a=setup",
        "a=candidate",
        "a=rtcp-mux",
        "a=mid",
        "a=group",
        "a=ssrc",
    ] {
        assert!(lines(&to_phone, gone).is_empty(), "{gone} in {to_phone}");
    }
}

#[test]
fn the_same_offer_again_after_a_407_gives_the_same_body_and_ports() {
    let mut world = World::new();
    let first = world.sdp(&offer_to_phone("c", "a", None, &chromium()));
    let ports = world.sockets.open.clone();
    let again = world.sdp(&offer_to_phone("c", "a", None, &chromium()));
    assert_eq!(first, again);
    assert_eq!(ports, world.sockets.open);
    let to_browser = world.sdp(&answer("c", "a", "b", PHONE));
    assert_eq!(to_browser, world.sdp(&answer("c", "a", "b", PHONE)));
}

#[test]
fn another_phone_of_a_fork_changes_nothing_on_the_browsers_side() {
    let mut world = World::new();
    world.sdp(&offer_to_phone("c", "a", None, &chromium()));
    let by_183 = world.sdp(&answer("c", "a", "b1", PHONE));
    let by_200 = world.sdp(&answer("c", "a", "b2", OTHER_PHONE));
    assert_eq!(by_183, by_200);
}

#[test]
fn a_reoffer_keeps_ports_credentials_role_and_fingerprint() {
    let mut world = World::new();
    let mut browser = Browser::new("198.51.100.7:50000");
    let to_phone = world.sdp(&offer_to_phone("c", "a", None, &browser.body("actpass", 1)));
    let to_browser = world.sdp(&answer("c", "a", "b", PHONE));
    browser.take(&to_browser, &world);

    // The browser holds.
    let hold = browser
        .body("actpass", 2)
        .replace("a=sendrecv", "a=sendonly");
    let hold_to_phone = world.sdp(&offer_to_phone("c", "a", Some("b"), &hold));
    assert_eq!(addresses(&to_phone), addresses(&hold_to_phone));
    assert_eq!(lines(&hold_to_phone, "a=send"), ["a=sendonly"]);
    assert_eq!((version(&to_phone), version(&hold_to_phone)), (1, 2));
    let held = PHONE.replace("a=ptime:20", "a=recvonly\r\na=ptime:20");
    let hold_to_browser = world.sdp(&answer("c", "a", "b", &held));
    assert_eq!(
        hold_to_browser.replace("a=recvonly", "a=sendrecv"),
        to_browser.replace(" 2890844526 1 ", " 2890844526 2 ")
    );

    // The phone offers: the browser keeps being the DTLS client it was.
    let phone_offers = world.sdp(&offer_to_browser("c", "b", Some("a"), PHONE));
    for same in [
        "a=group",
        "a=ice-ufrag",
        "a=ice-pwd",
        "a=fingerprint",
        "a=tls-id",
        "a=candidate",
        "m=",
        "a=mid",
        "a=rtcp",
    ] {
        assert_eq!(lines(&phone_offers, same), lines(&to_browser, same));
    }
    assert_eq!(lines(&phone_offers, "a=setup"), ["a=setup:actpass"]);
    let browser_answers = world.sdp(&answer("c", "b", "a", &browser.body("active", 3)));
    assert_eq!(addresses(&browser_answers), addresses(&to_phone));

    // And once more from the browser.
    world.sdp(&offer_to_phone(
        "c",
        "a",
        Some("b"),
        &browser.body("actpass", 4),
    ));
    let last = world.sdp(&answer("c", "a", "b", PHONE));
    assert_eq!(lines(&last, "a=setup"), ["a=setup:passive"]);
    assert_eq!(
        lines(&last, "a=ice-ufrag"),
        lines(&to_browser, "a=ice-ufrag")
    );
}

#[test]
fn an_ice_restart_gives_new_credentials_and_the_same_fingerprint_and_port() {
    let mut world = World::new();
    let mut browser = Browser::new("198.51.100.7:50000");
    world.sdp(&offer_to_phone("c", "a", None, &browser.body("actpass", 1)));
    let first = world.sdp(&answer("c", "a", "b", PHONE));
    browser.restart_ice();
    world.sdp(&offer_to_phone(
        "c",
        "a",
        Some("b"),
        &browser.body("actpass", 2),
    ));
    let second = world.sdp(&answer("c", "a", "b", PHONE));
    for same in ["a=fingerprint", "a=tls-id", "a=setup", "m=", "a=candidate"] {
        assert_eq!(lines(&first, same), lines(&second, same));
    }
    for other in ["a=ice-ufrag", "a=ice-pwd"] {
        assert_ne!(lines(&first, other), lines(&second, other));
    }
}

#[test]
fn an_offer_in_the_200_is_answered_in_the_ack() {
    // INVITE without SDP from the phone's side; the browser's 200 has the offer.
    let mut world = World::new();
    let mut browser = Browser::new("198.51.100.7:50000");
    let mut late = offer_to_phone("c", "callee", Some("caller"), &browser.body("actpass", 1));
    late.direction = Some(["public".into(), "private".into()]);
    let to_phone = world.sdp(&late);
    assert_eq!(lines(&to_phone, "c="), ["c=IN IP4 10.0.0.4"]);
    let to_browser = world.sdp(&answer("c", "callee", "caller", PHONE));
    assert_eq!(lines(&to_browser, "a=setup"), ["a=setup:passive"]);
    browser.take(&to_browser, &world);
    browser.connect(&mut world);
}

#[test]
fn the_zero_address_of_a_phone_is_a_hold() {
    let mut world = World::new();
    let browser = Browser::new("198.51.100.7:50000");
    world.sdp(&offer_to_phone("c", "a", None, &browser.body("actpass", 1)));
    world.sdp(&answer("c", "a", "b", PHONE));
    let hold = PHONE.replace("c=IN IP4 10.0.0.20", "c=IN IP4 0.0.0.0");
    let to_browser = world.sdp(&offer_to_browser("c", "b", Some("a"), &hold));
    assert_eq!(lines(&to_browser, "a=send"), ["a=sendonly"]);
    assert_eq!(lines(&to_browser, "c="), ["c=IN IP4 203.0.113.1"]);
}

#[test]
fn a_plain_side_is_told_of_a_hold_by_the_zero_address() {
    let mut world = World::new();
    world.sdp(&plain_offer("c", "a", PHONE));
    world.sdp(&answer("c", "a", "b", OTHER_PHONE));
    let hold = PHONE.replace("c=IN IP4 10.0.0.20", "c=IN IP4 0.0.0.0");
    let out = world.sdp(&plain_offer("c", "a", &hold));
    assert_eq!(
        (lines(&out, "c="), lines(&out, "a=send")),
        (vec!["c=IN IP4 0.0.0.0"], vec!["a=sendonly"])
    );
    let mut unchanged = plain_offer("c", "a", &hold);
    unchanged.replace.zero_address = true;
    unchanged.flags.set(control_proto::flag::ORIGINAL_SENDRECV);
    let out = world.sdp(&unchanged);
    assert_eq!(
        (lines(&out, "c="), lines(&out, "a=send")),
        (vec!["c=IN IP4 203.0.113.1"], vec!["a=sendrecv"])
    );
}

#[test]
fn a_firefox_that_hides_its_addresses_is_not_on_hold_for_the_phone() {
    let mut world = World::new();
    let to_phone = world.sdp(&offer_to_phone("c", "a", None, &hiding_firefox()));
    assert_eq!(lines(&to_phone, "a=send"), ["a=sendrecv"]);
    assert_eq!(lines(&to_phone, "c="), ["c=IN IP4 10.0.0.4"]);
    for leak in ["0.0.0.0", ".local", "candidate"] {
        assert!(!to_phone.contains(leak), "{leak} in {to_phone}");
    }
}

#[test]
fn a_rejected_medium_keeps_its_place_and_its_mid() {
    let mut world = World::new();
    let two = format!(
        "{}m=video 50002 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 198.51.100.7\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\na=rtcp-mux\r\na=ice-ufrag:BRWS\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=setup:actpass\r\na=fingerprint:sha-256 {}\r\n",
        chromium().replace("BUNDLE 0", "BUNDLE 0 1"),
        ["AB"; 32].join(":")
    );
    let to_phone = world.sdp(&offer_to_phone("c", "a", None, &two));
    assert_eq!(lines(&to_phone, "m=").len(), 2);
    assert!(
        lines(&to_phone, "a=group").is_empty(),
        "each medium has its own port"
    );
    let refusal = format!("{PHONE}m=video 0 RTP/AVP 96\r\n");
    let to_browser = world.sdp(&answer("c", "a", "b", &refusal));
    let video = to_browser.split_once("m=video").unwrap().1;
    assert_eq!(
        video,
        " 0 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\n"
    );
    assert_eq!(
        lines(&to_browser, "a=group"),
        ["a=group:BUNDLE 0"],
        "one medium is left"
    );

    let both = format!("{PHONE}m=video 4002 RTP/AVP 96\r\n");
    let to_browser = world.sdp(&answer("c", "a", "b", &both));
    assert!(lines(&to_browser, "a=group").is_empty());
    assert_eq!(
        lines(&to_browser, "a=setup").len(),
        2,
        "a fork that takes it still can"
    );
}

#[test]
fn what_cannot_be_relayed_is_rejected_and_the_rest_goes_on() {
    let mut world = World::new();
    let data = format!(
        "{}m=application 50000 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 198.51.100.7\r\na=mid:data\r\na=sctp-port:5000\r\n",
        chromium()
    );
    let to_phone = world.sdp(&offer_to_phone("c", "a", None, &data));
    assert!(to_phone.contains("m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n"));
    assert!(!lines(&to_phone, "m=audio")[0].starts_with("m=audio 0 "));
}

#[test]
fn a_secure_medium_without_usable_keys_is_rejected() {
    let mut world = World::new();
    let no_keys = chromium().replace("a=fingerprint:sha-256", "a=fingerprint:md5");
    assert!(
        world
            .sdp(&offer_to_phone("c", "a", None, &no_keys))
            .contains("m=audio 0 ")
    );
    world.sdp(&offer_to_browser("d", "a", None, PHONE));
    let keyless = chromium().replace("a=fingerprint", "a=x-fingerprint");
    assert!(
        world
            .sdp(&answer("d", "a", "b", &keyless))
            .contains("m=audio 0 ")
    );
}

#[test]
fn interfaces_families_and_addresses_are_as_asked() {
    use causeway_relay::core::{Advertise, Bind, Interface};
    let mut world = World::with(|config| {
        for (name, bind, advertise) in [
            ("public", "2001:db8::1", "2001:db8::1"),
            ("nat", "10.9.9.9", "192.0.2.99"),
        ] {
            let (bind, advertise) = (
                Bind(bind.parse().unwrap()),
                Advertise(advertise.parse().unwrap()),
            );
            config.interfaces.push(Interface {
                name: name.into(),
                bind,
                advertise,
            });
        }
    });
    let mut offer = plain_offer("c", "a", PHONE);
    offer.direction = Some(["nat".into(), "public".into()]);
    offer.address_family = Some(control_proto::AddressFamily::Ip6);
    assert_eq!(lines(&world.sdp(&offer), "c="), ["c=IN IP6 2001:db8::1"]);
    assert_eq!(
        lines(&world.sdp(&answer("c", "a", "b", OTHER_PHONE)), "c="),
        ["c=IN IP4 192.0.2.99"]
    );
    assert!(
        world
            .sockets
            .open
            .values()
            .any(|at| at.ip().to_string() == "10.9.9.9")
    );

    let mut unknown = plain_offer("d", "a", PHONE);
    unknown.direction = Some(["nowhere".into(), "nowhere".into()]);
    unknown.media_address = Some("192.0.2.5".parse().unwrap());
    assert_eq!(lines(&world.sdp(&unknown), "c="), ["c=IN IP4 192.0.2.5"]);
}

#[test]
fn commands_are_refused_in_ngs_exact_words() {
    let mut world = World::new();
    let reason = |world: &mut World, request: control_proto::Request| {
        world
            .command(&request)
            .error_reason()
            .unwrap_or_default()
            .to_owned()
    };
    let full = plain_offer("c", "a", PHONE);
    let without = |change: fn(&mut control_proto::Request)| {
        let mut request = plain_offer("c", "a", PHONE);
        change(&mut request);
        request
    };
    assert_eq!(
        reason(&mut world, without(|r| r.sdp = None)),
        "No SDP body in message"
    );
    assert_eq!(
        reason(&mut world, without(|r| r.call_id = None)),
        "No call-id in message"
    );
    assert_eq!(
        reason(&mut world, without(|r| r.from_tag = None)),
        "No from-tag in message"
    );
    assert_eq!(
        reason(&mut world, without(|r| r.sdp = Some(b"v=\r\n".to_vec()))),
        "Failed to parse SDP"
    );
    assert_eq!(
        reason(&mut world, without(|r| r.to_tag = Some("a".into()))),
        "Invalid dialogue association"
    );
    assert_eq!(
        reason(&mut world, answer("c", "a", "b", PHONE)),
        "Unknown call-id"
    );
    assert_eq!(world.shard.calls(), 0, "none of them made a call");
    assert_eq!(reason(&mut world, full), "");
    let mut no_to_tag = answer("c", "a", "b", PHONE);
    no_to_tag.to_tag = None;
    assert_eq!(reason(&mut world, no_to_tag), "No to-tag in message");
    assert_eq!(
        reason(&mut world, request(Command::Query, "x")),
        "Unknown call-id"
    );
    for absent in [
        Command::PlayMedia,
        Command::StopMedia,
        Command::StartForwarding,
        Command::StopForwarding,
        Command::InjectStart,
        Command::InjectStop,
        Command::Connect,
        Command::Create,
        Command::CreateAnswer,
        Command::Mesh,
        Command::Transform,
        Command::Cli,
    ] {
        assert_eq!(
            reason(&mut world, request(absent, "c")),
            format!("Command '{}' is not supported", absent.name())
        );
    }
    assert!(world.command(&request(Command::Ping, "c")).is_pong());
}

#[test]
fn a_reoffer_without_any_wish_speaks_to_each_side_as_before() {
    let mut world = World::new();
    let browser = Browser::new("198.51.100.7:50000");
    world.sdp(&offer_to_phone("c", "a", None, &browser.body("actpass", 1)));
    let to_browser = world.sdp(&answer("c", "a", "b", PHONE));
    let mut bare = plain_offer("c", "b", PHONE);
    bare.to_tag = Some("a".into());
    let offered = world.sdp(&bare);
    for same in [
        "m=",
        "c=",
        "a=fingerprint",
        "a=ice-ufrag",
        "a=candidate",
        "a=rtcp",
    ] {
        assert_eq!(lines(&offered, same), lines(&to_browser, same));
    }
}
