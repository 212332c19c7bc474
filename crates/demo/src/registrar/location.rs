//! Who can be reached where, and by which path (RFC 3261 section 10, RFC 3327).

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How many contacts one user may have.
const MAX_BINDINGS: usize = 10;

/// The bindings of all users.
#[derive(Debug, Default)]
pub(super) struct Location {
    users: HashMap<String, Vec<Binding>>,
}

/// One place where a user can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binding {
    /// The Contact's URI, byte for byte.
    pub(super) uri: String,
    /// The Path values, nearest to us first.
    pub(super) path: Vec<String>,
    pub(super) expires: Instant,
    pub(super) call_id: String,
    pub(super) cseq: u32,
}

impl Location {
    /// A user's bindings that have not run out.
    pub(super) fn of(&self, user: &str, now: Instant) -> impl Iterator<Item = &Binding> {
        let bindings = self.users.get(user).map_or(&[][..], Vec::as_slice);
        bindings.iter().filter(move |it| it.expires > now)
    }

    /// Adds or renews a binding; whether there was room. One that is older than what it would replace changes nothing.
    pub(super) fn bind(&mut self, user: &str, binding: Binding, now: Instant) -> bool {
        let bindings = self.users.entry(user.to_owned()).or_default();
        bindings.retain(|it| it.expires > now);
        if let Some(known) = bindings.iter_mut().find(|it| it.uri == binding.uri) {
            if known.call_id != binding.call_id || known.cseq < binding.cseq {
                *known = binding;
            }
            return true;
        }
        let room = bindings.len() < MAX_BINDINGS;
        if room {
            bindings.push(binding);
        }
        room
    }

    /// Removes one binding.
    pub(super) fn unbind(&mut self, user: &str, uri: &str) {
        if let Some(bindings) = self.users.get_mut(user) {
            bindings.retain(|it| it.uri != uri);
        }
    }

    /// Removes all bindings of a user.
    pub(super) fn unbind_all(&mut self, user: &str) {
        self.users.remove(user);
    }
}

impl Binding {
    /// Seconds that are left.
    pub(super) fn remaining(&self, now: Instant) -> u64 {
        let left: Duration = self.expires.saturating_duration_since(now);
        left.as_secs_f32().round() as u64
    }
}
