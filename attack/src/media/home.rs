//! Addresses that point home: SDP that would have the relay talk to itself, to its machine, or to the cloud's services.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use control_proto::{Command, Request};
use peers::random;
use peers::scenario::{Scenario, answer, delete};
use peers::sdp::{self, Media};

use crate::attack::{Outcome, Scene};
use crate::field::{PHONE, PRIVATE, PUBLIC};
use crate::flood::{Hand, Sent, lasting};
use crate::tap::Tap;

/// Where nobody's media goes.
const FORBIDDEN: [Ipv4Addr; 6] = [
    Ipv4Addr::new(127, 0, 0, 1),
    Ipv4Addr::new(127, 9, 9, 9),
    Ipv4Addr::new(0, 1, 2, 3),
    Ipv4Addr::new(224, 0, 0, 1),
    Ipv4Addr::new(255, 255, 255, 255),
    Ipv4Addr::new(169, 254, 169, 254),
];
/// The phone that speaks; its RTP's port.
const SPEAKER: SocketAddrV4 = SocketAddrV4::new(PHONE, 6000);
/// Where nobody listens.
const NOBODY: SocketAddrV4 = SocketAddrV4::new(PHONE, 6100);
/// How fast, and for how long, packets are thrown into the loop.
const RATE: u64 = 500;
const FOR: Duration = Duration::from_millis(600);
/// The keys' own packets.
const PLAYING: Duration = Duration::from_millis(1300);
/// What circulates after this circulates for ever.
const DIES_WITHIN: Duration = Duration::from_secs(1);

/// Answers that name forbidden addresses, and a phone that talks to them.
pub(super) fn forbidden(scene: &mut Scene<'_>) -> Result<Outcome, String> {
    let wanted = |to: SocketAddrV4| FORBIDDEN.contains(to.ip());
    let taps = [
        Tap::of(&scene.field.edge, wanted)?,
        Tap::of(&scene.field.house, wanted)?,
        Tap::of(&scene.field.street, wanted)?,
    ];
    let mut hand = Hand::new(&scene.field.house, SPEAKER.port())?;
    let mut sent = Sent::default();
    for target in FORBIDDEN {
        let mut call = Plain::offer(scene, SPEAKER)?;
        // Its refusal would be as good.
        if call.answer(scene, SocketAddrV4::new(target, 6200)).is_ok() {
            for number in 0..20 {
                sent = sent.and(hand.send(&packet(number), PHONE, call.sides[0]));
            }
        }
        call.end(scene);
    }
    std::thread::sleep(Duration::from_millis(300));
    let reached: u64 = taps.iter().map(|tap| tap.came().datagrams).sum();
    let bite = (reached > 0).then(|| format!("{reached} packets went there"));
    Ok(Outcome::of(sent).biting(bite))
}

/// Two calls of which each is the other's peer on both sides: what one sends out comes back to it by the other.
pub(super) fn looped(scene: &mut Scene<'_>) -> Result<Outcome, String> {
    let own = |to: SocketAddrV4| [PUBLIC, PRIVATE].contains(to.ip());
    let mut one = Plain::offer(scene, SPEAKER)?;
    one.answer(scene, NOBODY)?;
    let mut two = Plain::offer(scene, one.sides[0])?;
    two.answer(scene, one.sides[1])?;
    one.answer(scene, two.sides[1])?;
    let mut hand = Hand::new(&scene.field.house, SPEAKER.port())?;
    let over = AtomicBool::new(false);
    let entrance = one.sides[0];
    let sent = std::thread::scope(|scope| {
        // What is under way when the last side is turned is in the loop.
        let throw = scope.spawn(|| {
            hand.flood(
                RATE,
                |since| lasting(FOR)(since) && !over.load(Ordering::Relaxed),
                |number, room| {
                    let packet = packet(number as u16);
                    room[..packet.len()].copy_from_slice(&packet);
                    (packet.len(), PHONE, entrance)
                },
            )
        });
        std::thread::sleep(FOR / 2);
        let turned = one.turn(scene, two.sides[0]);
        over.store(true, Ordering::Relaxed);
        turned.map(|()| throw.join().unwrap_or_default())
    })?;
    let tap = Tap::of(&scene.field.edge, own)?;
    // Where nothing was: keys that are pressed on one side, which the relay itself makes packets of.
    let mut play = Request::new(Command::PlayDtmf);
    play.call_id = Some(one.name.clone());
    play.from_tag = Some("offerer".to_owned());
    play.other.push("code", "123456");
    play.other.push("duration", "100");
    _ = scene.ng.ask(&play, || {})?;
    std::thread::sleep(PLAYING);
    std::thread::sleep(DIES_WITHIN);
    let at_first = tap.came();
    std::thread::sleep(DIES_WITHIN);
    let circling = tap.came().since(at_first).datagrams;
    one.end(scene);
    two.end(scene);
    let bite = (circling > 0).then(|| format!("{circling} packets a second go in a circle"));
    let note = format!("{} went round until then", at_first.datagrams);
    Ok(Outcome::of(sent).biting(bite).saying(note))
}

/// A call between two plain phones, of which only the descriptions exist.
struct Plain {
    name: String,
    /// The relay's ports: towards the offerer, and towards the answerer.
    sides: [SocketAddrV4; 2],
    offerer: SocketAddrV4,
}

impl Plain {
    fn offer(scene: &mut Scene<'_>, from: SocketAddrV4) -> Result<Self, String> {
        let mut call = Self {
            name: random::token(12),
            sides: [NOBODY; 2],
            offerer: from,
        };
        call.sides[1] = told(scene, &call.request(from))?;
        Ok(call)
    }

    fn request(&self, from: SocketAddrV4) -> Request {
        let mut offer = Scenario::AvpAvp.offer(&self.name, sdp::phone(from));
        offer.direction = Some(["private".to_owned(), "private".to_owned()]);
        offer
    }

    /// The answerer is there.
    fn answer(&mut self, scene: &mut Scene<'_>, from: SocketAddrV4) -> Result<(), String> {
        if self.sides[0] != NOBODY {
            told(scene, &self.request(self.offerer))?;
        }
        self.sides[0] = told(scene, &answer(&self.name, sdp::phone(from)))?;
        Ok(())
    }

    /// The offerer moves there, and nothing else changes.
    fn turn(&mut self, scene: &mut Scene<'_>, to: SocketAddrV4) -> Result<(), String> {
        self.offerer = to;
        told(scene, &self.request(to)).map(|_| ())
    }

    fn end(&self, scene: &mut Scene<'_>) {
        _ = scene.ng.ask(&delete(&self.name), || {});
    }
}

/// The port that a relay's body tells of.
fn told(scene: &mut Scene<'_>, request: &Request) -> Result<SocketAddrV4, String> {
    let (body, _) = scene.ng.body(request, || {})?;
    let media = Media::parse(&body);
    media
        .address
        .ok_or_else(|| "the relay's body has no address".to_owned())
}

/// RTP, 20 ms of G.711.
fn packet(sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x55; 172];
    packet[..2].copy_from_slice(&[0x80, 0]);
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet[4..8].copy_from_slice(&(u32::from(sequence) * 160).to_be_bytes());
    packet[8..12].copy_from_slice(&[1, 2, 3, 4]);
    packet
}
