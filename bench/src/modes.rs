//! What can be measured of a relay; each mode prints what it found and gives the same as figures.

mod churn;
mod control;
mod run;
mod saturate;

pub(crate) use churn::churn;
pub(crate) use control::control;
pub(crate) use run::run;
pub(crate) use saturate::saturate;

use peers::clock::{self, microseconds};
use peers::histogram::Histogram;
use peers::ng::Ng;
use peers::process::{self, Cpu};
use peers::random;

use crate::args::{Common, Sending};
use crate::calls::Calls;
use crate::engine::Engine;
use crate::figures::Figures;
use crate::setup::{Setup, Took};

/// How often new calls are tried, a second apart, after an overload.
const RENEWALS: usize = 5;

/// Calls that stand, and the commands that made them.
struct Standing {
    engine: Engine,
    setup: Setup,
    /// The relay's resident set before, in kB.
    resident: u64,
}

impl Standing {
    /// New calls in place of those that were torn down. A relay that was overloaded may take none for a while.
    fn renew(
        &mut self,
        first_sequence: Option<u16>,
        verify_every: u64,
        ng: &mut Ng,
    ) -> Result<(), String> {
        let calls = self.engine.calls.legs.len() / 2;
        let mut refused = String::new();
        for _ in 0..RENEWALS {
            self.engine.settle(clock::SECOND);
            self.setup.prefix = random::token(10);
            self.engine.calls = Calls::new(calls, first_sequence, verify_every);
            match self.setup.all(&mut self.engine, ng) {
                Ok(_) => return Ok(()),
                Err(why) => refused = why,
            }
            // Those of them that stand.
            self.setup.tear_down(calls, ng).unwrap_or_default();
        }
        Err(refused)
    }
}

/// Sets up the calls of a run. One packet in `verify_every` will be decrypted.
fn stand(
    common: &Common,
    sending: &Sending,
    ng: &mut Ng,
    verify_every: u64,
    figures: &mut Figures,
) -> Result<Standing, String> {
    let setup = common.setup(sending.handshakes)?;
    let calls = Calls::new(common.calls(), sending.first_sequence, verify_every);
    let mut engine = Engine::new(calls, common.port, sending.burst)
        .map_err(|error| format!("the endpoints' socket: {error}"))?;
    if let Some(pid) = common.pid {
        figures.put("descriptors_before", process::descriptors(pid) as f64);
    }
    let resident = process::resident(common.pid);
    let before = cpu(common);
    let took = setup.all(&mut engine, ng)?;
    let spent = cpu(common).since(before).microseconds() / common.calls() as f64;
    println!(
        "{} calls stand; {spent:.0} us of the relay's CPU each",
        common.calls()
    );
    figures.put("setup_cpu_us", spent);
    put_commands(&took, figures);
    put_handshakes(&engine, figures);
    Ok(Standing {
        engine,
        setup,
        resident,
    })
}

fn put_commands(took: &Took, figures: &mut Figures) {
    let p50 = |histogram: &Histogram| microseconds(histogram.percentile(50.0));
    figures.put("offer_us_p50", p50(&took.offer));
    figures.put("answer_us_p50", p50(&took.answer));
    println!(
        "  offer {:.0} us, answer {:.0} us (median)",
        p50(&took.offer),
        p50(&took.answer)
    );
}

fn put_handshakes(engine: &Engine, figures: &mut Figures) {
    let legs = engine.calls.legs.iter();
    let browsers: Vec<_> = legs.filter_map(|leg| leg.browser.as_ref()).collect();
    if browsers.is_empty() {
        return;
    }
    let span = |from: fn(&peers::browser::Times) -> u64| -> Histogram {
        let times = browsers.iter().map(|browser| &browser.times);
        times.map(|t| t.keys.saturating_sub(from(t))).collect()
    };
    let milliseconds = |h: &Histogram, p| microseconds(h.percentile(p)) / 1e3;
    let (dtls, keys) = (span(|t| t.dtls), span(|t| t.start));
    let bad: u64 = browsers.iter().map(|browser| browser.bad_stun).sum();
    println!(
        "  DTLS {:.1}/{:.1} ms, answer to keys {:.1}/{:.1} ms (median, p99), bad STUN {bad}",
        milliseconds(&dtls, 50.0),
        milliseconds(&dtls, 99.0),
        milliseconds(&keys, 50.0),
        milliseconds(&keys, 99.0)
    );
    figures.put("dtls_ms_p50", milliseconds(&dtls, 50.0));
    figures.put("keys_ms_p50", milliseconds(&keys, 50.0));
    figures.put("keys_ms_p99", milliseconds(&keys, 99.0));
}

/// The relay's CPU time so far.
fn cpu(common: &Common) -> Cpu {
    common.pid.map(Cpu::of).unwrap_or_default()
}
