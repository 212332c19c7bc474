//! What the peer protects: its Finished, after which there are keys, and its good-bye.

use std::time::Instant;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::flight::Part;
use super::reassembly::{Message, fragments};
use super::record::{ALERT, HANDSHAKE, Record};
use super::secrets::Party;
use super::{Agreed, Dtls12, Phase, kind, refused};
use crate::engine::{EngineError, Event};

impl Dtls12 {
    pub(super) fn sealed(&mut self, record: &Record<'_>, now: Instant) -> Result<(), EngineError> {
        let body = self.opener.as_mut().and_then(|opener| opener.open(record));
        match (record.kind, body) {
            (HANDSHAKE, Some(body)) => self.finished(&body, now),
            (ALERT, Some(_)) => {
                if matches!(self.phase, Phase::Done) {
                    self.events.push_back(Event::Closed);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A handshake message that the peer has protected: its Finished, or its wish to begin anew, which is not heard.
    fn finished(&mut self, body: &[u8], now: Instant) -> Result<(), EngineError> {
        let finished = fragments(body).find(|it| it.kind == kind::FINISHED && it.is_whole());
        let Some(finished) = finished else {
            return Ok(());
        };
        let agreed = match &self.phase {
            Phase::AwaitFinished(agreed) => agreed,
            Phase::Done if self.us == Party::Server => {
                self.sender.asked_again(now);
                return Ok(());
            }
            _ => return Ok(()),
        };
        let expected = agreed
            .secrets
            .verify_data(self.us.peer(), self.transcript.bytes());
        if finished.sequence != self.incoming.next()
            || verify_slices_are_equal(finished.bytes, &expected).is_err()
        {
            return Err(refused("the peer's Finished is of another handshake"));
        }
        let Phase::AwaitFinished(agreed) = std::mem::replace(&mut self.phase, Phase::Done) else {
            return Ok(());
        };
        if self.us == Party::Server {
            self.transcript.hear(&Message {
                kind: finished.kind,
                sequence: finished.sequence,
                body: finished.bytes.to_vec(),
            });
            let data = agreed.secrets.verify_data(self.us, self.transcript.bytes());
            let finished = self.transcript.say(kind::FINISHED, data.to_vec());
            let parts = vec![Part::ChangeCipherSpec, Part::Sealed(finished)];
            self.sender.send(parts, now);
        }
        self.sender.rest();
        self.conclude(agreed);
        Ok(())
    }

    fn conclude(&mut self, agreed: Agreed) {
        self.events
            .push_back(Event::PeerCertificate(agreed.certificate));
        if let Some(suite) = agreed.profile {
            let length = suite.key_len().saturating_add(suite.salt_len());
            let material = agreed.secrets.exported(length.saturating_mul(2));
            self.events.push_back(Event::Material(suite, material));
        }
        self.events.push_back(Event::Connected);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;
    use crate::{Identity, Role};

    fn sent(engine: &mut Dtls12) -> Vec<Vec<u8>> {
        let events = std::iter::from_fn(|| engine.poll());
        events
            .filter_map(|event| match event {
                Event::Send(bytes) => Some(bytes),
                _ => None,
            })
            .collect()
    }

    /// A server that has answered, and flight 5: what is plain in it, and the client's Finished.
    fn before_flight_5(now: Instant) -> (Dtls12, Vec<u8>, Vec<u8>) {
        let identities = [0, 1].map(|_| Identity::generate().unwrap());
        let mut client = Dtls12::new(&identities[0], Role::Active, now);
        let mut server = Dtls12::new(&identities[1], Role::Passive, now);
        client.timeout(now).unwrap();
        for hello in sent(&mut client) {
            server.receive(&hello, now).unwrap();
        }
        for answer in sent(&mut server) {
            client.receive(&answer, now).unwrap();
        }
        let flight = sent(&mut client).concat();
        let sealed = flight
            .windows(5)
            .position(|it| it == [HANDSHAKE, 0xfe, 0xfd, 0, 1]);
        let (plain, finished) = flight.split_at(sealed.unwrap());
        (server, plain.to_vec(), finished.to_vec())
    }

    fn is_connected(engine: &mut Dtls12) -> bool {
        std::iter::from_fn(|| engine.poll()).any(|event| matches!(event, Event::Connected))
    }

    #[test]
    fn a_finished_that_overtook_its_flight_needs_no_repetition() {
        let now = Instant::now();
        let (mut server, plain, finished) = before_flight_5(now);
        server.receive(&finished, now).unwrap();
        assert!(!is_connected(&mut server));
        server.receive(&plain, now).unwrap();
        assert!(is_connected(&mut server));
    }

    #[test]
    fn a_finished_over_other_messages_ends_the_handshake() {
        let now = Instant::now();
        let (mut server, plain, finished) = before_flight_5(now);
        server.receive(&plain, now).unwrap();
        server.transcript.hear(&Message {
            kind: kind::CERTIFICATE_VERIFY,
            sequence: 3,
            body: vec![0],
        });
        assert!(server.receive(&finished, now).is_err());
        assert!(!is_connected(&mut server));
    }
}
