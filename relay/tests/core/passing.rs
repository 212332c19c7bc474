//! `ICE=optional` and `ICE=force-relay`: two sides do their own ICE and have their own keys, and what they send each
//! other passes through us, as one way of many, as it is.

use std::net::SocketAddr;
use std::time::Duration;

use control_proto::TransportProtocol::*;
use control_proto::{Command, Ice, Request};
use dtls::Identity;
use ice::{Agent, Candidate, Credentials, Local};
use testkit::Dice;

use crate::bodies::{OTHER_PHONE, PHONE, chromium};
use crate::crossing::{REPORT, pass, speech};
use crate::peer::{Manner, Peer, connect};
use crate::world::*;

const MODES: [Ice; 2] = [Ice::Optional, Ice::ForceRelay];

fn offer(mode: Ice, body: &str) -> Request {
    let mut offer = plain_offer("c", "a", body);
    offer.ice = Some(mode);
    offer
}

/// The body of a chromium that answers `chromium()`.
fn other_chromium() -> String {
    chromium()
        .replace("198.51.100.7", "198.51.100.8")
        .replace("BRWS", "OTHR")
        .replace(
            "a=ice-pwd:abcdefghijklmnopqrstuvwx",
            "a=ice-pwd:ABCDEFGHIJKLMNOPQRSTUVWX",
        )
        .replace("actpass", "active")
}

#[test]
fn media_that_we_do_not_understand_passes_between_two_sides_that_found_no_other_way() {
    let identity = Identity::generate().unwrap();
    for mode in MODES {
        for protocol in [RtpAvp, RtpSavpf, UdpTlsRtpSavpf] {
            for mux in [true, false] {
                let manner = Manner {
                    protocol,
                    ice: true,
                    mux,
                };
                let mut world = World::new();
                let mut caller = Peer::new(manner, 7, true, &identity, &mut world);
                let mut callee = Peer::new(manner, 8, false, &identity, &mut world);
                let offered = world.sdp(&offer(mode, &caller.body(None)));
                callee.take(&offered, &world);
                let body = callee.body(Some(&offered));
                let answered = world.sdp(&answer("c", "a", "b", &body));
                caller.take(&answered, &world);
                let settle = Duration::from_millis(200);
                let name = format!("{mode:?} {manner:?}");
                assert!(
                    connect(&mut caller, &mut callee, settle, &mut world),
                    "{name}"
                );
                for sequence in 1..4 {
                    for packet in [speech(sequence), REPORT.to_vec()] {
                        let there = pass(&packet, &mut caller, &mut callee, &mut world);
                        assert_eq!(there, Ok(()), "{name}");
                        let back = pass(&packet, &mut callee, &mut caller, &mut world);
                        assert_eq!(back, Ok(()), "{name}");
                    }
                }
            }
        }
    }
}

#[test]
fn we_stand_below_all_candidates_of_a_body_that_stays_as_it_is() {
    let relay = "a=candidate:9 1 udp 41885439 192.0.2.50 3478 typ relay raddr 0.0.0.0 rport 0";
    let body = chromium().replace("a=ice-ufrag", &format!("{relay}\r\na=ice-ufrag"));
    for mode in MODES {
        let mut world = World::new();
        let out = world.sdp(&offer(mode, &body));
        let candidates = lines(&out, "a=candidate:");
        let (ours, theirs): (Vec<_>, Vec<_>) = candidates
            .into_iter()
            .partition(|line| line.contains(PUBLIC));
        let has_relay = theirs.iter().any(|line| line.contains("typ relay"));
        assert_eq!(has_relay, mode == Ice::Optional);
        assert_eq!(ours.len(), 1, "a browser that multiplexes");
        let fields: Vec<&str> = ours[0].split(' ').collect();
        assert_eq!((fields[1], fields[3]), ("1", "16777215"));
        let kind = if mode == Ice::Optional {
            "host"
        } else {
            "relay"
        };
        assert_eq!(fields[7], kind);
        for kept in [
            "a=group:BUNDLE 0",
            "a=ice-ufrag:BRWS",
            "a=setup:actpass",
            "a=ssrc:1234 cname:browser",
            "a=fingerprint:sha-256 AB:",
            "a=rtcp-mux",
        ] {
            assert!(out.contains(kept), "{kept}");
        }
        assert_eq!(lines(&out, "a=fingerprint").len(), 1);
        assert!(lines(&out, "a=crypto").is_empty() && !out.contains("ice-lite"));
        let at = if mode == Ice::Optional {
            PUBLIC
        } else {
            "198.51.100.7"
        };
        assert_eq!(lines(&out, "c="), [format!("c=IN IP4 {at}")]);
    }
    let mut world = World::new();
    let low = body.replace("41885439", "100");
    let out = world.sdp(&offer(Ice::Optional, &low));
    assert!(
        lines(&out, "a=candidate:")
            .iter()
            .any(|line| line.contains(" 99 203.")),
        "{out}"
    );
}

