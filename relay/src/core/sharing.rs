//! The shared ports of a shard and its legs.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::leg::Leg;
use super::ports::Bound;
use super::shared::Standing;
use super::table::Key;
use super::{Ports, Shard, Shards, SocketId, Whose};

/// Who has said nothing for longer than this makes room where others speak.
const MOMENT: Duration = Duration::from_secs(1);

impl Shard {
    /// Opens the shared port on every address of every interface, if there is to be one. Call it once, before anything
    /// else: so it has the same numbers in every shard.
    ///
    /// # Errors
    /// The address where it cannot be had.
    pub fn share_ports(&mut self, ports: &mut dyn Ports) -> Result<(), SocketAddr> {
        let Some(port) = self.config.shared_port else {
            return Ok(());
        };
        let addresses: Vec<IpAddr> = self.config.interfaces.iter().map(|i| i.bind.0).collect();
        for ip in addresses {
            if self.shared_at(ip).is_some() {
                continue;
            }
            let at = SocketAddr::new(ip, port);
            let bound = self.pool.fixed(at, ports).ok_or(at)?;
            ports.mark(bound.id, self.config.tos);
            self.shared.open(bound);
        }
        Ok(())
    }

    /// Which other shard a datagram is for that is [not ours](super::Received::Elsewhere), of those that have not
    /// `seen` it; `None` if it is nobody's.
    #[must_use]
    pub fn whose(
        &self,
        socket: SocketId,
        from: SocketAddr,
        datagram: &[u8],
        seen: Shards,
    ) -> Option<Whose> {
        self.shared.whose((socket, from), datagram, seen)
    }

    /// Takes what another shard says of a source: whether it is [held](super::Claim::is_held) there.
    pub fn hear(&mut self, shard: u8, socket: SocketId, source: SocketAddr, is_held: bool) {
        self.shared.hear(shard, (socket, source), is_held);
    }

    /// Counts a datagram that is nobody's.
    pub fn stray(&mut self) {
        self.strays = self.strays.wrapping_add(1);
    }

    /// The shared ports: their sockets and where they are.
    pub fn shared_ports(&self) -> impl Iterator<Item = (SocketId, SocketAddr)> {
        self.shared
            .sockets()
            .iter()
            .map(|bound| (bound.id, bound.at))
    }

    /// The shared port on this address.
    pub(super) fn shared_at(&self, ip: IpAddr) -> Option<Bound> {
        let mut sockets = self.shared.sockets().iter();
        sockets.find(|bound| bound.at.ip() == ip).copied()
    }

    pub(super) fn is_shared(&self, socket: SocketId) -> bool {
        self.shared.has(socket)
    }

    /// What comes from `source` may be the leg's from now on.
    pub(super) fn settle(&mut self, leg: Key<Leg>, source: (SocketId, SocketAddr), now: Instant) {
        if self.shared.has(source.0) {
            let legs = &self.legs;
            let standing = |owner| match legs.get(owner) {
                Some(leg) => leg.standing(source.1, now),
                None => Standing::Gone,
            };
            self.shared.settle(leg, source, standing);
        }
    }

    /// Makes a leg on a shared port known by its present fragment. One that has turned out to be without ICE is known
    /// by the address of its SDP.
    pub(super) fn make_known(&mut self, key: Key<Leg>, now: Instant) {
        let Some(transport) = self.legs.get(key).and_then(|leg| leg.rtp.as_ref()) else {
            return;
        };
        let socket = transport.bound.id;
        if !self.shared.has(socket) {
            return;
        }
        match (&transport.agent, transport.peer.destination()) {
            (Some(agent), _) => self.shared.name(key, agent.credentials().ufrag()),
            (None, Some(told)) => self.settle(key, (socket, told), now),
            (None, None) => {}
        }
    }
}

impl Leg {
    /// How it stands to a source that it has had checks from.
    fn standing(&self, source: SocketAddr, now: Instant) -> Standing {
        match &self.rtp {
            Some(rtp) if rtp.hears(source) && self.talks(now) => Standing::Heard,
            Some(rtp) if rtp.hears(source) => Standing::Silent,
            _ => Standing::Gone,
        }
    }

    /// Whether something valid of this side came a moment ago.
    pub(super) fn talks(&self, now: Instant) -> bool {
        let since = |heard| now.saturating_duration_since(heard);
        self.last_heard()
            .is_some_and(|heard| since(heard) <= MOMENT)
    }
}
