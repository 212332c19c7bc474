//! Media of two sides that do their own ICE, with us as one candidate of many (`ICE=optional`, `ICE=force-relay`).
//!
//! We understand nothing of what passes: not the keys, and so no SRTP. What keeps strangers out is the checks of the two
//! sides, whose passwords we have from their bodies: a datagram is passed on only from an address that has proved by
//! STUN, within 30 seconds, to be one side's, and only to an address that has proved to be the other's. A check itself
//! is passed on once its MESSAGE-INTEGRITY holds. Where one side has no ICE after all, the addresses of the two bodies
//! are the only ones; nothing is learned.

use std::net::SocketAddr;
use std::time::Instant;

use control_proto::{Ice, Request};
use ice::{Kind, Pair};
use sdp::{Media, Session};

use super::leg::{Leg, Transport};
use super::opening::Wanted;
use super::refused::Refused;
use super::shard::Place;
use super::table::Key;
use super::{Drop, Ports, Send, Shard, SocketId};

/// An offer whose ICE passes.
pub(super) struct Offered<'a> {
    /// The leg of the side that offers, and of the one that is offered to; and which interfaces face them.
    pub(super) legs: [Key<Leg>; 2],
    pub(super) faces: [Option<String>; 2],
    pub(super) kind: Kind,
    /// The side that offers is ICE-lite.
    pub(super) is_lite: bool,
    pub(super) request: &'a Request,
}

/// Whether the body has ICE, and the command wants it to stay the two sides' own.
pub(super) fn is_wished(body: &Session, request: &Request) -> bool {
    let asks = matches!(request.ice, Some(Ice::Optional | Ice::ForceRelay));
    asks && body.media.iter().any(|media| media.ice.ufrag.is_some())
}

impl Shard {
    /// Whether the medium is to pass, and as what we then list ourselves. Where it cannot pass it is dealt with as with
    /// `ICE=force`: without ICE in the offer, into another protocol, or once we have keys or ICE of our own with a side.
    pub(super) fn passing_kind(
        &self,
        legs: [Key<Leg>; 2],
        media: &Media,
        request: &Request,
    ) -> Option<Kind> {
        let kind = match request.ice? {
            Ice::Optional => Kind::Host,
            Ice::ForceRelay => Kind::Relay,
            _ => return None,
        };
        let asked = request.transport_protocol.map(|asked| asked.word());
        let is_same = asked.is_none_or(|asked| asked == media.protocol.as_str());
        let is_free = |key: Key<Leg>| self.legs.get(key).is_some_and(Leg::may_pass);
        let has_ice = media.ice.ufrag.is_some() && media.ice.pwd.is_some();
        let passes = media.protocol.is_rtp() && is_same && has_ice && legs.into_iter().all(is_free);
        passes.then_some(kind)
    }

    pub(super) fn passes(&self, leg: Key<Leg>) -> bool {
        self.legs.get(leg).is_some_and(|leg| leg.passing.is_some())
    }

    pub(super) fn end_passing(&mut self, leg: Key<Leg>) {
        if let Some(leg) = self.legs.get_mut(leg).filter(|leg| leg.passing.is_some()) {
            leg.end_passing();
        }
    }

    pub(super) fn pass_offer(
        &mut self,
        offered: &Offered<'_>,
        media: &mut Media,
        now: Instant,
        ports: &mut dyn Ports,
    ) -> Result<(), Refused> {
        let Offered {
            legs: [from, to],
            kind,
            request,
            ..
        } = *offered;
        let for_rtcp = |candidate: &sdp::Candidate| candidate.component == 2;
        let one = media.rtcp_mux && !media.ice.candidates.iter().any(for_rtcp);
        let connection = media.connection.as_ref();
        let family = connection.filter(|connection| connection.ip().is_some());
        let family = family.map(|connection| connection.family);
        for (leg, face) in [from, to].into_iter().zip(&offered.faces) {
            let wanted = Wanted {
                one,
                everywhere: true,
                // No agent of ours tells whose packets they are.
                shares: false,
                interface: face.as_deref(),
                family,
            };
            self.open_ports(leg, &wanted, now, ports)?;
        }
        let own = self.own_addresses(from, to);
        let leg = self.legs.get_mut(from).ok_or(Refused::Association)?;
        leg.take_passing((media, offered.is_lite), kind, request, &own);
        let leg = self.legs.get_mut(to).ok_or(Refused::Association)?;
        leg.begin_passing(media, kind);
        leg.write_passing(media, request);
        self.watch(from, to)
    }

