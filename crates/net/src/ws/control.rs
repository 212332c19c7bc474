//! What a peer sends that is no message: each ping has a pong, and nobody needs many.

use std::time::Duration;

use tokio::time::Instant;

use super::MAX_CONTROL;

/// Counts the control frames of one flow.
pub(super) struct Control {
    period: Duration,
    began: Instant,
    count: u32,
}

impl Control {
    pub(super) fn new(period: Duration) -> Self {
        Self {
            period,
            began: Instant::now(),
            count: 0,
        }
    }

    /// Counts one. False if that is too many.
    pub(super) fn admit(&mut self) -> bool {
        if self.began.elapsed() > self.period {
            (self.began, self.count) = (Instant::now(), 0);
        }
        self.count = self.count.saturating_add(1);
        self.count <= MAX_CONTROL
    }
}
