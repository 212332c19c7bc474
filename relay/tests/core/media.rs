//! Media through the relay, both ways, looked at where it arrives.

use std::net::SocketAddr;
use std::time::Duration;

use causeway_relay::core::EventKind;
use srtp::{Inbound, MasterKey, Outbound, Suite};

use crate::bodies::{OTHER_PHONE, PHONE, PHONE_RTCP, PHONE_RTP};
use crate::browser::Browser;
use crate::world::*;

/// A call between a browser and a phone, with keys on the browser's side.
pub struct Bridged {
    pub world: World,
    pub browser: Browser,
    /// The relay's ports towards the phone.
    pub rtp: SocketAddr,
    pub rtcp: SocketAddr,
}

pub fn phone() -> SocketAddr {
    PHONE_RTP.parse().unwrap()
}

pub fn phone_rtcp() -> SocketAddr {
    PHONE_RTCP.parse().unwrap()
}

/// The browser calls.
pub fn browser_calls() -> Bridged {
    browser_calls_in(World::new())
}

pub fn browser_calls_in(mut world: World) -> Bridged {
    let mut browser = Browser::new("198.51.100.7:50000");
    let to_phone = world.sdp(&offer_to_phone("c", "a", None, &browser.body("actpass", 1)));
    let to_browser = world.sdp(&answer("c", "a", "b", PHONE));
    browser.take(&to_browser, &world);
    browser.connect(&mut world);
    let (rtp, rtcp) = addresses(&to_phone);
    Bridged {
        world,
        browser,
        rtp,
        rtcp,
    }
}

/// The phone calls.
fn phone_calls() -> Bridged {
    let mut world = World::new();
    let mut browser = Browser::new("198.51.100.7:50000");
    let to_browser = world.sdp(&offer_to_browser("c", "a", None, PHONE));
    browser.take(&to_browser, &world);
    let to_phone = world.sdp(&answer("c", "a", "b", &browser.body("active", 1)));
    browser.connect(&mut world);
    let (rtp, rtcp) = addresses(&to_phone);
    Bridged {
        world,
        browser,
        rtp,
        rtcp,
    }
}

impl Bridged {
    /// One packet each way arrives as it was sent.
    pub fn talk(&mut self, sequence: u16) {
        let packet = rtp(sequence, 0xb0b, b"from the browser");
        self.browser.send_rtp(&mut self.world, &packet);
        let sent = self
            .world
            .sent
            .pop_front()
            .expect("something for the phone");
        assert_eq!(
            (sent.from, sent.to, sent.bytes),
            (self.rtp, phone(), packet)
        );

        let packet = rtp(sequence, 0xf0e, b"from the phone");
        self.world.send(phone(), self.rtp, &packet);
        assert_ne!(
            self.world
                .sent
                .front()
                .expect("something for the browser")
                .bytes,
            packet,
            "never in the clear"
        );
        self.browser.step(&mut self.world);
        assert_eq!(self.browser.heard.pop(), Some(packet));
        assert!(self.browser.junk.is_empty());
    }
}

#[test]
fn a_browser_that_calls_a_phone_speaks_and_hears() {
    let mut call = browser_calls();
    (0..50).for_each(|sequence| call.talk(sequence));
    assert_eq!(call.world.events, [EventKind::DtlsConnected]);
}

#[test]
fn a_browser_called_by_a_phone_speaks_and_hears() {
    let mut call = phone_calls();
    (0..50).for_each(|sequence| call.talk(sequence));
}

#[test]
fn a_browser_whose_client_hello_comes_before_its_answer_is_connected_at_once() {
    let mut world = World::new();
    let mut browser = Browser::new("198.51.100.7:50000");
    let to_browser = world.sdp(&offer_to_browser("c", "a", None, PHONE));
    browser.take(&to_browser, &world);
    for _ in 0..20 {
        browser.step(&mut world);
        world.advance(Duration::from_millis(10));
    }
    let before = world.now;
    world.sdp(&answer("c", "a", "b", &browser.body("active", 1)));
    assert_eq!(
        world.events,
        [EventKind::DtlsConnected],
        "the handshake was only waiting for the fingerprint"
    );
    assert_eq!(world.now, before);
}

