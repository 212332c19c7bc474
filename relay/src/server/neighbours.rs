//! The ways between shards that share a port: what each says of sources, and datagrams that came to the wrong one.
//! Nobody waits for anybody. For each shard that another hands datagrams to there is so much room and no more, and a
//! shard takes a bounded part of them before its own sockets have their turn.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};

use net::poll::Waker;

use crate::core::{Claim, HEADROOM, Shard, Shards, SocketId, Whose};

/// Bytes that wait at most on the way from one shard to another: a tenth of a second of two thousand calls.
const ROOM: usize = 1 << 20;

/// The part of them that is for who has proved nothing: whatever strangers send, what is known finds room.
const STRANGERS_ROOM: usize = ROOM / 8;

/// What a datagram takes besides its bytes.
const WRAPPING: usize = 128;

/// A datagram on its way to its shard.
pub(super) struct Parcel {
    pub(super) socket: SocketId,
    pub(super) from: SocketAddr,
    /// With [`HEADROOM`] behind it.
    pub(super) buffer: Vec<u8>,
    pub(super) len: usize,
    /// The shards that have had it.
    pub(super) seen: Shards,
}

/// One shard's ends.
pub(super) struct Neighbours {
    number: u8,
    /// By number; there is none to itself.
    doors: Vec<Option<Door>>,
    news: Receiver<(u8, Claim)>,
    parcels: Receiver<(u8, Parcel)>,
    /// Bytes on their way to us, by who sent them.
    coming: Vec<Arc<AtomicUsize>>,
    handed: Handed,
}

/// What became of datagrams that were others'.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Handed {
    pub(super) over: u64,
    /// There was no room.
    pub(super) dropped: u64,
}

/// The way to another shard.
struct Door {
    news: Sender<(u8, Claim)>,
    parcels: Sender<(u8, Parcel)>,
    /// Bytes on their way there from here.
    going: Arc<AtomicUsize>,
    waker: Waker,
    /// It does not know yet that there is something.
    is_unwoken: bool,
}

/// The ends of all shards, which are woken by these.
pub(super) fn neighbours(wakers: &[Waker]) -> Vec<Neighbours> {
    let ends: Vec<_> = wakers
        .iter()
        .map(|_| (mpsc::channel(), mpsc::channel()))
        .collect();
    let counts = || wakers.iter().map(|_| Arc::default()).collect::<Vec<_>>();
    // By receiver, then by sender.
    let ways: Vec<Vec<Arc<AtomicUsize>>> = wakers.iter().map(|_| counts()).collect();
    let doors = |number: usize| {
        let to = ends.iter().zip(&ways).zip(wakers).enumerate();
        to.map(|(other, ((((news, _), (parcels, _)), way), waker))| {
            (other != number).then(|| Door {
                news: news.clone(),
                parcels: parcels.clone(),
                going: way.get(number).cloned().unwrap_or_default(),
                waker: waker.clone(),
                is_unwoken: false,
            })
        })
        .collect()
    };
    let doors: Vec<_> = (0..wakers.len()).map(doors).collect();
    let receivers = ends
        .into_iter()
        .map(|((_, news), (_, parcels))| (news, parcels));
    let ends = receivers.zip(doors).zip(ways.clone());
    (0..)
        .zip(ends)
        .map(|(number, (((news, parcels), doors), coming))| Neighbours {
            number,
            doors,
            news,
            parcels,
            coming,
            handed: Handed::default(),
        })
        .collect()
}

impl Neighbours {
    /// Whether there is nobody else.
    pub(super) fn is_none(&self) -> bool {
        self.doors.len() <= 1
    }

    /// Tells all others.
    pub(super) fn tell(&mut self, claim: Claim) {
        for door in self.doors.iter_mut().flatten() {
            // A shard is gone only when all is ending.
            door.is_unwoken |= door.news.send((self.number, claim)).is_ok();
        }
    }

    /// Has the shard hear what the others have told until now.
    pub(super) fn hear(&self, shard: &mut Shard) {
        for (number, claim) in self.news.try_iter() {
            shard.hear(number, claim.socket, claim.source, claim.is_held);
        }
    }

