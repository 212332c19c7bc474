//! How long things took, counted in classes: what Prometheus calls a histogram. Whoever adds never waits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper ends of the classes, in milliseconds: from a loopback to a bad mobile network that loses flights.
const ENDS: [u64; 11] = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];

/// Counts by class; what took longer than the last end is counted apart.
#[derive(Debug, Default)]
pub(super) struct Lengths {
    classes: [AtomicU64; ENDS.len()],
    beyond: AtomicU64,
    micros: AtomicU64,
}

impl Lengths {
    /// One more.
    pub(super) fn add(&self, took: Duration) {
        let class = ENDS
            .iter()
            .zip(&self.classes)
            .find(|(end, _)| took <= Duration::from_millis(**end));
        let count = class.map_or(&self.beyond, |(_, count)| count);
        count.fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// All of them together, in seconds.
    pub(super) fn sum(&self) -> f64 {
        self.micros.load(Ordering::Relaxed) as f64 / 1e6
    }

    /// Upper ends in seconds, and what fell into each class alone.
    pub(super) fn told(&self) -> Vec<(f64, u64)> {
        let ends = ENDS.iter().map(|end| *end as f64 / 1000.0);
        let counts = self.classes.iter().chain([&self.beyond]);
        ends.chain([f64::INFINITY])
            .zip(counts.map(|count| count.load(Ordering::Relaxed)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_length_is_in_one_class_and_in_the_sum() {
        let lengths = Lengths::default();
        for millis in [1, 5, 6, 20_000] {
            lengths.add(Duration::from_millis(millis));
        }
        let told = lengths.told();
        assert_eq!(told.first(), Some(&(0.005, 2)));
        assert_eq!(told.get(1), Some(&(0.01, 1)));
        assert_eq!(told.last(), Some(&(f64::INFINITY, 1)));
        assert_eq!(told.iter().map(|(_, count)| count).sum::<u64>(), 4);
        assert!((lengths.sum() - 20.012).abs() < 1e-9);
    }
}
