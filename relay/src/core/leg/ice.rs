//! ICE (RFC 8445, RFC 8839) with one side.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use ::ice::{AddressPolicy, Agent, Candidate, Config, Credentials, Kind, Local, Role};
use control_proto::{Request, flag};
use sdp::{Media, Token};

use super::{Component, Leg, Tools};
use crate::core::IceRole;

/// Whether the peer's body began the exchange or ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exchange {
    Offer,
    Answer,
}

impl Leg {
    pub(crate) fn has_ice(&self) -> bool {
        self.rtp
            .as_ref()
            .is_some_and(|transport| transport.agent.is_some())
    }

    /// Whether our SDP to this side must say `ice-lite`.
    pub(crate) fn is_ice_lite(&self) -> bool {
        let agent = self
            .rtp
            .as_ref()
            .and_then(|transport| transport.agent.as_ref());
        agent.is_some_and(|agent| agent.export().role == Role::Lite)
    }

    /// Takes this side's credentials and candidates. Without valid ones there is no ICE with it.
    pub(super) fn take_ice(
        &mut self,
        media: &Media,
        peer_is_lite: bool,
        exchange: Exchange,
        tools: &mut Tools<'_>,
    ) {
        let Some(theirs) = credentials_of(media) else {
            return self.end_ice();
        };
        if !self.has_ice() {
            self.begin_ice(exchange == Exchange::Answer, peer_is_lite, tools);
        }
        self.restart_if_asked(&theirs, exchange, tools);
        for (_, transport) in self.transports_mut() {
            transport.peer.signal(None);
            let Some(agent) = transport.agent.as_mut() else {
                continue;
            };
            if agent.remote_credentials() != Some(&theirs) {
                agent.set_remote(theirs.clone(), tools.now);
            }
            add_candidates(agent, media, tools.now);
        }
    }

    /// Takes more of this side's candidates; `false` when its body has not brought the credentials they go with.
    pub(crate) fn take_candidates(&mut self, media: &Media, now: Instant) -> bool {
        let mut taken = false;
        for (_, transport) in self.transports_mut() {
            let Some(agent) = transport.agent.as_mut() else {
                continue;
            };
            let is_known = agent.remote_credentials().is_some_and(|theirs| {
                let named = media.ice.ufrag.as_deref();
                named.is_none_or(|named| named == theirs.ufrag())
            });
            if is_known {
                taken = true;
                add_candidates(agent, media, now);
            }
        }
        taken
    }

    /// Sees to it that there is an agent for every port.
    pub(super) fn begin_ice(
        &mut self,
        controlling: bool,
        peer_is_lite: bool,
        tools: &mut Tools<'_>,
    ) {
        let existing = self
            .transports()
            .find_map(|(_, t)| t.agent.as_ref().map(|a| a.credentials().clone()));
        let credentials = existing.unwrap_or_else(|| new_credentials(tools));
        let role = match self.terms.role.unwrap_or(tools.ice) {
            IceRole::Lite if !peer_is_lite => Role::Lite,
            _ => full(controlling || peer_is_lite, tools),
        };
        let shown = self.terms.shown;
        for (component, transport) in self.transports_mut() {
            if transport.agent.is_some() {
                continue;
            }
            let mut agent = Agent::new(Config {
                role,
                credentials: credentials.clone(),
                policy: AddressPolicy::default(),
                component: if component == Component::Rtp { 1 } else { 2 },
            });
            let mut add = |bound: SocketAddr, shown: IpAddr| {
                let advertised = (shown, bound.port()).into();
                let local = Local {
                    bound,
                    advertised,
                    kind: Kind::Host,
                };
                agent.add_local(local).is_ok()
            };
            if add(transport.bound.at, shown) {
                for beside in &transport.beside {
                    // One that nobody could send to is left out; the others serve.
                    let _ = add(beside.bound.at, beside.shown);
                }
                transport.agent = Some(Box::new(agent));
            }
        }
    }

    /// Its sockets beside the first one stay until the [`Shard`](crate::core::Shard) closes them.
    pub(super) fn end_ice(&mut self) {
        for (_, transport) in self.transports_mut() {
            transport.agent = None;
            transport.out = transport.bound.id;
        }
    }

