//! Peers and strangers who mean harm, or send nonsense.

use std::net::SocketAddr;
use std::time::Duration;

use crate::bodies::{OTHER_PHONE, PHONE};
use crate::browser::Browser;
use crate::media::{browser_calls, phone};
use crate::world::*;

fn attacker() -> SocketAddr {
    "192.0.2.66:6666".parse().unwrap()
}

#[test]
fn a_sprayer_hears_nothing_before_during_and_after_the_set_up() {
    let mut world = World::new();
    let mut browser = Browser::new("198.51.100.7:50000");
    let mut sequence = 0_u16;
    let mut spray = |world: &mut World| {
        for port in world.sockets.open.values().copied().collect::<Vec<_>>() {
            for _ in 0..50 {
                sequence = sequence.wrapping_add(7919);
                world.send(attacker(), port, &rtp(sequence, sequence.into(), b"bleed"));
                world.send(attacker(), port, &rtcp(sequence.into(), &[]));
            }
        }
        assert!(
            !world.sent.iter().any(|sent| sent.to == attacker()),
            "{:?}",
            world.sent
        );
    };
    world.sdp(&offer_to_phone("c", "a", None, &browser.body("actpass", 1)));
    spray(&mut world);
    let to_browser = world.sdp(&answer("c", "a", "b", PHONE));
    spray(&mut world);
    browser.take(&to_browser, &world);
    browser.connect(&mut world);
    spray(&mut world);
    let packet = rtp(1, 1, b"speech");
    browser.send_rtp(&mut world, &packet);
    assert_eq!(world.sent.pop_front().unwrap().to, phone());
    assert!(world.dropped("c", "wrong source") > 100);
    assert!(browser.heard.is_empty(), "and nobody hears the sprayer");
}

#[test]
fn a_sprayer_in_sequence_loses_the_stream_when_the_phone_speaks() {
    let mut call = browser_calls();
    for sequence in 0..50 {
        call.world
            .send(attacker(), call.rtp, &rtp(sequence, 66, b"bleed"));
    }
    call.browser.step(&mut call.world);
    call.world
        .send(phone(), call.rtp, &rtp(0, 0xf0e, b"the phone speaks"));
    call.browser.step(&mut call.world);
    call.browser.heard.clear();
    call.talk(1);
    call.browser
        .send_rtp(&mut call.world, &rtp(2, 0xb0b, b"speech"));
    assert_eq!(call.world.sent.pop_front().unwrap().to, phone());
    call.world
        .send(attacker(), call.rtp, &rtp(51, 66, b"bleed"));
    assert!(call.world.sent.is_empty());
}

#[test]
fn forged_and_replayed_packets_are_dropped_and_counted_and_the_call_goes_on() {
    let mut call = browser_calls();
    let valid = call
        .browser
        .send_rtp(&mut call.world, &rtp(1, 0xb0b, b"speech"));
    call.world.sent.clear();
    let relay = call.browser.relay.unwrap();
    for _ in 0..5 {
        assert_eq!(call.world.pass(call.browser.at, relay, &valid), None);
    }
    assert_eq!(call.world.dropped("c", "replayed"), 5);

    let next = call.browser.protect(&rtp(2, 0xb0b, b"speech"));
    for bit in 0..next.len() * 8 {
        let mut forged = next.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            call.world.pass(call.browser.at, relay, &forged),
            None,
            "bit {bit}"
        );
    }
    assert!(call.world.dropped("c", "authentication failed") > 100);
    assert!(
        call.world.pass(call.browser.at, relay, &next).is_some(),
        "the true one is still taken"
    );
    // The same bytes from elsewhere are not.
    let next = call.browser.protect(&rtp(3, 0xb0b, b"speech"));
    assert_eq!(call.world.pass(attacker(), relay, &next), None);
    (4..20).for_each(|sequence| call.talk(sequence));
}

