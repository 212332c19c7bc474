//! Points in time that something must be done by.

use std::time::Duration;

use tokio::time::Instant;

/// So long from now. A clock that ends before then has come to its end: now.
pub(crate) fn within(limit: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(limit).unwrap_or(now)
}