    /// Writes our credentials and candidates; `both` when RTCP has its own port.
    pub(super) fn write_ice(&self, out: &mut Media, both: bool, request: &Request) {
        for (component, transport) in self.transports() {
            let Some(agent) = transport
                .agent
                .as_ref()
                .filter(|_| both || component == Component::Rtp)
            else {
                continue;
            };
            out.ice.ufrag = Token::new(agent.credentials().ufrag()).ok();
            out.ice.pwd = Token::new(agent.credentials().pwd()).ok();
            // The address that a command gives stands for the one that the SDP names, and for no other.
            let shown = match request.media_address {
                Some(_) => 1,
                None => usize::MAX,
            };
            let candidates = agent.candidates().iter().take(shown);
            out.ice
                .candidates
                .extend(candidates.filter_map(|candidate| line(candidate, request.media_address)));
        }
        if out.ice.ufrag.is_some() {
            let options = [("trickle", flag::TRICKLE_ICE), ("ice2", flag::ICE2)];
            let asked = options.iter().filter(|(_, flag)| request.flags.has(flag));
            out.ice.options = asked
                .map(|(option, _)| Token::from_static(option))
                .collect();
            out.ice.end_of_candidates = request.flags.has(flag::TRICKLE_ICE);
        }
    }

    /// A peer that offers new credentials restarts ICE, and gets new ones of ours (RFC 8839 section 4.4.3.1.1); those
    /// from before a restart that it has not followed take that back. In an answer new ones mean that another fork
    /// answers.
    fn restart_if_asked(
        &mut self,
        theirs: &Credentials,
        exchange: Exchange,
        tools: &mut Tools<'_>,
    ) {
        let known = self
            .transports()
            .find_map(|(_, t)| t.agent.as_ref()?.remote_credentials());
        if exchange == Exchange::Answer || known.is_none_or(|known| known == theirs) {
            return;
        }
        let mut is_old = false;
        for (_, transport) in self.transports_mut() {
            if let Some(agent) = transport.agent.as_mut() {
                is_old |= agent.take_back_restart(theirs, tools.now);
            }
        }
        if is_old {
            return;
        }
        let ours = new_credentials(tools);
        for (_, transport) in self.transports_mut() {
            if let Some(agent) = transport.agent.as_mut() {
                agent.restart(ours.clone());
            }
        }
    }
}

/// Names, TCP and forbidden addresses are skipped: the peer's own checks will tell.
fn add_candidates(agent: &mut Agent, media: &Media, now: Instant) {
    for candidate in &media.ice.candidates {
        if let Ok(candidate) = Candidate::parse(&candidate.to_string()) {
            let _ = agent.add_remote(&candidate, now);
        }
    }
}

pub(super) fn credentials_of(media: &Media) -> Option<Credentials> {
    Credentials::new(media.ice.ufrag.as_ref()?, media.ice.pwd.as_ref()?).ok()
}

fn new_credentials(tools: &mut Tools<'_>) -> Credentials {
    let mut random = [0; Credentials::RANDOM_BYTES];
    (tools.random)(&mut random);
    let credentials = Credentials::from_random(&random);
    match tools.among.is_alone() {
        true => credentials,
        false => credentials.marked(tools.among.number),
    }
}

fn full(controlling: bool, tools: &mut Tools<'_>) -> Role {
    let mut tie_breaker = [0; 8];
    (tools.random)(&mut tie_breaker);
    Role::Full {
        controlling,
        tie_breaker: u64::from_ne_bytes(tie_breaker),
    }
}

/// The line of one candidate, with the address that was asked for in place of the interface's.
fn line(candidate: &Candidate, address: Option<IpAddr>) -> Option<sdp::Candidate> {
    let ip = address.unwrap_or(candidate.address.ip());
    let foundation = Token::new(candidate.foundation.as_str()).ok()?;
    Some(sdp::Candidate::host(
        foundation,
        candidate.component.into(),
        candidate.priority,
        (ip, candidate.address.port()).into(),
    ))
}