#[test]
fn dtls_is_heard_only_from_a_source_that_ice_has_verified() {
    let mut world = World::new();
    let mut browser = Browser::new("198.51.100.7:50000");
    world.sdp(&offer_to_phone("c", "a", None, &browser.body("actpass", 1)));
    let to_browser = world.sdp(&answer("c", "a", "b", PHONE));
    browser.take(&to_browser, &world);
    let relay = addresses(&to_browser).0;

    // A ClientHello like any other, from a stranger, a thousand times.
    let mut stranger = dtls::Endpoint::new(
        &dtls::Identity::generate().unwrap(),
        dtls::Role::Active,
        None,
        world.now,
    );
    stranger.start(world.now);
    let hellos: Vec<Vec<u8>> = std::iter::from_fn(|| stranger.poll())
        .filter_map(|output| {
            if let dtls::Output::Send(bytes) = output {
                Some(bytes)
            } else {
                None
            }
        })
        .collect();
    assert!(!hellos.is_empty());
    for _ in 0..1000 {
        hellos
            .iter()
            .for_each(|hello| world.send(attacker(), relay, hello));
    }
    assert!(world.sent.is_empty(), "no reply");
    assert_eq!(
        world.dropped("c", "DTLS from unverified source"),
        1000 * hellos.len() as i64
    );
    browser.connect(&mut world);
}

#[test]
fn media_of_a_browser_with_another_certificate_goes_nowhere() {
    let mut world = World::new();
    let mut browser = Browser::new("198.51.100.7:50000");
    let body = browser.body("actpass", 1);
    let (head, _) = body.split_once("a=fingerprint:sha-256 ").unwrap();
    let (_, tail) = body.split_once("a=setup").unwrap();
    let lie = format!(
        "{head}a=fingerprint:sha-256 {}\r\na=setup{tail}",
        ["AB"; 32].join(":")
    );
    world.sdp(&offer_to_phone("c", "a", None, &lie));
    let to_browser = world.sdp(&answer("c", "a", "b", PHONE));
    browser.take(&to_browser, &world);
    for _ in 0..100 {
        browser.step(&mut world);
        world.advance(Duration::from_millis(20));
    }
    assert!(
        matches!(
            world.events[..],
            [causeway_relay::core::EventKind::DtlsFailed(_)]
        ),
        "{:?}",
        world.events
    );
    if browser.outbound.is_some() {
        browser.send_rtp(&mut world, &rtp(1, 1, b"speech"));
        assert!(!world.sent.iter().any(|sent| sent.to == phone()));
        assert_eq!(world.dropped("c", "no keys"), 1);
    }
}

#[test]
fn plain_packets_on_a_secure_leg_go_nowhere() {
    let mut call = browser_calls();
    let relay = call.browser.relay.unwrap();
    let at = call.browser.at;
    assert_eq!(
        call.world
            .pass(at, relay, &rtp(1, 1, b"in the clear, and long enough")),
        None
    );
    assert_eq!(call.world.pass(at, relay, &rtcp(1, &rtcp(1, &[]))), None);
    assert_eq!(
        call.world.dropped("c", "authentication failed") + call.world.dropped("c", "malformed"),
        2
    );
}

#[test]
fn nothing_is_sent_to_forbidden_addresses_or_to_ourselves() {
    let mut own_port = None;
    for target in [
        "127.0.0.1",
        "0.1.2.3",
        "224.0.0.1",
        "255.255.255.255",
        "169.254.169.254",
        "own",
    ] {
        let mut world = World::new();
        let out = world.sdp(&plain_offer("c", "a", PHONE));
        let port = addresses(&out).0.port();
        let mut evil = OTHER_PHONE.replace("c=IN IP4 10.0.0.30", &format!("c=IN IP4 {target}"));
        if target == "own" {
            own_port = Some(port);
            evil = OTHER_PHONE
                .replace("10.0.0.30", PUBLIC)
                .replace(" 5000 ", &format!(" {port} "));
        }
        let back = world.sdp(&answer("c", "a", "b", &evil));
        let relay = addresses(&back).0;
        assert_eq!(
            world.pass(phone(), relay, &rtp(1, 1, b"x")),
            None,
            "{target}"
        );
    }
    assert!(own_port.is_some());
}

