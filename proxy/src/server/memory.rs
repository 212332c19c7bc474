//! Gives memory back to the system: that of clients which have left, and of transactions that are over.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// How long after something has happened. Transactions are remembered for five seconds and more.
const AFTER: Duration = Duration::from_secs(10);

/// When what was freed is to be given back.
#[derive(Default)]
pub(super) struct Memory {
    due: Option<Instant>,
}

impl Memory {
    /// Something has happened, so there will be something to free.
    pub(super) fn used(&mut self) {
        if self.due.is_none() {
            self.due = Instant::now().checked_add(AFTER);
        }
    }

    /// Done when it is time. Never while nothing happens.
    pub(super) async fn due(&self) {
        match self.due {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Gives it back, on a thread that nobody waits for.
    pub(super) fn give_back(&mut self) {
        self.due = None;
        tokio::task::spawn_blocking(net::memory::give_back);
    }
}
