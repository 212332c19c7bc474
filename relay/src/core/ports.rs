//! UDP ports: which are taken, which rest after use, and how a free one is found.
//!
//! The search starts at a random port, so that nobody can tell where the next call will be. A freed port rests
//! for a while before it is used again, so that late packets of the old call do not reach a new one.

use std::collections::{HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use super::deadline::after;

/// Names one socket of a shard. Small integers, reused after a close: a server may index an array with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketId(pub u32);

/// How the core opens and closes its sockets. The server implements it over real ones, tests over a set.
pub trait Ports {
    /// Binds a UDP socket to exactly `at`, which no other program then has; its datagrams then come to
    /// [`Shard::receive`](super::Shard::receive) under `id`. `false` when the system refuses: the core tries another
    /// port.
    fn open(&mut self, id: SocketId, at: SocketAddr) -> bool;

    /// Gives what leaves from it this TOS byte (traffic class, RFC 2474) until it is closed. It is 0 before.
    fn mark(&mut self, id: SocketId, tos: u8);

    /// Closes it now, so that a peer that goes on sending gets an ICMP error.
    fn close(&mut self, id: SocketId);
}

/// How many ports the system may refuse in one search. Other shards and programs hold some of the range; a
/// range that is refused this often in a row is as good as full.
const MAX_REFUSALS: usize = 256;

/// An open socket and the address it is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) id: SocketId,
    pub(super) at: SocketAddr,
}

/// Every port of one shard.
pub(super) struct PortPool {
    range: RangeInclusive<u16>,
    quarantine: Duration,
    taken: HashSet<SocketAddr>,
    resting: VecDeque<(Instant, SocketAddr)>,
    free_ids: Vec<u32>,
    next_id: u32,
}

impl PortPool {
    pub(super) fn new(range: RangeInclusive<u16>, quarantine: Duration) -> Self {
        Self {
            range,
            quarantine,
            taken: HashSet::new(),
            resting: VecDeque::new(),
            free_ids: Vec::new(),
            next_id: 0,
        }
    }

    /// Opens one port, even or odd: for a leg that multiplexes RTCP.
    pub(super) fn single(
        &mut self,
        ip: IpAddr,
        random: u32,
        ports: &mut dyn Ports,
    ) -> Option<Bound> {
        let mut refusals = 0_usize;
        for port in rotation(*self.range.start(), *self.range.end(), 1, random) {
            let at = SocketAddr::new(ip, port);
            if self.taken.contains(&at) {
                continue;
            }
            match self.open(at, ports) {
                Some(bound) => return Some(bound),
                None => refusals = refusals.saturating_add(1),
            }
            if refusals == MAX_REFUSALS {
                break;
            }
        }
        None
    }

    /// Opens an even port for RTP and the next one for RTCP (RFC 3550 section 11).
    pub(super) fn pair(
        &mut self,
        ip: IpAddr,
        random: u32,
        ports: &mut dyn Ports,
    ) -> Option<(Bound, Bound)> {
        let first = self.range.start().checked_add(self.range.start() % 2)?;
        let last = self.range.end().checked_sub(1)?;
        let mut refusals = 0_usize;
        for port in rotation(first, last, 2, random) {
            let (even, odd) = (
                SocketAddr::new(ip, port),
                SocketAddr::new(ip, port.checked_add(1)?),
            );
            if self.taken.contains(&even) || self.taken.contains(&odd) {
                continue;
            }
            if let Some(rtp) = self.open(even, ports) {
                if let Some(rtcp) = self.open(odd, ports) {
                    return Some((rtp, rtcp));
                }
                self.abandon(rtp, ports);
            }
            refusals = refusals.saturating_add(1);
            if refusals == MAX_REFUSALS {
                break;
            }
        }
        None
    }

    /// Opens exactly this one.
    pub(super) fn fixed(&mut self, at: SocketAddr, ports: &mut dyn Ports) -> Option<Bound> {
        self.open(at, ports)
    }

    /// Closes a socket; its port rests until the quarantine is over.
    pub(super) fn release(&mut self, bound: Bound, now: Instant, ports: &mut dyn Ports) {
        ports.close(bound.id);
        self.free_ids.push(bound.id.0);
        self.resting
            .push_back((after(now, self.quarantine), bound.at));
    }

    /// How many ports of an address are open, or rest.
    pub(super) fn used(&self, ip: IpAddr) -> usize {
        self.taken.iter().filter(|at| at.ip() == ip).count()
    }

