//! One UDP port for many legs, so that a firewall needs one rule: which leg a datagram is for is told by who sent it,
//! and who is who by the user name fragment of a first ICE check (RFC 8445 section 7.3).
//!
//! A source becomes known only by a check with the leg's password, so a stranger who sends to the port finds nobody.
//! It stays its leg's as long as that leg's consent with it lasts. A check of another call from the same address may be
//! that of a browser whose page began anew, or a forged one: it makes the source contested, and takes nothing away
//! (`contested.rs`). All shards have the same ports, and tell each other which sources they hear (`neighbours.rs`).

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

use super::leg::Leg;
use super::neighbours::{Among, Claim, Others, Shards, Source, Whose, whose};
use super::ports::{Bound, SocketId};
use super::table::Key;

/// Fragments under which a leg is known at a time: the present one, and the one before an ICE restart, under which
/// the peer goes on until it has heard of the new one.
const FRAGMENTS: usize = 2;

/// Sources of one leg: as many as its agent keeps paths.
const SOURCES: usize = 16;

/// Who is who on the shared ports of a shard.
pub(super) struct Shared {
    among: Among,
    sockets: Vec<Bound>,
    by_fragment: HashMap<Box<str>, Key<Leg>>,
    by_source: HashMap<Source, Owners>,
    known: HashMap<Key<Leg>, Known>,
    others: Others,
    /// What the other shards have not been told yet.
    claims: VecDeque<Claim>,
}

/// Whose a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owners {
    pub(super) first: Key<Leg>,
    /// Who else has had valid checks from it, if anybody.
    pub(super) rivals: Option<Rivals>,
}

/// Who contests a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rivals {
    /// Another leg of this shard.
    pub(super) here: Option<Key<Leg>>,
    /// Another shard.
    pub(super) elsewhere: Option<Since>,
}

/// When another shard has claimed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    Before,
    After,
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
    sources: Vec<Source>,
}

impl Shared {
    pub(super) fn new(among: Among) -> Self {
        Self {
            among,
            sockets: Vec::new(),
            by_fragment: HashMap::new(),
            by_source: HashMap::new(),
            known: HashMap::new(),
            others: Others::default(),
            claims: VecDeque::new(),
        }
    }

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
        source: Source,
        standing: impl Fn(Key<Leg>) -> Standing,
    ) {
        let owners = self.by_source.get(&source).copied();
        if owners.is_some_and(|owners| owners.legs().eq([leg])) {
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
            None => self.claim(leg, source),
            Some(owners) if owners.legs().any(|owner| owner == leg) => return,
            Some(owners) if owners.second().is_some() => {
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
            *owners = owners.beside(Some(leg));
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
    pub(super) fn prefer(&mut self, leg: Key<Leg>, source: Source) {
        if let Some(owners) = self.by_source.get_mut(&source)
            && owners.second() == Some(leg)
        {
            let before = std::mem::replace(&mut owners.first, leg);
            *owners = owners.beside(Some(before));
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

    /// What another shard says.
    pub(super) fn hear(&mut self, shard: u8, source: Source, is_held: bool) {
        let was_first = self.others.hear(shard, source, is_held);
        let is_left = self.others.of(source, Shards::default()).is_some();
        if let Some(owners) = self.by_source.get_mut(&source) {
            let since = owners.elsewhere().filter(|_| !was_first);
            let since = since.unwrap_or(Since::After);
            *owners = owners.and_elsewhere(is_left.then_some(since));
        }
    }

    /// What the other shards are to be told next.
    pub(super) fn news(&mut self) -> Option<Claim> {
        self.claims.pop_front()
    }

    /// Which other shard a datagram is for, of those that have not seen it.
    pub(super) fn whose(&self, source: Source, datagram: &[u8], seen: Shards) -> Option<Whose> {
        let mut whose = whose(self.among, &self.others, source, datagram, seen)?;
        if self.is_first_anothers(source, datagram, seen) {
            // It comes back if that one has no use for it.
            whose.seen = seen;
        }
        Some(whose)
    }

    /// DTLS tells nobody whose it is: who claimed its source first says so.
    pub(super) fn is_first_anothers(&self, source: Source, datagram: &[u8], seen: Shards) -> bool {
        let owners = self.by_source.get(&source);
        seen.is_empty()
            && owners.is_some_and(|owners| owners.elsewhere() == Some(Since::Before))
            && rtp::demux(datagram) == rtp::Kind::Dtls
    }

    /// Whether what comes to this socket may be another shard's.
    pub(super) fn is_everybodys(&self, socket: SocketId) -> bool {
        !self.among.is_alone() && self.has(socket)
    }

    /// It is the first leg of this shard that hears it.
    fn claim(&mut self, leg: Key<Leg>, source: Source) {
        let other = self.others.of(source, Shards::default());
        let owners = Owners::one(leg).and_elsewhere(other.map(|_| Since::Before));
        self.by_source.insert(source, owners);
        self.tell(source, true, other.or(Some(self.among.number)));
    }

    fn disown(&mut self, leg: Key<Leg>, source: Source) {
        if let Some(known) = self.known.get_mut(&leg) {
            known.sources.retain(|known| *known != source);
        }
        let owners = self.by_source.get(&source).copied();
        let Some(owners) = owners.filter(|owners| owners.legs().any(|owner| owner == leg)) else {
            return;
        };
        match owners.legs().find(|owner| *owner != leg) {
            Some(left) => {
                let left = Owners::one(left).and_elsewhere(owners.elsewhere());
                self.by_source.insert(source, left);
            }
            None => {
                self.by_source.remove(&source);
                let heir = self.others.of(source, Shards::default());
                self.tell(source, false, heir);
            }
        }
    }

    fn tell(&mut self, source: Source, is_held: bool, to: Option<u8>) {
        if self.among.is_alone() {
            return;
        }
        let (socket, source) = source;
        let before = self.claims.back();
        if before.is_some_and(|it| (it.socket, it.source, it.is_held) == (socket, source, !is_held))
        {
            // From one leg to another: it concerns nobody else.
            self.claims.pop_back();
            return;
        }
        self.claims.push_back(Claim {
            socket,
            source,
            is_held,
            to,
        });
    }
}

impl Owners {
    fn one(leg: Key<Leg>) -> Self {
        Self {
            first: leg,
            rivals: None,
        }
    }

    pub(super) fn legs(&self) -> impl Iterator<Item = Key<Leg>> + use<> {
        std::iter::once(self.first).chain(self.second())
    }

    fn second(&self) -> Option<Key<Leg>> {
        self.rivals.and_then(|rivals| rivals.here)
    }

    pub(super) fn elsewhere(&self) -> Option<Since> {
        self.rivals.and_then(|rivals| rivals.elsewhere)
    }

    fn beside(self, here: Option<Key<Leg>>) -> Self {
        self.with(here, self.elsewhere())
    }

    fn and_elsewhere(self, elsewhere: Option<Since>) -> Self {
        self.with(self.second(), elsewhere)
    }

    fn with(self, here: Option<Key<Leg>>, elsewhere: Option<Since>) -> Self {
        let rivals = Rivals { here, elsewhere };
        let is_contested = here.is_some() || elsewhere.is_some();
        Self {
            rivals: is_contested.then_some(rivals),
            ..self
        }
    }
}
