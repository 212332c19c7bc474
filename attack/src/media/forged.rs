//! What somebody who can write another's address, or hear his packets, can throw at a call.

use std::time::Duration;

use peers::kernel::{GivingWay, ROOM};
use peers::packet::{LEN, Stream};
use peers::random::{self, Same};

use crate::attack::{Outcome, Scene};
use crate::field::{ATTACKER, BROWSER};
use crate::flood::{Hand, Sent, lasting};

/// A million for all calls together, at a rate that leaves a core something to do: each costs what a true packet costs.
const RATE: u64 = 100_000;
const FOR: Duration = Duration::from_secs(5);
/// How often a packet is repeated.
const COPIES: u32 = 5;
/// How long is listened for packets to repeat.
const LISTENING: Duration = Duration::from_secs(4);

/// A million packets in the browsers' names: their addresses, their sources, numbers that fit, and tags that do not.
pub(super) fn srtp(scene: &mut Scene<'_>) -> Result<Outcome, String> {
    let mut sent = Sent::default();
    let calls: Vec<_> = (scene.witness.calls().iter())
        .map(|call| {
            (
                call.browser().address(),
                call.browser().relay(),
                call.browser().stream,
                call.browser().sent(),
            )
        })
        .collect();
    for (address, relay, stream, number) in calls {
        let mut hand = Hand::new(&scene.field.alley, address.port())?;
        let mut chance = Same(random::number() | 1);
        let _gives_way = GivingWay::new();
        sent = sent.and(hand.flood(RATE, lasting(FOR), |_, room| {
            let ahead = chance.number() % 100;
            stream.write(number + ahead, 0, room);
            let tag = chance.number().to_le_bytes();
            room[LEN..LEN + 8].copy_from_slice(&tag);
            (LEN + 10, BROWSER, relay)
        }));
    }
    Ok(Outcome::of(sent))
}

/// Every packet of the browsers five times more, from their own addresses.
pub(super) fn replayed(scene: &mut Scene<'_>) -> Result<Outcome, String> {
    let heard = || -> Vec<_> {
        let calls = scene.witness.calls();
        let ends = calls.iter().map(|call| call.browser());
        ends.map(|end| (end.address(), end.relay(), end.last_sent().to_vec()))
            .collect()
    };
    let mut hands = Vec::new();
    for (address, _, _) in heard() {
        hands.push((Hand::new(&scene.field.alley, address.port())?, Vec::new()));
    }
    let (began, mut sent) = (std::time::Instant::now(), Sent::default());
    while began.elapsed() < LISTENING {
        for ((hand, last), (_, relay, packet)) in hands.iter_mut().zip(heard()) {
            if packet.is_empty() || *last == packet {
                continue;
            }
            for _ in 0..COPIES {
                sent = sent.and(hand.send(&packet, BROWSER, relay));
            }
            *last = packet;
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    sent.took = began.elapsed();
    Ok(Outcome::of(sent))
}

/// Plain RTP in every stream's name, from an address of the attacker's own, at all ports of the calls.
pub(super) fn injected(scene: &mut Scene<'_>) -> Result<Outcome, String> {
    let mut streams: Vec<(Stream, u64, std::net::SocketAddrV4)> = Vec::new();
    for call in scene.witness.calls().iter() {
        for end in [call.phone(), call.browser()] {
            streams.push((end.stream, end.sent(), end.relay()));
        }
    }
    let mut hand = Hand::new(&scene.field.alley, 5003)?;
    let mut chance = Same(random::number() | 1);
    let sent = hand.flood(10_000, lasting(FOR), |number, room: &mut [u8; ROOM]| {
        let (stream, sent, relay) = &streams[number as usize % streams.len()];
        stream.write(sent + chance.number() % 250, 0, room);
        (LEN, ATTACKER, *relay)
    });
    Ok(Outcome::of(sent))
}
