//! How many calls there may be at once, in all shards of a process together. It is all that shards share, and it is
//! touched when a call begins and when it ends, never by a packet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Room for a number of calls. Copies count together.
#[derive(Debug, Clone)]
pub struct Seats {
    limit: usize,
    taken: Arc<AtomicUsize>,
    closed: Arc<AtomicBool>,
}

/// A call's place, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Seat(Arc<AtomicUsize>);

impl Seats {
    /// Room for `limit` calls.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            taken: Arc::default(),
            closed: Arc::default(),
        }
    }

    /// No more are given away: whoever wants one is refused as if all were taken, and goes to another relay.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Whether that is so.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// How many there are.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How many are taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// One more call; `None` when all seats are taken.
    pub(super) fn take(&self) -> Option<Seat> {
        if self.is_closed() {
            return None;
        }
        let one_more = |taken: usize| taken.checked_add(1).filter(|taken| *taken <= self.limit);
        // A number alone: nothing else is read because of it.
        self.taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .ok()
            .map(|_| Seat(Arc::clone(&self.taken)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_count_together_and_a_seat_is_free_again_when_its_call_is_gone() {
        let seats = Seats::new(2);
        let copy = seats.clone();
        let (one, two) = (seats.take(), copy.take());
        assert!(one.is_some() && two.is_some());
        assert!(seats.take().is_none() && copy.take().is_none());
        drop(one);
        assert!(copy.take().is_some());
    }
}
