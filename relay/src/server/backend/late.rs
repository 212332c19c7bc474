//! What has waited for too long in the kernel, where there is more to do than time for it: a packet that old is played
//! by nobody, and what is spent on it makes the next one late, too.
//!
//! When a datagram came is noted only while a shard is overloaded, since the note costs something.

use std::time::{Duration, SystemTime};

/// Longer than any phone's jitter buffer.
const TOO_LONG: Duration = Duration::from_millis(200);

/// How old a datagram may be in this turn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    now: SystemTime,
    longest: Duration,
}

impl Patience {
    pub(super) fn new(now: SystemTime) -> Self {
        Self {
            now,
            longest: TOO_LONG,
        }
    }

    /// The same in another turn.
    pub(super) fn at(self, now: SystemTime) -> Self {
        Self { now, ..self }
    }

    /// Whether it is over for a datagram that came then. One without a time, or from the future (somebody has set the
    /// clock back), is fresh.
    pub(super) fn is_over(self, came: Option<SystemTime>) -> bool {
        let age = came.and_then(|came| self.now.duration_since(came).ok());
        age.is_some_and(|age| age > self.longest)
    }
}

#[cfg(test)]
impl Patience {
    /// Everything that has a time is late.
    pub(super) fn without() -> Self {
        Self {
            now: SystemTime::now(),
            longest: Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_200_ms_is_late_and_nothing_else() {
        let now = SystemTime::now();
        let patience = Patience::new(now);
        let ago = |millis| Some(now - Duration::from_millis(millis));
        assert!(patience.is_over(ago(201)) && patience.is_over(ago(5_000)));
        assert!(!patience.is_over(ago(200)) && !patience.is_over(ago(0)));
        assert!(!patience.is_over(Some(now + Duration::from_secs(1))));
        assert!(!patience.is_over(None));
    }
}
