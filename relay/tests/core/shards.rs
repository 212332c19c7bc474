//! Two shards, one port, and the same source in calls of both.

use std::net::SocketAddr;
use std::time::Duration;

use causeway_relay::core::Received;
use control_proto::Command;
use ice::Credentials;

use crate::beside::Arrival;
use crate::browser::Browser;
use crate::shared::{
    a_call_is_heard_beside_thieves, another_at, begins_anew, call, of_two, port, speaks_to,
};
use crate::world::*;

const ARRIVALS: [Arrival; 3] = [Arrival::Home, Arrival::Beside, Arrival::Brought];

fn worlds() -> impl Iterator<Item = World> {
    ARRIVALS.into_iter().map(of_two)
}

fn handed(world: &World) -> usize {
    world.beside.as_ref().unwrap().handed
}

#[test]
fn the_fragment_of_each_begins_with_its_mark() {
    for mut world in worlds() {
        for number in [0, 1] {
            for call in 0..20 {
                let browser = Browser::new("198.51.100.1:50000");
                let body = browser.body("actpass", 1);
                let name = format!("{number} {call}");
                world.sdp(&offer_to_phone(&name, "a", None, &body));
                let phone = crate::bodies::PHONE;
                let to_browser = world.sdp(&answer(&name, "a", "b", phone));
                let ufrag = lines(&to_browser, "a=ice-ufrag:")[0];
                let ufrag = ufrag.strip_prefix("a=ice-ufrag:").unwrap();
                assert_eq!(Credentials::mark(ufrag), Some(number));
            }
            world.swap();
        }
    }
}

#[test]
fn browsers_of_both_shards_speak_wherever_their_packets_come_to() {
    for mut world in worlds() {
        let mut calls = Vec::new();
        for number in 1..=10 {
            calls.push(call(&mut world, number));
            world.swap();
        }
        for sequence in 0..50 {
            for (browser, relay) in &mut calls {
                speaks_to(&mut world, browser, *relay, sequence);
            }
        }
        assert_eq!(world.strays(), 0);
    }
}

#[test]
fn where_packets_are_brought_to_their_shard_none_but_a_first_check_is_handed_over() {
    let mut world = of_two(Arrival::Brought);
    let (mut browser, relay) = call(&mut world, 1);
    let before = handed(&world);
    for sequence in 0..50 {
        speaks_to(&mut world, &mut browser, relay, sequence);
    }
    assert_eq!(handed(&world), before);
    assert!(before <= 2, "{before}");
}

#[test]
fn a_page_that_begins_anew_in_the_other_shard_connects_at_once() {
    for mut world in worlds() {
        let (mut browser, relay) = begins_anew(&mut world);
        let before = handed(&world);
        speaks_to(&mut world, &mut browser, relay, 102);
        let arrival = world.beside.as_ref().unwrap().arrival;
        if arrival == Arrival::Brought {
            assert_eq!(handed(&world), before, "it comes to its heir");
        }
    }
}

#[test]
fn a_page_that_begins_anew_in_its_handshake_connects_a_second_later_in_the_other_shard() {
    for mut world in worlds() {
        let at = "198.51.100.1:50000".parse().unwrap();
        let (mut gone, _) = another_at(&mut world, at, "half");
        let mut dtls = gone.dtls.take().expect("an endpoint");
        gone.until(&mut world, |gone| gone.agent.selected().is_some());
        dtls.start(world.now);
        while let Some(output) = dtls.poll() {
            if let dtls::Output::Send(hello) = output {
                world.send(at, port(), &hello);
            }
        }
        world.sent.clear();
        world.advance(Duration::from_millis(1001));
        world.swap();
        let (mut browser, relay) = another_at(&mut world, at, "anew");
        browser.connect(&mut world);
        speaks_to(&mut world, &mut browser, relay, 1);
    }
}

#[test]
fn who_forges_a_live_calls_address_in_the_other_shard_takes_nothing() {
    for world in worlds() {
        a_call_is_heard_beside_thieves(world, true);
    }
}

#[test]
fn a_handshake_is_not_disturbed_by_one_that_forges_its_address_in_the_other_shard() {
    for mut world in worlds() {
        let at = "198.51.100.1:50000".parse().unwrap();
        let (mut browser, relay) = another_at(&mut world, at, "call 1");
        let mut dtls = browser.dtls.take().expect("an endpoint");
        browser.until(&mut world, |browser| browser.agent.selected().is_some());
        world.swap();
        let (mut thief, _) = another_at(&mut world, at, "theft");
        thief.dtls = None;
        thief.until(&mut world, |thief| thief.agent.selected().is_some());
        world.sent.clear();
        let began = world.now;
        dtls.start(began);
        browser.dtls = Some(dtls);
        browser.connect(&mut world);
        assert!(world.now - began < Duration::from_millis(500));
        speaks_to(&mut world, &mut browser, relay, 1);
    }
}

#[test]
fn a_forged_check_in_anothers_name_costs_one_way_and_is_answered_by_nobody() {
    let mut world = of_two(Arrival::Beside);
    let stranger: SocketAddr = "198.51.100.66:50000".parse().unwrap();
    let mut check = vec![0, 1, 0, 20, 0x21, 0x12, 0xa4, 0x42];
    check.extend([7; 12]);
    check.extend([0, 6, 0, 13]);
    check.extend(b"AAAAAAAA:abcd\0\0\0");
    let mut sent = |mark: u8| {
        check[24] = mark;
        world.send(stranger, port(), &check);
        assert!(world.sent.is_empty());
        (handed(&world), world.strays())
    };
    assert_eq!(sent(b'A'), (1, 1), "that of the other");
    assert_eq!(sent(b'B'), (1, 2), "its own");
    assert_eq!(sent(b'C'), (1, 3), "nobody's");
    assert_eq!(sent(b'+'), (1, 4), "no mark");
}

#[test]
fn what_was_a_calls_is_nobodys_when_it_is_over() {
    for mut world in worlds() {
        let (mut browser, _) = call(&mut world, 1);
        let speech = browser.protect(&rtp(1, 0xb0b, b"late"));
        world.command(&request(Command::Delete, "call 1"));
        let before = (handed(&world), world.strays());
        world.send(browser.at, port(), &speech);
        assert!(world.sent.is_empty());
        assert_eq!((handed(&world), world.strays()), (before.0, before.1 + 1));
    }
}

#[test]
fn one_that_is_alone_hands_nothing_over() {
    let mut world = World::with(|config| config.shared_port = Some(5004));
    let (id, _) = world.shard.shared_ports().next().unwrap();
    let from = "198.51.100.66:50000".parse().unwrap();
    let received = world.shard.receive(id, from, &mut [0; 100], 20, world.now);
    assert_eq!((received, world.strays()), (Received::Nothing, 1));
}
