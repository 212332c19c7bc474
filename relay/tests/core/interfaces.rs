//! Interfaces with several addresses: what ICE offers of them, which socket is used, which are closed; TOS, latching.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use causeway_relay::core::{Advertise, Bind, Config, IceRole, Interface};
use control_proto::{Command, Ice, Request, flag};
use dtls::Identity;

use crate::bodies::{OTHER_PHONE, PHONE, chromium};
use crate::crossing::{call, pairs};
use crate::wire::{Sent, Wire};
use crate::world::*;

const SECOND: &str = "203.0.113.2";
const SIX: &str = "2001:db8::1";

fn add(config: &mut Config, at: usize, name: &str, bind: &str, told: &str) {
    let interface = Interface {
        name: name.into(),
        bind: Bind(bind.parse().unwrap()),
        advertise: Advertise(told.parse().unwrap()),
    };
    config.interfaces.insert(at, interface);
}

/// `public` has three addresses, one of them behind a NAT.
fn many() -> World {
    World::with(|config| {
        add(config, 1, "public", "10.0.0.9", SECOND);
        add(config, 2, "public", SIX, SIX);
    })
}

fn open_at(world: &World, ip: &str) -> usize {
    let ip: IpAddr = ip.parse().unwrap();
    let open = world.sockets.open.values();
    open.filter(|at| at.ip() == ip).count()
}

