//! The highest rate without loss: up until packets are lost, in steps that are smaller the more of its core the relay
//! uses.

use peers::ng::Ng;

use super::{Standing, stand};
use crate::args::Saturate;
use crate::figures::Figures;
use crate::traffic::{Report, traffic};

/// Rates that are tried at most.
const STEPS: usize = 24;
/// The steps, the smallest and the largest, and the percentage of its core that a relay may reach by one that is larger.
const STEP: (f64, f64) = (1.05, 1.3);
const BUSY: f64 = 85.0;
/// Where nothing was borne yet the rate falls by this.
const FALL: f64 = 1.5;
/// A rate that the generator does not reach by more than this is its own limit.
const REACHED: f64 = 0.97;
/// Packets a second at which a relay gets to know its peers.
const GENTLE: f64 = 10_000.0;

/// One packet in so many is decrypted, so that the generator is not the limit.
const VERIFY_EVERY: u64 = 4;

/// A rate that was borne.
#[derive(Clone, Copy, Default)]
struct Best {
    rate: f64,
    cpu: f64,
    core: f64,
}

pub(crate) fn saturate(arguments: &Saturate, figures: &mut Figures) -> Result<(), String> {
    let mut ng = Ng::connect(arguments.common.ng, None)?;
    let Saturate {
        common, sending, ..
    } = arguments;
    let mut standing = stand(common, sending, &mut ng, VERIFY_EVERY, figures)?;
    greet(arguments, &mut standing);
    let (mut good, mut rate) = (Best::default(), arguments.from);
    let mut own_limit = false;
    for _ in 0..STEPS {
        match borne(arguments, &mut standing, &mut ng, rate)? {
            Ok(best) => {
                good = best;
                rate *= step(best.core);
            }
            Err(short) => {
                own_limit = short;
                if good.rate > 0.0 {
                    break;
                }
                rate /= FALL;
            }
        }
    }
    println!(
        "highest rate: {:.0} packets/s at {:.2} us each, {:.0} % of a core; limited by the {}",
        good.rate,
        good.cpu,
        good.core,
        if own_limit { "generator" } else { "relay" }
    );
    figures.put("max_packets_per_s", good.rate);
    figures.put("cpu_us_per_packet", good.cpu);
    figures.put("limited_by_generator", f64::from(own_limit));
    standing.setup.tear_down(arguments.common.calls(), &mut ng)
}

/// How far up from a rate that takes so many percent of a core; without the relay's process nobody knows.
fn step(core: f64) -> f64 {
    let (least, most) = STEP;
    match core > 0.0 {
        true => (BUSY / core).clamp(least, most),
        false => least,
    }
}

/// Whether the relay bears a rate. A failed rate is tried again, so that a neighbour's burst on the machine does not end
/// the climb, and with new calls, since a relay need not recover the old ones. `Err(true)` where we fell short.
fn borne(
    arguments: &Saturate,
    standing: &mut Standing,
    ng: &mut Ng,
    rate: f64,
) -> Result<Result<Best, bool>, String> {
    let mut short = false;
    for _ in 0..2 {
        let pace = arguments.sending.pace(rate, 0.5, arguments.seconds);
        let report = traffic(&mut standing.engine, pace, arguments.common.pid);
        let best = best_of(&report);
        let loss = 100.0 * report.lost as f64 / report.sent.max(1) as f64;
        short = best.rate < REACHED * rate;
        println!(
            "  {rate:.0} packets/s: sent {:.0}, lost {loss:.3} %, bad {}, {:.2} us each, {:.0} % of a core",
            best.rate,
            report.counts.bad(),
            best.cpu,
            best.core
        );
        if loss <= arguments.max_loss && report.counts.bad() == 0 && !short {
            return Ok(Ok(best));
        }
        short &= loss <= arguments.max_loss;
        standing.setup.tear_down(arguments.common.calls(), ng)?;
        standing.renew(arguments.sending.first_sequence, VERIFY_EVERY, ng)?;
        greet(arguments, standing);
    }
    Ok(Err(short))
}

fn best_of(report: &Report) -> Best {
    Best {
        rate: report.sent as f64 / report.seconds,
        cpu: report.relay.microseconds() / report.received.max(1) as f64,
        core: 100.0 * report.relay.seconds() / report.seconds,
    }
}

/// Lets the relay get to know its peers.
fn greet(arguments: &Saturate, standing: &mut Standing) {
    let pace = arguments.sending.pace(GENTLE, 3.5, 0.1);
    traffic(&mut standing.engine, pace, arguments.common.pid);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_small_where_the_core_is_nearly_full() {
        assert_eq!(step(10.0), 1.3);
        assert_eq!(step(75.0), 85.0 / 75.0);
        assert_eq!(step(99.0), 1.05);
        assert_eq!(step(0.0), 1.05);
    }
}
