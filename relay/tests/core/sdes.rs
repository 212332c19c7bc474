//! SDES: which suites are offered and taken, under which tags, and how long a key stays.

use control_proto::{Request, Sdes, TransportProtocol};

use srtp::{Inbound, MasterKey, Outbound, Suite};

use crate::bodies::{OTHER_PHONE, PHONE};
use crate::world::*;

const KEY: &str = "inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd";

/// An offer from a plain phone to one that is to speak SDES.
fn to_secure(words: Sdes) -> Request {
    let mut offer = plain_offer("c", "a", PHONE);
    offer.transport_protocol = Some(TransportProtocol::RtpSavp);
    offer.dtls = Some(control_proto::Dtls::Off);
    offer.sdes = words;
    offer
}

/// A phone with these suites, by tag.
fn secure(body: &str, suites: &[(u32, &str)]) -> String {
    let lines = suites
        .iter()
        .map(|(tag, suite)| format!("a=crypto:{tag} {suite} {KEY}\r\n"));
    body.replace("RTP/AVP", "RTP/SAVP") + &lines.collect::<String>()
}

fn suites(body: &str) -> Vec<String> {
    let suite = |line: &&str| line.split(' ').nth(1).unwrap().to_owned();
    lines(body, "a=crypto").iter().map(suite).collect()
}

