//! Header extensions (RFC 8285) between sides that know them by different numbers, or not at all.

use std::net::SocketAddr;

use control_proto::Request;

use crate::bodies::{OTHER_PHONE, PHONE};
use crate::media::phone;
use crate::world::*;

const LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
const OFFSET: &str = "urn:ietf:params:rtp-hdrext:toffset";
const ORIENTATION: &str = "urn:3gpp:video-orientation";
const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";

fn other() -> SocketAddr {
    "10.0.0.30:5000".parse().unwrap()
}

fn with(body: &str, extensions: &[(u16, &str)]) -> String {
    let lines = extensions
        .iter()
        .map(|(number, uri)| format!("a=extmap:{number} {uri}\r\n"));
    lines.fold(body.to_owned(), |body, line| body + &line)
}

/// The numbers and names in a body.
fn told(body: &str) -> Vec<(u16, String)> {
    let session = sdp::Session::parse(body.as_bytes()).unwrap();
    let told = session.media[0].extmaps.iter();
    told.map(|extension| (extension.id, extension.uri.to_string()))
        .collect()
}

/// The same, of what is expected.
fn are(extensions: &[(u16, &str)]) -> Vec<(u16, String)> {
    extensions
        .iter()
        .map(|(number, uri)| (*number, (*uri).to_owned()))
        .collect()
}

fn reoffer(from: &str, to: &str, sdp: &str) -> Request {
    let mut offer = plain_offer("c", from, sdp);
    offer.to_tag = Some(to.into());
    offer
}

/// A packet with elements of the one-byte form.
fn packet(elements: &[(u8, &[u8])]) -> Vec<u8> {
    let mut packet = rtp(1, 7, b"speech");
    if elements.is_empty() {
        return packet;
    }
    let mut data = Vec::new();
    for (number, value) in elements {
        data.push(number << 4 | (value.len() - 1) as u8);
        data.extend(*value);
    }
    data.resize(data.len().next_multiple_of(4), 0);
    let head = [0xbe, 0xde, 0, (data.len() / 4) as u8];
    packet[0] |= 0x10;
    packet.splice(12..12, head.into_iter().chain(data));
    packet
}

struct Call {
    world: World,
    /// Where A sends to, and B.
    to_a: SocketAddr,
    to_b: SocketAddr,
}

impl Call {
    fn between(a: &[(u16, &str)], b: &[(u16, &str)]) -> (Self, Vec<(u16, String)>) {
        let mut world = World::new();
        let to_b = world.sdp(&plain_offer("c", "a", &with(PHONE, a)));
        let to_a = world.sdp(&answer("c", "a", "b", &with(OTHER_PHONE, b)));
        let answered = told(&to_a);
        let (to_a, to_b) = (addresses(&to_a).0, addresses(&to_b).0);
        (Self { world, to_a, to_b }, answered)
    }

    fn a_sends(&mut self, elements: &[(u8, &[u8])]) -> Vec<u8> {
        let sent = self.world.pass(phone(), self.to_a, &packet(elements));
        sent.expect("it passes").bytes
    }

    fn b_sends(&mut self, elements: &[(u8, &[u8])]) -> Vec<u8> {
        let sent = self.world.pass(other(), self.to_b, &packet(elements));
        sent.expect("it passes").bytes
    }
}

#[test]
fn what_the_receiver_has_not_taken_is_taken_out() {
    let (mut call, answered) = Call::between(&[(1, LEVEL), (2, OFFSET)], &[(2, OFFSET)]);
    assert_eq!(answered, are(&[(2, OFFSET)]));
    let got = call.a_sends(&[(1, b"l"), (2, b"off")]);
    assert_eq!(got, packet(&[(2, b"off")]));
    assert_eq!(call.a_sends(&[(1, b"l")]), packet(&[]));
    assert_eq!(call.b_sends(&[(2, b"off")]), packet(&[(2, b"off")]));
}

#[test]
fn a_side_that_offers_by_other_numbers_is_spoken_to_by_them_and_the_other_keeps_its_own() {
    let (mut call, _) = Call::between(&[(1, LEVEL), (2, OFFSET)], &[(1, LEVEL), (2, OFFSET)]);
    let offer = with(OTHER_PHONE, &[(5, OFFSET), (1, ORIENTATION)]);
    let to_a = call.world.sdp(&reoffer("b", "a", &offer));
    assert_eq!(told(&to_a), are(&[(2, OFFSET), (3, ORIENTATION)]));
    let body = with(PHONE, &[(2, OFFSET), (3, ORIENTATION)]);
    let to_b = call.world.sdp(&answer("c", "b", "a", &body));
    assert_eq!(told(&to_b), are(&[(5, OFFSET), (1, ORIENTATION)]));
    let got = call.a_sends(&[(2, b"off"), (3, b"o")]);
    assert_eq!(got, packet(&[(5, b"off"), (1, b"o")]));
    let got = call.b_sends(&[(1, b"o"), (5, b"off")]);
    assert_eq!(got, packet(&[(3, b"o"), (2, b"off")]));
}

#[test]
fn a_mid_is_the_receivers_own() {
    let mut world = World::new();
    let a = with(PHONE, &[(1, LEVEL), (4, MID)]) + "a=mid:0\r\n";
    let to_b = addresses(&world.sdp(&plain_offer("c", "a", &a))).0;
    let b = with(OTHER_PHONE, &[(1, LEVEL), (4, MID)]) + "a=mid:audio\r\n";
    let to_a = addresses(&world.sdp(&answer("c", "a", "b", &b))).0;
    let mut call = Call { world, to_a, to_b };
    let got = call.a_sends(&[(4, b"0"), (1, b"l")]);
    assert_eq!(got, packet(&[(1, b"l"), (4, b"audio")]));
    let got = call.b_sends(&[(4, b"audio"), (1, b"l")]);
    assert_eq!(got, packet(&[(1, b"l"), (4, b"0")]));
    assert_eq!(call.a_sends(&[(1, b"l")]), packet(&[(1, b"l")]));
}

#[test]
fn between_sides_that_say_nothing_of_extensions_packets_keep_them() {
    let (mut call, _) = Call::between(&[], &[]);
    let strange = packet(&[(9, b"x")]);
    assert_eq!(call.a_sends(&[(9, b"x")]), strange);
}

#[test]
fn extensions_that_cannot_be_passed_on_are_not_offered() {
    let encrypted = "urn:ietf:params:rtp-hdrext:encrypt";
    let offer = with(PHONE, &[(1, encrypted), (2, LEVEL), (4096, OFFSET)]);
    let to_b = World::new().sdp(&plain_offer("c", "a", &offer));
    assert_eq!(told(&to_b), are(&[(2, LEVEL)]));
}
