//! How much of something in how much time: token buckets, and bounded tables of them. No clock: `now` comes from outside.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use super::deadline::after;

/// So much in steady flow, and so much at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    /// The time that one costs.
    each: Duration,
    /// The time that as many cost as may come at once.
    burst: Duration,
}

impl Rate {
    /// `number` in each `period`, of which `periods` may come together.
    pub(super) fn new(number: u32, period: Duration, periods: u32) -> Self {
        Self {
            each: period.checked_div(number.max(1)).unwrap_or(period),
            burst: period.saturating_mul(periods),
        }
    }
}

/// What is left of a rate: known by when all of it will be there again.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bucket {
    full: Option<Instant>,
}

impl Bucket {
    /// Takes one, if there is one.
    pub(super) fn take(&mut self, rate: Rate, now: Instant) -> bool {
        let full = after(self.full.map_or(now, |full| full.max(now)), rate.each);
        let there = full.saturating_duration_since(now) <= rate.burst;
        if there {
            self.full = Some(full);
        }
        there
    }

    /// Whether there is one.
    pub(super) fn has(mut self, rate: Rate, now: Instant) -> bool {
        self.take(rate, now)
    }
}

/// Buckets by name, at most twice `ROOM` of them. Who has not been seen for as long as a bucket takes to fill is forgotten,
/// and when more names come than there is room for, so are those that were not seen lately.
pub(super) struct Ledger<K> {
    rate: Rate,
    young: HashMap<K, Bucket>,
    old: HashMap<K, Bucket>,
    turned: Option<Instant>,
}

/// Names that were seen lately, and as many before them.
const ROOM: usize = 32 * 1024;

impl<K: Eq + Hash + Copy> Ledger<K> {
    pub(super) fn new(rate: Rate) -> Self {
        Self {
            rate,
            young: HashMap::new(),
            old: HashMap::new(),
            turned: None,
        }
    }

    /// Takes one from this name's bucket, if there is one.
    pub(super) fn take(&mut self, name: K, now: Instant) -> bool {
        let rate = self.rate;
        self.bucket(name, now).take(rate, now)
    }

    /// Whether there is one. It costs no room.
    pub(super) fn has(&self, name: K, now: Instant) -> bool {
        let known = self.young.get(&name).or_else(|| self.old.get(&name));
        known.is_none_or(|bucket| bucket.has(self.rate, now))
    }

    /// Whether anything was ever taken from it, as far as that is remembered.
    pub(super) fn knows(&self, name: K) -> bool {
        self.young.contains_key(&name) || self.old.contains_key(&name)
    }

    fn bucket(&mut self, name: K, now: Instant) -> &mut Bucket {
        let turned = *self.turned.get_or_insert(now);
        let is_old = now.saturating_duration_since(turned) >= self.rate.burst;
        if is_old || (self.young.len() >= ROOM && !self.young.contains_key(&name)) {
            self.old = std::mem::take(&mut self.young);
            self.turned = Some(now);
        }
        let old = &mut self.old;
        self.young
            .entry(name)
            .or_insert_with(|| old.remove(&name).unwrap_or_default())
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_bucket_gives_its_burst_at_once_and_then_its_rate() {
        let (rate, start) = (Rate::new(10, SECOND, 4), Instant::now());
        let mut bucket = Bucket::default();
        let mut take = |at: Duration| (0..1000).filter(|_| bucket.take(rate, start + at)).count();
        assert_eq!(take(Duration::ZERO), 40);
        assert_eq!(take(SECOND / 2), 5);
        assert_eq!(take(SECOND * 3600), 40, "it holds no more than a burst");
    }

    #[test]
    fn a_rate_of_nothing_is_a_rate_of_one() {
        assert!(Bucket::default().has(Rate::new(0, SECOND, 1), Instant::now()));
    }

    #[test]
    fn names_have_buckets_of_their_own_which_outlive_a_turn() {
        let (rate, start) = (Rate::new(1, SECOND, 2), Instant::now());
        let mut ledger = Ledger::new(rate);
        assert_eq!((0..9).filter(|_| ledger.take('a', start)).count(), 2);
        assert!(!ledger.has('a', start) && ledger.has('b', start));
        let later = start + SECOND * 2 - Duration::from_millis(1);
        assert!(ledger.take('a', later) && !ledger.take('a', later));
        // The turn is now, and `a` is not forgotten by it.
        let turn = start + SECOND * 2;
        assert!(ledger.take('b', turn));
        assert!(ledger.take('a', turn) && !ledger.take('a', turn));
    }

    #[test]
    fn a_ledger_is_bounded_and_forgets_who_does_not_come_again() {
        let (rate, start) = (Rate::new(1, SECOND, 1), Instant::now());
        let mut ledger = Ledger::new(rate);
        for name in 0..5 * ROOM {
            ledger.take(name, start);
        }
        assert!(ledger.len() <= 2 * ROOM);
        for turn in 1..=3 {
            ledger.take(0, start + SECOND * 2 * turn);
        }
        assert_eq!(ledger.len(), 1);
    }
}