fn words(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn no_and_only_choose_what_is_offered_and_only_beats_no() {
    let offered = |words| suites(&World::new().sdp(&to_secure(words)));
    let no = words(&["AEAD_AES_256_GCM", "AES_CM_128_HMAC_SHA1_32"]);
    let left = offered(Sdes {
        no: no.clone(),
        ..Sdes::default()
    });
    assert_eq!(
        left,
        [
            "AEAD_AES_128_GCM",
            "AES_256_CM_HMAC_SHA1_80",
            "AES_256_CM_HMAC_SHA1_32",
            "AES_CM_128_HMAC_SHA1_80"
        ]
    );
    let only = words(&["AES_CM_128_HMAC_SHA1_32"]);
    assert_eq!(
        offered(Sdes {
            no,
            only,
            ..Sdes::default()
        }),
        ["AES_CM_128_HMAC_SHA1_32"]
    );
}

#[test]
fn order_puts_the_named_suites_first() {
    let order = words(&["AES_CM_128_HMAC_SHA1_80", "AEAD_AES_128_GCM", "NONE_SUCH"]);
    let offered = suites(&World::new().sdp(&to_secure(Sdes {
        order,
        ..Sdes::default()
    })));
    assert_eq!(
        offered[..3],
        [
            "AES_CM_128_HMAC_SHA1_80",
            "AEAD_AES_128_GCM",
            "AEAD_AES_256_GCM"
        ]
    );
    assert_eq!(offered.len(), 6);
}

#[test]
fn the_offerers_suites_are_passed_on_under_their_tags_and_ours_follow_above() {
    let mut offer = to_secure(Sdes::default());
    let body = secure(
        PHONE,
        &[
            (4, "AES_CM_128_HMAC_SHA1_80"),
            (2, "AES_CM_128_HMAC_SHA1_32"),
        ],
    );
    offer.sdp = Some(body.into_bytes());
    let out = World::new().sdp(&offer);
    let tags: Vec<&str> = lines(&out, "a=crypto")
        .iter()
        .map(|line| &line[9..line.find(' ').unwrap()])
        .collect();
    assert_eq!(tags, ["4", "2", "5", "6", "7", "8"]);
    assert_eq!(
        suites(&out)[..2],
        ["AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"]
    );
}

#[test]
fn nonew_adds_nothing_and_beats_the_filters() {
    let mut offer = to_secure(Sdes {
        no_new: true,
        only: words(&["AEAD_AES_128_GCM"]),
        ..Sdes::default()
    });
    offer.sdp = Some(secure(PHONE, &[(4, "AES_CM_128_HMAC_SHA1_80")]).into_bytes());
    assert_eq!(
        suites(&World::new().sdp(&offer)),
        ["AES_CM_128_HMAC_SHA1_80"]
    );
}

/// What an SDES offerer with these two suites is answered, after the callee took the suite under `callee_tag`.
fn answered(world: &mut World, callee: (u32, &str), words: Sdes) -> String {
    let offered = [
        (1, "AES_CM_128_HMAC_SHA1_80"),
        (2, "AES_CM_128_HMAC_SHA1_32"),
    ];
    let mut offer = to_secure(Sdes::default());
    offer.sdp = Some(secure(PHONE, &offered).into_bytes());
    world.sdp(&offer);
    let mut reply = answer("c", "a", "b", &secure(OTHER_PHONE, &[callee]));
    reply.sdes = words;
    let back = world.sdp(&reply);
    let [line] = lines(&back, "a=crypto")[..] else {
        panic!("one line: {back}")
    };
    line.to_owned()
}

#[test]
fn the_offerer_is_answered_with_the_suite_that_the_callee_took() {
    let callee = (2, "AES_CM_128_HMAC_SHA1_32");
    let line = answered(&mut World::new(), callee, Sdes::default());
    assert!(
        line.starts_with("a=crypto:2 AES_CM_128_HMAC_SHA1_32 "),
        "{line}"
    );

    let offerer_pref = words(&["AES_CM_128_HMAC_SHA1_80"]);
    let line = answered(
        &mut World::new(),
        callee,
        Sdes {
            offerer_pref,
            ..Sdes::default()
        },
    );
    assert!(
        line.starts_with("a=crypto:1 AES_CM_128_HMAC_SHA1_80 "),
        "{line}"
    );
}

#[test]
fn filters_that_leave_nothing_leave_the_topmost_suite_for_the_answer() {
    let only = words(&["AEAD_AES_256_GCM"]);
    let line = answered(
        &mut World::new(),
        (2, "AES_CM_128_HMAC_SHA1_32"),
        Sdes {
            only,
            ..Sdes::default()
        },
    );
    assert!(
        line.starts_with("a=crypto:1 AES_CM_128_HMAC_SHA1_80 "),
        "{line}"
    );
}

#[test]
fn static_keeps_the_suite_and_a_suite_taken_again_has_its_old_key() {
    let mut world = World::new();
    let (long, short) = (
        (1, "AES_CM_128_HMAC_SHA1_80"),
        (2, "AES_CM_128_HMAC_SHA1_32"),
    );
    let first = answered(&mut world, long, Sdes::default());
    let kept = answered(
        &mut world,
        short,
        Sdes {
            static_suite: true,
            ..Sdes::default()
        },
    );
    assert_eq!(first, kept, "whatever another phone took");
    let other = answered(&mut world, short, Sdes::default());
    assert!(other.starts_with("a=crypto:2 "));
    assert_eq!(first, answered(&mut world, long, Sdes::default()));
}

#[test]
fn padding_and_lifetime_are_written_when_asked_for() {
    let only = words(&["AEAD_AES_128_GCM"]);
    let plain = World::new().sdp(&to_secure(Sdes {
        only: only.clone(),
        ..Sdes::default()
    }));
    assert!(!plain.contains("==") && !plain.contains("|2^31"));
    let out = World::new().sdp(&to_secure(Sdes {
        only,
        pad: true,
        lifetime: true,
        ..Sdes::default()
    }));
    assert!(lines(&out, "a=crypto")[0].ends_with("|2^31"), "{out}");
    let mut offer = to_secure(Sdes {
        only: words(&["AEAD_AES_256_GCM"]),
        ..Sdes::default()
    });
    offer.flags.set(control_proto::flag::PAD_CRYPTO);
    // 44 bytes of key and salt end in one sign of padding.
    assert!(lines(&World::new().sdp(&offer), "a=crypto")[0].ends_with('='));
}

#[test]
fn a_side_is_offered_the_key_that_it_was_answered() {
    let mut world = World::new();
    let line = answered(&mut world, (1, "AES_CM_128_HMAC_SHA1_80"), Sdes::default());
    let mut back = to_secure(Sdes::default());
    back.from_tag = Some("b".into());
    back.to_tag = Some("a".into());
    back.sdp = Some(secure(OTHER_PHONE, &[(1, "AES_CM_128_HMAC_SHA1_80")]).into_bytes());
    let out = world.sdp(&back);
    assert_eq!(lines(&out, "a=crypto")[0], line);
    assert_eq!(suites(&out).len(), 6);
}

#[test]
fn a_phone_that_numbers_its_key_is_answered_the_number_and_heard() {
    for (suite, name, tags) in [
        (
            Suite::AesCm128HmacSha1_80,
            "AES_CM_128_HMAC_SHA1_80",
            (10, 10),
        ),
        (
            Suite::AesCm128HmacSha1_32,
            "AES_CM_128_HMAC_SHA1_32",
            (4, 10),
        ),
    ] {
        let mut world = World::new();
        let body = secure(PHONE, &[(1, name)]).replace(KEY, &format!("{KEY}|2^31|1:1"));
        let to_callee = world.sdp(&offer_to_phone("c", "a", None, &body));
        let back = world.sdp(&answer("c", "a", "b", OTHER_PHONE));
        assert!(lines(&back, "a=crypto")[0].ends_with("|1:1"), "{back}");
        let key: Vec<u8> = (0..30).collect();
        let ours =
            sdp::Session::parse(back.as_bytes()).unwrap().media[0].cryptos[0].keys[0].clone();
        let mut outbound = Outbound::new(&MasterKey::from_inline(suite, &key).unwrap());
        let mut inbound = Inbound::new(&MasterKey::from_inline(suite, &ours.key_salt.0).unwrap());
        let (ports, callee_ports) = (addresses(&back), addresses(&to_callee));
        for report in [false, true] {
            let packet = if report {
                rtcp(1, &[])
            } else {
                rtp(1, 1, b"speech")
            };
            let tag = if report { tags.1 } else { tags.0 };
            let mut buffer = packet.clone();
            buffer.resize(80, 0);
            let len = match report {
                true => outbound.protect_rtcp(&mut buffer, packet.len()),
                false => outbound.protect(&mut buffer, packet.len()),
            };
            buffer.truncate(len.unwrap());
            let bare = buffer.clone();
            buffer.insert(buffer.len() - tag, 1);
            let (to, from, callee_port, callee) = match report {
                true => (ports.1, "10.0.0.20:4001", callee_ports.1, "10.0.0.30:5001"),
                false => (ports.0, "10.0.0.20:4000", callee_ports.0, "10.0.0.30:5000"),
            };
            let from = from.parse().unwrap();
            assert!(world.pass(from, to, &bare).is_none(), "without its number");
            assert_eq!(world.pass(from, to, &buffer).expect("heard").bytes, packet);

            let mut sent = world
                .pass(callee.parse().unwrap(), callee_port, &packet)
                .unwrap()
                .bytes;
            assert_eq!(sent.remove(sent.len() - tag - 1), 1);
            let len = match report {
                true => inbound.unprotect_rtcp(&mut sent),
                false => inbound.unprotect(&mut sent),
            };
            assert_eq!(sent[..len.unwrap()], packet);
        }
    }
}
