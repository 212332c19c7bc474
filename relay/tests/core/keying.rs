//! DTLS endpoints that another thread has: orders go out, and what comes of them comes later.

use std::time::Duration;

use causeway_relay::core::EventKind;
use control_proto::{Command, Dtls};

use crate::bodies::PHONE;
use crate::browser::Browser;
use crate::media::phone;
use crate::world::*;

/// A call whose browser is connected, by endpoints elsewhere.
fn connected() -> (World, Browser, std::net::SocketAddr) {
    let mut world = World::new();
    world.elsewhere = world.shard.give_handshakes();
    let mut browser = Browser::new("198.51.100.7:50000");
    let to_phone = world.sdp(&offer_to_phone("c", "a", None, &browser.body("actpass", 1)));
    let to_browser = world.sdp(&answer("c", "a", "b", PHONE));
    browser.take(&to_browser, &world);
    browser.connect(&mut world);
    world.sent.clear();
    (world, browser, addresses(&to_phone).0)
}

#[test]
fn keys_that_come_later_are_the_same_keys() {
    let (mut world, mut browser, relay) = connected();
    let packet = rtp(1, 1, b"speech");
    browser.send_rtp(&mut world, &packet);
    assert_eq!(world.sent.pop_front().unwrap().bytes, packet);
    world.send(phone(), relay, &packet);
    browser.step(&mut world);
    assert_eq!(browser.heard.pop(), Some(packet));
    assert!(world.events.contains(&EventKind::DtlsConnected));
}

/// A call whose browser has its keys: its last flight is on the way, and the relay has yet to hear what comes of it.
fn at_the_last_flight() -> (World, Browser) {
    let mut world = World::new();
    world.elsewhere = world.shard.give_handshakes();
    let mut browser = Browser::new("198.51.100.7:50000");
    world.sdp(&offer_to_phone("c", "a", None, &browser.body("actpass", 1)));
    let mut answer = answer("c", "a", "b", PHONE);
    // The passive side has the last word.
    answer.dtls = Some(Dtls::Active);
    let to_browser = world.sdp(&answer);
    browser.take(&to_browser, &world);
    for _ in 0..500 {
        browser.step(&mut world);
        if browser.outbound.is_some() {
            world.sent.clear();
            assert!(!world.events.contains(&EventKind::DtlsConnected));
            return (world, browser);
        }
        world.advance(Duration::from_millis(10));
    }
    panic!("no handshake: {:?}", browser.dtls);
}

/// What the phone is sent once the relay has its keys.
fn after_the_keys(world: &mut World) -> Vec<Vec<u8>> {
    world.advance(Duration::from_millis(1));
    assert!(world.events.contains(&EventKind::DtlsConnected));
    let to_phone = world.sent.drain(..).filter(|sent| sent.to == phone());
    to_phone.map(|sent| sent.bytes).collect()
}

#[test]
fn srtp_right_behind_the_last_flight_waits_for_its_keys_and_keeps_its_order() {
    let (mut world, mut browser) = at_the_last_flight();
    let packets: Vec<_> = (1..=8).map(|n| rtp(n, 0xb0b, b"early")).collect();
    for packet in &packets {
        browser.send_rtp(&mut world, packet);
    }
    assert!(world.sent.is_empty(), "nothing is believed without keys");
    assert_eq!(after_the_keys(&mut world), packets);
    assert_eq!(world.dropped("c", "no keys"), 0);
    let next = rtp(9, 0xb0b, b"in time");
    browser.send_rtp(&mut world, &next);
    assert_eq!(world.sent.pop_front().unwrap().bytes, next);
}

#[test]
fn of_many_early_packets_the_last_few_are_kept_and_the_others_counted() {
    let (mut world, mut browser) = at_the_last_flight();
    let packets: Vec<_> = (1..=1000).map(|n| rtp(n, 0xb0b, b"early")).collect();
    for packet in &packets {
        browser.send_rtp(&mut world, packet);
    }
    browser.send_rtp(&mut world, &rtp(1001, 0xb0b, &[7; 1500]));
    assert_eq!(after_the_keys(&mut world), packets[992..]);
    assert_eq!(world.dropped("c", "no keys"), 993);
}

