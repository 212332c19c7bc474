//! The sockets of a leg beside its first one: with ICE it has one on every address of its interface.

use std::time::Instant;

use super::call::Call;
use super::leg::{Beside, Leg, Transport};
use super::table::Key;
use super::{Ports, Shard};

impl Shard {
    /// The other addresses of the interface, for ICE. One on which no port can be had is left out: it costs the call a
    /// candidate, and not its life.
    pub(super) fn open_beside(&mut self, key: Key<Leg>, ports: &mut dyn Ports) {
        let Some(leg) = self.legs.get(key) else {
            return;
        };
        let lacks = |transport: Option<&Transport>| {
            transport.is_some_and(|one| one.agent.is_none() && one.beside.is_empty())
        };
        let (rtp_lacks, rtcp_lacks) = (lacks(leg.rtp.as_ref()), lacks(leg.rtcp.as_deref()));
        let shares = leg
            .rtp
            .as_ref()
            .is_some_and(|rtp| self.is_shared(rtp.bound.id));
        if !rtp_lacks && !rtcp_lacks {
            return;
        }
        // RTCP has no address that RTP does not have.
        let has_rtp = |ip| {
            let mut sockets = leg.rtp.iter().flat_map(Transport::sockets);
            sockets.any(|bound| bound.at.ip() == ip)
        };
        let first = self.config.interfaces.get(leg.terms.interface);
        let others = self.config.interfaces.iter().filter(|other| {
            let is_same =
                first.is_some_and(|first| first.name == other.name && first.bind != other.bind);
            is_same && (rtp_lacks || has_rtp(other.bind.0))
        });
        let others: Vec<_> = others
            .map(|other| (other.bind.0, other.advertise.0))
            .collect();
        for (ip, shown) in others {
            let random = self.random_u32();
            let shared = self.shared_at(ip).filter(|_| shares);
            let pool = &mut self.pool;
            let bound = match (rtp_lacks, rtcp_lacks) {
                _ if shares && shared.is_none() => None,
                (true, false) if shares => Some([shared, None]),
                (true, true) => pool
                    .pair(ip, random, ports)
                    .map(|(a, b)| [Some(a), Some(b)]),
                (true, false) => pool.single(ip, random, ports).map(|a| [Some(a), None]),
                _ => pool.single(ip, random, ports).map(|b| [None, Some(b)]),
            };
            let Some(bound) = bound else { continue };
            self.set_places(key, bound);
            let Some(leg) = self.legs.get_mut(key) else {
                return;
            };
            for (transport, bound) in [leg.rtp.as_mut(), leg.rtcp.as_deref_mut()]
                .into_iter()
                .zip(bound)
            {
                if let (Some(transport), Some(bound)) = (transport, bound) {
                    transport.beside.push(Beside { bound, shown });
                    transport.tos = 0;
                }
            }
        }
    }

    /// After a command: closes what only ICE needed on legs that have none, and gives sockets the TOS of their call.
    pub(super) fn tend_ports(&mut self, call: Key<Call>, now: Instant, ports: &mut dyn Ports) {
        let tos = self.calls.get(call).and_then(|call| call.tos);
        let tos = tos.unwrap_or(self.config.tos);
        for key in self.leg_keys(call) {
            let Some(leg) = self.legs.get_mut(key) else {
                continue;
            };
            let passes = leg.passing.is_some();
            let mut spare = Vec::new();
            for (_, transport) in leg.transports_mut() {
                if transport.agent.is_none() && !passes {
                    spare.append(&mut transport.beside);
                }
                if transport.tos != tos {
                    let own = transport
                        .sockets()
                        .filter(|bound| !self.shared.has(bound.id));
                    own.for_each(|bound| ports.mark(bound.id, tos));
                    transport.tos = tos;
                }
            }
            for beside in spare {
                self.let_go(beside.bound, now, ports);
            }
        }
    }
}