    /// When the next port comes out of quarantine.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.resting.front().map(|(until, _)| *until)
    }

    /// Frees the ports whose quarantine is over.
    pub(super) fn timeout(&mut self, now: Instant) {
        while let Some((until, at)) = self.resting.front().copied() {
            if until > now {
                break;
            }
            self.resting.pop_front();
            self.taken.remove(&at);
        }
    }

    fn open(&mut self, at: SocketAddr, ports: &mut dyn Ports) -> Option<Bound> {
        let id = SocketId(self.free_ids.last().copied().unwrap_or(self.next_id));
        if !ports.open(id, at) {
            return None;
        }
        if self.free_ids.pop().is_none() {
            self.next_id = self.next_id.saturating_add(1);
        }
        self.taken.insert(at);
        Some(Bound { id, at })
    }

    /// Gives back a port that nobody was told about: it needs no rest.
    fn abandon(&mut self, bound: Bound, ports: &mut dyn Ports) {
        ports.close(bound.id);
        self.free_ids.push(bound.id.0);
        self.taken.remove(&bound.at);
    }
}

/// `first, first + step, ... <= last`, each once, beginning somewhere in the middle.
fn rotation(first: u16, last: u16, step: u16, random: u32) -> impl Iterator<Item = u16> {
    let span = last.checked_sub(first);
    let steps = span.and_then(|span| span.checked_div(step));
    let count = steps.map_or(0, |steps| u32::from(steps).saturating_add(1));
    let begin = random.checked_rem(count).unwrap_or(0);
    (begin..count).chain(0..begin).filter_map(move |at| {
        let ahead = u16::try_from(at).ok()?.checked_mul(step)?;
        first.checked_add(ahead)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Opens everything except what it is told to refuse.
    #[derive(Default)]
    struct Sockets {
        open: Vec<(SocketId, SocketAddr)>,
        refuse: HashSet<u16>,
    }

    impl Ports for Sockets {
        fn open(&mut self, id: SocketId, at: SocketAddr) -> bool {
            assert!(
                !self.open.iter().any(|(i, a)| *i == id || *a == at),
                "given twice: {id:?} {at}"
            );
            let fine = !self.refuse.contains(&at.port());
            if fine {
                self.open.push((id, at));
            }
            fine
        }

        fn mark(&mut self, _: SocketId, _: u8) {}

        fn close(&mut self, id: SocketId) {
            self.open.retain(|(i, _)| *i != id);
        }
    }

    const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn pool(range: RangeInclusive<u16>) -> PortPool {
        PortPool::new(range, Duration::from_secs(5))
    }

    #[test]
    fn a_pair_is_an_even_port_and_the_next() {
        let (mut pool, mut sockets) = (pool(30_001..=30_010), Sockets::default());
        for random in [0, 7, u32::MAX, 123_456] {
            let (rtp, rtcp) = pool.pair(IP, random, &mut sockets).unwrap();
            assert_eq!(rtp.at.port() % 2, 0);
            assert_eq!(rtcp.at.port(), rtp.at.port() + 1);
        }
        assert!(
            pool.pair(IP, 0, &mut sockets).is_none(),
            "30010 has no partner in the range"
        );
    }

    #[test]
    fn every_single_port_of_the_range_is_found_whatever_the_start() {
        let (mut pool, mut sockets) = (pool(30_000..=30_004), Sockets::default());
        let mut found: Vec<u16> = (0..5)
            .map(|_| pool.single(IP, 99, &mut sockets).unwrap().at.port())
            .collect();
        found.sort_unstable();
        assert_eq!(found, [30_000, 30_001, 30_002, 30_003, 30_004]);
        assert!(pool.single(IP, 99, &mut sockets).is_none());
    }

    #[test]
    fn a_port_held_by_another_program_is_skipped_and_its_partner_given_back() {
        let (mut pool, mut sockets) = (pool(30_000..=30_003), Sockets::default());
        sockets.refuse.insert(30_001);
        let (rtp, _) = pool.pair(IP, 0, &mut sockets).unwrap();
        assert_eq!(rtp.at.port(), 30_002);
        assert_eq!(sockets.open.len(), 2, "30000 was closed again");
    }

    #[test]
    fn a_freed_port_rests_before_it_is_used_again() {
        let (mut pool, mut sockets) = (pool(30_000..=30_000), Sockets::default());
        let start = Instant::now();
        let bound = pool.single(IP, 0, &mut sockets).unwrap();
        pool.release(bound, start, &mut sockets);
        assert!(sockets.open.is_empty(), "closed at once");
        pool.timeout(start + Duration::from_millis(4_999));
        assert!(pool.single(IP, 0, &mut sockets).is_none());
        assert_eq!(pool.deadline(), Some(start + Duration::from_secs(5)));
        pool.timeout(start + Duration::from_secs(5));
        assert!(pool.single(IP, 0, &mut sockets).is_some());
    }

    #[test]
    fn ports_at_the_end_of_the_number_space_do_not_wrap() {
        let (mut pool, mut sockets) = (pool(65_534..=65_535), Sockets::default());
        assert!(pool.pair(IP, u32::MAX, &mut sockets).is_some());
        assert!(pool.pair(IP, u32::MAX, &mut sockets).is_none());
    }
}