#[test]
fn rtcp_is_multiplexed_for_the_browser_and_has_its_port_for_the_phone() {
    let mut call = browser_calls();
    let report = rtcp(0xb0b, &[]);
    call.browser.send_rtcp(&mut call.world, &report);
    let sent = call.world.sent.pop_front().unwrap();
    assert_eq!(
        (sent.from, sent.to, sent.bytes),
        (call.rtcp, phone_rtcp(), report)
    );

    let report = rtcp(0xf0e, &[]);
    call.world.send(phone_rtcp(), call.rtcp, &report);
    call.browser.step(&mut call.world);
    assert_eq!(call.browser.heard.pop(), Some(report));
}

#[test]
fn feedback_is_kept_from_a_phone_that_speaks_avp() {
    let mut call = browser_calls();
    let report = rtcp(0xb0b, &pli(0xb0b));
    call.browser.send_rtcp(&mut call.world, &report);
    assert_eq!(call.world.sent.pop_front().unwrap().bytes, rtcp(0xb0b, &[]));
    call.browser.send_rtcp(&mut call.world, &pli(0xb0b));
    assert!(call.world.sent.is_empty());
    assert_eq!(call.world.dropped("c", "feedback to AVP"), 1);

    // To the browser it goes.
    let report = rtcp(0xf0e, &pli(0xf0e));
    call.world.send(phone_rtcp(), call.rtcp, &report);
    call.browser.step(&mut call.world);
    assert_eq!(call.browser.heard.pop(), Some(report));
}

#[test]
fn media_goes_on_through_a_session_refresh_and_an_ice_restart() {
    let mut call = browser_calls();
    call.talk(1);
    let body = call.browser.body("actpass", 2);
    call.world.sdp(&offer_to_phone("c", "a", Some("b"), &body));
    let to_browser = call.world.sdp(&answer("c", "a", "b", PHONE));
    call.browser.take(&to_browser, &call.world);
    call.talk(2);

    call.browser.restart_ice();
    let body = call.browser.body("actpass", 3);
    call.world.sdp(&offer_to_phone("c", "a", Some("b"), &body));
    call.talk(3);
    let to_browser = call.world.sdp(&answer("c", "a", "b", PHONE));
    call.browser.take(&to_browser, &call.world);
    let world = &mut call.world;
    call.browser
        .until(world, |browser| browser.agent.selected().is_some());
    call.talk(4);
    assert_eq!(
        call.world.events,
        [EventKind::DtlsConnected],
        "no second handshake"
    );
}

#[test]
fn another_phone_of_a_fork_takes_over_without_the_browser_noticing() {
    let mut call = browser_calls();
    call.talk(1);
    call.world.sdp(&answer("c", "a", "b2", OTHER_PHONE));
    let packet = rtp(2, 0xb0b, b"from the browser");
    call.browser.send_rtp(&mut call.world, &packet);
    let other: SocketAddr = "10.0.0.30:5000".parse().unwrap();
    assert_eq!(call.world.sent.pop_front().unwrap().to, other);
    let packet = rtp(9000, 0xdef, b"from the other phone");
    call.world.send(other, call.rtp, &packet);
    call.browser.step(&mut call.world);
    assert_eq!(call.browser.heard.pop(), Some(packet));
    call.world
        .send(phone(), call.rtp, &rtp(2, 0xf0e, b"too late"));
    assert!(call.world.sent.is_empty());
}

