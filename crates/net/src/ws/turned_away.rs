//! Connections that became no flow, counted by what was wrong with them.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the start; listeners may share them.
#[derive(Debug, Default)]
pub struct TurnedAway {
    pub(super) no_proxy_header: AtomicU64,
    pub(super) tls_failed: AtomicU64,
    pub(super) too_slow: AtomicU64,
    pub(super) not_websocket: AtomicU64,
    pub(super) origin: AtomicU64,
    pub(super) crowded: AtomicU64,
}

impl TurnedAway {
    /// Each reason and its count.
    #[must_use]
    pub fn told(&self) -> Vec<(&'static str, u64)> {
        [
            ("no_proxy_header", &self.no_proxy_header),
            ("tls_failed", &self.tls_failed),
            ("too_slow", &self.too_slow),
            ("not_websocket", &self.not_websocket),
            ("origin", &self.origin),
            ("crowded", &self.crowded),
        ]
        .map(|(reason, count)| (reason, count.load(Ordering::Relaxed)))
        .into()
    }
}

/// One more.
pub(super) fn count(reason: &AtomicU64) {
    reason.fetch_add(1, Ordering::Relaxed);
}
