//! The moments at which flows look whether their browser is still there: the same for all, so that a process which has
//! thousands of silent flows wakes a few times in a second and not for each.

use std::sync::LazyLock;
use std::time::Duration;

use tokio::time::Instant;

/// Moments in a period of pings: no flow looks later than that by more than a hundredth of it.
const BEATS: u128 = 100;

static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The next such moment that is not before `due`, for flows of this period.
pub(super) fn after(due: Instant, period: Duration) -> Instant {
    let since = due.saturating_duration_since(*FIRST);
    let between = period.as_nanos() / BEATS;
    let over = since.as_nanos().checked_rem(between).unwrap_or(0);
    if over == 0 {
        return due;
    }
    let wait = u64::try_from(between.saturating_sub(over)).unwrap_or(0);
    due.checked_add(Duration::from_nanos(wait)).unwrap_or(due)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_that_are_due_at_about_the_same_time_look_at_the_same_moment() {
        let (period, now) = (Duration::from_secs(10), Instant::now());
        let first = after(now, period);
        assert!(first >= now && first < now + Duration::from_millis(100));
        let next = first + Duration::from_millis(100);
        for late in [1, 50, 99, 100] {
            assert_eq!(after(first + Duration::from_millis(late), period), next);
        }
        assert_eq!(after(first, period), first);
    }

    #[test]
    fn a_period_without_length_has_no_moments() {
        let now = Instant::now();
        assert_eq!(after(now, Duration::ZERO), now);
    }
}
