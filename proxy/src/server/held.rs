//! Call records that wait a moment for what the relay has to say of their media: its answer to `delete` comes right behind
//! the end of the call, or never.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant, SystemTime};

use crate::core::CallRecord;

/// A relay that has not answered by then has nothing to say.
const PATIENCE: Duration = Duration::from_secs(2);

/// So many wait at most; others are written without it.
const MAX_HELD: usize = 4096;

/// A record, and when its call ended.
pub(super) type Ended = (Box<CallRecord>, SystemTime);

/// By the call's name at the relay.
#[derive(Default)]
pub(super) struct Held {
    records: HashMap<String, Ended>,
    /// Until when each waits, the first first.
    until: VecDeque<(Instant, String)>,
}

impl Held {
    /// Keeps a record; gives it back if there is nothing to wait for.
    pub(super) fn keep(&mut self, ended: Ended, now: Instant) -> Option<Ended> {
        let media = ended.0.media.clone().filter(|_| ended.0.talked.is_some());
        let until = now.checked_add(PATIENCE);
        let (Some(media), Some(until)) = (media, until) else {
            return Some(ended);
        };
        if self.records.len() >= MAX_HELD || self.records.contains_key(&media) {
            return Some(ended);
        }
        self.until.push_back((until, media.clone()));
        self.records.insert(media, ended);
        None
    }

    /// The relay has answered about this call.
    pub(super) fn heard(&mut self, media: &str, fault: Option<&str>) -> Option<Ended> {
        let (mut record, end) = self.records.remove(media)?;
        record.fault = fault.map(str::to_owned);
        Some((record, end))
    }

    /// The next that has waited long enough; `None` for `now`: whether it has or not.
    pub(super) fn next(&mut self, now: Option<Instant>) -> Option<Ended> {
        while let Some((until, media)) = self.until.front() {
            let found = match now {
                Some(now) if *until > now => return None,
                _ => self.records.remove(media),
            };
            self.until.pop_front();
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// When the next has waited long enough.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.until.front().map(|(until, _)| *until)
    }
}
