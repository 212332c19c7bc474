//! A peer that is who it says it is, and sends more than any call needs.

use std::time::{Duration, Instant};

use peers::kernel::GivingWay;
use peers::scenario::Scenario;

use crate::attack::{Outcome, Scene};
use crate::flood::Sent;
use crate::witness::Call;

const RATE: u64 = 50_000;
const FOR: Duration = Duration::from_secs(5);
/// What the relay lets through of one side of an audio medium, as `[relay] audio_packet_rate` has it, and some more for
/// the first second.
const PASSES: u64 = 1000 * 5 + 2000;

/// One browser sends authentic SRTP as fast as it can. Its phone gets what a call may need, the witness all of its own.
pub(super) fn flood(scene: &mut Scene<'_>) -> Result<Outcome, String> {
    let kind = Scenario::AvpDtlsActive;
    let mut call = Call::set_up(scene.field, scene.ng, scene.identity, kind, 10)?;
    let [phone, browser] = call.halves();
    let (began, before) = (Instant::now(), browser.sent());
    let mut heard = 0;
    let gives_way = GivingWay::new();
    while began.elapsed() < FOR {
        let due = (began.elapsed().as_secs_f64() * RATE as f64) as u64;
        let done = browser.sent() - before;
        browser.burst(due.saturating_sub(done).min(64));
        heard += phone.drain();
        if due <= done {
            std::thread::sleep(Duration::from_micros(300));
        }
    }
    drop(gives_way);
    let sent = Sent {
        datagrams: browser.sent() - before,
        bytes: 0,
        took: began.elapsed(),
    };
    std::thread::sleep(Duration::from_millis(200));
    heard += phone.drain();
    _ = scene.ng.ask(&peers::scenario::delete(&call.name), || {});
    let bite = (heard > PASSES).then(|| format!("{heard} packets were forwarded"));
    Ok(Outcome::of(sent)
        .biting(bite)
        .saying(format!("{heard} forwarded")))
}
