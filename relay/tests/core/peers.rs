//! Peers other than the usual ones: a relay that is a full ICE agent, phones that speak DTLS without ICE, IPv6.

use std::net::SocketAddr;
use std::time::Duration;

use causeway_relay::core::{Advertise, Bind, IceRole};
use control_proto::TransportProtocol;
use dtls::{Endpoint, Fingerprint, Hash, Identity, Role};
use srtp::{Inbound, Outbound};

use crate::bodies::{OTHER_PHONE, PHONE};
use crate::browser::Browser;
use crate::media::phone;
use crate::world::*;

#[test]
fn a_relay_that_is_a_full_agent_connects_as_well() {
    for relay_offers in [false, true] {
        let mut world = World::with(|config| config.ice = IceRole::Full);
        let mut browser = Browser::with_role("198.51.100.7:50000", !relay_offers);
        let relay = if relay_offers {
            let to_browser = world.sdp(&offer_to_browser("c", "a", None, PHONE));
            assert!(lines(&to_browser, "a=ice-lite").is_empty());
            browser.take(&to_browser, &world);
            let body = browser.body("active", 1);
            addresses(&world.sdp(&answer("c", "a", "b", &body))).0
        } else {
            let to_phone = world.sdp(&offer_to_phone("c", "a", None, &browser.body("actpass", 1)));
            let to_browser = world.sdp(&answer("c", "a", "b", PHONE));
            assert!(lines(&to_browser, "a=ice-lite").is_empty());
            browser.take(&to_browser, &world);
            addresses(&to_phone).0
        };
        browser.connect(&mut world);
        let packet = rtp(1, 1, b"speech");
        browser.until(&mut world, |browser| browser.agent.selected().is_some());
        world.sent.clear();
        browser.send_rtp(&mut world, &packet);
        let sent = world
            .sent
            .iter()
            .find(|sent| sent.to == phone())
            .expect("speech");
        assert_eq!(sent.bytes, packet);
        world.send(phone(), relay, &packet);
        browser.step(&mut world);
        assert_eq!(browser.heard.pop(), Some(packet));
    }
}

#[test]
fn addresses_may_be_ipv6_on_one_side() {
    let mut world = World::with(|config| {
        let ip = "2001:db8::1".parse().unwrap();
        (config.interfaces[0].bind, config.interfaces[0].advertise) = (Bind(ip), Advertise(ip));
    });
    let mut browser = Browser::new("[2001:db8::7]:50000");
    let body = browser
        .body("actpass", 1)
        .replace("IN IP4 2001", "IN IP6 2001");
    let to_phone = world.sdp(&offer_to_phone("c", "a", None, &body));
    assert_eq!(lines(&to_phone, "c="), ["c=IN IP4 10.0.0.4"]);
    let to_browser = world.sdp(&answer("c", "a", "b", PHONE));
    assert_eq!(lines(&to_browser, "c="), ["c=IN IP6 2001:db8::1"]);
    browser.take(&to_browser, &world);
    browser.connect(&mut world);
    let packet = rtp(1, 1, b"speech");
    browser.send_rtp(&mut world, &packet);
    assert_eq!(world.sent.pop_front().unwrap().bytes, packet);
}

/// One port of a phone that speaks DTLS-SRTP without ICE.
struct DtlsPort {
    at: SocketAddr,
    relay: SocketAddr,
    endpoint: Endpoint,
    keys: Option<(Outbound, Inbound)>,
}

impl DtlsPort {
    fn step(&mut self, world: &mut World) {
        self.endpoint.timeout(world.now);
        loop {
            let Some(output) = self.endpoint.poll() else {
                let Some(at) = world.sent.iter().position(|sent| sent.to == self.at) else {
                    return;
                };
                let sent = world.sent.remove(at).unwrap();
                assert_eq!(sent.from, self.relay);
                self.endpoint.receive(&sent.bytes, world.now);
                continue;
            };
            match output {
                dtls::Output::Send(bytes) => world.send(self.at, self.relay, &bytes),
                dtls::Output::Connected(keys) => {
                    self.keys = Some((Outbound::new(&keys.local), Inbound::new(&keys.remote)));
                }
                dtls::Output::Closed => {}
                dtls::Output::Failed(failure) => panic!("{failure}"),
            }
        }
    }
}

