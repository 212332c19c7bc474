//! The witness of checks that two others make of each other through us.
//!
//! Where we are one candidate among others in the SDP of two sides that do their own ICE, both passwords pass us in
//! their bodies. So a check tells us as surely as its receiver who sent it. Nothing is answered and nothing is made up
//! here: it is noted where a side has proved to be, and said where its messages are to go.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::common::admit;
use crate::guesses::Guesses;
use crate::paths::Paths;
use crate::stun::{Class, Peek};
use crate::{AddressPolicy, Credentials, Pair, Reason};

/// Requests of one side that are remembered: until their answers, and so that copies of them are known as such. Twenty
/// minutes of consent checks.
const MAX_ASKED: usize = 256;

/// A side that has not repeated its checks from one address for this long, and makes them from another, has moved
/// there. Browsers check every 2.5 to 5 seconds.
const STALE: Duration = Duration::from_secs(12);

/// One component of one of the two sides, as seen from between them.
#[derive(Debug)]
pub struct Witness {
    /// The side that is watched.
    own: Credentials,
    /// Whom it checks.
    other: Credentials,
    policy: AddressPolicy,
    paths: Paths,
    /// Where it is reached: the pair that it nominated, or else the first one that it proved.
    current: Option<Pair>,
    /// Where it is said to be, if it is one that checks nobody.
    lite: Option<Pair>,
    /// What it asked, and from where: there the answer goes.
    asked: VecDeque<([u8; 12], Pair)>,
    guesses: Guesses,
}

impl Witness {
    /// Watches the side with `own` credentials that checks the one with `other`. `bound` is an address of ours towards
    /// it.
    pub fn new(own: Credentials, other: Credentials, bound: SocketAddr) -> Self {
        let policy = AddressPolicy {
            loopback: bound.ip().to_canonical().is_loopback(),
            link_local: false,
        };
        Witness {
            own,
            other,
            policy,
            paths: Paths::default(),
            current: None,
            lite: None,
            asked: VecDeque::new(),
            guesses: Guesses::default(),
        }
    }

    /// The credentials of both, the watched side's first.
    pub fn credentials(&self) -> (&Credentials, &Credentials) {
        (&self.own, &self.other)
    }

    /// The side is ICE-lite and checks nobody, so it can prove nothing before it is asked: checks of the other side,
    /// and nothing else, go to where its SDP says it is. A forbidden address is not taken.
    pub fn expect(&mut self, pair: Pair) {
        self.lite = Some(pair).filter(|pair| self.policy.check(pair.remote).is_ok());
    }

    /// Takes a STUN message of the watched side. Where it is to go: a request to the other side, an answer to whoever
    /// asked; `None` while nobody knows where the other side is.
    ///
    /// # Errors
    /// When it proves nothing: it is then to be dropped.
    pub fn receive(
        &mut self,
        pair: Pair,
        datagram: &[u8],
        far: &Witness,
        now: Instant,
    ) -> Result<Option<Pair>, Reason> {
        let peek = admit(self.policy, pair.remote, datagram)?;
        match peek.class {
            Class::Request => self.asks(pair, &peek, now).map(|()| far.checked_at()),
            _ => self.answers(pair, &peek, far, now),
        }
    }

    fn asks(&mut self, pair: Pair, peek: &Peek<'_>, now: Instant) -> Result<(), Reason> {
        if peek.ufrags != Some((self.other.ufrag(), self.own.ufrag())) {
            return Err(Reason::WrongUfrag);
        }
        let mut known = self.asked.iter();
        let known = known.find(|(transaction, _)| *transaction == peek.transaction);
        if known.is_some_and(|(_, asker)| *asker != pair) {
            // Somebody has copied it: a check is made from one address (RFC 8445 section 7.2.4).
            return Err(Reason::UnknownTransaction);
        }
        let is_new = known.is_none();
        self.guesses.admit(pair.remote, peek, now)?;
        let proof = verify(peek, self.other.pwd());
        self.guesses.note(pair.remote, peek, proof, now);
        proof?;
        self.prove(pair, peek.use_candidate, now);
        if is_new {
            if self.asked.len() >= MAX_ASKED {
                self.asked.pop_front();
            }
            self.asked.push_back((peek.transaction, pair));
        }
        Ok(())
    }

    fn answers(
        &mut self,
        pair: Pair,
        peek: &Peek<'_>,
        far: &Witness,
        now: Instant,
    ) -> Result<Option<Pair>, Reason> {
        let mut asked = far.asked.iter().rev();
        let (_, asker) = asked
            .find(|(transaction, _)| *transaction == peek.transaction)
            .ok_or(Reason::UnknownTransaction)?;
        // Answers are signed with the password of the side that gives them (RFC 8445 section 7.1.2).
        verify(peek, self.own.pwd())?;
        self.prove(pair, false, now);
        Ok(Some(*asker))
    }

    fn prove(&mut self, pair: Pair, nominated: bool, now: Instant) {
        self.paths.prove(pair, None, self.current, now);
        let proved = self.current.and_then(|pair| self.paths.proved(pair));
        let is_stale = proved.is_none_or(|at| now.saturating_duration_since(at) >= STALE);
        if nominated || is_stale {
            self.current = Some(pair);
        }
    }

    /// `address` has proved within the last 30 seconds to be the watched side's: what comes from it may be passed on.
    pub fn validated(&self, address: SocketAddr) -> bool {
        self.paths.has(address)
    }

    /// Where what is meant for the watched side goes: an address that it has proved, and no other.
    pub fn destination(&self) -> Option<Pair> {
        self.current
    }

    fn checked_at(&self) -> Option<Pair> {
        self.current.or(self.lite)
    }

    /// When [`Witness::timeout`] wants to be called next.
    pub fn deadline(&self) -> Option<Instant> {
        self.paths.next_expiry()
    }

    /// Time has passed. Calling it early or late does no harm.
    pub fn timeout(&mut self, now: Instant) {
        self.paths.expire(now);
        self.current = self.current.filter(|pair| self.paths.has_pair(*pair));
    }
}

fn verify(peek: &Peek<'_>, password: &str) -> Result<(), Reason> {
    if !peek.has_good_fingerprint() {
        return Err(Reason::BadFingerprint);
    }
    match peek.verify(password) {
        true => Ok(()),
        false => Err(Reason::BadIntegrity),
    }
}
