//! Phones with RSA certificates: OpenSSL itself, joined with a shard by a socket.

use std::net::{SocketAddr, UdpSocket};
use std::thread::JoinHandle;
use std::time::Duration;

use control_proto::TransportProtocol;
use dtls::{Fingerprint, Hash};
use srtp::{DtlsKeys, Inbound, Outbound, Suite};
use testkit::{Certificate, OpenSsl, has_openssl};

use crate::bodies::{OTHER_PHONE, PHONE};
use crate::media::phone;
use crate::world::*;

const SUITE: Suite = Suite::AesCm128HmacSha1_80;
const PROFILE: &str = "SRTP_AES128_CM_SHA1_80";

/// What the phone's program and the shard send each other, until the program has its keys.
fn handshake(
    world: &mut World,
    relay: SocketAddr,
    wire: &UdpSocket,
    mut program: Option<SocketAddr>,
    keys: JoinHandle<Vec<u8>>,
) -> DtlsKeys {
    wire.set_read_timeout(Some(Duration::from_millis(10)))
        .unwrap();
    let mut buffer = [0; 2048];
    while !keys.is_finished() {
        // The relay calls the port for RTCP too, which is not there.
        world.sent.retain(|sent| sent.to == phone());
        while let Some(sent) = world.sent.pop_front() {
            assert_eq!(sent.from, relay);
            wire.send_to(&sent.bytes, program.unwrap()).unwrap();
        }
        if let Ok((length, from)) = wire.recv_from(&mut buffer) {
            program = Some(from);
            world.send(phone(), relay, &buffer[..length]);
        }
        world.advance(Duration::from_millis(10));
    }
    world.sent.clear();
    let material = keys.join().unwrap();
    DtlsKeys::from_material(SUITE, &material[..2 * (SUITE.key_len() + SUITE.salt_len())]).unwrap()
}

#[test]
fn a_phone_with_an_rsa_certificate_and_no_ice_is_joined_with_a_plain_one_in_both_roles() {
    if !has_openssl() {
        return;
    }
    let place = env!("CARGO_TARGET_TMPDIR");
    let certificate = Certificate::new(place, "phone", &["rsa:2048"]);
    for setup in ["active", "passive"] {
        let mut world = World::new();
        let mut offer = plain_offer("c", "a", OTHER_PHONE);
        offer.transport_protocol = Some(TransportProtocol::UdpTlsRtpSavp);
        offer.sdes.off = true;
        offer.rtcp_mux.offer = true;
        let relay = addresses(&world.sdp(&offer)).0;
        let wire = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (program, at) = if setup == "active" {
            let to = wire.local_addr().unwrap();
            (
                OpenSsl::client(&certificate, PROFILE, &["-dtls1_2"], to),
                None,
            )
        } else {
            let (server, at) = OpenSsl::server(&certificate, PROFILE, &["-dtls1_2"]);
            (server, Some(at))
        };
        let body = format!(
            "{}a=setup:{setup}\r\na=fingerprint:{}\r\na=rtcp-mux\r\n",
            PHONE.replace("RTP/AVP", "UDP/TLS/RTP/SAVP"),
            Fingerprint::of(Hash::Sha256, &certificate.der()),
        );
        let plain = addresses(&world.sdp(&answer("c", "a", "b", &body))).0;
        let keys = std::thread::spawn(move || program.material());
        let keys = handshake(&mut world, relay, &wire, at, keys);
        let (ours, theirs) = match setup {
            "active" => (keys.client, keys.server),
            _ => (keys.server, keys.client),
        };

        let packet = rtp(1, 1, b"speech");
        let mut buffer = packet.clone();
        buffer.resize(100, 0);
        let length = Outbound::new(&ours)
            .protect(&mut buffer, packet.len())
            .unwrap();
        let sent = world.pass(phone(), relay, &buffer[..length]).unwrap();
        assert_eq!((sent.from, &sent.bytes), (plain, &packet), "{setup}");
        let other = "10.0.0.30:5000".parse().unwrap();
        let mut sent = world.pass(other, plain, &packet).unwrap();
        assert_eq!((sent.from, sent.to), (relay, phone()));
        let length = Inbound::new(&theirs).unprotect(&mut sent.bytes).unwrap();
        assert_eq!(sent.bytes[..length], packet, "{setup}");
    }
}
