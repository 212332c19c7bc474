//! The answering side's memory: a request that comes twice is executed once.
//!
//! Requests are known by their cookies alone, whoever sends them. Two generations of 30 s are kept,
//! so a reply can be had again for 30 to 60 s, which is longer than any client asks. Never executes
//! anything, and never grows beyond its bounds: under a flood of cookies the oldest go first, unless
//! nothing may be forgotten before its time.

use std::collections::HashMap;
use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a generation takes in new cookies.
const GENERATION: Duration = Duration::from_secs(30);

/// How many cookies a generation takes: 30 s of two thousand requests a second.
const MAX_COOKIES: usize = 65_536;

/// How many bytes of replies a generation takes: as many cookies with a kilobyte each.
const MAX_BYTES: usize = 64 << 20;

/// How many others may wait for the reply to one request. Clients that ask for one another
/// are rare; more than these are somebody's mistake.
const MAX_WAITING: usize = 8;

/// What is to be done with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// It is new: execute it, then call [`Replay::finish`].
    New,
    /// It is being executed: do nothing; whoever sent this will be among those that `finish` names.
    Executing,
    /// It has been executed: send this.
    Answered(Arc<[u8]>),
    /// There is no room for it: do nothing, as if it had been lost. Only if the memory is
    /// [strict](Replay::strict).
    Full,
}

/// The requests of the last minute. `P` is what a reply is sent to: an address, or whatever names one
/// who asks where requests come by more than datagrams.
#[derive(Debug)]
pub struct Replay<P = SocketAddr> {
    young: Generation<P>,
    old: Generation<P>,
    /// When the young generation began.
    since: Instant,
    /// Nothing is forgotten within 30 s.
    strict: bool,
}

#[derive(Debug)]
struct Generation<P> {
    entries: HashMap<Box<[u8]>, Entry<P>>,
    bytes: usize,
}

impl<P> Default for Generation<P> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            bytes: 0,
        }
    }
}

#[derive(Debug)]
enum Entry<P> {
    Executing { asked_by: P, waiting: Vec<P> },
    Answered(Arc<[u8]>),
}

