//! ICE that is passed through (`ICE=optional`, `ICE=force-relay`): in a body that stays as it is we are one candidate
//! more, below all others. Keys, fingerprints and codecs are the two sides' own business.

use std::net::SocketAddr;

use ::ice::{Candidate, Credentials, Kind, Pair, Witness};
use control_proto::Request;
use sdp::{CandidateKind, Media, Token};

use super::ice::credentials_of;
use super::{Component, Leg, Transport};

/// What is known of a side whose ICE passes.
#[derive(Debug, Clone)]
pub(crate) struct Passing {
    /// As what we list ourselves: a host, or the only relay.
    kind: Kind,
    /// Its credentials; none from a side without ICE.
    theirs: Option<Credentials>,
    /// Where RTP and RTCP go to a side that is ICE-lite, and so does not show itself.
    lite: [Option<SocketAddr>; 2],
}

impl Leg {
    /// Nothing of this side's keys or ICE is ours so far.
    pub(crate) fn may_pass(&self) -> bool {
        self.rtp.is_none() || self.passing.is_some()
    }

    /// Takes what this side says, but leaves it as it is.
    pub(crate) fn take_passing(
        &mut self,
        (media, is_lite): (&Media, bool),
        kind: Kind,
        request: &Request,
        own: &[SocketAddr],
    ) {
        // A side without ICE is heard from the address in its SDP alone.
        self.take_common(media, request, true);
        self.terms.protocol = media.protocol.clone();
        self.terms.mid = media.mid.clone();
        let there = [media.rtp_address(), media.rtcp_address()];
        self.passing = Some(Box::new(Passing {
            kind,
            theirs: credentials_of(media),
            lite: there.map(|address| address.filter(|_| is_lite)),
        }));
        self.take_addresses(media, own);
    }

    /// Makes this side one that is written to only, so far.
    pub(crate) fn begin_passing(&mut self, media: &Media, kind: Kind) {
        self.terms.protocol = media.protocol.clone();
        self.terms.mid = media.mid.clone();
        self.passing.get_or_insert_with(|| {
            Box::new(Passing {
                kind,
                theirs: None,
                lite: [None; 2],
            })
        });
    }

    /// As what we list ourselves.
    pub(crate) fn passing_as(&self) -> Option<Kind> {
        self.passing.as_ref().map(|passing| passing.kind)
    }

    pub(crate) fn end_passing(&mut self) {
        self.passing = None;
        for (_, transport) in self.transports_mut() {
            transport.witness = None;
            transport.out = transport.bound.id;
        }
    }

    /// Adds us to the other side's body, on its way to this one.
    pub(crate) fn write_passing(&self, out: &mut Media, request: &Request) {
        let Some(kind) = self.passing.as_ref().map(|passing| passing.kind) else {
            return;
        };
        if kind == Kind::Relay {
            let candidates = &mut out.ice.candidates;
            candidates.retain(|candidate| candidate.kind != CandidateKind::Relay);
        } else {
            self.write_ports(out, self.rtcp.is_none(), false, request);
        }
        if out.ice.ufrag.is_none() {
            return;
        }
        for (component, transport) in self.transports() {
            self.list(component, transport, kind, out, request);
        }
    }

    fn list(
        &self,
        component: Component,
        transport: &Transport,
        kind: Kind,
        out: &mut Media,
        request: &Request,
    ) {
        let number = if component == Component::Rtp { 1 } else { 2 };
        let listed = out.ice.candidates.iter();
        let beside = listed.filter(|candidate| candidate.component == u16::from(number));
        let lowest = beside.map(|candidate| candidate.priority).min();
        let first = std::iter::once((transport.bound, self.terms.shown));
        let beside = transport.beside.iter().map(|one| (one.bound, one.shown));
        let shown = match request.media_address {
            Some(_) => 1,
            None => usize::MAX,
        };
        for (index, (bound, ip)) in first.chain(beside).take(shown).enumerate() {
            let ip = request.media_address.unwrap_or(ip);
            // As a relay's: that leaves the lowest type preference of all.
            let ours = Candidate::local(Kind::Relay, number, index, (ip, bound.at.port()).into());
            let below = lowest.map_or(u32::MAX, |lowest| {
                lowest.saturating_sub(u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1))
            });
            let ours = Candidate {
                priority: ours.priority.min(below).max(1),
                kind,
                ..ours
            };
            out.ice.candidates.extend(line(&ours));
        }
    }

    /// Begins to watch the checks of both sides, once both have spoken; what was proved stays while the credentials do.
    pub(crate) fn watch(&mut self, far: &Leg) {
        let other = far.passing.as_ref().and_then(|far| far.theirs.as_ref());
        let Some(passing) = self.passing.clone() else {
            return;
        };
        for (component, transport) in self.transports_mut() {
            let (Some(own), Some(other)) = (&passing.theirs, other) else {
                transport.witness = None;
                transport.out = transport.bound.id;
                continue;
            };
            let known = transport.witness.as_ref();
            if known.is_some_and(|witness| witness.credentials() == (own, other)) {
                continue;
            }
            let local = transport.bound.at;
            let mut witness = Witness::new(own.clone(), other.clone(), local);
            let [rtp, rtcp] = passing.lite;
            let there = if component == Component::Rtp {
                rtp
            } else {
                rtcp
            };
            if let Some(remote) = there.filter(|there| there.is_ipv4() == local.is_ipv4()) {
                witness.expect(Pair { local, remote });
            }
            transport.witness = Some(Box::new(witness));
            transport.out = transport.bound.id;
        }
    }
}

fn line(candidate: &Candidate) -> Option<sdp::Candidate> {
    let foundation = Token::new(candidate.foundation.as_str()).ok()?;
    let mut line = sdp::Candidate::host(
        foundation,
        candidate.component.into(),
        candidate.priority,
        candidate.address,
    );
    if candidate.kind == Kind::Relay {
        line.kind = CandidateKind::Relay;
        // What lies behind is nobody's business.
        let zero = match candidate.address {
            SocketAddr::V4(_) => std::net::IpAddr::from([0; 4]),
            SocketAddr::V6(_) => std::net::IpAddr::from([0; 16]),
        };
        line.related = Some((sdp::Address::Ip(zero), 0));
    }
    Some(line)
}
