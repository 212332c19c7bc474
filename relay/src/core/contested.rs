//! A source that two legs of a shared port have had valid checks from: a browser whose page began anew while the old call
//! is not over, behind a NAT that gives it the same port again; or somebody with a call of his own who writes another's
//! address into his checks. Which it is nobody can tell from the checks, so neither leg is believed: a packet is
//! the leg's in whose keys it is. It costs a copy and a second try, on contested sources alone, and until one leg's consent
//! with the source is over. Of more than two, those come in for which one that is silent makes room.

use std::time::Instant;

use rtp::Kind;

use super::leg::Leg;
use super::path::Datagram;
use super::shard::Place;
use super::table::Key;
use super::{Drop, Send, Shard, SocketId};

impl Shard {
    /// The walk of a datagram that may be of either leg; the first was believed last.
    #[cold]
    pub(super) fn contested(
        &mut self,
        owners: [Key<Leg>; 2],
        socket: SocketId,
        mut datagram: Datagram<'_>,
        now: Instant,
    ) -> Option<Send> {
        let source = (socket, datagram.from);
        let kind = rtp::demux(datagram.bytes());
        let proves = matches!(kind, Kind::Rtp | Kind::Rtcp);
        let (first, second) = self.in_turn(owners, kind, now);
        let (first, second) = (Place::of(first), Place::of(second));
        // What is refused may be changed by then.
        let copy = datagram.bytes().to_vec();
        let done = self.walk(first, socket, &mut datagram, now);
        if !is_anothers(&done) {
            if proves {
                self.shared.prefer(first.leg, source);
            }
            return self.or_count(first, done);
        }
        datagram.len = copy.len();
        for (byte, before) in datagram.bytes().iter_mut().zip(&copy) {
            *byte = *before;
        }
        let again = self.walk(second, socket, &mut datagram, now);
        if is_anothers(&again) {
            return self.or_count(first, done);
        }
        if proves {
            self.shared.prefer(second.leg, source);
        }
        self.or_count(second, again)
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
fn is_anothers(done: &Result<Option<Send>, Drop>) -> bool {
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