    /// Hands a datagram over to the shard whose it is; whether it is anybody's. What there is no room for is dropped.
    pub(super) fn hand_over(
        &mut self,
        shard: &mut Shard,
        (socket, from): (SocketId, SocketAddr),
        datagram: &[u8],
        seen: Shards,
    ) -> bool {
        // What makes a peer send is preceded by news of it.
        self.hear(shard);
        let Some(whose) = shard.whose(socket, from, datagram, seen) else {
            return false;
        };
        let Some(Some(door)) = self.doors.get_mut(usize::from(whose.shard)) else {
            return false;
        };
        let size = datagram.len().saturating_add(WRAPPING);
        if !door.has_room(size, whose) {
            self.handed.dropped = self.handed.dropped.wrapping_add(1);
            return true;
        }
        let mut buffer = Vec::with_capacity(datagram.len().saturating_add(HEADROOM));
        buffer.extend_from_slice(datagram);
        buffer.resize(datagram.len().saturating_add(HEADROOM), 0);
        let parcel = Parcel {
            socket,
            from,
            buffer,
            len: datagram.len(),
            seen: whose.seen,
        };
        door.going.fetch_add(size, Ordering::Relaxed);
        door.is_unwoken |= door.parcels.send((self.number, parcel)).is_ok();
        self.handed.over = self.handed.over.wrapping_add(1);
        true
    }

    /// The next datagram that another shard had.
    pub(super) fn next(&self) -> Option<Parcel> {
        let (from, parcel) = self.parcels.try_recv().ok()?;
        if let Some(coming) = self.coming.get(usize::from(from)) {
            let size = parcel.len.saturating_add(WRAPPING);
            coming.fetch_sub(size, Ordering::Relaxed);
        }
        Some(parcel)
    }

    /// Wakes those that something was sent to since the last time.
    pub(super) fn wake(&mut self) {
        for door in self.doors.iter_mut().flatten() {
            if std::mem::take(&mut door.is_unwoken)
                && let Err(error) = door.waker.wake()
            {
                tracing::error!(%error, "a shard cannot be woken");
            }
        }
    }

    pub(super) fn handed(&self) -> Handed {
        self.handed
    }
}

