//! A histogram of nanoseconds whose steps grow with the value: 128 to the octave, so under 1 % wide.

/// Counts of values.
#[derive(Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

const STEP_BITS: u32 = 7;
const STEPS: u64 = 1 << STEP_BITS;

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// One without values.
    pub fn new() -> Self {
        Self {
            counts: vec![0; 64 << STEP_BITS],
            total: 0,
            max: 0,
        }
    }

    /// Counts a value.
    #[inline]
    pub fn add(&mut self, value: u64) {
        if let Some(count) = self.counts.get_mut(slot(value)) {
            *count += 1;
        }
        self.total += 1;
        self.max = self.max.max(value);
    }

    /// The value that `percent` of all do not exceed; 0 when there is none.
    pub fn percentile(&self, percent: f64) -> u64 {
        let wanted = (self.total as f64 * percent / 100.0).ceil().max(1.0) as u64;
        let mut sum = 0;
        for (slot, count) in self.counts.iter().enumerate() {
            sum += count;
            if sum >= wanted {
                return value(slot).min(self.max);
            }
        }
        self.max
    }

    /// The greatest value.
    pub fn max(&self) -> u64 {
        self.max
    }
}

impl FromIterator<u64> for Histogram {
    fn from_iter<I: IntoIterator<Item = u64>>(values: I) -> Self {
        let mut histogram = Self::new();
        values.into_iter().for_each(|value| histogram.add(value));
        histogram
    }
}

fn slot(value: u64) -> usize {
    if value < STEPS {
        return value as usize;
    }
    let octave = 63 - value.leading_zeros() - STEP_BITS;
    let step = (value >> octave) & (STEPS - 1);
    ((octave as usize + 1) << STEP_BITS) + step as usize
}

/// The least value of a slot.
fn value(slot: usize) -> u64 {
    let (octave, step) = (slot >> STEP_BITS, slot as u64 & (STEPS - 1));
    match octave {
        0 => step,
        _ => (STEPS + step) << (octave - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_less_than_one_percent_wide() {
        for is in [0, 1, 127, 128, 129, 1000, 123_456, 10_000_000_000] {
            let shown = value(slot(is));
            assert!(
                shown <= is && (is - shown) as f64 <= is as f64 / 127.0,
                "{is} {shown}"
            );
        }
    }

    #[test]
    fn percentiles_stand_in_order() {
        let histogram: Histogram = (1..=100).collect();
        assert_eq!(
            [1.0, 50.0, 99.0, 100.0].map(|p| histogram.percentile(p)),
            [1, 50, 99, 100]
        );
        assert_eq!(Histogram::new().percentile(50.0), 0);
    }
}
