//! Where a phone is and how it may be learned, as commands ask for it: addresses, families, interfaces, learning.

use std::net::SocketAddr;

use causeway_relay::core::{Advertise, Bind, Interface};
use control_proto::{AddressFamily, Ice, Request, flag};

use crate::bodies::{OTHER_PHONE, PHONE};
use crate::world::*;

const IP6: &str = "2001:db8::1";

/// A phone with a public address, so that nobody else is taken for it.
fn public_phone() -> String {
    PHONE.replace("10.0.0.20", "198.51.100.20")
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A call between two plain phones; the caller's offer is changed. The relay's ports towards caller and callee.
fn call(world: &mut World, change: impl FnOnce(&mut Request)) -> (SocketAddr, SocketAddr) {
    let mut offer = plain_offer("c", "a", &public_phone());
    change(&mut offer);
    let to_callee = world.sdp(&offer);
    let to_caller = world.sdp(&answer("c", "a", "b", OTHER_PHONE));
    (addresses(&to_caller).0, addresses(&to_callee).0)
}

/// How many of ten packets from there reach the callee.
fn heard(world: &mut World, from: &str, to: SocketAddr, sequence: u16) -> usize {
    let pass = |i: &u16| {
        world
            .pass(at(from), to, &rtp(sequence + i, 1, b"x"))
            .is_some()
    };
    (0..10).filter(pass).count()
}

/// Where the callee's speech goes.
fn sent_to(world: &mut World, callee_port: SocketAddr) -> SocketAddr {
    world
        .pass(at("10.0.0.30:5000"), callee_port, &rtp(1, 2, b"y"))
        .unwrap()
        .to
}

const ELSEWHERE: &str = "203.0.113.99:7000";
const THERE: &str = "198.51.100.20:4000";

#[test]
fn a_phone_is_learned_only_in_the_way_that_was_asked_for() {
    let way =
        |way: &'static str| move |offer: &mut Request| offer.other.push("endpoint-learning", way);
    type Change = Box<dyn FnOnce(&mut Request)>;
    let cases: Vec<(Change, usize, &str)> = vec![
        (Box::new(|_| {}), 0, THERE),
        (Box::new(way("delayed")), 0, THERE),
        (Box::new(way("immediate")), 10, ELSEWHERE),
        (Box::new(way("heuristic")), 6, ELSEWHERE),
        (Box::new(way("off")), 6, THERE),
        (
            Box::new(|offer| offer.flags.set(flag::ASYMMETRIC)),
            6,
            THERE,
        ),
        (
            Box::new(|offer| {
                offer.flags.set(flag::ASYMMETRIC);
                offer.flags.set(flag::STRICT_SOURCE);
            }),
            0,
            THERE,
        ),
    ];
    for (i, (change, packets, to)) in cases.into_iter().enumerate() {
        let mut world = World::new();
        let (caller_port, callee_port) = call(&mut world, change);
        assert_eq!(
            heard(&mut world, ELSEWHERE, caller_port, 0),
            packets,
            "case {i}"
        );
        assert_eq!(sent_to(&mut world, callee_port), at(to), "case {i}");
    }
}

#[test]
fn a_phone_that_moves_is_followed_when_media_handover_was_asked_for() {
    for handover in [false, true] {
        let mut world = World::new();
        let (caller_port, callee_port) = call(&mut world, |offer| {
            if handover {
                offer.flags.set(flag::MEDIA_HANDOVER);
            }
        });
        assert_eq!(heard(&mut world, THERE, caller_port, 0), 10);
        assert_eq!(
            heard(&mut world, ELSEWHERE, caller_port, 10),
            if handover { 6 } else { 0 }
        );
        assert_eq!(
            sent_to(&mut world, callee_port),
            at(if handover { ELSEWHERE } else { THERE })
        );
    }
}

#[test]
fn reset_forgets_what_was_learned() {
    let mut world = World::new();
    let way = |offer: &mut Request| offer.other.push("endpoint-learning", "immediate");
    let (caller_port, callee_port) = call(&mut world, way);
    heard(&mut world, ELSEWHERE, caller_port, 0);
    world.sdp(&plain_offer("c", "a", &public_phone()));
    assert_eq!(
        sent_to(&mut world, callee_port),
        at(ELSEWHERE),
        "a re-offer alone changes nothing"
    );
    let mut reset = plain_offer("c", "a", &public_phone());
    reset.flags.set(flag::RESET);
    world.sdp(&reset);
    assert_eq!(sent_to(&mut world, callee_port), at(THERE));
}

#[test]
fn the_source_of_the_sip_message_is_believed_only_when_that_was_asked_for() {
    for asked in [false, true] {
        let mut world = World::new();
        let (_, callee_port) = call(&mut world, |offer| {
            offer.received_from = Some("203.0.113.99".parse().unwrap());
            if asked {
                offer.flags.set(flag::SIP_SOURCE_ADDRESS);
            }
        });
        let to = if asked { "203.0.113.99:4000" } else { THERE };
        assert_eq!(sent_to(&mut world, callee_port), at(to));
    }
}

#[test]
fn the_media_address_stands_in_all_lines_that_have_one() {
    let mut world = World::new();
    let mut offer = plain_offer("c", "a", PHONE);
    offer.media_address = Some("192.0.2.77".parse().unwrap());
    offer.ice = Some(Ice::Force);
    offer.replace.origin = true;
    offer.flags.set(flag::FULL_RTCP_ATTRIBUTE);
    let out = world.sdp(&offer);
    assert_eq!(lines(&out, "c="), ["c=IN IP4 192.0.2.77"]);
    assert!(lines(&out, "o=")[0].ends_with("IN IP4 192.0.2.77"));
    assert!(lines(&out, "a=rtcp:")[0].ends_with("IN IP4 192.0.2.77"));
    let candidates = lines(&out, "a=candidate");
    assert_eq!(candidates.len(), 2);
    assert!(
        candidates.iter().all(|line| line.contains(" 192.0.2.77 ")),
        "{out}"
    );
}

/// A relay whose first interface has an address of each family.
fn dual() -> World {
    World::with(|config| {
        let ip = IP6.parse().unwrap();
        let second = Interface {
            name: "public".into(),
            bind: Bind(ip),
            advertise: Advertise(ip),
        };
        config.interfaces.insert(1, second);
    })
}

#[test]
fn ipv4_and_ipv6_are_bridged_both_ways() {
    let six = OTHER_PHONE.replace("IP4 10.0.0.30", "IP6 2001:db8::30");
    for reversed in [false, true] {
        let mut world = dual();
        let (caller, callee) = if reversed {
            (six.as_str(), PHONE)
        } else {
            (PHONE, six.as_str())
        };
        let mut offer = plain_offer("c", "a", caller);
        let family = if reversed {
            AddressFamily::Ip4
        } else {
            AddressFamily::Ip6
        };
        offer.address_family = Some(family);
        let to_callee = world.sdp(&offer);
        let to_caller = world.sdp(&answer("c", "a", "b", callee));
        let ((callee_port, callee_rtcp), (caller_port, caller_rtcp)) =
            (addresses(&to_callee), addresses(&to_caller));
        assert_eq!(
            (callee_port.is_ipv6(), caller_port.is_ipv6()),
            (!reversed, reversed)
        );
        let (four, six) = ("10.0.0.20:4000", "[2001:db8::30]:5000");
        let (caller, callee) = if reversed {
            (at(six), at(four))
        } else {
            (at(four), at(six))
        };
        let next = |address: SocketAddr| SocketAddr::new(address.ip(), address.port() + 1);
        for (from, to, ours, theirs) in [
            (caller, caller_port, callee_port, callee),
            (callee, callee_port, caller_port, caller),
        ] {
            let sent = world.pass(from, to, &rtp(1, 1, b"speech")).unwrap();
            assert_eq!((sent.from, sent.to), (ours, theirs));
        }
        for (from, to, ours, theirs) in [
            (next(caller), caller_rtcp, callee_rtcp, next(callee)),
            (next(callee), callee_rtcp, caller_rtcp, next(caller)),
        ] {
            let sent = world.pass(from, to, &rtcp(1, &[])).unwrap();
            assert_eq!((sent.from, sent.to), (ours, theirs));
        }
    }
}

#[test]
fn internal_and_external_are_families_where_no_interface_has_that_name() {
    let mut world = dual();
    let mut offer = plain_offer("c", "a", PHONE);
    offer.direction = Some(["internal".into(), "external".into()]);
    assert_eq!(lines(&world.sdp(&offer), "c="), [format!("c=IN IP6 {IP6}")]);
    let back = world.sdp(&answer(
        "c",
        "a",
        "b",
        &OTHER_PHONE.replace("IP4 10.0.0.30", "IP6 2001:db8::30"),
    ));
    assert_eq!(lines(&back, "c="), [format!("c=IN IP4 {PUBLIC}")]);
}

#[test]
fn each_branch_of_a_fork_has_ports_of_its_own_and_the_one_that_answers_is_joined() {
    let mut world = World::new();
    let offer_on = |world: &mut World, branch: &str| {
        let mut offer = plain_offer("c", "a", PHONE);
        offer.via_branch = Some(branch.into());
        addresses(&world.sdp(&offer)).0
    };
    let first = offer_on(&mut world, "z9hG4bK1");
    let second = offer_on(&mut world, "z9hG4bK2");
    assert_ne!(first, second);
    assert_eq!(
        offer_on(&mut world, "z9hG4bK1"),
        first,
        "the same branch again"
    );
    let mut reply = answer("c", "a", "b", OTHER_PHONE);
    reply.via_branch = Some("z9hG4bK2".into());
    let caller_port = addresses(&world.sdp(&reply)).0;
    let sent = world
        .pass(at("10.0.0.20:4000"), caller_port, &rtp(1, 1, b"x"))
        .unwrap();
    assert_eq!((sent.from, sent.to), (second, at("10.0.0.30:5000")));
    let sent = world
        .pass(at("10.0.0.30:5000"), second, &rtp(1, 2, b"y"))
        .unwrap();
    assert_eq!((sent.from, sent.to), (caller_port, at("10.0.0.20:4000")));
}
