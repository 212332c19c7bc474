//! Deadlines of many things, each of which has at most one.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Instant;

/// At most one deadline for each key; cheap to move, and the earliest one is always at hand.
#[derive(Debug)]
pub(super) struct Timers<K> {
    by_time: BTreeSet<(Instant, K)>,
    by_key: HashMap<K, Instant>,
}

impl<K: Copy + Ord + Hash> Timers<K> {
    pub(super) fn new() -> Self {
        Self {
            by_time: BTreeSet::new(),
            by_key: HashMap::new(),
        }
    }

    /// Sets, moves or (with `None`) clears the deadline of `key`.
    pub(super) fn arm(&mut self, key: K, at: Option<Instant>) {
        let before = self.by_key.get(&key).copied();
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.by_time.remove(&(before, key));
        }
        match at {
            Some(at) => {
                self.by_time.insert((at, key));
                self.by_key.insert(key, at);
            }
            None => {
                self.by_key.remove(&key);
            }
        }
    }

    /// Gives the memory of many deadlines back that there were.
    pub(super) fn shrink(&mut self) {
        self.by_key.shrink_to_fit();
    }

    /// The earliest deadline.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes out one key whose deadline has come.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<K> {
        let (at, key) = *self.by_time.first()?;
        if at > now {
            return None;
        }
        self.by_time.pop_first();
        self.by_key.remove(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_moved_deadline_comes_once_and_a_cleared_one_never() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut timers = Timers::new();
        timers.arm('a', Some(at(1)));
        timers.arm('b', Some(at(2)));
        timers.arm('c', Some(at(1)));
        timers.arm('a', Some(at(3)));
        timers.arm('c', None);
        assert_eq!(timers.deadline(), Some(at(2)));
        assert_eq!(timers.take_due(at(1)), None);
        assert_eq!(timers.take_due(at(3)), Some('b'));
        assert_eq!(timers.take_due(at(3)), Some('a'));
        assert_eq!(timers.take_due(at(9)), None);
        assert_eq!(timers.deadline(), None);
    }
}
