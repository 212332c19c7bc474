//! Who is let in: whether anybody is at all, and connections that became no flow, counted by what was wrong with them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Shared by all listeners of a server.
#[derive(Debug, Default)]
pub struct Gate {
    closed: AtomicBool,
    pub(super) no_proxy_header: AtomicU64,
    pub(super) tls_failed: AtomicU64,
    pub(super) too_slow: AtomicU64,
    pub(super) not_websocket: AtomicU64,
    pub(super) origin: AtomicU64,
    pub(super) crowded: AtomicU64,
    pub(super) draining: AtomicU64,
}

impl Gate {
    /// From now on nobody is let in any more (503), and flows that we close are told that the server restarts (1012).
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Whether it is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

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
            ("draining", &self.draining),
        ]
        .map(|(reason, count)| (reason, count.load(Ordering::Relaxed)))
        .into()
    }
}

/// One more.
pub(super) fn count(reason: &AtomicU64) {
    reason.fetch_add(1, Ordering::Relaxed);
}
