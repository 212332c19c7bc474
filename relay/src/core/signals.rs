//! STUN and DTLS: what comes on media ports and is no media. Off the hot path; it is what decides who is heard on it.

use std::net::SocketAddr;
use std::time::Instant;

use super::leg::{Component, Keys, Leg, Transport};
use super::shard::Place;
use super::table::Key;
use super::{Drop, Event, EventKind, Output, Shard, SocketId};

impl Shard {
    pub(super) fn stun(
        &mut self,
        (place, socket): (Place, SocketId),
        from: SocketAddr,
        datagram: &[u8],
        now: Instant,
    ) -> Result<(), Drop> {
        let transport = self.transport(place)?;
        let at = transport.local(socket);
        let agent = transport.agent.as_mut().ok_or(Drop::StunRefused)?;
        if let ice::Verdict::Dropped(_) = agent.receive(at, from, datagram, now) {
            return Err(Drop::StunRefused);
        }
        transport.last_heard = Some(now);
        if agent.validated(from) {
            self.settle(place.leg, (socket, from));
        }
        self.drain(place.leg, now);
        Ok(())
    }

    /// Only a source that has passed an ICE check is heard: a ClientHello costs a handshake, and the first one to
    /// come would else be the peer (CVE-2023-51275). Without ICE it is the address of the SDP.
    pub(super) fn dtls(
        &mut self,
        (place, socket): (Place, SocketId),
        from: SocketAddr,
        datagram: &[u8],
        now: Instant,
    ) -> Result<(), Drop> {
        let transport = self.transport(place)?;
        let verified = match &transport.agent {
            Some(agent) => agent.validated(from),
            None => transport.peer.is_expected(from),
        };
        if !verified {
            return Err(Drop::DtlsUnverified);
        }
        let endpoint = transport.dtls.as_mut().ok_or(Drop::DtlsUnexpected)?;
        let verdict = endpoint.receive(datagram, now);
        transport.dtls_peer = Some((socket, from));
        self.drain(place.leg, now);
        match verdict {
            dtls::Verdict::Taken => Ok(()),
            dtls::Verdict::Dropped(_) => Err(Drop::DtlsRefused),
        }
    }

    /// Carries out what the agents and endpoints of a leg want.
    pub(super) fn drain(&mut self, key: Key<Leg>, now: Instant) {
        self.make_known(key);
        let mut asked = Vec::new();
        let Some(leg) = self.legs.get_mut(key) else {
            return;
        };
        let mut news = Vec::new();
        for component in [Component::Rtp, Component::Rtcp] {
            while let Some(output) = leg.transport_mut(component).and_then(poll_ice) {
                let Some(transport) = leg.transport_mut(component) else {
                    break;
                };
                match output {
                    ice::Output::Send { from, to, bytes } => {
                        let socket = transport.socket(from);
                        // An answer to a check of ours names nobody.
                        if ice::stun::peek(&bytes).is_some_and(|stun| stun.is_request()) {
                            asked.push((socket, to));
                        }
                        self.outputs
                            .push_back(Output::Datagram { socket, to, bytes });
                    }
                    ice::Output::Selected(pair) => {
                        transport.out = transport.socket(pair.local);
                        transport.begin_dtls(now);
                    }
                    // The agent itself is asked about both for every packet.
                    ice::Output::Validated(_) | ice::Output::Disconnected => {}
                }
            }
            while let Some(output) = leg.transport_mut(component).and_then(poll_dtls) {
                match output {
                    dtls::Output::Send(bytes) => {
                        let Some(transport) = leg.transport_mut(component) else {
                            break;
                        };
                        if let Some((socket, to)) = transport.dtls_destination() {
                            self.outputs
                                .push_back(Output::Datagram { socket, to, bytes });
                        }
                    }
                    dtls::Output::Connected(keys) => {
                        leg.key(component, keys);
                        news.push(EventKind::DtlsConnected);
                    }
                    dtls::Output::Failed(failure) => {
                        news.push(EventKind::DtlsFailed(failure.to_string()))
                    }
                    // SRTP does not depend on the association that keyed it.
                    dtls::Output::Closed => {}
                }
            }
        }
        let call = leg.call;
        for source in asked {
            self.settle(key, source);
        }
        self.arm_leg(key);
        if news.contains(&EventKind::DtlsConnected) {
            self.ask_for_key_frame(key);
        }
        if let Some(call) = self.calls.get(call) {
            let events = news.into_iter().map(|kind| {
                Output::Event(Event {
                    call_id: call.id.clone(),
                    kind,
                })
            });
            self.outputs.extend(events);
        }
    }

    fn transport(&mut self, place: Place) -> Result<&mut Transport, Drop> {
        self.legs
            .get_mut(place.leg)
            .and_then(|leg| leg.transport_mut(place.component))
            .ok_or(Drop::NoLeg)
    }
}

impl Leg {
    /// Takes the keys of a finished handshake: with multiplexing, or on the RTP port, they are the leg's.
    fn key(&mut self, component: Component, keys: dtls::Keys) {
        let place = match component {
            Component::Rtp => &mut self.keys,
            Component::Rtcp => match &mut self.rtcp {
                Some(transport) => &mut transport.keys,
                None => return,
            },
        };
        Keys::install(place, keys.local, keys.remote);
    }
}

impl Transport {
    /// The selected pair; before one is selected, whoever verified speaks DTLS to us.
    fn dtls_destination(&self) -> Option<(SocketId, SocketAddr)> {
        let Some(agent) = &self.agent else {
            return Some((self.out, self.peer.destination()?));
        };
        let selected = agent.selected().map(|pair| (self.out, pair.remote));
        selected.or(self.dtls_peer)
    }
}

fn poll_ice(transport: &mut Transport) -> Option<ice::Output> {
    transport.agent.as_mut()?.poll()
}

fn poll_dtls(transport: &mut Transport) -> Option<dtls::Output> {
    transport.dtls.as_mut()?.poll()
}
