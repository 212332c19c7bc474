//! When what is due. Everything that waits arms an alarm here; a stale alarm costs one look, nothing else.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use super::face::AskId;
use super::names::{ClientId, MediaId};
use super::numbered::Numbered;
use super::transactions::{ContextId, ErrandId};

/// What waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Due {
    /// A proxied request.
    Context(ContextId),
    /// A request of our own.
    Errand(ErrandId),
    /// A question to the relay.
    Ask(AskId),
    /// A media session.
    Media(MediaId),
    /// A client's binding.
    Binding(ClientId),
    /// The relays.
    Relays,
    /// The suspended clients.
    Suspended,
    /// The connections on which nobody has registered.
    Strangers,
    /// The calls that stand.
    Calls,
    /// The SIP server's addresses.
    Upstreams,
    /// The REGISTERs that wait for their turn.
    Registers,
}

/// A heap of alarms with at most one live entry for each thing that waits.
#[derive(Default)]
pub(super) struct Alarms {
    heap: BinaryHeap<Reverse<(Instant, Due)>>,
    armed: Numbered<Due, Instant>,
}

impl Alarms {
    /// Arms an alarm. One armed for an earlier moment stays, and its owner arms again when it goes off.
    pub(super) fn arm(&mut self, due: Due, at: Option<Instant>) {
        let Some(at) = at else { return };
        if self.armed.get(&due).is_none_or(|before| at < *before) {
            self.armed.insert(due, at);
            self.heap.push(Reverse((at, due)));
        }
    }

    /// The earliest alarm.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// The next thing whose moment has come. Its owner looks at its own deadline and arms again.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Due> {
        loop {
            let Reverse((at, _)) = self.heap.peek()?;
            if *at > now {
                return None;
            }
            let Reverse((at, due)) = self.heap.pop()?;
            // Replaced by an earlier one, which has gone off already: this is its shadow.
            if self.armed.get(&due) == Some(&at) {
                self.armed.remove(&due);
                return Some(due);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_earliest_alarm_of_each_goes_off_once() {
        let (mut alarms, t) = (Alarms::default(), Instant::now());
        let at = |n| t + Duration::from_secs(n);
        let (a, b) = (Due::Ask(AskId(1)), Due::Ask(AskId(2)));
        alarms.arm(a, Some(at(5)));
        alarms.arm(a, Some(at(3)));
        alarms.arm(a, Some(at(9)));
        alarms.arm(b, Some(at(4)));
        alarms.arm(b, None);
        assert_eq!(alarms.next(), Some(at(3)));
        assert_eq!(alarms.pop(at(2)), None);
        assert_eq!(alarms.pop(at(6)), Some(a));
        assert_eq!(alarms.pop(at(6)), Some(b));
        assert_eq!(alarms.pop(at(6)), None);
        assert_eq!(alarms.next(), None);
    }
}
