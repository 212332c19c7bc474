//! Which engine answers a ClientHello: dimpl who can speak DTLS 1.3, as browsers do; our own DTLS 1.2 the others, for
//! among them are those with RSA certificates.

use std::time::Instant;

use crate::dtls12::{Dtls12, FirstHello};
use crate::engine::{Dimpl, Engine, EngineError, Event};
use crate::identity::HANDSHAKE_TIMEOUT;
use crate::{Identity, Role};

/// Pieces of a hello that may come before it is whole.
const HELD: usize = 32;

/// A passive engine that is none yet: it holds the pieces of a ClientHello until it can be read.
pub(crate) struct Chooser {
    identity: Identity,
    /// When a hello that is not whole by then is given up.
    ends: Option<Instant>,
    hello: FirstHello,
    held: Vec<Vec<u8>>,
    chosen: Option<Box<dyn Engine>>,
}

impl Chooser {
    pub(crate) fn new(identity: &Identity, now: Instant) -> Self {
        Chooser {
            identity: identity.clone(),
            ends: now.checked_add(HANDSHAKE_TIMEOUT),
            hello: FirstHello::default(),
            held: Vec::new(),
            chosen: None,
        }
    }

    /// The engine for the hello, with all that has come of it so far.
    fn choose(&mut self, has_dtls13: bool, now: Instant) -> Result<(), EngineError> {
        let mut engine: Box<dyn Engine> = if has_dtls13 {
            Box::new(Dimpl::new(&self.identity, now))
        } else {
            Box::new(Dtls12::new(&self.identity, Role::Passive, now))
        };
        for datagram in std::mem::take(&mut self.held) {
            engine.receive(&datagram, now)?;
        }
        self.chosen = Some(engine);
        Ok(())
    }
}

impl Engine for Chooser {
    fn receive(&mut self, datagram: &[u8], now: Instant) -> Result<(), EngineError> {
        if let Some(engine) = &mut self.chosen {
            return engine.receive(datagram, now);
        }
        if self.held.len() >= HELD {
            return Err(EngineError::Refused(
                "a ClientHello in too many pieces".to_owned(),
            ));
        }
        self.held.push(datagram.to_vec());
        match self.hello.take(datagram) {
            Some(has_dtls13) => self.choose(has_dtls13, now),
            None => Ok(()),
        }
    }

    fn timeout(&mut self, now: Instant) -> Result<(), EngineError> {
        match &mut self.chosen {
            Some(engine) => engine.timeout(now),
            None if self.ends.is_some_and(|end| now >= end) => Err(EngineError::TimedOut),
            None => Ok(()),
        }
    }

    fn poll(&mut self) -> Option<Event> {
        self.chosen.as_mut()?.poll()
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.chosen {
            Some(engine) => engine.deadline(),
            None => self.ends,
        }
    }

    fn close(&mut self) {
        if let Some(engine) = &mut self.chosen {
            engine.close();
        }
    }
}
