//! DTLS endpoints that another thread has: orders go out, and what comes of them comes later.

use std::time::Duration;

use causeway_relay::core::EventKind;
use control_proto::Command;

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
