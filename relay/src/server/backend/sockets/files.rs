//! How many files may be open, and how many are. A second socket on a port is a luxury: there is one only while many
//! descriptors are left, and it is given back before the last ones are needed for calls.

use std::sync::atomic::{AtomicUsize, Ordering};

/// With fewer left than this, no second socket is opened.
const SPARE: usize = 512;

/// With fewer left than this, second sockets are closed. As many as may be needed before that is seen to.
const SHORT: usize = 256;

/// The sockets of all shards. Asked and told when one is opened or closed, and looked at once in a turn.
#[derive(Debug)]
pub(in crate::server) struct Files {
    limit: usize,
    open: AtomicUsize,
}

impl Files {
    /// For so many sockets at most.
    pub(in crate::server) fn new(limit: usize) -> Self {
        Self {
            limit,
            open: AtomicUsize::new(0),
        }
    }

    pub(super) fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn closed(&self, count: usize) {
        self.open.fetch_sub(count, Ordering::Relaxed);
    }

    /// Whether there is one for a luxury.
    pub(super) fn is_spare(&self) -> bool {
        self.left() >= SPARE
    }

    /// Whether luxuries must be given back.
    pub(super) fn is_short(&self) -> bool {
        self.left() < SHORT
    }

    fn left(&self) -> usize {
        self.limit.saturating_sub(self.open.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn luxuries_end_before_the_last_files_are_needed() {
        let files = Files::new(1000);
        (0..488).for_each(|_| files.opened());
        assert!(files.is_spare() && !files.is_short());
        files.opened();
        assert!(!files.is_spare() && !files.is_short());
        (0..256).for_each(|_| files.opened());
        assert!(files.is_short());
        files.closed(257);
        assert!(files.is_spare());
        let none = Files::new(0);
        assert!(!none.is_spare() && none.is_short());
    }
}
