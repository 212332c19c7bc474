//! The endpoint: makes engines, lets a bad one die quietly, compares the certificate, hands out the keys.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use srtp::{MasterKey, Suite};

use crate::attempt::Attempt;
use crate::budget::Budget;
use crate::chooser::Chooser;
use crate::dtls12::Dtls12;
use crate::engine::Engine;
use crate::fingerprint::any_matches;
use crate::identity::HANDSHAKE_TIMEOUT;
use crate::record::{Record, look};
use crate::{Fingerprint, Identity};

/// How long an active endpoint waits after a handshake that was spoilt; doubles each time, up to 3.2 s.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const MAX_DOUBLINGS: u32 = 4;

/// Who begins (RFC 5763 section 5, RFC 8842 `a=setup`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The DTLS client.
    Active,
    /// The DTLS server.
    Passive,
}

/// The SRTP keys of a finished handshake with the right peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// What both protect with.
    pub suite: Suite,
    /// What we protect with.
    pub local: MasterKey,
    /// What the peer protects with.
    pub remote: MasterKey,
}

/// What the endpoint wants done, or wants known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this datagram to the peer.
    Send(Vec<u8>),
    /// The handshake is complete and the certificate is the one of the peer's SDP. Comes once.
    Connected(Keys),
    /// The peer said good-bye. SRTP may go on: its keys do not depend on it.
    Closed,
    /// There will be no keys. Comes once, and nothing after it.
    Failed(Failure),
}

/// Why there will be no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Failure {
    /// The peer finished the handshake with another certificate than its SDP announced.
    #[error("the peer's certificate is not the one of its a=fingerprint")]
    WrongFingerprint,
    /// The peer does not speak DTLS-SRTP, or none of our suites.
    #[error("the peer agreed to no SRTP protection profile")]
    NoSrtp,
    /// We called and nobody finished the handshake.
    #[error("the peer did not finish the DTLS handshake in time")]
    TimedOut,
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// An engine took it.
    Taken,
    /// It was dropped, in silence.
    Dropped(Reason),
}

/// Why a datagram was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Not a DTLS record.
    NotDtls,
    /// An alert that anybody could have written.
    PlainAlert,
    /// Nothing that a handshake begins with, while there is none.
    NoHandshake,
    /// A hello that no handshake can be made of, or one that ended the handshake that it belonged to.
    BadHandshake,
    /// Hellos come faster than handshakes are begun.
    TooManyHellos,
    /// A hello after the handshake is complete.
    LateHello,
    /// The endpoint has failed or is closed.
    Ended,
}

/// One side of one DTLS association.
pub struct Endpoint {
    role: Role,
    make: Box<dyn Fn(Instant) -> Box<dyn Engine> + Send>,
    /// What the peer's certificate must match; `None` until its SDP has come.
    expected: Option<Vec<Fingerprint>>,
    live: Option<Attempt>,
    /// A hello of another random than the live one's: takes over only when it turns out to be good.
    spare: Option<Attempt>,
    budget: Budget,
    /// When an active endpoint gives up.
    give_up: Option<Instant>,
    /// When an active endpoint without a live attempt makes the next one.
    call_at: Option<Instant>,
    failures: u32,
    /// The keys are out, or never will be.
    concluded: Conclusion,
    outputs: VecDeque<Output>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Conclusion {
    Open,
    Connected,
    Ended,
}

impl Endpoint {
    /// An endpoint with the engines that we have: passive the one that fits the ClientHello, active our own DTLS 1.2.
    /// `expected` are the fingerprints of the peer's SDP, if it has come: else [`Endpoint::expect`] gives them later
    /// and the keys wait for it.
    pub fn new(
        identity: &Identity,
        role: Role,
        expected: Option<Vec<Fingerprint>>,
        now: Instant,
    ) -> Self {
        let identity = identity.clone();
        Endpoint::with_engine(role, expected, now, move |now| match role {
            Role::Active => Box::new(Dtls12::new(&identity, role, now)) as Box<dyn Engine>,
            Role::Passive => Box::new(Chooser::new(&identity, now)),
        })
    }

