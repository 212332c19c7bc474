//! When the CA is asked: never hammered, whatever fails and however often the edge is started.
//!
//! Knows no clock; times are seconds since 1970.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How patient to be.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The wait after the first failure; doubled with each that follows.
    pub first: Duration,
    /// The longest wait between two tries.
    pub longest: Duration,
    /// So many tries at most ...
    pub tries: usize,
    /// ... in so long, over restarts too.
    pub within: Duration,
}

impl Default for Pace {
    /// Let's Encrypt lets a name fail five times an hour.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(60),
            longest: Duration::from_secs(6 * 3600),
            tries: 4,
            within: Duration::from_secs(3600),
        }
    }
}

/// What has been tried; the part that must outlive a restart is written to the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Diary {
    /// When we tried, oldest first.
    tries: Vec<u64>,
    /// The CA wants to hear nothing before (Retry-After).
    not_before: u64,
    /// Failures in a row. After a restart the operator has perhaps mended something: they are forgotten.
    #[serde(skip)]
    failures: u32,
    /// Until when we wait by ourselves.
    #[serde(skip)]
    patience: u64,
}

impl Diary {
    /// The earliest time from `wish` on at which the CA may be asked.
    pub(crate) fn due(&self, wish: u64, pace: &Pace) -> u64 {
        let oldest = self.tries.len().checked_sub(pace.tries.max(1));
        let oldest = oldest.and_then(|at| self.tries.get(at));
        let room = oldest.map_or(0, |at| at.saturating_add(pace.within.as_secs()));
        wish.max(room).max(self.not_before).max(self.patience)
    }

    /// Notes a try. What is older than counts is forgotten, and so is what lies ahead, where a clock was wrong.
    pub(crate) fn begin(&mut self, now: u64, pace: &Pace) {
        let within = pace.within.as_secs();
        let since = now.saturating_sub(within);
        self.tries.retain(|at| (since..=now).contains(at));
        self.tries.push(now);
    }

    /// Notes that it failed, and what the CA has asked for. `chance` spreads the edges that fail at one time: from three
    /// quarters of the wait to five quarters.
    pub(crate) fn failed(&mut self, now: u64, after: Option<Duration>, chance: u8, pace: &Pace) {
        let doubled = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        let wait = pace.first.saturating_mul(doubled).min(pace.longest);
        let wait = wait.saturating_mul(384_u32.saturating_add(chance.into()));
        let wait = wait.checked_div(512).unwrap_or(Duration::ZERO);
        self.failures = self.failures.saturating_add(1);
        self.patience = now.saturating_add(wait.as_secs());
        if let Some(after) = after {
            // No CA means weeks; a wrong number is not to end renewal.
            let after = after.min(Duration::from_secs(24 * 3600)).as_secs();
            self.not_before = now.saturating_add(after);
        }
    }

    /// Notes that it has worked.
    pub(crate) fn succeeded(&mut self) {
        (self.failures, self.patience, self.not_before) = (0, 0, 0);
    }

    /// Takes back what lies so far ahead that only a wrong clock can have written it.
    pub(crate) fn mended(mut self, now: u64) -> Self {
        self.tries.retain(|at| *at <= now);
        self.not_before = self.not_before.min(now.saturating_add(24 * 3600));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    #[test]
    fn waits_double_from_failure_to_failure_and_have_an_end() {
        let pace = Pace {
            tries: 1000,
            ..Pace::default()
        };
        let mut diary = Diary::default();
        let mut waits = Vec::new();
        let mut now = NOW;
        for _ in 0..12 {
            diary.begin(now, &pace);
            diary.failed(now, None, 128, &pace);
            waits.push(diary.due(now, &pace) - now);
            now = diary.due(now, &pace);
        }
        assert_eq!(waits[..4], [60, 120, 240, 480]);
        assert_eq!(waits[11], 6 * 3600);
        diary.succeeded();
        assert_eq!(diary.due(now, &pace), now);
    }

    #[test]
    fn edges_that_fail_together_come_back_apart() {
        let pace = Pace::default();
        let wait = |chance| {
            let mut diary = Diary::default();
            diary.failed(NOW, None, chance, &pace);
            diary.due(NOW, &pace) - NOW
        };
        assert_eq!((wait(0), wait(255)), (45, 74));
    }

    #[test]
    fn no_more_than_four_tries_are_made_in_an_hour_however_often_it_is_started() {
        let pace = Pace::default();
        let mut diary = Diary::default();
        let mut now = NOW;
        let mut tries = Vec::new();
        for _ in 0..40 {
            now = diary.due(now, &pace);
            diary.begin(now, &pace);
            tries.push(now);
            // A new process, which has read what the old one wrote.
            let kept = serde_json::to_string(&diary).unwrap();
            diary = serde_json::from_str::<Diary>(&kept).unwrap().mended(now);
        }
        for hour in tries.windows(5) {
            assert!(hour[4] - hour[0] >= 3600, "{hour:?}");
        }
    }

    #[test]
    fn a_retry_after_is_kept_to_over_a_restart_and_our_own_patience_is_not() {
        let pace = Pace::default();
        let mut diary = Diary::default();
        diary.begin(NOW, &pace);
        diary.failed(NOW, Some(Duration::from_secs(7200)), 128, &pace);
        assert_eq!(diary.due(NOW, &pace), NOW + 7200);
        let kept = serde_json::to_string(&diary).unwrap();
        let after: Diary = serde_json::from_str(&kept).unwrap();
        assert_eq!(after.due(NOW, &pace), NOW + 7200);

        let mut diary = Diary::default();
        diary.failed(NOW, None, 128, &pace);
        let kept = serde_json::to_string(&diary).unwrap();
        let after: Diary = serde_json::from_str(&kept).unwrap();
        assert_eq!(after.due(NOW, &pace), NOW);
    }

    #[test]
    fn what_a_wrong_clock_has_written_does_not_end_renewal() {
        let pace = Pace::default();
        let mut diary = Diary::default();
        for _ in 0..4 {
            diary.begin(NOW * 2, &pace);
        }
        diary.failed(NOW * 2, Some(Duration::from_secs(u64::MAX)), 0, &pace);
        let kept = serde_json::to_string(&diary).unwrap();
        let after: Diary = serde_json::from_str(&kept).unwrap();
        assert!(after.mended(NOW).due(NOW, &pace) <= NOW + 24 * 3600);
    }
}