#[test]
fn arbitrary_datagrams_change_nothing_and_never_panic() {
    let mut call = browser_calls();
    call.talk(1);
    let ports: Vec<SocketAddr> = call.world.sockets.open.values().copied().collect();
    let sources = [
        call.browser.at,
        phone(),
        attacker(),
        "10.0.0.20:4001".parse().unwrap(),
    ];
    let mut dice = testkit::Dice::new(8);
    // Every length with every first byte that leads anywhere, from everybody, to every port.
    for len in 0..=1500 {
        for first in [
            0_u8, 1, 20, 22, 23, 63, 64, 100, 0x80, 0x90, 0xa0, 0xbf, 0xff,
        ] {
            for (from, to) in sources
                .iter()
                .flat_map(|from| ports.iter().map(move |to| (*from, *to)))
            {
                let mut bytes = dice.bytes(len);
                if let Some(byte) = bytes.first_mut() {
                    *byte = first;
                }
                // What looks like the phone's own RTP or RTCP is passed on, as it must be.
                call.world.send(from, to, &bytes);
            }
        }
        assert!(!call.world.sent.iter().any(|sent| sent.to == attacker()));
        call.browser.step(&mut call.world);
        call.world.sent.clear();
    }
    call.browser.heard.clear();
    // What looked like the phone's own RTP was more than a call needs.
    call.world.advance(Duration::from_secs(2));
    call.talk(2);
}

#[test]
fn cut_and_bent_bodies_never_panic_and_leave_the_call_alone() {
    let mut call = browser_calls();
    let body = call.browser.body("actpass", 2);
    for at in 0..body.len() {
        let _ = call
            .world
            .command(&offer_to_phone("junk", "a", None, &body[..at]));
        let bent = format!("{}{}{}", &body[..at], "\u{fffd}", &body[at..]);
        let _ = call
            .world
            .command(&offer_to_phone("junk", "a", None, &bent));
        let _ = call.world.command(&answer("junk", "a", "b", &bent));
    }
    call.world
        .command(&request(control_proto::Command::Delete, "junk"));
    assert_eq!(call.world.shard.calls(), 1);
    call.talk(1);
}

#[test]
fn bent_keys_fragments_and_codecs_never_panic_and_leave_the_call_alone() {
    let mut call = browser_calls();
    let body = format!(
        "{PHONE}a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd|2^31|1:1\r\n\
         a=rtpmap:8 rtx/8000\r\na=fmtp:8 apt=0\r\na=extmap:1/sendrecv urn:x y\r\na=mid:0\r\n\
         a=candidate:9 1 udp 2122260222 198.51.100.77 41000 typ host\r\n"
    );
    for at in 0..body.len() {
        let bent = format!("{}{}{}", &body[..at], "|:9;", &body[at..]);
        let mut offer = plain_offer("junk", "a", &bent);
        offer.osrtp = vec!["offer".into(), "accept".into()];
        offer.codec.strip = vec!["all".into()];
        offer.codec.offer = vec!["PCMU/".into(), "/".into(), String::new(), "8".into()];
        offer.codec.except = vec!["rtx/8000/1/x".into()];
        let _ = call.world.command(&offer);
        offer.flags.set(control_proto::flag::FRAGMENT);
        let _ = call.world.command(&offer);
        let _ = call.world.command(&answer("junk", "a", "b", &bent));
    }
    call.world
        .command(&request(control_proto::Command::Delete, "junk"));
    assert_eq!(call.world.shard.calls(), 1);
    call.talk(1);
}

#[test]
fn a_body_with_endless_media_is_refused_and_takes_no_ports() {
    let mut world = World::new();
    let many = format!("{PHONE}{}", "m=audio 4000 RTP/AVP 0\r\n".repeat(1000));
    assert_eq!(
        world.command(&plain_offer("c", "a", &many)).error_reason(),
        Some("Failed to parse SDP")
    );
    assert_eq!((world.shard.calls(), world.sockets.open.len()), (0, 0));
}

#[test]
fn one_body_takes_no_more_than_a_few_ports() {
    let mut world = World::new();
    let many = format!("{PHONE}{}", "m=audio 4000 RTP/AVP 0\r\n".repeat(20));
    let out = world.sdp(&plain_offer("c", "a", &many));
    assert_eq!(
        lines(&out, "m=audio 0 RTP/AVP 0").len(),
        13,
        "every medium keeps its place"
    );
    assert_eq!(world.sockets.open.len(), 8 * 4);
}

#[test]
fn a_peers_flood_is_cut_and_its_call_goes_on() {
    let mut call = browser_calls();
    let mut passed = 0;
    for sequence in 0..20_000_u16 {
        call.browser
            .send_rtp(&mut call.world, &rtp(sequence, 0xb0b, b"flood"));
        passed += call.world.sent.drain(..).count();
        call.world.now += Duration::from_micros(20);
    }
    assert!((1000..1500).contains(&passed), "{passed}");
    assert!(call.world.dropped("c", "too many packets") > 18_000);
    call.world.advance(Duration::from_secs(2));
    call.talk(20_000);
}

