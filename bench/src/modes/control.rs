//! The control port: all offers, then all answers, then all deletes, so that each has its own figures.

use control_proto::Request;
use peers::browser::Browser;
use peers::clock::microseconds;
use peers::ng::{Ng, Outcome, body_of};
use peers::process;
use peers::scenario::{answer, delete};
use peers::sdp::{self, Media};

use super::cpu;
use crate::args::{Common, Control};
use crate::calls::Calls;
use crate::engine::Engine;
use crate::figures::Figures;
use crate::setup::Setup;
use peers::answer::{Answer, is_client};

pub(crate) fn control(arguments: &Control, figures: &mut Figures) -> Result<(), String> {
    let common = &arguments.common;
    let mut ng = Ng::connect(common.ng, None)?;
    let setup = common.setup(1)?;
    let mut engine = Engine::new(Calls::new(common.calls(), None, 1), common.port, 1)
        .map_err(|error| format!("the endpoints' socket: {error}"))?;
    let mut bench = Bench {
        common,
        in_flight: arguments.in_flight,
        figures,
    };
    let resident = process::resident(common.pid);
    let offers = offers(&setup, &engine);
    let (offered, offer_cpu) = bench.phase("offer", &offers, &mut ng)?;
    let answers = answers(&setup, &mut engine, &offered)?;
    let (_, answer_cpu) = bench.phase("answer", &answers, &mut ng)?;
    let grown = process::resident(common.pid).saturating_sub(resident);
    bench.figures.put("set_up_cpu_us", offer_cpu + answer_cpu);
    bench
        .figures
        .put("kb_per_call", grown as f64 / common.calls() as f64);
    println!("offer and answer: {:.1} us of CPU", offer_cpu + answer_cpu);
    let deletes: Vec<_> = (0..common.calls())
        .map(|number| delete(&setup.call(number)))
        .collect();
    bench.phase("delete", &deletes, &mut ng).map(|_| ())
}

struct Bench<'a> {
    common: &'a Common,
    in_flight: usize,
    figures: &'a mut Figures,
}

impl Bench<'_> {
    /// One kind of command for all calls; what came of it, and the relay's CPU time for each, in microseconds.
    fn phase(
        &mut self,
        name: &str,
        requests: &[Request],
        ng: &mut Ng,
    ) -> Result<(Outcome, f64), String> {
        let before = cpu(self.common);
        let outcome = ng.ask_all(requests, self.in_flight);
        let spent = cpu(self.common).since(before).microseconds() / requests.len() as f64;
        if let Some(why) = outcome.first_failure() {
            return Err(format!("{} of {name} failed: {why}", outcome.failed()));
        }
        let rate = requests.len() as f64 / outcome.took.as_secs_f64();
        let p50 = microseconds(outcome.latency.percentile(50.0));
        println!(
            "{name}: {rate:.0}/s, {spent:.1} us of CPU each, median {p50:.0} us, p99 {:.0} us",
            microseconds(outcome.latency.percentile(99.0))
        );
        self.figures.put(format!("{name}_per_s"), rate);
        self.figures.put(format!("{name}_cpu_us"), spent);
        self.figures.put(format!("{name}_us_p50"), p50);
        Ok((outcome, spent))
    }
}

/// The phones' offers.
pub(super) fn offers(setup: &Setup, engine: &Engine) -> Vec<Request> {
    let calls = engine.calls.legs.len() / 2;
    let offer = |number| {
        let body = sdp::phone(engine.at(2 * number));
        setup.scenario.offer(&setup.call(number), body)
    };
    (0..calls).map(offer).collect()
}

/// What the other legs answer to them.
pub(super) fn answers(
    setup: &Setup,
    engine: &mut Engine,
    offered: &Outcome,
) -> Result<Vec<Request>, String> {
    let mut answers = Vec::new();
    for (number, reply) in offered.replies.iter().enumerate() {
        let Some(reply) = reply else { continue };
        let media = Media::parse(&body_of(reply)?);
        let b = 2 * number + 1;
        if setup.scenario.is_dtls() {
            let mut browser = Browser::new(b);
            browser.take(&media, is_client(&media, setup.scenario.is_active(number)));
            engine.calls.legs[b].browser = Some(Box::new(browser));
        }
        let ours = Answer::new(setup.scenario, &media)?;
        let browser = engine.calls.legs[b].browser.as_deref();
        let body = ours.body(browser, engine.at(b), &media, &setup.identity);
        answers.push(answer(&setup.call(number), body));
    }
    Ok(answers)
}
