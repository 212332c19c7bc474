//! STUN and DTLS: what comes on media ports and is no media. Off the hot path; it is what decides who is heard on it.

use std::net::SocketAddr;
use std::time::Instant;

use super::leg::{Component, Leg, Transport};
use super::shard::Place;
use super::table::Key;
use super::{Drop, Output, Shard, SocketId};

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
        if let ice::Verdict::Dropped(reason) = agent.receive(at, from, datagram, now) {
            return Err(reason.into());
        }
        transport.last_heard = Some(now);
        if agent.validated(from) {
            self.settle(place.leg, (socket, from), now);
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
        if !transport.hears(from) {
            return Err(Drop::DtlsUnverified);
        }
        transport.dtls.take(datagram, now)?;
        transport.dtls_peer = Some((socket, from));
        self.drain(place.leg, now);
        Ok(())
    }

    /// Carries out what the agents of a leg want, and what the leg wants of its DTLS endpoints.
    pub(super) fn drain(&mut self, key: Key<Leg>, now: Instant) {
        self.make_known(key, now);
        let mut asked = Vec::new();
        let Some(leg) = self.legs.get_mut(key) else {
            return;
        };
        let mut orders = Vec::new();
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
                        transport.begin_dtls();
                    }
                    // The agent itself is asked about both for every packet.
                    ice::Output::Validated(_) | ice::Output::Disconnected => {}
                }
            }
            if let Some(transport) = leg.transport_mut(component) {
                orders.push((
                    Place {
                        leg: key,
                        component,
                    },
                    transport.dtls.orders(),
                ));
            }
        }
        for source in asked {
            self.settle(key, source, now);
        }
        self.arm_leg(key);
        for (place, orders) in orders {
            self.order_handshakes(place, orders, now);
        }
    }

    pub(super) fn transport(&mut self, place: Place) -> Result<&mut Transport, Drop> {
        self.legs
            .get_mut(place.leg)
            .and_then(|leg| leg.transport_mut(place.component))
            .ok_or(Drop::NoLeg)
    }
}

fn poll_ice(transport: &mut Transport) -> Option<ice::Output> {
    transport.agent.as_mut()?.poll()
}
