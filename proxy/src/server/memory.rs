//! Gives memory back to the system: that of clients which have left, and of transactions that are over.

use std::time::{Duration, Instant};

use super::alarm::Alarm;

/// How long after something has happened. Transactions are remembered for five seconds and more.
const AFTER: Duration = Duration::from_secs(10);

/// When what was freed is to be given back.
pub(super) struct Memory {
    alarm: Alarm,
    due: Option<Instant>,
}

impl Memory {
    /// Nothing has happened yet.
    pub(super) fn new() -> Self {
        let alarm = Alarm::new();
        Self { alarm, due: None }
    }

    /// Something has happened, so there will be something to free.
    pub(super) fn used(&mut self) {
        if self.due.is_none() {
            self.due = Instant::now().checked_add(AFTER);
        }
    }

    /// Done when it is time. Never while nothing happens.
    pub(super) async fn due(&mut self) {
        self.alarm.until(self.due).await;
    }

    /// Gives it back, on a thread that nobody waits for.
    pub(super) fn give_back(&mut self) {
        self.due = None;
        tokio::task::spawn_blocking(net::memory::give_back);
    }
}
