//! From a shard to its DTLS endpoints and back: orders go out, keys come in. The endpoints are the shard's own
//! ([`Handshakes`]), or another thread has them; nothing else depends on which.

use std::net::SocketAddr;
use std::time::Instant;

use super::leg::{Component, Keys, Leg, Transport};
use super::shard::Place;
use super::{
    Drop, Event, EventKind, HandshakeId, HandshakeNews, HandshakeOrder, Handshakes, Output, Shard,
    SocketId,
};

impl Shard {
    /// Gives the DTLS endpoints away, for a thread of their own. From now on [`Output::Handshake`] is to be given to
    /// them, and what they have to tell to [`take_handshake`](Self::take_handshake). Before the first command, or never.
    pub fn give_handshakes(&mut self) -> Option<Handshakes> {
        self.handshakes.take()
    }

    /// Takes news of an endpoint; what they are of may be gone meanwhile. Packets that have waited for keys are among what
    /// [`poll`](Self::poll) then yields: let them leave before those that came later.
    pub fn take_handshake(&mut self, id: HandshakeId, news: HandshakeNews, now: Instant) {
        let Some(place) = self.handshaking.get(&id).copied() else {
            return;
        };
        let transport = self.transport(place).ok();
        if transport.is_none_or(|transport| transport.dtls.id() != Some(id)) {
            return;
        }
        match news {
            HandshakeNews::Refused => self.count_drop(place, Drop::DtlsRefused),
            HandshakeNews::Output(output) => self.take_output(place, output, now),
        }
    }

    /// Gives a port's orders to its endpoints, wherever they are.
    pub(super) fn order_handshakes(
        &mut self,
        place: Place,
        orders: Vec<(HandshakeId, HandshakeOrder)>,
        now: Instant,
    ) {
        for (id, order) in orders {
            match order {
                HandshakeOrder::Open { .. } => _ = self.handshaking.insert(id, place),
                HandshakeOrder::Close => _ = self.handshaking.remove(&id),
                _ => {}
            }
            match &mut self.handshakes {
                Some(handshakes) => handshakes.take(id, order, now),
                None => self.outputs.push_back(Output::Handshake { id, order }),
            }
        }
        self.hear_handshakes(now);
    }

    /// News of the endpoints that are the shard's own.
    pub(super) fn hear_handshakes(&mut self, now: Instant) {
        while let Some((id, news)) = self.handshakes.as_mut().and_then(Handshakes::poll) {
            self.take_handshake(id, news, now);
        }
    }

    fn take_output(&mut self, place: Place, output: dtls::Output, now: Instant) {
        let Some(leg) = self.legs.get_mut(place.leg) else {
            return;
        };
        let kind = match output {
            dtls::Output::Send(bytes) => {
                let transport = leg.transport_mut(place.component);
                if let Some((socket, to)) = transport.and_then(|it| it.dtls_destination()) {
                    self.outputs
                        .push_back(Output::Datagram { socket, to, bytes });
                }
                return;
            }
            // SRTP does not depend on the association that keyed it.
            dtls::Output::Closed => return,
            dtls::Output::Failed(failure) => {
                let why = failure.to_string();
                if let Some(transport) = leg.transport_mut(place.component) {
                    transport.dtls.failed(&why);
                }
                EventKind::DtlsFailed(why)
            }
            dtls::Output::Connected(keys) => {
                leg.key(place.component, keys);
                EventKind::DtlsConnected
            }
        };
        let call = leg.call;
        if kind == EventKind::DtlsConnected {
            self.ask_for_key_frame(place.leg);
        }
        self.take_early(place, now);
        if let Some(call) = self.calls.get(call) {
            let call_id = call.id.clone();
            self.outputs
                .push_back(Output::Event(Event { call_id, kind }));
        }
    }
}

impl Leg {
    /// Takes the keys of a finished handshake: with multiplexing, or on the RTP port, they are the leg's.
    fn key(&mut self, component: Component, keys: dtls::Keys) {
        match (component, &mut self.rtcp) {
            (Component::Rtp, _) => Keys::install(&mut self.keys, keys.local, keys.remote),
            (Component::Rtcp, Some(transport)) => {
                let mut place = transport.keys.take().map(|boxed| *boxed);
                Keys::install(&mut place, keys.local, keys.remote);
                transport.keys = place.map(Box::new);
            }
            (Component::Rtcp, None) => {}
        }
    }
}

impl Transport {
    /// Whether this address is the peer's: with ICE one that has passed a check, without it that of the SDP.
    pub(super) fn hears(&self, from: SocketAddr) -> bool {
        match &self.agent {
            Some(agent) => agent.validated(from),
            None => self.peer.is_expected(from),
        }
    }

    /// The selected pair; before one is selected, whoever verified speaks DTLS to us.
    fn dtls_destination(&self) -> Option<(SocketId, SocketAddr)> {
        let Some(agent) = &self.agent else {
            return Some((self.out, self.peer.destination()?));
        };
        let selected = agent.selected().map(|pair| (self.out, pair.remote));
        selected.or(self.dtls_peer)
    }
}