#[test]
fn nothing_is_sent_to_a_browser_that_has_no_keys_yet() {
    let mut world = World::new();
    let mut browser = Browser::new("198.51.100.7:50000");
    let to_phone = world.sdp(&offer_to_phone("c", "a", None, &browser.body("actpass", 1)));
    let to_browser = world.sdp(&answer("c", "a", "b", PHONE));
    let relay = addresses(&to_phone).0;
    assert_eq!(world.pass(phone(), relay, &rtp(1, 2, b"early")), None);
    assert_eq!(world.dropped("c", "peer address unknown"), 1);
    browser.take(&to_browser, &world);
    browser.dtls = None;
    browser.until(&mut world, |browser| browser.agent.selected().is_some());
    assert_eq!(world.pass(phone(), relay, &rtp(2, 2, b"early")), None);
    assert_eq!(world.dropped("c", "peer keys missing"), 1);
}

#[test]
fn a_held_phone_is_sent_nothing() {
    let mut call = browser_calls();
    let hold = PHONE.replace("c=IN IP4 10.0.0.20", "c=IN IP4 0.0.0.0");
    call.world
        .sdp(&offer_to_browser("c", "b", Some("a"), &hold));
    let body = call.browser.body("active", 2);
    call.world.sdp(&answer("c", "b", "a", &body));
    call.browser
        .send_rtp(&mut call.world, &rtp(1, 0xb0b, b"unheard"));
    assert!(call.world.sent.is_empty());
    assert_eq!(call.world.dropped("c", "peer on hold"), 1);
    // Resumed.
    call.world
        .sdp(&offer_to_browser("c", "b", Some("a"), PHONE));
    let body = call.browser.body("active", 3);
    call.world.sdp(&answer("c", "b", "a", &body));
    call.talk(2);
}

#[test]
fn sdes_phones_of_every_suite_are_joined_with_plain_ones() {
    for suite in Suite::ALL {
        let mut world = World::new();
        let key = |seed: u8| {
            let bytes: Vec<u8> = (0..(suite.key_len() + suite.salt_len()) as u8)
                .map(|i| i ^ seed)
                .collect();
            MasterKey::from_inline(suite, &bytes).unwrap()
        };
        let theirs = key(0x55);
        let line = sdp::Crypto {
            tag: 3,
            suite: sdp::Token::new(suite.sdes_name()).unwrap(),
            keys: vec![sdp::CryptoKey::new(theirs.inline().to_vec())],
            session_parameters: vec![],
        };
        let secure = format!(
            "{}a=crypto:{line}\r\n",
            PHONE.replace("RTP/AVP", "RTP/SAVP")
        );
        let to_plain = world.sdp(&offer_to_phone("c", "a", None, &secure));
        let to_secure = world.sdp(&answer("c", "a", "b", OTHER_PHONE));
        let ours = &sdp::Session::parse(to_secure.as_bytes()).unwrap().media[0].cryptos[0];
        assert_eq!((ours.tag, ours.suite.as_str()), (3, suite.sdes_name()));
        let ours = MasterKey::from_inline(suite, &ours.keys[0].key_salt.0).unwrap();
        let (mut outbound, mut inbound) = (Outbound::new(&theirs), Inbound::new(&ours));
        let (plain_side, secure_side) = (addresses(&to_plain), addresses(&to_secure));
        let other: SocketAddr = "10.0.0.30:5000".parse().unwrap();

        let packet = rtp(7, 7, b"secret");
        let mut buffer = packet.clone();
        buffer.resize(64, 0);
        let len = outbound.protect(&mut buffer, packet.len()).unwrap();
        let sent = world.pass(phone(), secure_side.0, &buffer[..len]).unwrap();
        assert_eq!(
            (sent.from, sent.to, sent.bytes),
            (plain_side.0, other, packet.clone())
        );

        let mut sent = world.pass(other, plain_side.0, &packet).unwrap();
        assert_eq!((sent.from, sent.to), (secure_side.0, phone()));
        let len = inbound.unprotect(&mut sent.bytes).unwrap();
        assert_eq!(sent.bytes[..len], packet);

        let report = rtcp(7, &[]);
        let mut buffer = report.clone();
        buffer.resize(64, 0);
        let len = outbound.protect_rtcp(&mut buffer, report.len()).unwrap();
        let sent = world
            .pass(phone_rtcp(), secure_side.1, &buffer[..len])
            .unwrap();
        assert_eq!((sent.from, sent.bytes), (plain_side.1, report));
    }
}

