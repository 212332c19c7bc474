//! The peer's flights: gathered, judged when they are whole, answered or forgotten.

use std::time::Instant;

use super::flight::Part;
use super::reassembly::fragments;
use super::secrets::Party;
use super::{Agreed, Dtls12, Phase, Refusal, client, kind, refused, server};
use crate::engine::EngineError;

/// Flights that may prove wrong; each costs two operations with keys.
const WRONG_FLIGHTS: u32 = 64;

impl Dtls12 {
    /// Handshake messages that anybody could have written.
    pub(super) fn plain(&mut self, body: &[u8], now: Instant) -> Result<(), EngineError> {
        for fragment in fragments(body) {
            match &self.phase {
                // Only the Finished is to come, and that is protected; but a server may not have seen our flight.
                Phase::AwaitFinished(_) if self.us == Party::Server => {}
                Phase::AwaitFinished(_) | Phase::AwaitServer(_) | Phase::AwaitClient(_)
                    if self.incoming.is_repetition(&fragment) =>
                {
                    self.sender.asked_again(now);
                }
                Phase::AwaitFinished(_) | Phase::Done => {}
                _ => self.incoming.take(&fragment),
            }
        }
        while let Some(message) = self.incoming.pop() {
            self.gathered.push(message);
            if let Err(reason) = self.judge(now) {
                self.forget(reason)?;
            }
        }
        Ok(())
    }

    /// The flight is not from our peer, or not for us. A hello begins a handshake, so without a good one there is none.
    fn forget(&mut self, reason: Refusal) -> Result<(), EngineError> {
        self.gathered.clear();
        self.incoming.restart();
        self.wrong = self.wrong.saturating_add(1);
        if matches!(self.phase, Phase::Fresh) || self.wrong > WRONG_FLIGHTS {
            return Err(refused(reason));
        }
        Ok(())
    }

    /// Looks at what has been gathered of a flight.
    fn judge(&mut self, now: Instant) -> Result<(), Refusal> {
        match &self.phase {
            Phase::Fresh if self.us == Party::Server => self.greet(now),
            Phase::AwaitServer(waiting) => match client::take(waiting, &self.gathered)? {
                client::Taken::Part => Ok(()),
                client::Taken::Cookie(cookie) => self.call(&cookie, now),
                client::Taken::Flight(answer) => self.answer(answer, now),
            },
            Phase::AwaitClient(waiting) => {
                let Some(agreed) = server::take(waiting, &self.gathered, &self.transcript)? else {
                    return Ok(());
                };
                self.hear();
                self.agree(agreed)?;
                self.sender.rest();
                Ok(())
            }
            _ => Err("a message that nobody waits for"),
        }
    }

    /// Answers a ClientHello.
    fn greet(&mut self, now: Instant) -> Result<(), Refusal> {
        let (waiting, answer) = server::answer(&self.gathered, &self.identity)?;
        self.hear();
        let parts = answer
            .into_iter()
            .map(|(kind, body)| Part::Plain(self.transcript.say(kind, body)));
        let parts = parts.collect();
        self.sender.send(parts, now);
        self.phase = Phase::AwaitClient(waiting);
        Ok(())
    }

    /// Sends a ClientHello; the one before it and what asked for the cookie are not part of the transcript.
    pub(super) fn call(&mut self, cookie: &[u8], now: Instant) -> Result<(), Refusal> {
        let (waiting, body) = match &self.phase {
            Phase::AwaitServer(waiting) => (None, waiting.hello(cookie)),
            _ => {
                let waiting = client::Waiting::new()?;
                let body = waiting.hello(cookie);
                (Some(waiting), body)
            }
        };
        self.gathered.clear();
        self.incoming.commit();
        self.transcript.forget();
        let hello = self.transcript.say(kind::CLIENT_HELLO, body);
        self.sender.send(vec![Part::Plain(hello)], now);
        if let Some(waiting) = waiting {
            self.phase = Phase::AwaitServer(waiting);
        }
        Ok(())
    }

    /// Answers a server's flight with our own, to the Finished.
    fn answer(&mut self, answer: client::Answer, now: Instant) -> Result<(), Refusal> {
        let Phase::AwaitServer(waiting) = &self.phase else {
            return Err("nothing was asked");
        };
        // All that can go wrong goes wrong before anything is said.
        let mut transcript = self.transcript.clone();
        self.gathered
            .iter()
            .for_each(|message| transcript.hear(message));
        let (messages, agreed) = answer.complete(waiting, &self.identity, &mut transcript)?;
        let finished = agreed.secrets.verify_data(self.us, transcript.bytes());
        let finished = transcript.say(kind::FINISHED, finished.to_vec());
        self.agree(agreed)?;
        self.transcript = transcript;
        self.gathered.clear();
        self.incoming.commit();
        let mut parts: Vec<Part> = messages.into_iter().map(Part::Plain).collect();
        parts.extend([Part::ChangeCipherSpec, Part::Sealed(finished)]);
        self.sender.send(parts, now);
        Ok(())
    }

    /// The gathered flight is good.
    fn hear(&mut self) {
        for message in self.gathered.drain(..) {
            self.transcript.hear(&message);
        }
        self.incoming.commit();
    }

    fn agree(&mut self, agreed: Agreed) -> Result<(), Refusal> {
        let [ours, theirs] = [self.us, self.us.peer()].map(|of| agreed.secrets.protection(of));
        let ours = ours.ok_or("no keys")?;
        self.opener = Some(theirs.ok_or("no keys")?);
        self.sender.protect_with(ours);
        self.phase = Phase::AwaitFinished(agreed);
        Ok(())
    }
}