/// A side that checks one address of ours, and what it sends.
struct Checker {
    agent: Agent,
    at: SocketAddr,
}

impl Checker {
    fn new(
        at: &str,
        own: (&str, &str),
        other: (&str, &str),
        relay: SocketAddr,
        world: &World,
    ) -> Self {
        let at = at.parse().unwrap();
        let own = Credentials::new(own.0, own.1).unwrap();
        let mut agent = Agent::new(ice::Config::full(own, true, 1));
        agent.add_local(Local::host(at)).unwrap();
        agent.set_remote(Credentials::new(other.0, other.1).unwrap(), world.now);
        let relay = Candidate::local(ice::Kind::Host, 1, 0, relay);
        agent.add_remote(&relay, world.now).unwrap();
        Self { agent, at }
    }

    /// Sends its checks for that long.
    fn check(&mut self, world: &mut World, millis: u64) {
        for _ in 0..millis / 20 {
            self.agent.timeout(world.now);
            while let Some(output) = self.agent.poll() {
                if let ice::Output::Send { to, bytes, .. } = output {
                    world.send(self.at, to, &bytes);
                }
            }
            world.advance(Duration::from_millis(20));
        }
    }
}

const A: (&str, &str) = ("BRWS", "abcdefghijklmnopqrstuvwx");
const B: (&str, &str) = ("OTHR", "ABCDEFGHIJKLMNOPQRSTUVWX");
const A_AT: &str = "198.51.100.7:50000";
const B_AT: &str = "198.51.100.8:50000";
const STRANGER: &str = "192.0.2.66:6666";

/// A call between two browsers, and the ports that each was told.
fn browsers(world: &mut World) -> (SocketAddr, SocketAddr) {
    let to_b = world.sdp(&offer(Ice::Optional, &chromium()));
    let to_a = world.sdp(&answer("c", "a", "b", &other_chromium()));
    (addresses(&to_a).0, addresses(&to_b).0)
}

#[test]
fn nothing_passes_but_between_addresses_that_have_proved_whose_they_are() {
    let mut world = World::new();
    let (for_a, for_b) = browsers(&mut world);
    let dtls = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let at = |text: &str| -> SocketAddr { text.parse().unwrap() };
    // Both addresses stand in the bodies, and neither has proved anything.
    for packet in [&dtls[..], &rtp(1, 1, b"x")] {
        assert_eq!(world.pass(at(A_AT), for_a, packet), None);
        assert_eq!(world.pass(at(B_AT), for_b, packet), None);
    }
    // The names alone prove nothing.
    let forger = (B.0, "forgedforgedforgedforged");
    Checker::new(STRANGER, A, forger, for_a, &world).check(&mut world, 500);
    assert!(world.sent.is_empty());
    assert!(world.dropped("c", "STUN refused") > 0);

    Checker::new(A_AT, A, B, for_a, &world).check(&mut world, 100);
    assert!(world.sent.is_empty(), "nobody knows where the other is");
    assert_eq!(world.pass(at(A_AT), for_a, &dtls), None);
    Checker::new(B_AT, B, A, for_b, &world).check(&mut world, 100);
    assert!(
        world
            .sent
            .iter()
            .all(|sent| (sent.from, sent.to) == (for_a, at(A_AT)))
    );
    assert!(!world.sent.is_empty(), "its checks reach the other side");
    world.sent.clear();

    let sent = world.pass(at(A_AT), for_a, &dtls).unwrap();
    assert_eq!(
        (sent.from, sent.to, &sent.bytes[..]),
        (for_b, at(B_AT), &dtls[..])
    );
    let sent = world.pass(at(B_AT), for_b, &rtp(1, 1, b"x")).unwrap();
    assert_eq!((sent.from, sent.to), (for_a, at(A_AT)));
    for packet in [&dtls[..], &rtp(1, 1, b"x")] {
        assert_eq!(world.pass(at(STRANGER), for_a, packet), None);
        assert_eq!(world.pass(at(STRANGER), for_b, packet), None);
        assert_eq!(
            world.pass(at(A_AT), for_b, packet),
            None,
            "of the wrong side"
        );
    }
    assert!(world.dropped("c", "wrong source") > 0);

    world.advance(Duration::from_secs(31));
    assert_eq!(world.pass(at(A_AT), for_a, &dtls), None, "consent is over");
}