    pub(super) fn pass_answer(
        &mut self,
        [from, to]: [Key<Leg>; 2],
        (media, is_lite): (&mut Media, bool),
        request: &Request,
    ) -> Result<(), Refused> {
        let own = self.own_addresses(from, to);
        let leg = self.legs.get_mut(from).ok_or(Refused::Association)?;
        let kind = leg.passing_as().ok_or(Refused::Association)?;
        let leg = self.legs.get_mut(to).ok_or(Refused::Association)?;
        leg.take_passing((media, is_lite), kind, request, &own);
        let leg = self.legs.get(from).ok_or(Refused::Association)?;
        leg.write_passing(media, request);
        self.watch(from, to)
    }

    fn watch(&mut self, from: Key<Leg>, to: Key<Leg>) -> Result<(), Refused> {
        let (from, to) = self.legs.pair_mut(from, to).ok_or(Refused::Association)?;
        from.watch(to);
        to.watch(from);
        Ok(())
    }

    /// The walk of a datagram that is passed on as it is.
    pub(super) fn pass_through(
        &mut self,
        (place, socket): (Place, SocketId),
        from: SocketAddr,
        datagram: &[u8],
        now: Instant,
    ) -> Result<Send, Drop> {
        let leg = self.legs.get(place.leg).ok_or(Drop::NoLeg)?;
        let peer = leg.peer.ok_or(Drop::PeerUnknown)?;
        let (leg, other) = self
            .legs
            .pair_mut(place.leg, peer)
            .ok_or(Drop::PeerUnknown)?;
        let gate = leg.gate;
        let transport = leg.transport_mut(place.component).ok_or(Drop::NoLeg)?;
        let far = other.transport_mut(place.component);
        let far = far.ok_or(Drop::PeerUnknown)?;
        let is_check = rtp::demux(datagram) == rtp::Kind::Stun;
        let (out, to) = if is_check {
            transport.witnessed(socket, from, datagram, far, now)?
        } else if gate.is_open() {
            transport.passed(from, far)?
        } else {
            return Err(Drop::Blocked);
        };
        transport.received.count(datagram.len());
        transport.last_heard = Some(now);
        let rate = self.config.packet_rates.of(&leg.terms.kind);
        leg.pace.admit(rate, now)?;
        far.sent.count(datagram.len());
        if is_check {
            self.arm_leg(place.leg);
        }
        Ok(Send {
            socket: out,
            to,
            len: datagram.len(),
        })
    }
}

impl Transport {
    /// Where a check or an answer goes.
    fn witnessed(
        &mut self,
        socket: SocketId,
        from: SocketAddr,
        datagram: &[u8],
        far: &Transport,
        now: Instant,
    ) -> Result<(SocketId, SocketAddr), Drop> {
        let pair = Pair {
            local: self.local(socket),
            remote: from,
        };
        let (Some(witness), Some(other)) = (&mut self.witness, &far.witness) else {
            return Err(Drop::StunRefused);
        };
        let to = witness
            .receive(pair, datagram, other, now)
            .map_err(Drop::from)?;
        let current = witness.destination();
        self.out = current.map_or(self.bound.id, |pair| self.socket(pair.local));
        let to = to.ok_or(Drop::PeerUnknown)?;
        Ok((far.socket(to.local), to.remote))
    }

    /// Where anything else goes.
    fn passed(&self, from: SocketAddr, far: &Transport) -> Result<(SocketId, SocketAddr), Drop> {
        let (is_heard, to) = match (&self.witness, &far.witness) {
            (Some(witness), Some(other)) => (
                witness.validated(from),
                other.destination().map(|pair| pair.remote),
            ),
            _ => (self.peer.signalled() == Some(from), far.peer.signalled()),
        };
        if !is_heard {
            return Err(Drop::WrongSource);
        }
        Ok((far.out, to.ok_or(Drop::PeerUnknown)?))
    }
}
