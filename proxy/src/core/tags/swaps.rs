//! The swapped tags of all calls: of those that stand for as long as they do, and of those that the edge knew before it was started
//! anew until a BYE, or until no call is that old.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use super::Swap;
use crate::core::names::MediaId;

/// By Call-ID, with the call that each is of.
#[derive(Default)]
pub(in crate::core) struct Swaps {
    by_call: HashMap<String, (MediaId, Swap)>,
    /// Those that browsers' routes have told of, and until when they are believed.
    learned: HashMap<String, Instant>,
    until: BTreeSet<(Instant, String)>,
}

impl Swaps {
    pub(in crate::core) fn is_empty(&self) -> bool {
        self.by_call.is_empty()
    }

    pub(in crate::core) fn get(&self, call_id: &str) -> Option<&(MediaId, Swap)> {
        self.by_call.get(call_id)
    }

    /// That of a call whose name is such.
    pub(super) fn find(&self, is_named: impl Fn(&str) -> bool) -> Option<&(MediaId, Swap)> {
        let found = self.by_call.iter().find(|(call, _)| is_named(call));
        found.map(|(_, known)| known)
    }

    /// That of a call that stands. Nobody else's call with the same name comes in between.
    pub(in crate::core) fn insert(&mut self, call_id: &str, swap: (MediaId, Swap)) {
        self.by_call.entry(call_id.to_owned()).or_insert(swap);
    }

    /// A call stands no longer.
    pub(in crate::core) fn remove(&mut self, call_id: &str, media: MediaId) {
        if self.get(call_id).is_some_and(|(of, _)| *of == media) {
            self.by_call.remove(call_id);
            if let Some(until) = self.learned.remove(call_id) {
                self.until.remove(&(until, call_id.to_owned()));
            }
        }
    }

    /// Takes what a route says of a call that is not known, while there are fewer than `most`.
    pub(super) fn learn(
        &mut self,
        call_id: &str,
        swap: (MediaId, Swap),
        until: Instant,
        most: usize,
        now: Instant,
    ) {
        if self.by_call.contains_key(call_id) {
            return;
        }
        while let Some((_, old)) = self.until.first().filter(|(at, _)| *at <= now).cloned() {
            let media = self.get(&old).map(|(media, _)| *media);
            media.into_iter().for_each(|it| self.remove(&old, it));
        }
        if self.learned.len() < most {
            self.by_call.insert(call_id.to_owned(), swap);
            self.learned.insert(call_id.to_owned(), until);
            self.until.insert((until, call_id.to_owned()));
        }
    }

    /// The same call has ended, as far as it was learned of.
    pub(in crate::core) fn forget_learned(&mut self, call_id: &str, media: MediaId) {
        if self.learned.contains_key(call_id) {
            self.remove(call_id, media);
        }
    }
}