impl<P: PartialEq> Replay<P> {
    /// An empty memory.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            young: Generation::default(),
            old: Generation::default(),
            since: now,
            strict: false,
        }
    }

    /// An empty memory that forgets nothing within 30 s: what a signature allows for a while must not be
    /// executed twice in it.
    #[must_use]
    pub fn strict(now: Instant) -> Self {
        Self {
            strict: true,
            ..Self::new(now)
        }
    }

    /// A request with this cookie has come from `peer`.
    pub fn admit(&mut self, cookie: &[u8], peer: P, now: Instant) -> Admission {
        self.age(now);
        if let Some(entry) = self.entry(cookie) {
            return match entry {
                Entry::Answered(reply) => Admission::Answered(Arc::clone(reply)),
                Entry::Executing { asked_by, waiting } => {
                    if *asked_by != peer && !waiting.contains(&peer) && waiting.len() < MAX_WAITING
                    {
                        waiting.push(peer);
                    }
                    Admission::Executing
                }
            };
        }
        if self.young.entries.len() >= MAX_COOKIES || self.young.bytes >= MAX_BYTES {
            if self.strict {
                return Admission::Full;
            }
            self.turn(now);
        }
        self.young.bytes = self.young.bytes.saturating_add(cookie.len());
        self.young.entries.insert(
            cookie.into(),
            Entry::Executing {
                asked_by: peer,
                waiting: Vec::new(),
            },
        );
        Admission::New
    }

    /// The request has been executed. Names all who are to be sent the reply: the one who asked and
    /// those who asked again meanwhile from elsewhere. Empty if the request is no longer known.
    pub fn finish(&mut self, cookie: &[u8], reply: Arc<[u8]>) -> Vec<P> {
        let generation = if self.young.entries.contains_key(cookie) {
            &mut self.young
        } else {
            &mut self.old
        };
        let Some(entry) = generation.entries.get_mut(cookie) else {
            return Vec::new();
        };
        generation.bytes = generation.bytes.saturating_add(reply.len());
        match mem::replace(entry, Entry::Answered(reply)) {
            Entry::Answered(_) => Vec::new(),
            Entry::Executing {
                asked_by,
                mut waiting,
            } => {
                waiting.insert(0, asked_by);
                waiting
            }
        }
    }

    /// How many requests it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.young
            .entries
            .len()
            .saturating_add(self.old.entries.len())
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When [`timeout`](Self::timeout) will find something to forget, where there is something.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match self.is_empty() {
            true => None,
            false => self.since.checked_add(GENERATION),
        }
    }

    /// Forgets what is over, also while nobody asks for anything.
    pub fn timeout(&mut self, now: Instant) {
        self.age(now);
    }

    fn entry(&mut self, cookie: &[u8]) -> Option<&mut Entry<P>> {
        match self.young.entries.get_mut(cookie) {
            Some(entry) => Some(entry),
            None => self.old.entries.get_mut(cookie),
        }
    }

    fn age(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.since);
        if age >= GENERATION.saturating_mul(2) {
            *self = Self {
                strict: self.strict,
                ..Self::new(now)
            };
        } else if age >= GENERATION {
            self.turn(self.since.checked_add(GENERATION).unwrap_or(now));
        }
    }

    fn turn(&mut self, since: Instant) {
        self.old = mem::take(&mut self.young);
        self.since = since;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1000);
    const OTHER: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 2000);

    fn reply(text: &str) -> Arc<[u8]> {
        text.as_bytes().into()
    }

    #[test]
    fn a_request_that_comes_again_gets_the_stored_reply_whoever_sends_it() {
        let now = Instant::now();
        let mut replay = Replay::new(now);
        assert_eq!(replay.admit(b"c", PEER, now), Admission::New);
        assert_eq!(replay.finish(b"c", reply("r")), [PEER]);
        assert_eq!(
            replay.admit(b"c", PEER, now),
            Admission::Answered(reply("r"))
        );
        assert_eq!(
            replay.admit(b"c", OTHER, now),
            Admission::Answered(reply("r"))
        );
        assert_eq!(replay.admit(b"d", PEER, now), Admission::New);
    }

    #[test]
    fn a_request_that_comes_again_meanwhile_waits() {
        let now = Instant::now();
        let mut replay = Replay::new(now);
        replay.admit(b"c", PEER, now);
        assert_eq!(replay.admit(b"c", PEER, now), Admission::Executing);
        assert_eq!(replay.admit(b"c", OTHER, now), Admission::Executing);
        assert_eq!(replay.admit(b"c", OTHER, now), Admission::Executing);
        assert_eq!(replay.finish(b"c", reply("r")), [PEER, OTHER]);
    }

    #[test]
    fn a_reply_lives_for_30_to_60_seconds() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for (asked, remembered, forgotten) in [(0, 30, 60), (29, 59, 60), (0, 59, 1000)] {
            let mut replay = Replay::new(start);
            replay.admit(b"c", PEER, at(asked));
            replay.finish(b"c", reply("r"));
            assert_eq!(
                replay.admit(b"c", PEER, at(remembered)),
                Admission::Answered(reply("r"))
            );
            assert_eq!(
                replay.admit(b"c", PEER, at(forgotten)),
                Admission::New,
                "{asked} {forgotten}"
            );
        }
    }

    #[test]
    fn replies_are_forgotten_in_time_though_nobody_asks_any_more() {
        let start = Instant::now();
        let mut replay = Replay::new(start);
        assert_eq!(replay.deadline(), None);
        replay.admit(b"c", PEER, start + Duration::from_secs(29));
        replay.finish(b"c", reply("r"));
        let mut turns = 0;
        while let Some(at) = replay.deadline() {
            replay.timeout(at);
            turns += 1;
        }
        assert_eq!((turns, replay.len()), (2, 0));
    }

    #[test]
    fn a_flood_of_cookies_pushes_out_the_oldest() {
        let now = Instant::now();
        let mut replay = Replay::new(now);
        for number in 0..3 * MAX_COOKIES {
            replay.admit(&number.to_be_bytes(), PEER, now);
        }
        assert!(replay.young.entries.len() + replay.old.entries.len() <= 2 * MAX_COOKIES);
        assert_eq!(
            replay.admit(&0_usize.to_be_bytes(), PEER, now),
            Admission::New
        );
    }

    #[test]
    fn a_strict_memory_refuses_what_it_has_no_room_for_and_forgets_nothing() {
        let start = Instant::now();
        let mut replay = Replay::strict(start);
        for number in 0..MAX_COOKIES {
            let admission = replay.admit(&number.to_be_bytes(), PEER, start);
            assert_eq!(admission, Admission::New);
        }
        let now = start + GENERATION - Duration::from_millis(1);
        assert_eq!(replay.admit(b"c", PEER, now), Admission::Full);
        let first = 0_usize.to_be_bytes();
        assert_eq!(replay.admit(&first, PEER, now), Admission::Executing);
        let later = start + GENERATION;
        assert_eq!(replay.admit(b"c", PEER, later), Admission::New);
        assert_eq!(replay.admit(&first, PEER, later), Admission::Executing);
        replay.admit(b"d", PEER, start + 10 * GENERATION);
        assert!(replay.strict, "also after a long silence");
    }

    #[test]
    fn a_signature_is_good_for_no_longer_than_its_request_is_remembered() {
        let second = Duration::from_secs(1);
        assert!((crate::signature::WINDOW + second) * 2 <= GENERATION);
    }

    #[test]
    fn a_flood_of_long_replies_pushes_out_the_oldest() {
        let now = Instant::now();
        let mut replay = Replay::new(now);
        let long: Arc<[u8]> = vec![0; 65_000].into();
        for number in 0..3 * MAX_BYTES / long.len() {
            replay.admit(&number.to_be_bytes(), PEER, now);
            replay.finish(&number.to_be_bytes(), Arc::clone(&long));
        }
        assert!(replay.young.bytes + replay.old.bytes <= 2 * (MAX_BYTES + long.len()));
    }
}
