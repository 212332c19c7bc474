//! What the registrar of our own knows: which clients an address of record has, and until when. Where a client is, and
//! whether it is there at all, is `flows.rs`'s.

use std::collections::HashMap;
use std::time::Instant;

use super::super::names::ClientId;

/// One client of an address of record.
#[derive(Debug, Clone)]
pub(in crate::core) struct Binding {
    pub(in crate::core) client: ClientId,
    /// The Contact value as the client wrote it.
    pub(super) contact: Vec<u8>,
    /// The device (`+sip.instance`), if it says which it is: several clients of one are its flows (RFC 5626).
    pub(in crate::core) instance: Option<String>,
    pub(super) call_id: String,
    pub(super) cseq: u32,
    pub(super) until: Instant,
    /// The first of the temporary GRUUs that are still good.
    pub(super) temporary: u64,
    /// Grows with each registration: the newest flow of a device is tried first.
    pub(in crate::core) order: u64,
}

/// All of them.
#[derive(Default)]
pub(in crate::core) struct Bindings {
    of: HashMap<String, Vec<Binding>>,
    whose: HashMap<ClientId, String>,
    ordered: u64,
}

impl Bindings {
    /// Those of an address of record, `user@domain`.
    pub(in crate::core) fn of(&self, aor: &str) -> &[Binding] {
        self.of.get(aor).map_or(&[], Vec::as_slice)
    }

    /// A client's address of record and binding.
    pub(in crate::core) fn by_client(&self, client: ClientId) -> Option<(&str, &Binding)> {
        let aor = self.whose.get(&client)?;
        let binding = self.of(aor).iter().find(|known| known.client == client)?;
        Some((aor, binding))
    }

    /// Takes a client's new binding in the place of its earlier one.
    pub(super) fn bind(&mut self, aor: &str, mut binding: Binding) {
        self.ordered = self.ordered.wrapping_add(1);
        binding.order = self.ordered;
        self.remove(binding.client);
        self.whose.insert(binding.client, aor.to_owned());
        self.of.entry(aor.to_owned()).or_default().push(binding);
    }

    /// Forgets a client.
    pub(super) fn remove(&mut self, client: ClientId) {
        let Some(aor) = self.whose.remove(&client) else {
            return;
        };
        if let Some(bindings) = self.of.get_mut(&aor) {
            bindings.retain(|known| known.client != client);
            if bindings.is_empty() {
                self.of.remove(&aor);
            }
        }
    }

    /// Looks at a client whose alarm went off: forgotten if its time is over, or when to look again.
    pub(in crate::core) fn expire(&mut self, client: ClientId, now: Instant) -> Option<Instant> {
        let until = self.by_client(client)?.1.until;
        if until > now {
            return Some(until);
        }
        self.remove(client);
        None
    }

    /// Whether nothing is left, the index included.
    #[cfg(test)]
    pub(in crate::core) fn is_empty(&self) -> bool {
        self.of.is_empty() && self.whose.is_empty()
    }
}
