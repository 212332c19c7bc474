//! A source that two legs of a shared port have had valid checks from: a browser whose page began anew while the old call
//! is not over, behind a NAT that gives it the same port again; or somebody with a call of his own who writes another's
//! address into his checks. Which it is nobody can tell from the checks, so neither leg is believed: a packet is
//! the leg's in whose keys it is. It costs a copy and a second try, on contested sources alone, and until one leg's consent
//! with the source is over. Of more than two, those come in for which one that is silent makes room.
//!
//! Where the other leg is another shard's, what ours refuses is handed over to that one.

use std::net::SocketAddr;
use std::time::Instant;

use rtp::Kind;

use super::leg::Leg;
use super::neighbours::Shards;
use super::path::Datagram;
use super::shard::Place;
use super::shared::Owners;
use super::table::Key;
use super::{Drop, Received, Shard, SocketId};

impl Shard {
    /// Takes a datagram that came to another shard, as [`receive`](Self::receive) does; those that have `seen` it have
    /// no use for it.
    pub fn receive_handed(
        &mut self,
        (socket, from): (SocketId, SocketAddr),
        buffer: &mut [u8],
        len: usize,
        seen: Shards,
        now: Instant,
    ) -> Received {
        let mut datagram = Datagram { buffer, len, from };
        let owners = self.shared.find(socket, from, datagram.bytes());
        self.disputed(owners, socket, datagram, seen, now)
    }

    /// What came to a shared port and may be another's.
    #[cold]
    pub(super) fn disputed(
        &mut self,
        owners: Option<Owners>,
        socket: SocketId,
        datagram: Datagram<'_>,
        seen: Shards,
        now: Instant,
    ) -> Received {
        match owners {
            Some(owners) => self.contested(owners, socket, datagram, seen, now),
            None if self.shared.is_everybodys(socket) => Received::Elsewhere,
            None => {
                self.stray();
                Received::Nothing
            }
        }
    }

    /// The walk of a datagram that may be of several legs; the first was believed last.
    fn contested(
        &mut self,
        owners: Owners,
        socket: SocketId,
        mut datagram: Datagram<'_>,
        seen: Shards,
        now: Instant,
    ) -> Received {
        let source = (socket, datagram.from);
        if owners.rivals.is_none() {
            let place = Place::of(owners.first);
            let done = self.walk(place, socket, &mut datagram, now);
            return self.or_count(place, done);
        }
        let kind = rtp::demux(datagram.bytes());
        let proves = matches!(kind, Kind::Rtp | Kind::Rtcp);
        let is_last = self.shared.whose(source, datagram.bytes(), seen).is_none();
        let first = self
            .shared
            .is_first_anothers(source, datagram.bytes(), seen);
        if !is_last && (first || self.is_rather_anothers(owners, kind, now)) {
            return Received::Elsewhere;
        }
        let first = owners.first;
        let second = owners.legs().find(|leg| *leg != first);
        let legs = match second {
            Some(second) => {
                let (first, second) = self.in_turn([first, second], kind, now);
                [Some(first), Some(second)]
            }
            None => [Some(first), None],
        };
        // What is refused may be changed by then.
        let copy = datagram.bytes().to_vec();
        let mut refused = None;
        for leg in legs.into_iter().flatten() {
            let place = Place::of(leg);
            let done = self.walk(place, socket, &mut datagram, now);
            if !is_anothers(&done) {
                if proves {
                    self.shared.prefer(leg, source);
                }
                return self.or_count(place, done);
            }
            refused.get_or_insert((place, done));
            datagram.len = copy.len();
            for (byte, before) in datagram.bytes().iter_mut().zip(&copy) {
                *byte = *before;
            }
        }
        match refused {
            Some((place, done)) if is_last => self.or_count(place, done),
            _ => Received::Elsewhere,
        }
    }

    /// Whether another shard is asked at all costs before a leg of ours: DTLS is of a handshake that is not over and a
    /// peer that is there; and without keys a packet of another's would wait for ours.
    fn is_rather_anothers(&self, owners: Owners, kind: Kind, now: Instant) -> bool {
        let mut legs = owners.legs().filter_map(|leg| self.legs.get(leg));
        match kind {
            Kind::Dtls => !legs.any(|leg| leg.keys.is_none() && leg.talks(now)),
            Kind::Rtp | Kind::Rtcp => legs.all(|leg| leg.keys.is_none()),
            _ => false,
        }
    }

    /// Whose it is rather. DTLS tells nobody, so it is of the handshake that is not over; and of two such, of
    /// the leg that was there first, while that is heard.
    fn in_turn(&self, [a, b]: [Key<Leg>; 2], kind: Kind, now: Instant) -> (Key<Leg>, Key<Leg>) {
        let leg = |key| self.legs.get(key);
        let has_keys = |key| leg(key).is_some_and(|leg: &Leg| leg.keys.is_some());
        let talks = |key| leg(key).is_some_and(|leg| leg.talks(now));
        let b_first = match (kind, has_keys(a), has_keys(b)) {
            (Kind::Dtls, true, false) => true,
            (Kind::Dtls, false, true) => false,
            (Kind::Dtls, ..) => !talks(a) && talks(b),
            // Where there are keys is told at once; without, a packet waits for them.
            (_, a, b) => !a && b,
        };
        if b_first { (b, a) } else { (a, b) }
    }
}

/// Whether another leg may have use for what this one has refused.
fn is_anothers(done: &Result<Received, Drop>) -> bool {
    matches!(
        done,
        Err(Drop::StunRefused
            | Drop::DtlsUnverified
            | Drop::DtlsUnexpected
            | Drop::WrongSource
            | Drop::NoKeys
            | Drop::Unauthentic
            | Drop::Replayed
            | Drop::PeerUnknown)
    )
}
