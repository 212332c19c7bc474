//! The full agent: crate `is` does the checking and nominating; here is what it leaves open: a bound on sources,
//! answers only from where was asked, one event for one fact.

use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use is::stun::{StunMessage, StunPacket};
use is::{CandidateKind, IceAgent, IceAgentEvent, IceConnectionState, IceCreds, Protocol};

use crate::common::Common;
use crate::stun::{self, Class, Peek};
use crate::{Credentials, MAX_REMOTE_CANDIDATES, Output, Pair, Reason};

/// Pace of checks: RFC 8445 section 14.2 asks for 50 ms and allows less; browsers wait for us, so 20 ms.
const PACE: Duration = Duration::from_millis(20);
/// Addresses of one peer that `is` is told of: it keeps each for ever.
const MAX_SOURCES: usize = 4 * MAX_REMOTE_CANDIDATES;
/// Requests whose answers are awaited.
const MAX_TRANSACTIONS: usize = 256;

#[derive(Debug)]
pub(crate) struct Full {
    agent: IceAgent,
    sources: HashSet<SocketAddr>,
    /// What we asked, and of whom (RFC 8445 section 7.2.5.2.1: the answer comes from there or not at all).
    asked: VecDeque<([u8; 12], Pair)>,
    deadline: Option<Instant>,
}

impl Full {
    pub(crate) fn new(credentials: &Credentials, controlling: bool, tie_breaker: u64) -> Self {
        let mut agent = IceAgent::new(creds(credentials));
        agent.set_controlling(controlling);
        agent.set_control_tie_breaker(tie_breaker);
        agent.set_timing_advance(PACE);
        agent.set_max_candidate_pairs(MAX_REMOTE_CANDIDATES);
        agent.set_local_preference(|_: &is::Candidate, index: usize| {
            65_535_u32.saturating_sub(u32::try_from(index).unwrap_or(u32::MAX))
        });
        Full {
            agent,
            sources: HashSet::new(),
            asked: VecDeque::new(),
            deadline: None,
        }
    }

    pub(crate) fn add_local(&mut self, bound: SocketAddr) -> Option<()> {
        let candidate = is::Candidate::host(bound, Protocol::Udp).ok()?;
        self.agent.add_local_candidate(candidate).map(|_| ())
    }

    pub(crate) fn control(&mut self) {
        self.agent.set_controlling(true);
    }

    pub(crate) fn set_remote(&mut self, common: &mut Common, now: Instant) {
        let Some(remote) = &common.remote else { return };
        self.agent.set_remote_credentials(creds(remote));
        // Requests that came before are answered now, one at each call.
        self.timeout(common, now);
    }

    pub(crate) fn add_remote(
        &mut self,
        common: &mut Common,
        address: SocketAddr,
        priority: u32,
        now: Instant,
    ) {
        self.sources.insert(address);
        // Component 1 whatever ours is: one agent of `is` knows one component.
        let kind = CandidateKind::Host;
        let candidate = is::Candidate::from_parts(
            "r".into(),
            1,
            Protocol::Udp,
            priority,
            address,
            kind,
            None,
            None,
            None,
        );
        self.agent.add_remote_candidate(candidate);
        if common.remote.is_some() {
            self.timeout(common, now);
        }
    }

    pub(crate) fn receive(
        &mut self,
        common: &mut Common,
        pair: Pair,
        peek: &Peek,
        datagram: &[u8],
        now: Instant,
    ) -> Result<(), Reason> {
        if !peek.is_request() {
            self.expects(pair, peek)?;
        } else if !self.sources.contains(&pair.remote) && self.sources.len() >= MAX_SOURCES {
            return Err(Reason::TooManySources);
        }
        let message = StunMessage::parse(datagram).map_err(|_| Reason::Malformed)?;
        let Pair { local, remote } = pair;
        let packet = StunPacket {
            proto: Protocol::Udp,
            source: remote,
            destination: local,
            message,
        };
        if !self.agent.handle_packet(now, packet) {
            return Err(Reason::BadIntegrity);
        }
        self.sources.insert(remote);
        common.finish_restart();
        if peek.class != Class::Error {
            common.prove(pair, peek.ufrags.map(|(_, theirs)| theirs), now);
        }
        self.timeout(common, now);
        Ok(())
    }

    /// An answer must belong to a question, and come from where that went.
    fn expects(&mut self, pair: Pair, peek: &Peek) -> Result<(), Reason> {
        let mut asked = self.asked.iter();
        asked
            .find(|asked| **asked == (peek.transaction, pair))
            .map(|_| ())
            .ok_or(Reason::UnknownTransaction)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(crate) fn timeout(&mut self, common: &mut Common, now: Instant) {
        self.agent.handle_timeout(now);
        self.drain(common);
    }

    pub(crate) fn restart(&mut self, common: &mut Common) {
        self.agent.ice_restart(creds(&common.credentials), true);
        self.sources.clear();
        self.asked.clear();
        self.drain(common);
    }

    fn drain(&mut self, common: &mut Common) {
        while let Some(transmit) = self.agent.poll_transmit() {
            let pair = Pair {
                local: transmit.source,
                remote: transmit.destination,
            };
            let bytes = transmit.contents.to_vec();
            self.remember(pair, &bytes);
            common.send(pair, bytes);
        }
        while let Some(event) = self.agent.poll_event() {
            match event {
                IceAgentEvent::NominatedSend {
                    source,
                    destination,
                    ..
                } => {
                    common.select(Pair {
                        local: source,
                        remote: destination,
                    });
                }
                IceAgentEvent::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                    common.selected = None;
                    common.outputs.push_back(Output::Disconnected);
                }
                _ => {}
            }
        }
        self.deadline = self.agent.poll_timeout();
    }

    fn remember(&mut self, pair: Pair, sent: &[u8]) {
        let Some(peek) = stun::peek(sent).filter(Peek::is_request) else {
            return;
        };
        if self.asked.len() >= MAX_TRANSACTIONS {
            self.asked.pop_front();
        }
        self.asked.push_back((peek.transaction, pair));
    }
}

fn creds(credentials: &Credentials) -> IceCreds {
    IceCreds {
        ufrag: credentials.ufrag().to_owned(),
        pass: credentials.pwd().to_owned(),
    }
}