#[test]
fn a_phone_with_dtls_and_no_ice_is_joined_with_a_plain_one_in_every_role() {
    for (relay_offers, setup, mux) in [
        (true, "active", true),
        (true, "passive", true),
        (true, "active", false),
        (true, "passive", false),
        (false, "actpass", true),
        (false, "active", false),
        (false, "passive", false),
    ] {
        let case = format!("relay offers: {relay_offers}, setup {setup}, mux {mux}");
        let mut world = World::new();
        let identity = Identity::generate().unwrap();
        let secure = format!(
            "{}a=setup:{setup}\r\na=fingerprint:{}\r\n{}",
            PHONE.replace("RTP/AVP", "UDP/TLS/RTP/SAVP"),
            identity.fingerprint(Hash::Sha256),
            if mux { "a=rtcp-mux\r\n" } else { "" }
        );
        // To the phone with DTLS, and to the plain one.
        let (to_secure, to_plain) = if relay_offers {
            let mut offer = plain_offer("c", "a", OTHER_PHONE);
            offer.transport_protocol = Some(TransportProtocol::UdpTlsRtpSavp);
            offer.sdes.off = true;
            offer.rtcp_mux.offer = true;
            let to_secure = world.sdp(&offer);
            assert_eq!(lines(&to_secure, "a=setup"), ["a=setup:actpass"]);
            (to_secure, world.sdp(&answer("c", "a", "b", &secure)))
        } else {
            let to_plain = world.sdp(&offer_to_phone("c", "a", None, &secure));
            (world.sdp(&answer("c", "a", "b", OTHER_PHONE)), to_plain)
        };
        let session = sdp::Session::parse(to_secure.as_bytes()).unwrap();
        let fingerprint =
            Fingerprint::parse(&session.media[0].fingerprints[0].to_string()).unwrap();
        let role = match setup {
            "passive" => Role::Passive,
            _ => Role::Active,
        };
        let relay_rtp = addresses(&to_secure).0;
        let relay_rtcp =
            SocketAddr::new(relay_rtp.ip(), session.media[0].rtcp.as_ref().unwrap().port);
        let mut ports: Vec<DtlsPort> = [
            ("10.0.0.20:4000", relay_rtp),
            ("10.0.0.20:4001", relay_rtcp),
        ]
        .into_iter()
        .take(if mux { 1 } else { 2 })
        .map(|(at, relay)| DtlsPort {
            at: at.parse().unwrap(),
            relay,
            endpoint: Endpoint::new(&identity, role, Some(vec![fingerprint.clone()]), world.now),
            keys: None,
        })
        .collect();
        for _ in 0..300 {
            for port in &mut ports {
                port.endpoint.start(world.now);
                port.step(&mut world);
            }
            if ports.iter().all(|port| port.keys.is_some()) {
                break;
            }
            world.advance(Duration::from_millis(10));
        }
        world.sent.clear();

        let (plain_rtp, plain_rtcp) = addresses(&to_plain);
        let (packet, report) = (rtp(1, 1, b"speech"), rtcp(1, &[]));
        let mut buffer = packet.clone();
        buffer.resize(100, 0);
        let (outbound, inbound) = ports[0]
            .keys
            .as_mut()
            .unwrap_or_else(|| panic!("no keys, {case}"));
        let len = outbound.protect(&mut buffer, packet.len()).unwrap();
        let sent = world
            .pass(phone(), relay_rtp, &buffer[..len])
            .unwrap_or_else(|| panic!("{case}"));
        assert_eq!(
            (sent.from, sent.bytes),
            (plain_rtp, packet.clone()),
            "{case}"
        );
        let mut sent = world
            .pass("10.0.0.30:5000".parse().unwrap(), plain_rtp, &packet)
            .unwrap();
        assert_eq!((sent.from, sent.to), (relay_rtp, phone()));
        let len = inbound.unprotect(&mut sent.bytes).unwrap();
        assert_eq!(sent.bytes[..len], packet, "{case}");

        // RTCP: by the same keys on the same port, or by its own on its own.
        let port = ports.last_mut().unwrap();
        let (outbound, inbound) = port.keys.as_mut().unwrap();
        let mut buffer = report.clone();
        buffer.resize(100, 0);
        let len = outbound.protect_rtcp(&mut buffer, report.len()).unwrap();
        let sent = world
            .pass(port.at, port.relay, &buffer[..len])
            .unwrap_or_else(|| panic!("{case}"));
        assert_eq!(
            (sent.from, sent.bytes),
            (plain_rtcp, report.clone()),
            "{case}"
        );
        let mut sent = world
            .pass("10.0.0.30:5001".parse().unwrap(), plain_rtcp, &report)
            .unwrap();
        assert_eq!((sent.from, sent.to), (port.relay, port.at), "{case}");
        let len = inbound.unprotect_rtcp(&mut sent.bytes).unwrap();
        assert_eq!(sent.bytes[..len], report, "{case}");
    }
}
