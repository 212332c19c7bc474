//! One UDP port for many legs, so that a firewall needs one rule: which leg a datagram is for is told by who sent it,
//! and who is who by the user name fragment of a first ICE check (RFC 8445 section 7.3).
//!
//! A source becomes known only by a check with the leg's password, so a stranger who sends to the port finds nobody.
//! It stays its leg's as long as that leg's consent with it lasts. A check of another call from the same address may be
//! that of a browser whose page began anew, or a forged one: it makes the source contested, and takes nothing away
//! (`contested.rs`).

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
    by_source: HashMap<(SocketId, SocketAddr), Owners>,
    known: HashMap<Key<Leg>, Known>,
}

/// Whose a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owners {
    pub(super) first: Key<Leg>,
    /// Another that has had valid checks from it as well.
    pub(super) second: Option<Key<Leg>>,
}

/// How a leg stands to a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its consent is over.
    Gone,
    /// Nothing valid of its has come for a while.
    Silent,
    Heard,
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
    ) -> Option<Owners> {
        if !self.has(socket) {
            return None;
        }
        if let Some(owners) = self.by_source.get(&(socket, from))
            && !ice::stun::is_stun(datagram)
        {
            return Some(*owners);
        }
        let named = ice::stun::peek(datagram).filter(ice::stun::Peek::is_request);
        match named.and_then(|check| check.ufrags) {
            Some((ours, _)) => self.by_fragment.get(ours).copied().map(Owners::one),
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

    /// A valid check of `leg` came from `source`. Who has no consent with it any more loses it; of two others, the one that
    /// is silent.
    pub(super) fn settle(
        &mut self,
        leg: Key<Leg>,
        source: (SocketId, SocketAddr),
        standing: impl Fn(Key<Leg>) -> Standing,
    ) {
        let owners = self.by_source.get(&source).copied();
        if owners == Some(Owners::one(leg)) {
            return;
        }
        let others = || {
            owners
                .iter()
                .flat_map(Owners::legs)
                .filter(|other| *other != leg)
        };
        for gone in others().filter(|other| standing(*other) == Standing::Gone) {
            self.disown(gone, source);
        }
        match self.by_source.get(&source).copied() {
            None => _ = self.by_source.insert(source, Owners::one(leg)),
            Some(owners) if owners.legs().any(|owner| owner == leg) => return,
            Some(owners) if owners.second.is_some() => {
                let silent = |other: &Key<Leg>| standing(*other) == Standing::Silent;
                let Some(silent) = owners.legs().find(silent) else {
                    return;
                };
                self.disown(silent, source);
            }
            Some(_) => {}
        }
        if let Some(owners) = self.by_source.get_mut(&source)
            && owners.first != leg
        {
            owners.second = Some(leg);
        }
        let known = self.known.entry(leg).or_default();
        known.sources.push(source);
        if known.sources.len() > SOURCES
            && let Some(oldest) = known.sources.first().copied()
        {
            self.disown(leg, oldest);
        }
    }

    /// A packet from a contested source has proved to be this one's: the next one is as well, most likely.
    pub(super) fn prefer(&mut self, leg: Key<Leg>, source: (SocketId, SocketAddr)) {
        if let Some(owners) = self.by_source.get_mut(&source)
            && owners.second == Some(leg)
        {
            *owners = Owners {
                first: leg,
                second: Some(owners.first),
            };
        }
    }

    /// The leg is no longer there.
    pub(super) fn forget(&mut self, leg: Key<Leg>) {
        let Some(known) = self.known.get_mut(&leg) else {
            return;
        };
        for fragment in std::mem::take(&mut known.fragments) {
            self.by_fragment.remove(&fragment);
        }
        for source in std::mem::take(&mut known.sources) {
            self.disown(leg, source);
        }
        self.known.remove(&leg);
    }

    fn disown(&mut self, leg: Key<Leg>, source: (SocketId, SocketAddr)) {
        if let Some(known) = self.known.get_mut(&leg) {
            known.sources.retain(|known| *known != source);
        }
        let owners = self.by_source.get(&source).copied();
        let Some(owners) = owners.filter(|owners| owners.legs().any(|owner| owner == leg)) else {
            return;
        };
        match owners.legs().find(|owner| *owner != leg) {
            Some(left) => _ = self.by_source.insert(source, Owners::one(left)),
            None => _ = self.by_source.remove(&source),
        }
    }
}

impl Owners {
    fn one(leg: Key<Leg>) -> Self {
        Self {
            first: leg,
            second: None,
        }
    }

    fn legs(&self) -> impl Iterator<Item = Key<Leg>> + use<> {
        std::iter::once(self.first).chain(self.second)
    }
}