    /// An endpoint with an engine of another make: `make` is called for every attempt at a handshake.
    pub fn with_engine(
        role: Role,
        expected: Option<Vec<Fingerprint>>,
        now: Instant,
        make: impl Fn(Instant) -> Box<dyn Engine> + Send + 'static,
    ) -> Self {
        Endpoint {
            role,
            make: Box::new(make),
            expected,
            live: None,
            spare: None,
            budget: Budget::new(now),
            give_up: None,
            call_at: None,
            failures: 0,
            concluded: Conclusion::Open,
            outputs: VecDeque::new(),
        }
    }

    /// Begins the handshake if the role is active: call it when there is an address to send to.
    pub fn start(&mut self, now: Instant) {
        if self.role == Role::Active && self.live.is_none() && self.concluded == Conclusion::Open {
            self.give_up = self.give_up.or_else(|| now.checked_add(HANDSHAKE_TIMEOUT));
            self.call_at.get_or_insert(now);
            self.begin_if_due(now);
            self.flush();
        }
    }

    /// The peer's SDP has come: these are the fingerprints its certificate must match.
    pub fn expect(&mut self, fingerprints: Vec<Fingerprint>) {
        self.expected = Some(fingerprints);
        self.conclude();
    }

    /// Who we are in this association.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Takes a datagram. It must come from an address that ICE has validated, where there is ICE.
    pub fn receive(&mut self, datagram: &[u8], now: Instant) -> Verdict {
        match self.take(datagram, now) {
            Ok(()) => Verdict::Taken,
            Err(reason) => Verdict::Dropped(reason),
        }
    }

    /// The next thing to do or to know; ask until there is none.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Endpoint::timeout`] wants to be called next.
    pub fn deadline(&self) -> Option<Instant> {
        if self.concluded == Conclusion::Ended {
            return None;
        }
        let attempts = [&self.live, &self.spare].into_iter().flatten();
        attempts
            .filter_map(Attempt::deadline)
            .chain(self.give_up)
            .chain(self.call_at)
            .min()
    }

    /// Time has passed. Calling it early or late does no harm.
    pub fn timeout(&mut self, now: Instant) {
        if self.concluded == Conclusion::Ended {
            return;
        }
        self.spare = aged(self.spare.take(), now);
        self.live = aged(self.live.take(), now);
        if self.give_up.is_some_and(|at| now >= at) {
            self.fail(Failure::TimedOut);
        } else if self.live.is_none() && self.give_up.is_some() {
            if self.call_at.is_none() {
                self.begin_again_later(now);
            }
            self.begin_if_due(now);
        }
        self.flush();
    }

    /// Says good-bye to the peer, if there was a handshake. Nothing is taken afterwards.
    pub fn close(&mut self) {
        if let Some(live) = &mut self.live {
            live.close();
        }
        self.flush();
        self.end();
    }

    fn take(&mut self, datagram: &[u8], now: Instant) -> Result<(), Reason> {
        let record = look(datagram).ok_or(Reason::NotDtls)?;
        if self.concluded == Conclusion::Ended {
            return Err(Reason::Ended);
        }
        match (record, self.role) {
            (Record::PlainAlert, _) => return Err(Reason::PlainAlert),
            (Record::Hello(_) | Record::HelloFragment, Role::Active) => {
                return Err(Reason::BadHandshake);
            }
            (Record::Hello(random), Role::Passive) => self.greet(random, datagram, now)?,
            (Record::HelloFragment, Role::Passive) => self.piece(datagram, now)?,
            (Record::Other, _) => self.deliver(datagram, now)?,
        }
        self.flush();
        Ok(())
    }

    /// The first piece of a ClientHello. The handshake that is under way is not disturbed by a hello of somebody
    /// else unless that one is good, which only a peer that starts anew has reason to send.
    fn greet(&mut self, random: [u8; 32], datagram: &[u8], now: Instant) -> Result<(), Reason> {
        match &mut self.live {
            Some(live) if live.random == Some(random) && live.has_answered => {
                return self.deliver(datagram, now);
            }
            Some(live) if live.is_complete => return Err(Reason::LateHello),
            Some(live) if live.random.is_none() && !live.has_answered => {
                // Its later piece came first.
                live.random = Some(random);
                return self.deliver(datagram, now);
            }
            _ => {}
        }
        let mut attempt = self.attempt(Some(random), now)?;
        attempt
            .receive(datagram, now)
            .map_err(|_| Reason::BadHandshake)?;
        if attempt.has_answered || self.live.as_ref().is_none_or(|live| !live.has_answered) {
            self.live = Some(attempt);
            self.spare = None;
        } else {
            self.spare = Some(attempt);
        }
        Ok(())
    }

