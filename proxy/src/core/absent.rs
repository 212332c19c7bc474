//! Calls to a client whose connection has just gone: they wait a moment for it to come back, as browsers do after a change
//! of network. Whoever does not come is unreachable, and the caller is told.

use std::collections::HashMap;
use std::time::Instant;

use sip::{Message, Method};

use super::Core;
use super::deadline::after;
use super::names::{ClientId, MediaId};
use super::refusal::Answer;
use super::transactions::ContextId;

/// A call that waits.
pub(super) struct Parked {
    /// Any of these may come back.
    pub(super) clients: Vec<ClientId>,
    /// The end of our patience.
    pub(super) until: Instant,
    /// The call that it is of, where one stands.
    pub(super) call: Option<MediaId>,
}

/// Who waits for whom.
#[derive(Default)]
pub(super) struct Absent {
    waiting: HashMap<ClientId, Vec<ContextId>>,
    /// Clients that have come back just now.
    back: Vec<ClientId>,
}

impl Absent {
    pub(super) fn came_back(&mut self, client: ClientId) {
        if self.waiting.contains_key(&client) {
            self.back.push(client);
        }
    }

    fn forget(&mut self, id: ContextId, parked: &Parked) {
        for client in &parked.clients {
            if let Some(ids) = self.waiting.get_mut(client) {
                ids.retain(|known| *known != id);
                if ids.is_empty() {
                    self.waiting.remove(client);
                }
            }
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.back.is_empty()
    }
}

impl Core {
    /// Nobody of these is there: a call waits for those who were a moment ago, anything else is refused.
    pub(super) fn wait_for(
        &mut self,
        id: ContextId,
        mut clients: Vec<ClientId>,
        now: Instant,
    ) -> Result<(), Answer> {
        let away = self.away(clients.first().copied());
        let comeback = self.config.limits.comeback;
        let expected = |client| Some(after(self.flows.suspended_since(client)?, comeback));
        clients.retain(|client| expected(*client).is_some_and(|until| until > now));
        let until = clients.iter().filter_map(|client| expected(*client)).max();
        let Some(context) = self.transactions.get_mut(id) else {
            return Ok(());
        };
        let until = until.filter(|_| context.method == Method::Invite && !context.in_dialog);
        let Some(until) = until else {
            return Err(away);
        };
        let call = None;
        self.park(
            id,
            Parked {
                clients,
                until,
                call,
            },
        );
        Ok(())
    }

    /// Keeps a request until one of its clients is back.
    pub(super) fn park(&mut self, id: ContextId, parked: Parked) {
        for client in &parked.clients {
            self.absent.waiting.entry(*client).or_default().push(id);
        }
        if let Some(context) = self.transactions.get_mut(id) {
            context.parked = Some(parked);
        }
        self.tidy(id);
    }

    /// What is told of a client that is not there. A registrar that knows of flows (RFC 5626 section 5.3.1) tries another
    /// one when it hears that this one has failed; to any other that would be an error.
    pub(super) fn away(&self, client: Option<ClientId>) -> Answer {
        match client.is_some_and(|client| self.flows.is_outbound(client)) {
            true => Answer::new(430, "Flow Failed"),
            false => Answer::new(480, "The Browser Is Not Connected"),
        }
    }

    /// Goes on with the calls to clients that have come back.
    pub(super) fn welcome(&mut self, now: Instant) {
        while let Some(client) = self.absent.back.pop() {
            for id in self.waiting_for(client) {
                self.resume(id, now);
            }
        }
    }

    /// The requests that wait for a client.
    pub(super) fn waiting_for(&self, client: ClientId) -> Vec<ContextId> {
        let waiting = self.absent.waiting.get(&client);
        waiting.cloned().unwrap_or_default()
    }

    fn resume(&mut self, id: ContextId, now: Instant) {
        if self.unpark(id).is_none() {
            return;
        }
        let Some(context) = self.transactions.get_mut(id) else {
            return;
        };
        let (from, mut request) = (context.from, Message::clone(&context.request));
        let bad = |_| Answer::new(400, "Bad Credentials");
        let sent = match self.remove_own_credentials(&mut request) {
            Ok(()) => self.deliver(id, from, request, now),
            Err(error) => Err(bad(error)),
        };
        if let Err(answer) = sent {
            self.answer(id, &answer, now);
        }
        self.tidy(id);
    }

    /// The call waits no longer.
    pub(super) fn unpark(&mut self, id: ContextId) -> Option<Parked> {
        let parked = self.transactions.get_mut(id)?.parked.take()?;
        self.absent.forget(id, &parked);
        Some(parked)
    }

    /// Looks whether a call has waited long enough.
    pub(super) fn parked_due(&mut self, id: ContextId, now: Instant) {
        let context = self.transactions.get_mut(id);
        let over = context
            .and_then(|context| context.parked.as_ref())
            .is_some_and(|parked| parked.until <= now);
        if let Some(parked) = over.then(|| self.unpark(id)).flatten() {
            let answer = self.waited_in_vain(id, &parked);
            self.answer(id, &answer, now);
        }
    }
}