/// A world in which ICE peers are told of one address of the relay only.
struct Through(World, &'static str);

impl Wire for Through {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn address(&mut self, peer: u8, port: u16) -> SocketAddr {
        match self.1 {
            SIX => SocketAddr::new(format!("2001:db8::{peer}").parse().unwrap(), 4000 + port),
            _ => self.0.address(peer, port),
        }
    }

    fn body(&mut self, request: &Request) -> String {
        let all = self.0.body(request);
        let is_told = |line: &&str| !line.starts_with("a=candidate") || line.contains(self.1);
        let told = all.lines().filter(is_told);
        told.map(|line| format!("{line}\r\n")).collect()
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        // Behind the NAT the address that is told is another one.
        let second: IpAddr = SECOND.parse().unwrap();
        let to = match to.ip() == second {
            true => SocketAddr::new("10.0.0.9".parse().unwrap(), to.port()),
            false => to,
        };
        Wire::send(&mut self.0, from, to, bytes);
        for sent in &mut self.0.sent {
            if sent.from.ip().to_string() == "10.0.0.9" {
                sent.from.set_ip(second);
            }
        }
    }

    fn came(&mut self) -> &mut VecDeque<Sent> {
        for sent in &mut self.0.sent {
            if sent.from.ip().to_string() == "10.0.0.9" {
                sent.from.set_ip(SECOND.parse().unwrap());
            }
        }
        &mut self.0.sent
    }

    fn wait(&mut self, at_most: Duration) {
        self.0.wait(at_most);
    }
}

#[test]
fn every_address_of_the_interface_is_a_candidate_in_order_and_by_component() {
    let mut world = many();
    let mut offer = plain_offer("c", "a", PHONE);
    offer.ice = Some(Ice::Force);
    let out = world.sdp(&offer);
    let candidates: Vec<Vec<&str>> = lines(&out, "a=candidate:")
        .into_iter()
        .map(|line| line.split(' ').collect())
        .collect();
    let told: Vec<_> = candidates
        .iter()
        .map(|fields| (fields[1], fields[3], fields[4]))
        .collect();
    assert_eq!(
        told,
        [
            ("1", "2130706431", PUBLIC),
            ("1", "2130706175", SECOND),
            ("1", "2130705919", SIX),
            ("2", "2130706430", PUBLIC),
            ("2", "2130706174", SECOND),
            ("2", "2130705918", SIX),
        ]
    );
    assert_eq!(
        candidates[0][0], candidates[3][0],
        "one foundation for each"
    );
    assert_ne!(candidates[0][0], candidates[1][0]);
    assert_eq!(addresses(&out).0.ip().to_string(), PUBLIC);
}

#[test]
fn the_family_asked_for_stands_first() {
    let mut world = many();
    let mut offer = plain_offer("c", "a", PHONE);
    offer.ice = Some(Ice::Force);
    offer.address_family = Some(control_proto::AddressFamily::Ip6);
    let out = world.sdp(&offer);
    assert_eq!(lines(&out, "c="), [format!("c=IN IP6 {SIX}")]);
    assert!(lines(&out, "a=candidate:")[0].contains(SIX));
    assert_eq!(lines(&out, "a=candidate:").len(), 6);
}

#[test]
fn packets_leave_from_whichever_address_ice_has_chosen() {
    let identity = Identity::generate().unwrap();
    let mut failures = Vec::new();
    for (a, b) in pairs().filter(|(a, b)| a.ice && b.ice) {
        for (ip, ice) in [SECOND, SIX]
            .into_iter()
            .flat_map(|ip| [(ip, IceRole::Lite), (ip, IceRole::Full)])
        {
            let mut world = many();
            let is_lite = ice == IceRole::Lite;
            if !is_lite {
                world = World::with(|config| {
                    add(config, 1, "public", "10.0.0.9", SECOND);
                    add(config, 2, "public", SIX, SIX);
                    config.ice = ice;
                });
            }
            let mut wire = Through(world, ip);
            if let Err(why) = call("c", (a, b), is_lite, &identity, &mut wire) {
                failures.push(format!("{why}: {a:?} to {b:?}, at {ip}, relay {ice:?}"));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} fail:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn no_port_is_left_when_the_call_is_over() {
    let mut world = many();
    let mut offer = plain_offer("c", "a", &chromium());
    offer.ice = Some(Ice::Force);
    world.sdp(&offer);
    assert_eq!(world.sockets.open.len(), 9, "one or two, on each address");
    let used: u64 = world
        .shard
        .statistics()
        .interfaces
        .iter()
        .map(|interface| interface.used)
        .sum();
    assert_eq!(used, 9);
    assert!(world.command(&request(Command::Delete, "c")).is_ok());
    assert!(world.sockets.open.is_empty());
    world.advance(Duration::from_secs(10));
    let interfaces = world.shard.statistics().interfaces;
    assert_eq!(interfaces.len(), 4);
    assert!(interfaces.iter().all(|interface| interface.used == 0));
}

#[test]
fn a_side_that_answers_without_ice_keeps_the_one_port_it_was_told() {
    let mut world = many();
    let mut offer = plain_offer("c", "a", PHONE);
    offer.ice = Some(Ice::Force);
    let to_callee = world.sdp(&offer);
    assert_eq!(open_at(&world, SIX), 2);
    world.sdp(&answer("c", "a", "b", OTHER_PHONE));
    assert_eq!((open_at(&world, SIX), open_at(&world, "10.0.0.9")), (0, 0));
    let sent = world.pass(
        "10.0.0.20:4000".parse().unwrap(),
        addresses(&to_callee).0,
        &rtp(1, 1, b"x"),
    );
    assert!(sent.is_none(), "that is not the callee");
    let from = "10.0.0.30:5000".parse().unwrap();
    let sent = world.pass(from, addresses(&to_callee).0, &rtp(1, 1, b"x"));
    assert_eq!(sent.unwrap().to, "10.0.0.20:4000".parse().unwrap());
}

#[test]
fn an_address_without_a_free_port_costs_a_candidate_and_not_the_call() {
    let mut world = many();
    world.sockets.refused.insert("10.0.0.9".parse().unwrap());
    let mut offer = plain_offer("c", "a", PHONE);
    offer.ice = Some(Ice::Force);
    let out = world.sdp(&offer);
    assert_eq!(lines(&out, "a=candidate:").len(), 4);
    assert!(out.contains(SIX) && !out.contains(SECOND));
    assert!(world.command(&request(Command::Delete, "c")).is_ok());
    assert!(world.sockets.open.is_empty());
}

#[test]
fn an_alias_is_the_interface_that_it_names() {
    let mut world = World::with(|config| {
        config.aliases.push(("inside".into(), "private".into()));
        config.aliases.push(("external".into(), "private".into()));
    });
    for name in ["inside", "external"] {
        let mut offer = plain_offer(name, "a", PHONE);
        offer.direction = Some(["public".into(), name.into()]);
        let out = world.sdp(&offer);
        assert_eq!(lines(&out, "c="), [format!("c=IN IP4 {PRIVATE}")]);
    }
}

#[test]
fn tos_is_that_of_the_command_or_else_the_configured_one() {
    let mut world = World::with(|config| config.tos = 184);
    let marks = |world: &World| -> Vec<u8> {
        let all = world.sockets.open.keys();
        all.map(|id| world.sockets.tos.get(id).copied().unwrap_or(0))
            .collect()
    };
    let offer = |tos: Option<i64>| {
        let mut offer = plain_offer("c", "a", PHONE);
        if let Some(tos) = tos {
            offer.other.push("tos", tos);
        }
        offer
    };
    for (asked, expected) in [
        (None, 184),
        (Some(32), 32),
        (Some(-1), 32),
        (Some(0), 0),
        (Some(256), 184),
        (Some(40), 40),
        (None, 184),
    ] {
        world.sdp(&offer(asked));
        assert_eq!(marks(&world), [expected; 4], "{asked:?}");
    }
}

#[test]
fn a_side_sees_a_new_port_only_when_latching_was_forbidden_and_the_other_has_moved() {
    for ice in [Ice::Default, Ice::Force] {
        let mut world = World::new();
        let offer = |body: &str, unlatched: bool| {
            let mut offer = plain_offer("c", "a", body);
            offer.ice = Some(ice);
            if unlatched {
                offer.flags.set(flag::NO_PORT_LATCHING);
            }
            offer
        };
        let moved = PHONE.replace("m=audio 4000", "m=audio 4400");
        let ufrag = |body: &str| lines(body, "a=ice-ufrag").join("");
        let first = world.sdp(&offer(PHONE, false));
        let same = world.sdp(&offer(PHONE, true));
        assert_eq!(addresses(&same), addresses(&first));
        let same = world.sdp(&offer(&moved, false));
        assert_eq!(addresses(&same), addresses(&first));
        let other = world.sdp(&offer(PHONE, true));
        assert_ne!(addresses(&other), addresses(&first));
        assert_eq!(ufrag(&other) != ufrag(&first), ice == Ice::Force);
        assert_eq!(world.sockets.open.len(), 4, "the old ones are closed");
    }
}

#[test]
fn ice_lite_is_chosen_for_each_side() {
    for (word, to_callee, to_caller) in [
        (None, true, true),
        (Some("off"), false, false),
        (Some("forward"), true, false),
        (Some("backward"), false, true),
        (Some("both"), true, true),
        (Some("nonsense"), true, true),
    ] {
        let mut world = World::new();
        let mut offer = plain_offer("c", "a", &chromium());
        if let Some(word) = word {
            offer.other.push("ice-lite", word);
        }
        let out = world.sdp(&offer);
        let body = chromium().replace("actpass", "active");
        let back = world.sdp(&answer("c", "a", "b", &body));
        let is_lite = |body: &str| body.contains("a=ice-lite");
        assert_eq!(
            (is_lite(&out), is_lite(&back)),
            (to_callee, to_caller),
            "{word:?}"
        );
    }
}