#[test]
fn a_stranger_gets_nothing_through_whatever_it_has_seen() {
    let mut world = World::new();
    let (for_a, for_b) = browsers(&mut world);
    Checker::new(A_AT, A, B, for_a, &world).check(&mut world, 100);
    Checker::new(B_AT, B, A, for_b, &world).check(&mut world, 100);
    let checks: Vec<Vec<u8>> = world.sent.drain(..).map(|sent| sent.bytes).collect();
    assert!(!checks.is_empty());
    let stranger: SocketAddr = STRANGER.parse().unwrap();
    let mut send = |bytes: &[u8]| {
        world.send(stranger, for_a, bytes);
        world.send(stranger, for_b, bytes);
    };
    let mut dice = Dice::new(7);
    for check in checks.iter().cycle().take(2000) {
        let mut bytes = check.clone();
        let mut noise = [0; 4];
        dice.fill(&mut noise);
        let at = usize::from(noise[0]) % bytes.len();
        bytes[at] ^= noise[1] | 1;
        bytes.truncate(bytes.len() - usize::from(noise[2] & noise[3] & 3));
        send(&bytes);
    }
    checks.iter().for_each(|check| send(check));
    assert!(world.sent.is_empty());
}

#[test]
fn a_call_that_goes_another_way_is_not_taken_for_a_silent_one() {
    let mut world = World::new();
    browsers(&mut world);
    world.advance(Duration::from_secs(600));
    assert_eq!(world.shard.calls(), 1);
    assert!(world.command(&request(Command::Delete, "c")).is_ok());
    assert!(world.sockets.open.is_empty());
}

#[test]
fn a_side_that_answers_without_ice_is_heard_from_its_sdp_address_alone() {
    let mut world = World::new();
    let body = chromium().replace("UDP/TLS/RTP/SAVPF", "RTP/AVP");
    let to_b = world.sdp(&offer(Ice::Optional, &body));
    let back = world.sdp(&answer("c", "a", "b", OTHER_PHONE));
    assert!(!back.contains("a=candidate"), "{back}");
    let (for_a, for_b) = (addresses(&back).0, addresses(&to_b).0);
    let (a, b) = (A_AT.parse().unwrap(), "10.0.0.30:5000".parse().unwrap());
    let sent = world.pass(b, for_b, &rtp(1, 1, b"x")).unwrap();
    assert_eq!((sent.from, sent.to), (for_a, a));
    for sequence in 0..10 {
        let packet = rtp(sequence, 2, b"x");
        let near = "10.0.0.30:5002".parse().unwrap();
        assert_eq!(world.pass(near, for_b, &packet), None);
    }
    assert!(world.pass(a, for_a, &rtp(1, 1, b"x")).is_some());
}

#[test]
fn where_nothing_can_pass_ice_is_ours() {
    for mode in MODES {
        let mut world = World::new();
        let passed = world.command(&offer(mode, &chromium()));
        assert_eq!(passed.warning, None);
        let mut plain = offer(mode, PHONE);
        plain.call_id = Some("e".into());
        let out = world.sdp(&plain);
        assert!(
            out.contains("a=ice-lite") && out.contains("a=candidate"),
            "{out}"
        );
        // Nobody could pass what is to become another protocol.
        let mut converted = offer(mode, &chromium());
        converted.call_id = Some("d".into());
        converted.transport_protocol = Some(RtpAvp);
        let response = world.command(&converted);
        assert!(response.warning.as_ref().unwrap().contains("ICE=force"));
        let out = String::from_utf8(response.sdp.unwrap()).unwrap();
        assert!(
            !out.contains("BRWS") && !out.contains("fingerprint"),
            "{out}"
        );
    }
}

#[test]
fn a_later_offer_may_take_ice_and_keys_over() {
    let mut world = World::new();
    let (_, for_b) = browsers(&mut world);
    let out = world.sdp(&plain_offer("c", "a", &chromium()));
    assert!(!out.contains("BRWS") && out.contains("a=ice-lite"), "{out}");
    assert!(!out.contains("AB:AB:AB"), "a fingerprint of our own");
    assert_eq!(addresses(&out).0, for_b, "the port stays");
    let again = world.sdp(&offer(Ice::Optional, &chromium()));
    assert!(!again.contains("BRWS"), "and is not given back");
}

#[test]
fn media_that_is_blocked_does_not_pass() {
    let mut world = World::new();
    let (for_a, for_b) = browsers(&mut world);
    Checker::new(A_AT, A, B, for_a, &world).check(&mut world, 100);
    Checker::new(B_AT, B, A, for_b, &world).check(&mut world, 100);
    world.sent.clear();
    let a: SocketAddr = A_AT.parse().unwrap();
    assert!(world.pass(a, for_a, &rtp(1, 1, b"x")).is_some());
    assert!(world.command(&request(Command::BlockMedia, "c")).is_ok());
    assert_eq!(world.pass(a, for_a, &rtp(2, 1, b"x")), None);
    assert_eq!(world.dropped("c", "blocked by command"), 1);
}
