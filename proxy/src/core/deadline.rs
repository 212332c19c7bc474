//! Deadlines that cannot run over the clock's end, whatever an operator has asked for.

use std::time::{Duration, Instant};

/// The furthest that anything is put off. No clock ends before then.
const CENTURY: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// So long after `at`, or in a century.
pub(super) fn after(at: Instant, wait: Duration) -> Instant {
    at.checked_add(wait.min(CENTURY)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_that_the_clock_has_no_room_for_is_a_long_one_and_no_panic() {
        let now = Instant::now();
        assert_eq!(
            after(now, Duration::from_secs(2)),
            now + Duration::from_secs(2)
        );
        assert_eq!(after(now, Duration::MAX), now + CENTURY);
    }
}
