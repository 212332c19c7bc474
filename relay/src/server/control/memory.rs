//! Gives memory back to the system when a crowd has left: the calls, and what was said of them.

use std::thread;
use std::time::Duration;

/// Fewer calls and replies than this are no crowd.
const CROWD: usize = 2048;

/// While a crowd is there, how often it is looked at: nobody tells when a call is over by itself.
const LOOK: Duration = Duration::from_secs(10);

/// What there was at most since memory was last given back.
#[derive(Default)]
pub(super) struct Memory {
    most: usize,
}

impl Memory {
    /// There are so many calls and replies now. When to look again at the latest, if nothing happens until then.
    pub(super) fn look(&mut self, held: usize) -> Option<Duration> {
        if self.has_left(held) {
            // A thread that nobody waits for. Without it the memory is kept for later.
            let given = thread::Builder::new().spawn(net::memory::give_back);
            if let Err(error) = given {
                tracing::debug!(%error, "memory is not given back");
            }
        }
        (self.most >= CROWD).then_some(LOOK)
    }

    /// Whether most of a crowd is gone: once for each crowd, and never for the coming and going of a usual day.
    fn has_left(&mut self, held: usize) -> bool {
        self.most = self.most.max(held);
        let gone = self.most >= CROWD && held <= self.most / 4;
        if gone {
            self.most = held;
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_once_when_most_of_a_crowd_is_gone() {
        let mut memory = Memory::default();
        let given =
            [10, 2000, 100, 20_000, 8000, 5000, 4999, 20, 0].map(|held| memory.has_left(held));
        let once = [10, 2000, 100, 20_000, 8000].map(|_| false);
        assert_eq!(given[..5], once);
        assert_eq!(given[5..], [true, false, true, false]);
        assert_eq!(memory.look(0), None);
        assert_eq!(memory.look(CROWD), Some(LOOK));
    }
}
