//! DTLS 1.2 (RFC 6347) as DTLS-SRTP needs it and no further: ECDHE with AES-GCM, certificates of both sides, ECDSA or
//! RSA, the extended master secret always. No resumption, no renegotiation, no cookies of ours, no application data.
//!
//! It is for peers that dimpl refuses: those with RSA certificates. No certificate is believed here, only that its key
//! has signed; the endpoint compares fingerprints. Messages are gathered until a flight is whole and
//! judged then; a flight that proves to be wrong is forgotten, and the true one is taken when its sender repeats it. So a
//! stranger's packet in a client's flight costs the handshake time and not its life.

mod certificate;
mod client;
mod finished;
mod first_hello;
mod flight;
mod flights;
mod hello;
mod parameters;
mod reassembly;
mod record;
mod secrets;
mod server;
mod transcript;
mod wire;

use std::collections::VecDeque;
use std::time::Instant;

use srtp::Suite;

use crate::engine::{Engine, EngineError, Event};
use crate::identity::HANDSHAKE_TIMEOUT;
use crate::{Identity, Role};
use flight::Sender;
use reassembly::{Message, Reassembly};
use record::{ALERT, HANDSHAKE, Protection, records};
use secrets::{Party, Secrets};
use transcript::Transcript;

pub(crate) use first_hello::FirstHello;

/// Datagrams with protected records that are kept until there are keys for them.
const EARLY: usize = 4;

/// Handshake types (RFC 5246 section 7.4).
mod kind {
    pub(super) const CLIENT_HELLO: u8 = 1;
    pub(super) const SERVER_HELLO: u8 = 2;
    pub(super) const HELLO_VERIFY_REQUEST: u8 = 3;
    pub(super) const CERTIFICATE: u8 = 11;
    pub(super) const SERVER_KEY_EXCHANGE: u8 = 12;
    pub(super) const CERTIFICATE_REQUEST: u8 = 13;
    pub(super) const SERVER_HELLO_DONE: u8 = 14;
    pub(super) const CERTIFICATE_VERIFY: u8 = 15;
    pub(super) const CLIENT_KEY_EXCHANGE: u8 = 16;
    pub(super) const FINISHED: u8 = 20;
}

/// One handshake.
pub(crate) struct Dtls12 {
    identity: Identity,
    us: Party,
    /// When the peer has not answered for too long.
    ends: Option<Instant>,
    phase: Phase,
    transcript: Transcript,
    incoming: Reassembly,
    /// The messages of the flight that is coming.
    gathered: Vec<Message>,
    opener: Option<Protection>,
    early: Vec<Vec<u8>>,
    wrong: u32,
    sender: Sender,
    events: VecDeque<Event>,
}

enum Phase {
    /// A server without a ClientHello, a client that has not sent its own.
    Fresh,
    /// We have sent a ClientHello.
    AwaitServer(client::Waiting),
    /// We have answered a ClientHello.
    AwaitClient(server::Waiting),
    /// All is agreed, if the peer's Finished says so too.
    AwaitFinished(Agreed),
    Done,
}

/// What a flight amounts to.
struct Agreed {
    secrets: Secrets,
    profile: Option<Suite>,
    certificate: Vec<u8>,
}

/// Why a flight is wrong.
type Refusal = &'static str;

fn refused(reason: Refusal) -> EngineError {
    EngineError::Refused(reason.to_owned())
}

impl Dtls12 {
    pub(crate) fn new(identity: &Identity, role: Role, now: Instant) -> Self {
        Dtls12 {
            identity: identity.clone(),
            us: match role {
                Role::Active => Party::Client,
                Role::Passive => Party::Server,
            },
            ends: now.checked_add(HANDSHAKE_TIMEOUT),
            phase: Phase::Fresh,
            transcript: Transcript::default(),
            incoming: Reassembly::default(),
            gathered: Vec::new(),
            opener: None,
            early: Vec::new(),
            wrong: 0,
            sender: Sender::new(),
            events: VecDeque::new(),
        }
    }

    fn datagram(&mut self, datagram: &[u8], now: Instant) -> Result<(), EngineError> {
        let mut is_early = false;
        for record in records(datagram) {
            match (record.epoch(), record.kind) {
                (0, HANDSHAKE) => self.plain(record.body, now)?,
                (1, _) => match self.opener {
                    Some(_) => self.sealed(&record, now)?,
                    None => is_early = true,
                },
                // The epoch says what a ChangeCipherSpec would; a plain alert says nothing that could be believed.
                _ => {}
            }
        }
        if is_early && self.early.len() < EARLY {
            self.early.push(datagram.to_vec());
        }
        Ok(())
    }

    /// What came before the keys that it is protected with.
    fn take_early(&mut self, now: Instant) -> Result<(), EngineError> {
        if self.opener.is_some() {
            for datagram in std::mem::take(&mut self.early) {
                self.datagram(&datagram, now)?;
            }
        }
        Ok(())
    }
}

impl Engine for Dtls12 {
    fn receive(&mut self, datagram: &[u8], now: Instant) -> Result<(), EngineError> {
        self.datagram(datagram, now)?;
        self.take_early(now)
    }

    fn timeout(&mut self, now: Instant) -> Result<(), EngineError> {
        if matches!(self.phase, Phase::Done) {
            return Ok(());
        }
        if self.ends.is_some_and(|end| now >= end) {
            return Err(EngineError::TimedOut);
        }
        if matches!(self.phase, Phase::Fresh) && self.us == Party::Client {
            return self.call(&[], now).map_err(refused);
        }
        self.sender.timeout(now);
        Ok(())
    }

    fn poll(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        event.or_else(|| {
            self.events
                .extend(self.sender.take().into_iter().map(Event::Send));
            self.events.pop_front()
        })
    }

    fn deadline(&self) -> Option<Instant> {
        if matches!(self.phase, Phase::Done) {
            return None;
        }
        self.sender.due().into_iter().chain(self.ends).min()
    }

    fn close(&mut self) {
        if matches!(self.phase, Phase::Done) {
            /// Warning, close_notify.
            const CLOSE_NOTIFY: [u8; 2] = [1, 0];
            self.sender.send_sealed(ALERT, &CLOSE_NOTIFY);
        }
    }
}