#[test]
fn early_packets_of_strangers_do_not_wait_and_forged_ones_are_not_believed() {
    let (mut world, mut browser) = at_the_last_flight();
    let (relay, packet) = (browser.relay.unwrap(), rtp(1, 0xb0b, b"early"));
    let protected = browser.protect(&packet);
    let mut forged = protected.clone();
    *forged.last_mut().unwrap() ^= 1;
    world.send("192.0.2.66:6666".parse().unwrap(), relay, &protected);
    world.send(browser.at, relay, &forged);
    world.send(browser.at, relay, &protected);
    world.send(browser.at, relay, &protected);
    assert_eq!(world.dropped("c", "wrong source"), 1);
    assert_eq!(after_the_keys(&mut world), [packet]);
    assert_eq!(world.dropped("c", "authentication failed"), 1);
    assert_eq!(world.dropped("c", "replayed"), 1);
}

#[test]
fn what_has_waited_too_long_for_its_keys_is_not_sent_any_more() {
    let (mut world, mut browser) = at_the_last_flight();
    browser.send_rtp(&mut world, &rtp(1, 0xb0b, b"stale"));
    world.now += Duration::from_millis(300);
    let fresh = rtp(2, 0xb0b, b"fresh");
    browser.send_rtp(&mut world, &fresh);
    assert_eq!(after_the_keys(&mut world), [fresh]);
    assert_eq!(world.dropped("c", "no keys"), 1);
}

#[test]
fn before_the_peer_has_spoken_dtls_nothing_waits() {
    let mut world = World::new();
    world.elsewhere = world.shard.give_handshakes();
    let mut browser = Browser::new("198.51.100.7:50000");
    world.sdp(&offer_to_phone("c", "a", None, &browser.body("actpass", 1)));
    let to_browser = world.sdp(&answer("c", "a", "b", PHONE));
    browser.take(&to_browser, &world);
    browser.dtls = None;
    browser.until(&mut world, |browser| browser.agent.selected().is_some());
    let junk = rtp(1, 0xb0b, b"looks like SRTP, and has no keys");
    world.send(browser.at, browser.relay.unwrap(), &junk);
    assert_eq!(world.dropped("c", "no keys"), 1);
}

#[test]
fn a_freed_call_leaves_no_endpoint_and_hears_no_more() {
    let (mut world, _browser, _) = connected();
    assert!(!world.elsewhere.as_ref().unwrap().is_empty());
    world.command(&request(Command::Delete, "c"));
    assert_eq!(world.shard.calls(), 0);
    assert!(world.elsewhere.as_ref().unwrap().is_empty());
}

#[test]
fn an_association_that_begins_anew_leaves_no_endpoint_of_the_old_one() {
    let (mut world, _browser, _) = connected();
    let mut other = Browser::new("198.51.100.8:50000");
    let mut offer = offer_to_phone("c", "a", None, &other.body("actpass", 2));
    offer.to_tag = Some("b".into());
    world.sdp(&offer);
    let to_browser = world.sdp(&answer("c", "a", "b", PHONE));
    other.take(&to_browser, &world);
    other.connect(&mut world);
    world.command(&request(Command::Delete, "c"));
    assert!(world.elsewhere.as_ref().unwrap().is_empty());
}

/// A record that is none of a handshake's.
const USELESS: [u8; 15] = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40];

#[test]
fn datagrams_of_no_use_are_counted_when_that_is_known() {
    let (mut world, browser, _) = connected();
    let before = world.dropped("c", "DTLS refused");
    world.send(browser.at, browser.relay.unwrap(), &USELESS);
    assert_eq!(world.dropped("c", "DTLS refused"), before);
    world.advance(Duration::from_millis(1));
    assert_eq!(world.dropped("c", "DTLS refused"), before + 1);
}

#[test]
fn news_for_a_call_that_is_freed_are_nothing() {
    let (mut world, browser, _) = connected();
    world.send(browser.at, browser.relay.unwrap(), &USELESS);
    world.command(&request(Command::Delete, "c"));
    world.events.clear();
    world.advance(Duration::from_secs(60));
    assert!(world.events.is_empty() && world.sent.is_empty());
}

#[test]
fn one_peers_flood_of_dtls_is_not_carried_to_the_endpoints_of_all() {
    let (mut world, browser, _) = connected();
    world.advance(Duration::from_secs(10));
    for _ in 0..10_000 {
        world.send(browser.at, browser.relay.unwrap(), &USELESS);
    }
    world.advance(Duration::from_millis(1));
    assert_eq!(world.dropped("c", "DTLS refused"), 64);
    assert_eq!(world.dropped("c", "too many packets"), 10_000 - 64);
}