#[test]
fn sdes_is_answered_by_a_secure_callee() {
    let mut world = World::new();
    let mut offer = plain_offer("c", "a", PHONE);
    offer.transport_protocol = Some(control_proto::TransportProtocol::RtpSavp);
    offer.dtls = Some(control_proto::Dtls::Off);
    let out = world.sdp(&offer);
    let offered = sdp::Session::parse(out.as_bytes()).unwrap().media[0].cryptos[1].clone();
    let suite = Suite::AeadAes128Gcm;
    let theirs = MasterKey::from_inline(suite, &[9; 28]).unwrap();
    let mut line = offered.clone();
    line.keys = vec![sdp::CryptoKey::new(theirs.inline().to_vec())];
    let secure = format!(
        "{}a=crypto:{line}\r\n",
        OTHER_PHONE.replace("RTP/AVP", "RTP/SAVP")
    );
    world.sdp(&answer("c", "a", "b", &secure));
    let mut inbound =
        Inbound::new(&MasterKey::from_inline(suite, &offered.keys[0].key_salt.0).unwrap());
    let port = world
        .sockets
        .open
        .values()
        .find(|at| **at != addresses(&out).0 && at.port() % 2 == 0)
        .copied()
        .unwrap();
    let packet = rtp(7, 7, b"secret");
    let mut sent = world.pass(phone(), port, &packet).unwrap();
    let len = inbound.unprotect(&mut sent.bytes).unwrap();
    assert_eq!(sent.bytes[..len], packet);
}

#[test]
fn sequence_numbers_wrap_in_the_middle_of_a_call() {
    let mut call = browser_calls();
    let around = (65_500..=65_535).chain(0..100);
    for sequence in around {
        call.talk(sequence);
    }
}

#[test]
fn a_phone_behind_nat_is_learned_and_a_strict_relay_learns_nobody() {
    for strict in [false, true] {
        let mut call = browser_calls_in(World::with(|config| config.strict_source = strict));
        let nat: SocketAddr = "192.0.2.77:31000".parse().unwrap();
        for sequence in 0..20 {
            call.world.send(nat, call.rtp, &rtp(sequence, 5, b"x"));
        }
        call.browser.step(&mut call.world);
        call.browser.send_rtp(&mut call.world, &rtp(1, 6, b"y"));
        let to = call.world.sent.pop_front().unwrap().to;
        assert_eq!(to, if strict { phone() } else { nat });
        assert_eq!(call.browser.heard.len(), if strict { 0 } else { 16 });
    }
}

#[test]
fn t38_is_passed_on_as_plain_udp() {
    let mut world = World::new();
    let fax = |body: &str| {
        body.replace("m=audio", "m=image")
            .replace("RTP/AVP 0 8 101", "udptl t38")
    };
    let out = world.sdp(&plain_offer("c", "a", &fax(PHONE)));
    assert!(lines(&out, "m=")[0].ends_with(" udptl t38"));
    assert!(lines(&out, "a=rtcp").is_empty());
    world.sdp(&answer("c", "a", "b", &fax(OTHER_PHONE)));
    let far: SocketAddr = "10.0.0.30:5000".parse().unwrap();
    let relay = addresses(&out).0;
    let sent = world.pass(far, relay, &[0, 1, 2]).unwrap();
    assert_eq!((sent.to, sent.bytes), (phone(), vec![0, 1, 2]));
    assert_eq!(
        world.pass("192.0.2.1:9".parse().unwrap(), relay, &[0, 1, 2]),
        None
    );
}

