//! How many requests of each command come in a second: least, most and on average, over an interval of a minute.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use control_proto::Command;

/// Requests a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) least: u64,
    pub(super) most: u64,
    pub(super) average: u64,
}

/// The requests of an interval that is under way.
pub(super) struct Rates {
    since: Instant,
    commands: HashMap<Command, Count>,
}

#[derive(Default)]
struct Count {
    /// Which second of the interval is counted.
    second: u64,
    /// The requests in it.
    requests: u64,
    /// Of the seconds before, those in which there were any.
    busy: u64,
    least: u64,
    most: u64,
    total: u64,
}

impl Rates {
    pub(super) fn new(since: Instant) -> Self {
        Self {
            since,
            commands: HashMap::new(),
        }
    }

    /// One more request.
    pub(super) fn count(&mut self, command: Command, now: Instant) {
        let second = now.saturating_duration_since(self.since).as_secs();
        let count = self.commands.entry(command).or_default();
        if second != count.second {
            count.close();
            count.second = second;
        }
        count.requests = count.requests.saturating_add(1);
    }

    /// The rates of an interval that is over, and took this long.
    pub(super) fn finish(self, took: Duration) -> HashMap<Command, Rate> {
        let seconds = took.as_secs().max(1);
        let rates = self.commands.into_iter();
        rates
            .map(|(command, count)| (command, count.rate(seconds)))
            .collect()
    }
}

impl Count {
    /// The second is over.
    fn close(&mut self) {
        let requests = std::mem::take(&mut self.requests);
        if requests == 0 {
            return;
        }
        self.least = match self.busy {
            0 => requests,
            _ => self.least.min(requests),
        };
        self.most = self.most.max(requests);
        self.busy = self.busy.saturating_add(1);
        self.total = self.total.saturating_add(requests);
    }

    fn rate(mut self, seconds: u64) -> Rate {
        self.close();
        Rate {
            // In the other seconds there were none.
            least: if self.busy < seconds { 0 } else { self.least },
            most: self.most,
            average: self.total.checked_div(seconds).unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_whole_seconds_and_silent_ones_count() {
        let start = Instant::now();
        let mut rates = Rates::new(start);
        for (second, requests) in [(0, 2), (1, 8), (2, 5)] {
            for request in 0..requests {
                let at = Duration::from_secs(second) + Duration::from_millis(request);
                rates.count(Command::Offer, start + at);
            }
        }
        rates.count(Command::Ping, start + Duration::from_secs(1));
        let done = rates.finish(Duration::from_secs(3));
        let offers = Rate {
            least: 2,
            most: 8,
            average: 5,
        };
        assert_eq!(done.get(&Command::Offer), Some(&offers));
        let pings = Rate {
            least: 0,
            most: 1,
            average: 0,
        };
        assert_eq!(done.get(&Command::Ping), Some(&pings));
    }
}
