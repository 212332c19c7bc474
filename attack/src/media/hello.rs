//! The race of the first ClientHello (CVE-2023-51275 and its kin): a hello that offers nothing usable comes before the
//! browser's own, and the call must come up all the same.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::{Duration, Instant};

use peers::random;
use peers::scenario::Scenario;

use crate::attack::{Outcome, Scene};
use crate::field::{ATTACKER, BROWSER, PUBLIC};
use crate::flood::{Hand, Sent};
use crate::witness::Call;

/// Calls that are set up under the spray, and before it.
const CALLS: usize = 200;
const CLEAN: usize = 50;
/// Hellos a second, from each of the attacker's hands.
const RATE: u64 = 1000;
/// Hellos alone with a port before its browser answers.
const HEAD_START: Duration = Duration::from_millis(5);
/// Each that fails takes its ten seconds.
const MAX_FAILURES: usize = 2;
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
    let mut clean = Vec::new();
    for number in 0..CLEAN {
        clean.push(set_up(scene, number, |_| ())?);
    }
    let hello = null_cipher_hello();
    let (mut times, mut failures, mut sent) = (Vec::new(), Vec::new(), Sent::default());
    for number in 0..CALLS {
        let mut hand = Hand::new(&scene.field.alley, Call::port(FIRST + number))?;
        let (target, over) = (AtomicU16::new(0), AtomicBool::new(false));
        let (outcome, sprayed) = std::thread::scope(|scope| {
            let spray = scope.spawn(|| {
                hand.flood(
                    RATE,
                    |_| !over.load(Ordering::Relaxed),
                    |_, room| {
                        room[..hello.len()].copy_from_slice(&hello);
                        // Until the port is known it goes to the discard service.
                        let port = target.load(Ordering::Relaxed).max(9);
                        (hello.len(), from, SocketAddrV4::new(PUBLIC, port))
                    },
                )
            });
            let aim = |relay: SocketAddrV4| target.store(relay.port(), Ordering::Relaxed);
            let outcome = set_up(scene, number, aim);
            over.store(true, Ordering::Relaxed);
            (outcome, spray.join().unwrap_or_default())
        });
        sent = sent.and(sprayed);
        match outcome {
            Ok(time) => times.push(time),
            Err(why) => failures.push(why),
        }
        if failures.len() > MAX_FAILURES {
            break;
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
        .map(|why| format!("calls did not come up: {why}"));
    Ok(Outcome::of(sent).biting(bite).saying(note))
}

/// How long a call took until it had its keys.
fn set_up(
    scene: &mut Scene<'_>,
    number: usize,
    aim: impl Fn(SocketAddrV4),
) -> Result<Duration, String> {
    let began = Instant::now();
    let mut call = Call::new(scene.field, FIRST + number)?;
    let identity = scene.identity;
    let done = call.negotiate(scene.ng, [identity; 2], Scenario::AvpDtlsActive, |relay| {
        aim(relay);
        // So long a browser takes at least to answer, and so long the spray is alone with the port.
        std::thread::sleep(HEAD_START);
    });
    let took = began.elapsed().saturating_sub(HEAD_START);
    _ = scene.ng.ask(&peers::scenario::delete(&call.name), || {});
    done.map(|()| took)
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