#[test]
fn a_phone_that_begins_its_numbering_anew_is_heard_again() {
    let mut call = browser_calls();
    let mut heard = |sequence: u16, label: &[u8]| {
        call.world
            .send(phone(), call.rtp, &rtp(sequence, 0xf0e, label));
        call.browser.step(&mut call.world);
        call.browser.heard.pop()
    };
    for sequence in 30_000..30_010 {
        assert!(heard(sequence, b"before").is_some());
    }
    assert!(heard(29_000, b"one late packet").is_none());
    assert!(heard(30_010, b"before").is_some());
    let lost = (100..200)
        .take_while(|sequence| heard(*sequence, b"after").is_none())
        .count();
    assert_eq!(lost, 9);
    for (sequence, as_sent_on) in (110..200).zip(30_012..) {
        let packet = heard(sequence, b"after").unwrap();
        let read = rtp::Packet::parse(&packet).unwrap();
        assert_eq!(
            (read.sequence(), read.ssrc(), read.timestamp()),
            (as_sent_on, 0xf0e, u32::from(sequence) * 160)
        );
    }
    // And once more.
    let lost = (0..100)
        .take_while(|sequence| heard(*sequence, b"again").is_none())
        .count();
    assert!(lost < 100, "{lost}");
}

#[test]
fn a_secure_phone_behind_nat_is_learned_from_its_first_true_packet_and_then_stays() {
    let mut world = World::new();
    let suite = Suite::AeadAes128Gcm;
    let theirs = MasterKey::from_inline(suite, &[9; 28]).unwrap();
    let line = sdp::Crypto {
        tag: 1,
        suite: sdp::Token::new(suite.sdes_name()).unwrap(),
        keys: vec![sdp::CryptoKey::new(theirs.inline().to_vec())],
        session_parameters: vec![],
    };
    let secure = format!(
        "{}a=crypto:{line}\r\n",
        PHONE.replace("RTP/AVP", "RTP/SAVP")
    );
    let to_plain = world.sdp(&offer_to_phone("c", "a", None, &secure));
    let relay = addresses(&world.sdp(&answer("c", "a", "b", OTHER_PHONE))).0;
    let mut outbound = Outbound::new(&theirs);
    let mut protect = |sequence| {
        let packet = rtp(sequence, 7, b"secret");
        let mut buffer = packet.clone();
        buffer.resize(64, 0);
        let len = outbound.protect(&mut buffer, packet.len()).unwrap();
        buffer[..len].to_vec()
    };
    let (plain, mut sequence) = (addresses(&to_plain).0, 0);
    let mut destination = |world: &mut World| {
        sequence += 1;
        world
            .pass(
                "10.0.0.30:5000".parse().unwrap(),
                plain,
                &rtp(sequence, 1, b"x"),
            )
            .unwrap()
            .to
    };
    let nat: SocketAddr = "192.0.2.77:31000".parse().unwrap();
    let elsewhere: SocketAddr = "192.0.2.78:32000".parse().unwrap();
    world.pass(
        elsewhere,
        relay,
        &rtp(1, 7, b"forged, and long enough for a tag"),
    );
    assert_eq!(destination(&mut world), phone());
    assert!(world.pass(nat, relay, &protect(1)).is_some());
    assert_eq!(destination(&mut world), nat);
    world.pass(elsewhere, relay, &protect(2));
    assert_eq!(destination(&mut world), nat);
    world.pass(phone(), relay, &protect(3));
    assert_eq!(destination(&mut world), phone());
}

#[test]
fn rtp_on_the_rtcp_port_goes_nowhere() {
    let mut call = browser_calls();
    assert_eq!(
        call.world.pass(phone_rtcp(), call.rtcp, &rtp(1, 1, b"x")),
        None
    );
    assert_eq!(call.world.dropped("c", "malformed"), 1);
}

#[test]
fn rtcp_on_an_rtp_port_that_does_not_multiplex_goes_nowhere() {
    let mut call = browser_calls();
    assert_eq!(call.world.pass(phone(), call.rtp, &rtcp(1, &[])), None);
    assert_eq!(call.world.dropped("c", "RTCP not multiplexed"), 1);
}