#[test]
fn what_waited_too_long_is_counted_where_it_belongs_and_not_looked_into() {
    let mut call = browser_calls();
    let socket = |world: &World, at| {
        let mut open = world.sockets.open.iter();
        *open.find(|(_, open)| **open == at).unwrap().0
    };
    let (rtp_port, packet) = (socket(&call.world, call.rtp), rtp(1, 1, b"speech"));
    call.world.shard.too_late(rtp_port, phone(), &packet);
    assert_eq!(call.world.dropped("c", "waited too long"), 1);
    assert!(call.world.sent.is_empty());
    // Nothing was learnt from it: the same packet is still new.
    assert!(call.world.pass(phone(), call.rtp, &packet).is_some());
    let strays = call.world.shard.strays();
    let nowhere = causeway_relay::core::SocketId(u32::MAX);
    call.world.shard.too_late(nowhere, phone(), &packet);
    assert_eq!(call.world.shard.strays(), strays + 1);
}

#[test]
fn two_calls_that_are_each_others_peers_fall_silent_within_a_second() {
    let mut world = World::new();
    let port = |body: &str| addresses(body).0;
    let turned = |at: SocketAddr| {
        PHONE
            .replace("10.0.0.20", &at.ip().to_string())
            .replace(" 4000 ", &format!(" {} ", at.port()))
    };
    // Packets that the phone sends to `one` come out towards `two`, which gives them back to `one`.
    let towards_two = port(&world.sdp(&plain_offer("one", "a", PHONE)));
    let entrance = port(&world.sdp(&answer("one", "a", "b", OTHER_PHONE)));
    let back_to_one = port(&world.sdp(&plain_offer("two", "c", &turned(entrance))));
    let exit = port(&world.sdp(&answer("two", "c", "d", &turned(towards_two))));
    world.sdp(&plain_offer("one", "a", PHONE));
    world.sdp(&answer("one", "a", "b", &turned(back_to_one)));
    for sequence in 0..20 {
        world.send(phone(), entrance, &rtp(sequence, 1, b"thrown in"));
    }
    world.sdp(&plain_offer("one", "a", &turned(exit)));
    // A hop takes no time to speak of; a second of them, and not one packet is left.
    let (mut hops, end) = (0_u32, world.now + Duration::from_secs(1));
    while let Some(sent) = world.sent.pop_front() {
        hops += 1;
        world.now += Duration::from_micros(20);
        assert!(world.now < end, "{hops} hops, and they still go round");
        world.send(sent.from, sent.to, &sent.bytes);
    }
    assert!(hops > 100, "{hops}: they never went round");
}

#[test]
fn ten_thousand_candidates_take_no_ports_and_nothing_is_sent_to_any_of_them() {
    let mut world = World::new();
    let browser = Browser::new("198.51.100.7:50000");
    let mut body = browser.body("actpass", 1);
    let taken = |world: &World| world.sockets.open.len();
    world.sdp(&offer_to_phone("plain", "a", None, &body));
    let usual = taken(&world);
    for number in 0..10_000 {
        let (component, host) = match number % 4 {
            0 => (65_535, "198.51.100.66"),
            1 => (1, "5b1c2f0e.local"),
            2 => (1, "169.254.169.254"),
            _ => (1, "198.51.100.66"),
        };
        body += &format!("a=candidate:{number} {component} udp {number} {host} 4000 typ host\r\n");
    }
    let response = world.command(&offer_to_phone("many", "a", None, &body));
    assert!(taken(&world) <= 2 * usual, "{response:?}");
    world.advance(Duration::from_secs(10));
    assert!(world.sent.is_empty(), "{:?}", world.sent);
}

#[test]
fn a_goodbye_in_rtcp_ends_nothing_and_one_in_the_clear_is_nobodys() {
    let mut call = browser_calls();
    let goodbye = [0x81, 203, 0, 1, 0, 0, 0x0b, 0x0b];
    let relay = call.browser.relay.unwrap();
    for _ in 0..100 {
        assert_eq!(call.world.pass(call.browser.at, relay, &goodbye), None);
        assert_eq!(call.world.pass(attacker(), relay, &goodbye), None);
    }
    call.world
        .send(crate::media::phone_rtcp(), call.rtcp, &goodbye);
    call.world.sent.clear();
    call.talk(1);
    assert_eq!(call.world.shard.calls(), 1);
}
