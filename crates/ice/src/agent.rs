//! The agent as its owner sees it: addresses and descriptions in, datagrams in and out, the selected pair.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use crate::common::Common;
use crate::full::Full;
use crate::guesses::Guesses;
use crate::lite::Lite;
use crate::paths::Paths;
use crate::{
    AddressPolicy, Candidate, Credentials, Error, Kind, Pair, Reason, Skipped, State, Verdict,
};

/// Candidates of one peer that are looked at. Browsers list a dozen; 64 leaves room for several networks.
pub const MAX_REMOTE_CANDIDATES: usize = 64;

/// One component of one ICE session.
#[derive(Debug)]
pub struct Agent {
    common: Common,
    side: Side,
    guesses: Guesses,
}

#[derive(Debug)]
enum Side {
    Lite(Lite),
    Full(Box<Full>),
}

/// How this side takes part (RFC 8445 section 2.5 and 6.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Answers checks and sends none; always controlled. Right for a server with a reachable address.
    Lite,
    /// Checks as well as answers.
    Full {
        /// The offerer starts as controlling; so does anybody whose peer is lite.
        controlling: bool,
        /// Random, decides a role conflict.
        tie_breaker: u64,
    },
}

/// What an agent is made of.
#[derive(Clone, Debug)]
pub struct Config {
    /// Lite or full.
    pub role: Role,
    /// Our own credentials.
    pub credentials: Credentials,
    /// Where may be sent to.
    pub policy: AddressPolicy,
    /// 1 for RTP (with rtcp-mux: for all), 2 for RTCP.
    pub component: u8,
}

impl Config {
    /// A lite agent for component 1 that sends to ordinary unicast addresses only.
    pub fn lite(credentials: Credentials) -> Self {
        Config {
            role: Role::Lite,
            credentials,
            policy: AddressPolicy::default(),
            component: 1,
        }
    }

    /// A full agent for component 1 that sends to ordinary unicast addresses only.
    pub fn full(credentials: Credentials, controlling: bool, tie_breaker: u64) -> Self {
        Config {
            role: Role::Full {
                controlling,
                tie_breaker,
            },
            ..Config::lite(credentials)
        }
    }
}

/// One of our own addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// Where the socket is bound: what [`Agent::receive`] and [`Output::Send`] mean by `local`.
    pub bound: SocketAddr,
    /// What the peer is told: another one behind a 1:1 NAT.
    pub advertised: SocketAddr,
    /// [`Kind::Host`], or [`Kind::Relay`] where other candidates of the same SDP are to be preferred to ours.
    pub kind: Kind,
}

impl Local {
    /// An address that is advertised as it is bound.
    pub fn host(bound: SocketAddr) -> Self {
        Local {
            bound,
            advertised: bound,
            kind: Kind::Host,
        }
    }
}

/// What the agent wants done, or wants known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this datagram.
    Send {
        /// From this bound address.
        from: SocketAddr,
        /// To this address of the peer.
        to: SocketAddr,
        /// A STUN message.
        bytes: Vec<u8>,
    },
    /// This address of the peer has passed a check with integrity: DTLS and media may be taken from it.
    Validated(SocketAddr),
    /// Media and DTLS go this way from now on. May come again with another pair.
    Selected(Pair),
    /// Nobody answers or asks any more (RFC 7675), or nobody ever did: stop sending. [`Output::Selected`] comes again
    /// if the peer does.
    Disconnected,
}

impl Agent {
    /// An agent without addresses. Add [`Agent::add_local`], then what the peer's SDP says.
    pub fn new(config: Config) -> Self {
        let side = match config.role {
            Role::Lite => Side::Lite(Lite::default()),
            Role::Full {
                controlling,
                tie_breaker,
            } => Side::Full(Box::new(Full::new(
                &config.credentials,
                controlling,
                tie_breaker,
            ))),
        };
        let common = Common {
            role: config.role,
            component: config.component,
            policy: config.policy,
            credentials: config.credentials,
            previous: None,
            before: None,
            is_restarting: false,
            remote: None,
            locals: Vec::new(),
            candidates: Vec::new(),
            remote_candidates: 0,
            paths: Paths::default(),
            selected: None,
            outputs: VecDeque::new(),
        };
        Agent {
            common,
            side,
            guesses: Guesses::default(),
        }
    }

