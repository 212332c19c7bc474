//! Sets up calls over ng: offer and answer, keys, handshakes.

use std::time::Duration;

use peers::answer::{Answer, is_client};
use peers::browser::{Browser, Identity};
use peers::clock;
use peers::histogram::Histogram;
use peers::ng::Ng;
use peers::scenario::{Scenario, answer, delete};
use peers::sdp::{self, Media};

use crate::engine::Engine;

/// How calls are set up.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) scenario: Scenario,
    /// What call-ids begin with.
    pub(crate) prefix: String,
    pub(crate) identity: Identity,
    /// Handshakes that are under way at once.
    pub(crate) handshakes: usize,
}

/// How long the commands took.
pub(crate) struct Took {
    pub(crate) offer: Histogram,
    pub(crate) answer: Histogram,
}

impl Setup {
    /// The call-id of call `number`.
    pub(crate) fn call(&self, number: usize) -> String {
        format!("{}-{number}@bench", self.prefix)
    }

    /// Sets up all calls of the engine.
    pub(crate) fn all(&self, engine: &mut Engine, ng: &mut Ng) -> Result<Took, String> {
        let mut took = Took {
            offer: Histogram::new(),
            answer: Histogram::new(),
        };
        for number in 0..engine.calls.legs.len() / 2 {
            self.one(number, engine, ng, &mut took)
                .map_err(|error| format!("call {number}: {error}"))?;
        }
        engine.shake_until(1);
        check_handshakes(engine)?;
        Ok(took)
    }

    /// Ends them.
    pub(crate) fn tear_down(&self, calls: usize, ng: &mut Ng) -> Result<(), String> {
        let deletes: Vec<_> = (0..calls)
            .map(|number| delete(&self.call(number)))
            .collect();
        let outcome = ng.ask_all(&deletes, 4);
        match outcome.first_failure() {
            Some(why) => Err(format!("{} deletes failed: {why}", outcome.failed())),
            None => Ok(()),
        }
    }

    fn one(
        &self,
        number: usize,
        engine: &mut Engine,
        ng: &mut Ng,
        took: &mut Took,
    ) -> Result<(), String> {
        let (a, b) = (2 * number, 2 * number + 1);
        let call = self.call(number);
        let offer = self.scenario.offer(&call, sdp::phone(engine.at(a)));
        let (offered, time) = media(ng, engine, &offer)?;
        took.offer.add(nanoseconds(time));
        let mut ours = Answer::new(self.scenario, &offered)?;
        if self.scenario.is_dtls() {
            // The offer is known before the answer is sent, as in a browser: checks may come at once.
            let mut browser = Browser::new(b);
            browser.take(
                &offered,
                is_client(&offered, self.scenario.is_active(number)),
            );
            engine.calls.legs[b].browser = Some(Box::new(browser));
        }
        let at = engine.at(b);
        let browser = engine.calls.legs[b].browser.as_deref();
        let body = ours.body(browser, at, &offered, &self.identity);
        let (answered, time) = media(ng, engine, &answer(&call, body))?;
        took.answer.add(nanoseconds(time));
        if answered.protocol != "RTP/AVP" {
            return Err(format!("the phone was given {}", answered.protocol));
        }
        for (leg, media) in [(a, &answered), (b, &offered)] {
            engine.calls.legs[leg].relay = media.address.ok_or("no address in the relay's body")?;
        }
        let leg = &mut engine.calls.legs[b];
        (leg.outbound, leg.inbound) = ours.take_keys().unzip();
        if let Some(browser) = &mut leg.browser {
            browser.start(&self.identity, clock::now());
            engine.shake(b);
            engine.shake_until(self.handshakes);
        }
        Ok(())
    }
}

fn media(
    ng: &mut Ng,
    engine: &mut Engine,
    request: &control_proto::Request,
) -> Result<(Media, Duration), String> {
    let (body, took) = ng.body(request, || engine.pump())?;
    let media = Media::parse(&body);
    if media.address.is_none() {
        return Err(format!("no address in the relay's body:\n{body}"));
    }
    Ok((media, took))
}

fn check_handshakes(engine: &Engine) -> Result<(), String> {
    let browsers = engine.calls.legs.iter().filter_map(|l| l.browser.as_ref());
    let failed: Vec<_> = browsers.filter_map(|b| b.failed.as_ref()).collect();
    match failed.first() {
        Some(why) => Err(format!("{} handshakes failed: {why}", failed.len())),
        None => Ok(()),
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