    /// A later piece of a ClientHello: it does not say of which.
    fn piece(&mut self, datagram: &[u8], now: Instant) -> Result<(), Reason> {
        if let Some(mut spare) = self.spare.take() {
            match spare.receive(datagram, now) {
                Ok(()) if spare.has_answered => {
                    self.live = Some(spare);
                    return Ok(());
                }
                Ok(()) => self.spare = Some(spare),
                Err(_) => {}
            }
        }
        if self.live.is_none() {
            self.live = Some(self.attempt(None, now)?);
        }
        self.deliver(datagram, now)
    }

    fn deliver(&mut self, datagram: &[u8], now: Instant) -> Result<(), Reason> {
        let live = self.live.as_mut().ok_or(Reason::NoHandshake)?;
        if live.receive(datagram, now).is_ok() {
            return Ok(());
        }
        if live.is_complete {
            // The keys are out and stay good; only the association is gone.
            return Err(Reason::BadHandshake);
        }
        self.live = None;
        self.begin_again_later(now);
        Err(Reason::BadHandshake)
    }

    fn attempt(&mut self, random: Option<[u8; 32]>, now: Instant) -> Result<Attempt, Reason> {
        if !self.budget.take(now) {
            return Err(Reason::TooManyHellos);
        }
        Ok(Attempt::new((self.make)(now), random))
    }

    /// Sends a ClientHello when it is time for one.
    fn begin_if_due(&mut self, now: Instant) {
        if self.call_at.take_if(|at| now >= *at).is_some() {
            let mut attempt = Attempt::new((self.make)(now), None);
            self.live = attempt.timeout(now).is_ok().then_some(attempt);
            self.begin_again_later(now);
        }
    }

    /// Our hello came to nothing. Another one, but not before the answers to this one have died out: each would
    /// take the answer to the one before for its own.
    fn begin_again_later(&mut self, now: Instant) {
        if self.role == Role::Active && self.live.is_none() && self.concluded == Conclusion::Open {
            let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(MAX_DOUBLINGS));
            self.failures = self.failures.saturating_add(1);
            self.call_at = now.checked_add(pause);
        }
    }

    fn flush(&mut self) {
        if let Some(live) = &mut self.live {
            self.outputs
                .extend(live.take_outgoing().into_iter().map(Output::Send));
        }
        self.conclude();
        if self
            .live
            .as_mut()
            .is_some_and(|live| std::mem::take(&mut live.is_closed))
        {
            self.outputs.push_back(Output::Closed);
        }
    }

    /// Once the handshake is complete and the fingerprints are known: keys, or none ever.
    fn conclude(&mut self) {
        let (Some(live), Some(expected)) = (&self.live, &self.expected) else {
            return;
        };
        if !live.is_complete || self.concluded != Conclusion::Open {
            return;
        }
        let certificate = live.certificate.as_deref();
        if !certificate.is_some_and(|certificate| any_matches(expected, certificate)) {
            return self.fail(Failure::WrongFingerprint);
        }
        let Some(keys) = live.keys.clone() else {
            return self.fail(Failure::NoSrtp);
        };
        let (local, remote) = match self.role {
            Role::Active => (keys.client, keys.server),
            Role::Passive => (keys.server, keys.client),
        };
        self.concluded = Conclusion::Connected;
        self.give_up = None;
        self.call_at = None;
        self.spare = None;
        self.outputs.push_back(Output::Connected(Keys {
            suite: local.suite(),
            local,
            remote,
        }));
    }

    fn fail(&mut self, failure: Failure) {
        self.outputs.push_back(Output::Failed(failure));
        self.end();
    }

    fn end(&mut self) {
        self.live = None;
        self.spare = None;
        self.give_up = None;
        self.call_at = None;
        self.concluded = Conclusion::Ended;
    }
}

/// Tells an attempt of the time; `None` when it did not survive that.
fn aged(attempt: Option<Attempt>, now: Instant) -> Option<Attempt> {
    let mut attempt = attempt?;
    attempt.timeout(now).is_ok().then_some(attempt)
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Endpoint({:?}, {:?})", self.role, self.concluded)
    }
}