    /// Goes on where another agent's [`Agent::export`] stood: its pair is selected and proved from the start.
    ///
    /// # Errors
    /// When an address in the state cannot be used here.
    pub fn restore(state: State, now: Instant) -> Result<Self, Error> {
        let State {
            role,
            component,
            policy,
            credentials,
            remote,
            locals,
            selected,
        } = state;
        let mut agent = Agent::new(Config {
            role,
            credentials,
            policy,
            component,
        });
        for local in locals {
            agent.add_local(local)?;
        }
        if let Some(remote) = remote {
            agent.set_remote(remote, now);
        }
        if let Some(pair) = selected {
            agent.common.prove(pair, None, now);
            agent.common.select(pair);
            if let Side::Full(full) = &mut agent.side {
                full.add_remote(&mut agent.common, pair.remote, 0, now);
            }
        }
        Ok(agent)
    }

    /// What must be kept for another process to go on.
    pub fn export(&self) -> State {
        let common = &self.common;
        State {
            role: common.role,
            component: common.component,
            policy: common.policy,
            credentials: common.credentials.clone(),
            remote: common.remote.clone(),
            locals: common.locals.clone(),
            selected: common.selected,
        }
    }

    /// Adds one of our own addresses; the order is that of preference. Returns the candidate to write into the SDP.
    ///
    /// # Errors
    /// When nobody could send to it.
    pub fn add_local(&mut self, local: Local) -> Result<&Candidate, Error> {
        let unusable = |_| Error::UnusableLocal(local.bound);
        AddressPolicy {
            loopback: true,
            link_local: true,
        }
        .check(local.bound)
        .map_err(unusable)?;
        if let Side::Full(full) = &mut self.side {
            full.add_local(local.bound)
                .ok_or(Error::UnusableLocal(local.bound))?;
        }
        let common = &mut self.common;
        common.policy.loopback |= local.bound.ip().to_canonical().is_loopback();
        let candidate = Candidate::local(
            local.kind,
            common.component,
            common.candidates.len(),
            local.advertised,
        );
        common.locals.push(local);
        common.candidates.push(candidate);
        common
            .candidates
            .last()
            .ok_or(Error::UnusableLocal(local.bound))
    }

    /// Our candidates, as the SDP is to list them.
    pub fn candidates(&self) -> &[Candidate] {
        &self.common.candidates
    }

    /// Our credentials, as the SDP is to give them.
    pub fn credentials(&self) -> &Credentials {
        &self.common.credentials
    }

    /// The peer's credentials, once [`Agent::set_remote`] gave them.
    pub fn remote_credentials(&self) -> Option<&Credentials> {
        self.common.remote.as_ref()
    }

    /// Takes the peer's credentials from its SDP. Checks may have come before; those of anybody else are forgotten.
    pub fn set_remote(&mut self, credentials: Credentials, now: Instant) {
        let common = &mut self.common;
        if !common.is_restarting {
            common.paths.keep_only(credentials.ufrag());
        }
        if common
            .selected
            .is_some_and(|pair| !common.paths.has_pair(pair))
        {
            common.selected = None;
        }
        common.remote = Some(credentials);
        match &mut self.side {
            Side::Lite(lite) => lite.reconsider(common),
            Side::Full(full) => full.set_remote(common, now),
        }
    }

    /// The peer's SDP says `a=ice-lite`: facing a lite agent the full one controls (RFC 8445 section 6.1.1). Call it
    /// before [`Agent::add_remote`]; a lite agent is not changed by it.
    pub fn face_lite_peer(&mut self) {
        if let (Side::Full(full), Role::Full { controlling, .. }) =
            (&mut self.side, &mut self.common.role)
        {
            *controlling = true;
            full.control();
        }
    }