impl Door {
    fn has_room(&self, size: usize, whose: Whose) -> bool {
        let room = if whose.is_known { ROOM } else { STRANGERS_ROOM };
        self.going.load(Ordering::Relaxed).saturating_add(size) <= room
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test may stop on the first surprise

    use net::poll::Poller;

    use super::*;
    use crate::core::{Advertise, Among, Anchor, Bind, Config, Identity, Interface};

    const PORT: SocketId = SocketId(0);

    /// So many shards with their ends. The browser of each is known to all others.
    fn shards(count: u8) -> Vec<(Shard, Neighbours)> {
        let pollers: Vec<_> = (0..count).map(|_| Poller::new().unwrap()).collect();
        let wakers: Vec<_> = pollers.iter().map(Poller::waker).collect();
        let identity = Identity::generate().unwrap();
        let shard = |number| {
            let ip = [127, 0, 0, 1].into();
            let interface = Interface {
                name: "public".into(),
                bind: Bind(ip),
                advertise: Advertise(ip),
            };
            let anchor = Anchor {
                instant: std::time::Instant::now(),
                unix: std::time::Duration::ZERO,
            };
            let mut config = Config::new(vec![interface], anchor);
            config.among = Among { number, count };
            Shard::new(config, identity.clone(), Box::new(|bytes| bytes.fill(7)))
        };
        let mut all: Vec<_> = (0..count).map(shard).zip(neighbours(&wakers)).collect();
        for (number, (_, ends)) in (0..).zip(&mut all) {
            ends.tell(Claim {
                socket: PORT,
                source: browser(number),
                is_held: true,
                to: None,
            });
        }
        all
    }

    fn browser(shard: u8) -> SocketAddr {
        ([198, 51, 100, shard], 5000).into()
    }

    /// What the shard of this number has from this source.
    fn hand_over(all: &mut [(Shard, Neighbours)], at: usize, from: SocketAddr, datagram: &[u8]) {
        let (shard, ends) = &mut all[at];
        assert!(ends.hand_over(shard, (PORT, from), datagram, Shards::default()));
    }

    fn numbered(number: u32) -> Vec<u8> {
        let mut datagram = vec![0x80; 1000];
        datagram[..4].copy_from_slice(&(0x8000_0000 | number).to_be_bytes());
        datagram
    }

    fn number_of(parcel: &Parcel) -> u32 {
        u32::from_be_bytes(*parcel.buffer.first_chunk().unwrap()) & 0x7fff_ffff
    }

    /// A check of nobody's that names the shard of this number.
    fn check(shard: u8) -> Vec<u8> {
        let mut out = vec![0, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42];
        out.extend([7; 12]);
        out.extend([0, 6, 0, 6, b'A' + shard, b'2', b'3', b'4', b':', b'x', 0, 0]);
        out
    }

    #[test]
    fn what_is_handed_over_comes_in_its_order_and_as_it_was() {
        let mut all = shards(2);
        for number in 0..100 {
            hand_over(&mut all, 0, browser(1), &numbered(number));
        }
        assert!(all[0].1.next().is_none());
        for number in 0..100 {
            let parcel = all[1].1.next().unwrap();
            assert_eq!((parcel.socket, parcel.from), (PORT, browser(1)));
            assert_eq!(parcel.buffer[..parcel.len], numbered(number));
            assert_eq!(parcel.buffer.len(), parcel.len + HEADROOM);
            assert_eq!(parcel.seen, Shards::default().with(0));
        }
        assert!(all[1].1.next().is_none());
    }

    #[test]
    fn what_there_is_no_room_for_is_dropped_and_counted_until_there_is_room_again() {
        let mut all = shards(2);
        for number in 0..2000 {
            hand_over(&mut all, 0, browser(1), &numbered(number));
        }
        let Handed { over, dropped } = all[0].1.handed();
        assert_eq!(over + dropped, 2000);
        assert_eq!(over, (ROOM / (1000 + WRAPPING)) as u64);
        // One that is taken makes room for one.
        assert_eq!(number_of(&all[1].1.next().unwrap()), 0);
        hand_over(&mut all, 0, browser(1), &numbered(5000));
        hand_over(&mut all, 0, browser(1), &numbered(5001));
        let left: Vec<_> = std::iter::from_fn(|| all[1].1.next()).collect();
        let numbers: Vec<_> = left.iter().map(number_of).collect();
        let expected: Vec<_> = (1..over as u32).chain([5000]).collect();
        assert_eq!(numbers, expected);
        // All of it is free again.
        let before = all[0].1.handed();
        for number in 0..over as u32 {
            hand_over(&mut all, 0, browser(1), &numbered(number));
        }
        let after = all[0].1.handed();
        assert_eq!(after.over - before.over, over);
        assert_eq!(after.dropped, before.dropped);
    }

    #[test]
    fn strangers_checks_leave_room_for_who_is_known() {
        let mut all = shards(2);
        let stranger = ([192, 0, 2, 1], 6000).into();
        for _ in 0..100_000 {
            hand_over(&mut all, 0, stranger, &check(1));
        }
        let flood = all[0].1.handed();
        let one = check(1).len() + WRAPPING;
        assert_eq!(flood.over, (STRANGERS_ROOM / one) as u64);
        for number in 0..500 {
            hand_over(&mut all, 0, browser(1), &numbered(number));
        }
        let after = all[0].1.handed();
        assert_eq!(
            (after.over, after.dropped),
            (flood.over + 500, flood.dropped)
        );
    }

    #[test]
    fn one_shards_flood_takes_no_room_from_anothers() {
        let mut all = shards(3);
        for number in 0..2000 {
            hand_over(&mut all, 0, browser(2), &numbered(number));
        }
        assert!(all[0].1.handed().dropped > 0);
        for number in 0..500 {
            hand_over(&mut all, 1, browser(2), &numbered(number));
            hand_over(&mut all, 0, browser(1), &numbered(number));
        }
        assert_eq!(
            all[1].1.handed(),
            Handed {
                over: 500,
                dropped: 0
            }
        );
        let to_one = std::iter::from_fn(|| all[1].1.next()).count();
        assert_eq!(to_one, 500);
    }

    #[test]
    fn what_nobody_knows_is_handed_to_nobody() {
        let mut all = shards(2);
        let (shard, ends) = &mut all[0];
        let stranger = ([192, 0, 2, 1], 6000).into();
        for datagram in [numbered(1), check(0), check(2), vec![]] {
            let nobody = Shards::default();
            assert!(!ends.hand_over(shard, (PORT, stranger), &datagram, nobody));
        }
        assert_eq!(ends.handed(), Handed::default());
    }
}
