//! How often the nonces of one flow were used: a count that does not grow is a replay (RFC 7616 section 3.4).

use std::collections::VecDeque;

/// Nonces remembered for one flow. A client that has more of them in use is asked to take a new one.
const MAX_NONCES: usize = 8;

/// The nonces of one flow that were used, by serial number, each with its highest count.
#[derive(Default)]
pub(in crate::core) struct Counts {
    used: VecDeque<(u64, u32)>,
    /// Serial numbers up to this one are forgotten, and so worth nothing any more.
    forgotten: u64,
}

impl Counts {
    /// Notes that a nonce was used for the `count`th time; false if it was before, or may have been.
    pub(super) fn take(&mut self, serial: u64, count: u32) -> bool {
        if count == 0 || serial <= self.forgotten {
            return false;
        }
        if let Some((_, highest)) = self.used.iter_mut().find(|(known, _)| *known == serial) {
            let grows = count > *highest;
            *highest = count.max(*highest);
            return grows;
        }
        self.used.push_back((serial, count));
        if self.used.len() > MAX_NONCES
            && let Some((oldest, _)) = self.used.pop_front()
        {
            self.forgotten = self.forgotten.max(oldest);
        }
        // One that was pushed out at once by itself, as it were: it is older than what was forgotten.
        serial > self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_does_not_grow_is_a_replay() {
        let mut counts = Counts::default();
        assert!(counts.take(5, 1));
        assert!(!counts.take(5, 1));
        assert!(counts.take(5, 3));
        assert!(!counts.take(5, 2));
        assert!(!counts.take(6, 0));
    }

    #[test]
    fn what_was_forgotten_does_not_come_back_and_the_memory_is_bounded() {
        let mut counts = Counts::default();
        for serial in 1..=100 {
            assert!(counts.take(serial, 1));
            assert!(counts.used.len() <= MAX_NONCES);
        }
        for serial in 1..=100 {
            assert!(!counts.take(serial, 1), "{serial}");
        }
    }
}