    /// Takes one of the peer's candidates. A lite agent only judges it, since it never checks.
    ///
    /// # Errors
    /// When it is not to be used; the others may be.
    pub fn add_remote(&mut self, candidate: &Candidate, now: Instant) -> Result<(), Skipped> {
        let common = &mut self.common;
        if candidate.component != common.component {
            return Err(Skipped::OtherComponent);
        }
        common.policy.check(candidate.address)?;
        if common
            .locals
            .iter()
            .any(|ours| [ours.bound, ours.advertised].contains(&candidate.address))
        {
            return Err(Skipped::Ours);
        }
        if common.remote_candidates >= MAX_REMOTE_CANDIDATES {
            return Err(Skipped::TooMany);
        }
        common.remote_candidates = common.remote_candidates.saturating_add(1);
        if let Side::Full(full) = &mut self.side {
            full.add_remote(common, candidate.address, candidate.priority, now);
        }
        Ok(())
    }

    /// Takes a datagram that came from `from` to our bound address `local`.
    pub fn receive(
        &mut self,
        local: SocketAddr,
        from: SocketAddr,
        datagram: &[u8],
        now: Instant,
    ) -> Verdict {
        match self.check(
            Pair {
                local,
                remote: from,
            },
            datagram,
            now,
        ) {
            Ok(()) => Verdict::Accepted,
            Err(reason) => Verdict::Dropped(reason),
        }
    }

    fn check(&mut self, pair: Pair, datagram: &[u8], now: Instant) -> Result<(), Reason> {
        let peek = self.common.admit(pair, datagram)?;
        // What answers us names a question of ours, which nobody guesses.
        let asks = peek.is_request();
        if asks {
            self.guesses.admit(pair.remote, &peek, now)?;
        }
        let outcome = match &mut self.side {
            Side::Lite(lite) => lite.receive(&mut self.common, pair, &peek, now),
            Side::Full(full) => full.receive(&mut self.common, pair, &peek, datagram, now),
        };
        if asks {
            self.guesses.note(pair.remote, &peek, outcome, now);
        }
        outcome
    }

    /// The next thing to do or to know; ask until there is none.
    pub fn poll(&mut self) -> Option<Output> {
        self.common.outputs.pop_front()
    }

    /// When [`Agent::timeout`] wants to be called next.
    pub fn deadline(&self) -> Option<Instant> {
        let own = match &self.side {
            Side::Lite(_) => None,
            Side::Full(full) => full.deadline(),
        };
        own.into_iter().chain(self.common.paths.next_expiry()).min()
    }

    /// Time has passed. Calling it early or late does no harm.
    pub fn timeout(&mut self, now: Instant) {
        self.common.paths.expire(now);
        match &mut self.side {
            Side::Lite(lite) => lite.reconsider(&mut self.common),
            Side::Full(full) => full.timeout(&mut self.common, now),
        }
    }

    /// `address` has passed a check with integrity within the last 30 seconds: the gate for DTLS and media.
    pub fn validated(&self, address: SocketAddr) -> bool {
        self.common.paths.has(address)
    }

    /// Where media goes, once known.
    pub fn selected(&self) -> Option<Pair> {
        self.common.selected
    }

    /// ICE restart (RFC 8445 section 9): new credentials of our own, the peer's are forgotten. Media keeps to the
    /// old pair until the peer has checked with the new credentials.
    pub fn restart(&mut self, credentials: Credentials) {
        let common = &mut self.common;
        let old = std::mem::replace(&mut common.credentials, credentials);
        // One after another that the peer has not followed: it is still where it was before the first.
        if let (None, Some(theirs)) = (&common.before, common.remote.take()) {
            common.before = Some((old.clone(), theirs));
        }
        common.is_restarting = true;
        common.remote_candidates = 0;
        match &mut self.side {
            Side::Lite(lite) => {
                common.previous = Some(old);
                lite.restart();
            }
            Side::Full(full) => full.restart(common),
        }
    }

    /// The offer that brought a restart was refused: both sides go on with the credentials from before it, of which
    /// `theirs` are the peer's. False if there is no such restart, or the peer has followed it.
    pub fn take_back_restart(&mut self, theirs: &Credentials, now: Instant) -> bool {
        let common = &mut self.common;
        let Some((ours, theirs)) = common.before.take_if(|(_, before)| before == theirs) else {
            return false;
        };
        common.credentials = ours;
        common.remote = Some(theirs);
        common.previous = None;
        common.is_restarting = false;
        if let Side::Full(full) = &mut self.side {
            full.restart(common);
            full.set_remote(common, now);
        }
        true
    }
}
