//! One UDP port for many legs, so that a firewall needs one rule: which leg a datagram is for is told by who sent it,
//! and who is who by the user name fragment of a first ICE check (RFC 8445 section 7.3).
//!
//! A source becomes known only by a check with the leg's password, so a stranger who sends to the port finds nobody.
//! It stays its leg's as long as that leg's consent with it lasts: a check of another call from the same (then forged)
//! address does not move it.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::leg::Leg;
use super::ports::{Bound, SocketId};
use super::table::Key;

/// Fragments under which a leg is known at a time: the present one, and the one before an ICE restart, under which
/// the peer goes on until it has heard of the new one.
const FRAGMENTS: usize = 2;

/// Sources of one leg: as many as its agent keeps paths.
const SOURCES: usize = 16;

/// Who is who on the shared ports of a shard.
#[derive(Default)]
pub(super) struct Shared {
    sockets: Vec<Bound>,
    by_fragment: HashMap<Box<str>, Key<Leg>>,
    by_source: HashMap<(SocketId, SocketAddr), Key<Leg>>,
    known: HashMap<Key<Leg>, Known>,
}

/// What leads to one leg, the oldest first.
#[derive(Default)]
struct Known {
    fragments: Vec<Box<str>>,
    sources: Vec<(SocketId, SocketAddr)>,
}

impl Shared {
    pub(super) fn open(&mut self, bound: Bound) {
        self.sockets.push(bound);
    }

    /// One for each address.
    pub(super) fn sockets(&self) -> &[Bound] {
        &self.sockets
    }

    pub(super) fn has(&self, socket: SocketId) -> bool {
        self.sockets.iter().any(|bound| bound.id == socket)
    }

    /// The leg that a datagram is for, if `socket` is one of these and anybody has made it known. It costs one look-up; a check from a new source
    /// is read as far as its user name and no further.
    pub(super) fn find(
        &self,
        socket: SocketId,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Option<Key<Leg>> {
        if !self.has(socket) {
            return None;
        }
        if let Some(leg) = self.by_source.get(&(socket, from))
            && !ice::stun::is_stun(datagram)
        {
            return Some(*leg);
        }
        let named = ice::stun::peek(datagram).filter(ice::stun::Peek::is_request);
        match named.and_then(|check| check.ufrags) {
            Some((ours, _)) => self.by_fragment.get(ours).copied(),
            None => self.by_source.get(&(socket, from)).copied(),
        }
    }

    /// Checks that name this fragment are for `leg`.
    pub(super) fn name(&mut self, leg: Key<Leg>, fragment: &str) {
        let known = self.known.entry(leg).or_default();
        if known.fragments.iter().any(|known| **known == *fragment) {
            return;
        }
        if known.fragments.len() >= FRAGMENTS {
            let oldest = known.fragments.remove(0);
            self.by_fragment.remove(&oldest);
        }
        known.fragments.push(fragment.into());
        self.by_fragment.insert(fragment.into(), leg);
    }

    /// What comes from `source` is for `leg`, unless it is another's still, as `holds` tells.
    pub(super) fn settle(
        &mut self,
        leg: Key<Leg>,
        source: (SocketId, SocketAddr),
        holds: impl FnOnce(Key<Leg>) -> bool,
    ) {
        match self.by_source.get(&source) {
            Some(owner) if *owner == leg || holds(*owner) => return,
            Some(owner) => {
                if let Some(known) = self.known.get_mut(owner) {
                    known.sources.retain(|known| *known != source);
                }
            }
            None => {}
        }
        let known = self.known.entry(leg).or_default();
        if known.sources.len() >= SOURCES {
            let oldest = known.sources.remove(0);
            self.by_source.remove(&oldest);
        }
        known.sources.push(source);
        self.by_source.insert(source, leg);
    }

    /// The leg is no longer there.
    pub(super) fn forget(&mut self, leg: Key<Leg>) {
        let Some(known) = self.known.remove(&leg) else {
            return;
        };
        for fragment in known.fragments {
            self.by_fragment.remove(&fragment);
        }
        for source in known.sources {
            self.by_source.remove(&source);
        }
    }
}
