//! How many handshakes may be begun: each costs an engine, and a hello of a stranger costs its sender nothing.

use std::time::Instant;

/// Engines that may be made at once, and then in each [`REFILL_MS`]. A good peer needs one, or a few on a bad path.
const BURST: u32 = 16;
const REFILL_MS: u128 = 50;

#[derive(Debug)]
pub(crate) struct Budget {
    left: u32,
    since: Instant,
}

impl Budget {
    pub(crate) fn new(now: Instant) -> Self {
        Budget {
            left: BURST,
            since: now,
        }
    }

    /// Takes one, if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.since);
        let gained = u32::try_from(passed.as_millis() / REFILL_MS).unwrap_or(u32::MAX);
        if gained > 0 {
            self.left = self.left.saturating_add(gained).min(BURST);
            self.since = now;
        }
        self.left = match self.left.checked_sub(1) {
            Some(left) => left,
            None => return false,
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_spray_is_held_to_the_pace_and_a_quiet_peer_is_not() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        let taken = (0..1000)
            .filter(|ms| budget.take(start + Duration::from_millis(*ms)))
            .count();
        assert!((30..=40).contains(&taken), "{taken}");
        assert!(budget.take(start + Duration::from_secs(2)));
    }
}
