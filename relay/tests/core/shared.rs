//! One port for the legs of many browsers: each packet finds its own, a stranger's finds none.

use std::net::SocketAddr;
use std::time::Duration;

use causeway_relay::core::{IceRole, Received, SocketId};
use control_proto::Command;
use ice::{Agent, Local};

use crate::beside::Arrival;
use crate::bodies::PHONE;
use crate::browser::Browser;
use crate::media::{Bridged, browser_calls_in, phone};
use crate::world::*;

const PORT: u16 = 5004;

/// Each holds for one shard, and for two wherever a datagram comes to.
macro_rules! wherever_it_comes {
    ($($name:ident),* $(,)?) => {
        mod alone {
            $(#[test] fn $name() { super::$name(super::sharing()) })*
        }
        mod at_home {
            $(#[test] fn $name() { super::$name(super::of_two(super::Arrival::Home)) })*
        }
        mod beside {
            $(#[test] fn $name() { super::$name(super::of_two(super::Arrival::Beside)) })*
        }
        mod brought {
            $(#[test] fn $name() { super::$name(super::of_two(super::Arrival::Brought)) })*
        }
    };
}

wherever_it_comes!(
    each_of_many_browsers_on_one_port_speaks_to_its_own_phone,
    a_browser_that_is_called_is_told_the_one_port_too,
    who_has_passed_no_check_is_heard_by_nobody,
    a_check_that_came_to_another_socket_finds_nobody,
    a_call_that_is_over_leaves_the_port_to_the_others_and_its_browser_unheard,
    a_restart_of_ice_is_found_by_its_new_fragment,
    a_check_in_anothers_name_does_not_take_its_address_over,
    a_page_that_begins_anew_behind_the_same_port_connects_at_once,
    a_page_that_begins_anew_again_and_again_connects_each_time,
    a_page_that_begins_anew_in_its_handshake_connects_a_second_later,
    who_forges_a_live_calls_address_takes_nothing_whatever_he_sends,
    a_call_that_was_silent_is_heard_again_although_its_address_was_forged_meanwhile,
);

pub fn of_two(arrival: Arrival) -> World {
    World::of_two(PORT, arrival)
}

fn sharing() -> World {
    World::with(|config| config.shared_port = Some(PORT))
}

pub fn port() -> SocketAddr {
    SocketAddr::new(PUBLIC.parse().unwrap(), PORT)
}

/// A browser that has called a phone, and the relay's port towards that phone.
pub fn call(world: &mut World, number: u8) -> (Browser, SocketAddr) {
    let mut browser = Browser::new(&format!("198.51.100.{number}:50000"));
    let name = format!("call {number}");
    let body = browser.body("actpass", 1);
    let to_phone = world.sdp(&offer_to_phone(&name, "a", None, &body));
    let to_browser = world.sdp(&answer(&name, "a", "b", PHONE));
    assert_eq!(addresses(&to_browser).0, port());
    browser.take(&to_browser, world);
    browser.connect(world);
    (browser, addresses(&to_phone).0)
}

/// What the browser says comes out of the port that its own phone was told.
pub fn speaks_to(world: &mut World, browser: &mut Browser, relay: SocketAddr, sequence: u16) {
    let packet = rtp(sequence, 0xb0b, b"from the browser");
    browser.send_rtp(world, &packet);
    let sent = world.sent.pop_front().expect("something for the phone");
    assert_eq!((sent.from, sent.to), (relay, phone()));
    assert_eq!(sent.bytes, packet);
    let packet = rtp(sequence, 0xf0e, b"from the phone");
    world.send(phone(), relay, &packet);
    assert_eq!(world.sent.front().map(|sent| sent.from), Some(port()));
    browser.step(world);
    assert_eq!(browser.heard.pop(), Some(packet));
}

fn each_of_many_browsers_on_one_port_speaks_to_its_own_phone(mut world: World) {
    let mut calls: Vec<_> = (1..=20).map(|number| call(&mut world, number)).collect();
    for sequence in 0..10 {
        for (browser, relay) in &mut calls {
            speaks_to(&mut world, browser, *relay, sequence);
        }
    }
    let at_the_port = world.sockets.open.values().filter(|at| at.port() == PORT);
    assert_eq!(at_the_port.count(), 2, "one on each address");
    assert_eq!(world.sockets.open.len(), 2 + 2 * 20, "and the phones'");
}

fn a_browser_that_is_called_is_told_the_one_port_too(mut world: World) {
    let mut browser = Browser::new("198.51.100.7:50000");
    let to_browser = world.sdp(&offer_to_browser("c", "a", None, PHONE));
    assert_eq!(addresses(&to_browser).0, port());
    browser.take(&to_browser, &world);
    let to_phone = world.sdp(&answer("c", "a", "b", &browser.body("active", 1)));
    browser.connect(&mut world);
    speaks_to(&mut world, &mut browser, addresses(&to_phone).0, 1);
}

fn who_has_passed_no_check_is_heard_by_nobody(mut world: World) {
    let (mut browser, relay) = call(&mut world, 1);
    let stranger: SocketAddr = "198.51.100.66:50000".parse().unwrap();
    let before = world.strays();
    let speech = browser.protect(&rtp(1, 0xb0b, b"copied"));
    let mut hello = vec![22, 0xfe, 0xfd];
    hello.resize(100, 0);
    for datagram in [&speech, &hello, &vec![0; 20], &vec![]] {
        world.send(stranger, port(), datagram);
    }
    assert!(world.sent.is_empty());
    assert_eq!(world.strays(), before + 4);
    speaks_to(&mut world, &mut browser, relay, 2);
}

fn a_check_that_came_to_another_socket_finds_nobody(mut world: World) {
    let mut browser = Browser::new("198.51.100.7:50000");
    let to_browser = world.sdp(&offer_to_browser("c", "a", None, PHONE));
    browser.take(&to_browser, &world);
    let check = loop {
        match browser.agent.poll() {
            Some(ice::Output::Send { bytes, .. }) => break bytes,
            Some(_) => {}
            None => {
                world.advance(Duration::from_millis(50));
                browser.agent.timeout(world.now);
            }
        }
    };
    let mut buffer = check.clone();
    buffer.resize(check.len() + 100, 0);
    let (closed, len) = (SocketId(u32::MAX), check.len());
    let before = world.strays();
    let sent = world
        .shard
        .receive(closed, browser.at, &mut buffer, len, world.now);
    assert_eq!((sent, world.shard.poll()), (Received::Nothing, None));
    assert_eq!(world.strays(), before + 1);
}

fn a_call_that_is_over_leaves_the_port_to_the_others_and_its_browser_unheard(mut world: World) {
    let (mut gone, _) = call(&mut world, 1);
    let (mut browser, relay) = call(&mut world, 2);
    world.command(&request(Command::Delete, "call 1"));
    let before = world.strays();
    gone.send_rtp(&mut world, &rtp(1, 0xb0b, b"late"));
    assert!(world.sent.is_empty());
    assert_eq!(world.strays(), before + 1);
    speaks_to(&mut world, &mut browser, relay, 1);
    world.command(&request(Command::Delete, "call 2"));
    assert_eq!(world.sockets.open.len(), 2);
}

fn a_restart_of_ice_is_found_by_its_new_fragment(mut world: World) {
    let (mut browser, relay) = call(&mut world, 1);
    speaks_to(&mut world, &mut browser, relay, 1);
    browser.restart_ice();
    let body = browser.body("actpass", 2);
    world.sdp(&offer_to_phone("call 1", "a", Some("b"), &body));
    let to_browser = world.sdp(&answer("call 1", "a", "b", PHONE));
    browser.take(&to_browser, &world);
    browser.until(&mut world, |browser| browser.agent.selected().is_some());
    speaks_to(&mut world, &mut browser, relay, 2);
}

fn a_check_in_anothers_name_does_not_take_its_address_over(mut world: World) {
    let (mut browser, relay) = call(&mut world, 1);
    // A caller of its own right, who writes the first browser's address into its packets.
    let mut thief = Browser::new("198.51.100.1:50000");
    let body = thief.body("actpass", 1);
    world.sdp(&offer_to_phone("theft", "a", None, &body));
    let to_thief = world.sdp(&answer("theft", "a", "b", PHONE));
    thief.take(&to_thief, &world);
    for _ in 0..10 {
        thief.step(&mut world);
        world.advance(Duration::from_millis(50));
    }
    assert!(thief.agent.selected().is_some(), "its check was in order");
    speaks_to(&mut world, &mut browser, relay, 1);
}

/// A second browser at the place of the first, in a call of its own name; and the relay's port towards its phone.
pub fn another_at(world: &mut World, at: SocketAddr, name: &str) -> (Browser, SocketAddr) {
    let mut other = Browser::new(&at.to_string());
    let body = other.body("actpass", 1);
    let to_phone = world.sdp(&offer_to_phone(name, "a", None, &body));
    let to_other = world.sdp(&answer(name, "a", "b", PHONE));
    other.take(&to_other, world);
    (other, addresses(&to_phone).0)
}

fn a_page_that_begins_anew_behind_the_same_port_connects_at_once(mut world: World) {
    begins_anew(&mut world);
}

/// A page's browser leaves its call and begins another at the same address, which is the other shard's where there is
/// one; what it says is heard at the relay's port that comes back.
pub fn begins_anew(world: &mut World) -> (Browser, SocketAddr) {
    let (mut gone, old) = call(world, 1);
    speaks_to(world, &mut gone, old, 1);
    world.swap();
    let (mut browser, relay) = another_at(world, gone.at, "anew");
    let began = world.now;
    browser.connect(world);
    assert!(world.now - began < Duration::from_millis(500));
    for sequence in 1..100 {
        speaks_to(world, &mut browser, relay, sequence);
        world.advance(Duration::from_millis(20));
    }
    // Long after, and when the old call has ended, too.
    for _ in 0..40 {
        browser.step(world);
        world.advance(Duration::from_secs(1));
    }
    speaks_to(world, &mut browser, relay, 100);
    world.swap();
    world.command(&request(Command::Delete, "call 1"));
    world.swap();
    speaks_to(world, &mut browser, relay, 101);
    (browser, relay)
}

fn a_page_that_begins_anew_again_and_again_connects_each_time(mut world: World) {
    let at = "198.51.100.1:50000".parse().unwrap();
    for number in 0..10 {
        let (mut browser, relay) = another_at(&mut world, at, &format!("page {number}"));
        browser.connect(&mut world);
        speaks_to(&mut world, &mut browser, relay, 1);
        world.advance(Duration::from_millis(1001));
    }
}

fn a_page_that_begins_anew_in_its_handshake_connects_a_second_later(mut world: World) {
    let at = "198.51.100.1:50000".parse().unwrap();
    let (mut gone, _) = another_at(&mut world, at, "half");
    let mut dtls = gone.dtls.take().expect("an endpoint");
    gone.until(&mut world, |gone| gone.agent.selected().is_some());
    // Its ClientHello is the last that is heard of it.
    dtls.start(world.now);
    while let Some(output) = dtls.poll() {
        if let dtls::Output::Send(hello) = output {
            world.send(at, port(), &hello);
        }
    }
    world.sent.clear();
    world.advance(Duration::from_millis(1001));
    let (mut browser, relay) = another_at(&mut world, at, "anew");
    browser.connect(&mut world);
    speaks_to(&mut world, &mut browser, relay, 1);
}

/// Somebody with a call that stands, who from now on writes another's address into all packets.
pub fn thief_of(world: &mut World, at: SocketAddr, number: u8) -> Browser {
    let (mut thief, _) = call(world, number);
    thief.at = at;
    let local = Local::host(at);
    thief.agent = Agent::new(ice::Config::full(
        thief.agent.credentials().clone(),
        true,
        u64::from(number),
    ));
    thief.agent.add_local(local).unwrap();
    thief
}

fn who_forges_a_live_calls_address_takes_nothing_whatever_he_sends(world: World) {
    a_call_is_heard_beside_thieves(world, false);
}

/// While two calls write the address of another into all that they send; theirs may be `elsewhere`, in the other shard.
pub fn a_call_is_heard_beside_thieves(mut world: World, elsewhere: bool) {
    let (mut browser, relay) = call(&mut world, 1);
    if elsewhere {
        world.swap();
    }
    let mut thieves = [2, 3].map(|number| {
        let mut thief = thief_of(&mut world, browser.at, number);
        thief.restart_ice();
        let name = format!("call {number}");
        world.sdp(&offer_to_phone(
            &name,
            "a",
            Some("b"),
            &thief.body("actpass", 2),
        ));
        let to_thief = world.sdp(&answer(&name, "a", "b", PHONE));
        thief.take(&to_thief, &world);
        thief
    });
    for sequence in 1..200 {
        for thief in &mut thieves {
            thief.agent.timeout(world.now);
            while let Some(output) = thief.agent.poll() {
                if let ice::Output::Send { to, bytes, .. } = output {
                    world.send(browser.at, to, &bytes);
                }
            }
            let speech = thief.protect(&rtp(sequence, 0x7e1f, b"from the thief"));
            world.send(browser.at, port(), &speech);
        }
        world.sent.clear();
        speaks_to(&mut world, &mut browser, relay, sequence);
        world.advance(Duration::from_millis(20));
    }
}

fn a_call_that_was_silent_is_heard_again_although_its_address_was_forged_meanwhile(
    mut world: World,
) {
    let (mut browser, relay) = call(&mut world, 1);
    let (mut thief, _) = another_at(&mut world, browser.at, "theft");
    for _ in 0..100 {
        thief.step(&mut world);
        world.sent.clear();
        world.advance(Duration::from_millis(200));
    }
    speaks_to(&mut world, &mut browser, relay, 1);
    speaks_to(&mut world, &mut browser, relay, 2);
}

#[test]
fn the_answers_to_the_relays_own_checks_find_their_leg() {
    let mut world = World::with(|config| {
        config.shared_port = Some(PORT);
        config.ice = IceRole::Full;
    });
    let browser = Browser::new("198.51.100.7:50000");
    // It only answers: no check of its own makes it known.
    let mut lite = Agent::new(ice::Config::lite(browser.agent.credentials().clone()));
    lite.add_local(Local::host(browser.at)).unwrap();
    let body = browser.body("actpass", 1);
    let body = body.replace("t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n");
    world.sdp(&offer_to_phone("c", "a", None, &body));
    world.sdp(&answer("c", "a", "b", PHONE));
    for _ in 0..10 {
        while let Some(sent) = world.sent.pop_front() {
            lite.receive(browser.at, sent.from, &sent.bytes, world.now);
        }
        while let Some(output) = lite.poll() {
            if let ice::Output::Send { to, bytes, .. } = output {
                world.send(browser.at, to, &bytes);
            }
        }
        world.advance(Duration::from_millis(50));
    }
    assert!(lite.selected().is_some(), "the relay has nominated it");
    assert_eq!(world.strays(), 0);
}

#[test]
fn phones_keep_ports_of_their_own() {
    let Bridged { rtp, rtcp, .. } = browser_calls_in(sharing());
    assert!(rtp.port() != PORT && rtcp.port() == rtp.port() + 1);
}
