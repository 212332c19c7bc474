//! RTCP that lies: goodbyes, and reports of losses that nobody has had.

use std::time::Duration;

use peers::packet::Stream;
use peers::random;

use crate::attack::{Outcome, Scene};
use crate::field::{ATTACKER, BROWSER};
use crate::flood::{Hand, Sent, lasting};

const RATE: u64 = 5000;
const FOR: Duration = Duration::from_secs(2);

/// Compound packets in the clear that end each stream of the browsers, from a stranger and in their own names. They speak
/// SRTCP, so none of it is theirs.
pub(super) fn lies(scene: &mut Scene<'_>) -> Result<Outcome, String> {
    let calls: Vec<_> = (scene.witness.calls().iter())
        .map(|call| {
            (
                call.browser().address(),
                call.browser().relay(),
                call.browser().stream,
            )
        })
        .collect();
    let mut sent = Sent::default();
    for (address, relay, stream) in calls {
        for from in [ATTACKER, BROWSER] {
            let mut hand = Hand::new(&scene.field.alley, address.port())?;
            let lie = goodbye(&stream);
            sent = sent.and(hand.flood(RATE, lasting(FOR), |_, room| {
                room[..lie.len()].copy_from_slice(&lie);
                (lie.len(), from, relay)
            }));
        }
    }
    Ok(Outcome::of(sent))
}

/// A receiver report with 31 blocks of total loss, and a BYE.
fn goodbye(stream: &Stream) -> Vec<u8> {
    const BLOCKS: u8 = 31;
    let source = stream.ssrc.to_be_bytes();
    let words = 1 + 6 * u16::from(BLOCKS);
    let mut packet = vec![0x80 | BLOCKS, 201];
    packet.extend(words.to_be_bytes());
    packet.extend(source);
    for _ in 0..BLOCKS {
        packet.extend(random::bytes::<4>());
        packet.extend([0xff; 20]);
    }
    packet.extend([0x81, 203, 0, 1]);
    packet.extend(source);
    packet
}
