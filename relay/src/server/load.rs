//! How much of its core a shard's thread uses, from the two readings of the clock that each of its turns takes anyhow.
//!
//! A thread that never waits serves nobody in time. New calls are refused before it comes to that, so that those
//! which are there keep their sound; as soon as there is time again, calls are taken again.

use std::time::{Duration, Instant};

/// What is measured at a time: long enough that a burst of commands is no overload, short enough that a flood of
/// calls is stopped in time.
const SPAN: Duration = Duration::from_secs(1);

/// Thousandths of a core that are given back before calls are taken again, so that it does not go to and fro.
const RELIEF: u128 = 50;

/// The measure of one thread.
#[derive(Debug)]
pub(super) struct Load {
    /// Thousandths of a core from which on no more calls are taken.
    limit: u128,
    began: Instant,
    waited: Duration,
    is_over: bool,
    /// Thousandths of a core that the last span took.
    used: u128,
}

impl Load {
    /// `percent` of a core, 100 at most, from which on there is no time for more calls.
    pub(super) fn new(percent: u8, now: Instant) -> Self {
        Self {
            limit: u128::from(percent.min(100)).saturating_mul(10),
            began: now,
            waited: Duration::ZERO,
            is_over: false,
            used: 0,
        }
    }

    /// What of its core the thread used in the last second, from 0 to 1.
    pub(super) fn used(&self) -> f64 {
        self.used as f64 / 1000.0
    }

    /// Whether it has no time for more calls.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// The thread had nothing to do between these two moments. What is to be said now, if it is something new.
    pub(super) fn waited(&mut self, from: Instant, until: Instant) -> Option<bool> {
        self.waited = self
            .waited
            .saturating_add(until.saturating_duration_since(from));
        let span = until.saturating_duration_since(self.began);
        if span < SPAN {
            return None;
        }
        let worked = span.saturating_sub(self.waited).as_micros();
        let used = worked
            .saturating_mul(1000)
            .checked_div(span.as_micros())
            .unwrap_or(0);
        (self.began, self.waited, self.used) = (until, Duration::ZERO, used);
        let relief = if self.is_over { RELIEF } else { 0 };
        let is_over = used >= self.limit.saturating_sub(relief);
        (std::mem::replace(&mut self.is_over, is_over) != is_over).then_some(is_over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_NEWS: [bool; 0] = [];

    /// Ten seconds of turns of a hundredth of a second each, of which it works so many thousandths.
    fn ten_seconds(load: &mut Load, now: &mut Instant, thousandths: u32) -> Vec<bool> {
        let turn = Duration::from_millis(10);
        let news = (0..1000).filter_map(|_| {
            let end = *now + turn;
            let began = *now + turn * thousandths / 1000;
            *now = end;
            load.waited(began, end)
        });
        news.collect()
    }

    #[test]
    fn a_thread_that_hardly_waits_is_over_its_limit_until_it_waits_again() {
        let mut now = Instant::now();
        let mut load = Load::new(95, now);
        assert_eq!(ten_seconds(&mut load, &mut now, 940), NO_NEWS);
        assert_eq!(ten_seconds(&mut load, &mut now, 960), [true]);
        let still = ten_seconds(&mut load, &mut now, 930);
        assert_eq!(still, NO_NEWS, "not to and fro");
        assert_eq!(ten_seconds(&mut load, &mut now, 890), [false]);
    }

    #[test]
    fn a_short_burst_is_no_overload() {
        let mut now = Instant::now();
        let mut load = Load::new(95, now);
        for _ in 0..100 {
            now += Duration::from_millis(500);
            assert_eq!(load.waited(now, now), None, "half a second without a pause");
            let until = now + Duration::from_millis(500);
            assert_eq!(load.waited(now, until), None);
            now = until;
        }
    }
}
