//! Which browsers are connected, and which registered client is reached by which of their flows.
//!
//! A binding changes hands only when the upstream has accepted a registration, never because a message
//! claims something. When its flow closes it is kept a while, so that a client that comes back finds its calls.

use std::collections::VecDeque;
use std::time::Instant;

use super::auth::Counts;
use super::config::Limits;
use super::crowd::{Allowance, Prefix};
use super::deadline::after;
use super::face::FlowId;
use super::names::ClientId;
use super::numbered::Numbered;
use super::sign_in::SignedIn;

/// Clients that one flow may register: a page with some accounts, not a gateway.
const MAX_CLIENTS_PER_FLOW: usize = 32;

/// One open WebSocket.
pub(super) struct Flow {
    /// `host:port` that the browser connected to.
    pub(super) host: String,
    /// Where it comes from.
    pub(super) prefix: Prefix,
    /// What it has left of its limits.
    pub(super) allowance: Allowance,
    /// Whether a request has come.
    pub(super) has_spoken: bool,
    /// WSS or WS.
    pub(super) secure: bool,
    /// Requests from here that wait for their final response.
    pub(super) pending: usize,
    /// Messages that were not SIP.
    pub(super) offences: u32,
    /// Whether its browser knows PRACK, once it has said.
    pub(super) prack: Option<bool>,
    /// Wrong passwords in a row.
    pub(super) failures: u32,
    /// How often its nonces were used.
    pub(super) nonces: Counts,
    /// Who has signed in on it by token.
    pub(super) signed_in: Option<Box<SignedIn>>,
    /// Its name while nobody has registered on it.
    anonymous: ClientId,
    /// Who has: client and address of record.
    registered: Vec<(ClientId, String)>,
}

impl Flow {
    /// Whether anybody ever registered on it.
    pub(super) fn has_registered(&self) -> bool {
        !self.registered.is_empty()
    }

    /// Whether somebody has registered on it under this address of record.
    pub(super) fn is_of(&self, aor: &str) -> bool {
        self.registered.iter().any(|(_, known)| known == aor)
    }

    /// The address of record that a client has registered here.
    pub(super) fn aor_of(&self, client: ClientId) -> Option<&str> {
        let mut registered = self.registered.iter();
        let found = registered.find(|(known, _)| *known == client);
        found.map(|(_, aor)| aor.as_str())
    }

    /// Whoever speaks on it.
    pub(super) fn clients(&self) -> impl Iterator<Item = ClientId> {
        let registered = self.registered.iter().map(|(client, _)| *client);
        registered.chain([self.anonymous])
    }
}

/// Where a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// On this flow.
    Flow(FlowId),
    /// It was here, and its flow closed.
    Suspended,
    /// Never heard of, or long gone.
    Unknown,
}

/// What binding a client to a flow has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// It was bound to this flow already.
    Same,
    /// It is new.
    New,
    /// It came back, or moved, from another flow.
    Moved,
}

/// A client that requests can be for.
struct Client {
    binding: Binding,
    /// The URI that it registered, which is how it wants to be addressed; empty for a nameless one.
    contact: String,
    /// Its registrar knows of flows (RFC 5626).
    outbound: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Binding {
    On(FlowId),
    Suspended { since: Instant, until: Instant },
}

/// Flows by name, and clients by name.
#[derive(Default)]
pub(super) struct Flows {
    open: Numbered<FlowId, Flow>,
    clients: Numbered<ClientId, Client>,
    /// Suspended clients, the longest first.
    suspended: VecDeque<(Instant, ClientId)>,
}

impl Flows {
    pub(super) fn open(
        &mut self,
        flow: FlowId,
        prefix: Prefix,
        host: String,
        secure: bool,
        anonymous: ClientId,
    ) {
        let nameless = Client {
            binding: Binding::On(flow),
            contact: String::new(),
            outbound: false,
        };
        self.clients.insert(anonymous, nameless);
        let new = Flow {
            host,
            prefix,
            allowance: Allowance::default(),
            has_spoken: false,
            secure,
            pending: 0,
            offences: 0,
            prack: None,
            failures: 0,
            nonces: Counts::default(),
            signed_in: None,
            anonymous,
            registered: Vec::new(),
        };
        self.open.insert(flow, new);
    }

    /// All that are open.
    pub(super) fn all(&self) -> impl Iterator<Item = (FlowId, &Flow)> {
        self.open.iter().map(|(id, flow)| (*id, flow))
    }

    /// How many are open: with TLS, and without.
    pub(super) fn open_flows(&self) -> [usize; 2] {
        let secure = self.open.values().filter(|flow| flow.secure).count();
        [secure, self.open.len().saturating_sub(secure)]
    }

    /// How many clients have registered: those that are connected, and those whose flow has closed.
    pub(super) fn registered(&self) -> [usize; 2] {
        let is_away = |client: &&Client| matches!(client.binding, Binding::Suspended { .. });
        let away = self.clients.values().filter(is_away).count();
        // Every open flow has a nameless one besides.
        let there = self.clients.len().saturating_sub(away);
        [there.saturating_sub(self.open.len()), away]
    }

    pub(super) fn get(&self, flow: FlowId) -> Option<&Flow> {
        self.open.get(&flow)
    }

    pub(super) fn get_mut(&mut self, flow: FlowId) -> Option<&mut Flow> {
        self.open.get_mut(&flow)
    }

    /// Where requests for this client go.
    pub(super) fn reach(&self, client: ClientId) -> Reach {
        match self.clients.get(&client).map(|client| client.binding) {
            Some(Binding::On(flow)) => Reach::Flow(flow),
            Some(Binding::Suspended { .. }) => Reach::Suspended,
            None => Reach::Unknown,
        }
    }

    /// When the flow of a suspended client closed.
    pub(super) fn suspended_since(&self, client: ClientId) -> Option<Instant> {
        match self.clients.get(&client)?.binding {
            Binding::Suspended { since, .. } => Some(since),
            Binding::On(_) => None,
        }
    }

    /// The Contact URI that this client has registered.
    pub(super) fn contact(&self, client: ClientId) -> Option<&str> {
        self.clients
            .get(&client)
            .map(|client| client.contact.as_str())
            .filter(|uri| !uri.is_empty())
    }

    /// The registrar of this client has said that it knows of flows (RFC 5626 section 6).
    pub(super) fn outbound(&mut self, client: ClientId) {
        if let Some(client) = self.clients.get_mut(&client) {
            client.outbound = true;
        }
    }

    pub(super) fn is_outbound(&self, client: ClientId) -> bool {
        self.clients
            .get(&client)
            .is_some_and(|client| client.outbound)
    }

    /// The client that speaks when this flow begins a dialog as `aor`.
    pub(super) fn speaker(&self, flow: FlowId, aor: &str) -> Option<ClientId> {
        let flow = self.open.get(&flow)?;
        let by_aor = flow.registered.iter().find(|(_, known)| known == aor);
        let client = by_aor
            .or(flow.registered.first())
            .map(|(client, _)| *client);
        Some(client.unwrap_or(flow.anonymous))
    }

    /// Binds a client whose registration on this flow the upstream has accepted.
    pub(super) fn bind(
        &mut self,
        flow: FlowId,
        client: ClientId,
        aor: &str,
        contact: &str,
    ) -> Option<Bound> {
        let registered = &mut self.open.get_mut(&flow)?.registered;
        if !registered.iter().any(|(known, _)| *known == client) {
            if registered.len() >= MAX_CLIENTS_PER_FLOW {
                return None;
            }
            registered.push((client, aor.to_owned()));
        }
        let bound = Client {
            binding: Binding::On(flow),
            contact: contact.to_owned(),
            outbound: false,
        };
        match self
            .clients
            .insert(client, bound)
            .map(|before| before.binding)
        {
            Some(Binding::On(before)) if before == flow => Some(Bound::Same),
            Some(Binding::On(before)) => {
                if let Some(before) = self.open.get_mut(&before) {
                    before.registered.retain(|(known, _)| *known != client);
                }
                Some(Bound::Moved)
            }
            Some(Binding::Suspended { .. }) => Some(Bound::Moved),
            None => Some(Bound::New),
        }
    }

    /// Closes a flow and suspends its clients. `None` if it was not open.
    pub(super) fn close(&mut self, flow: FlowId, limits: &Limits, now: Instant) -> Option<Flow> {
        let closed = self.open.remove(&flow)?;
        // Nobody can come back as the nameless.
        self.clients.remove(&closed.anonymous);
        for (client, _) in &closed.registered {
            let full =
                self.clients.len() > limits.bindings || self.suspended.len() > limits.bindings;
            if full {
                self.clients.remove(client);
            } else if let Some(client_state) = self.clients.get_mut(client) {
                let (since, until) = (now, after(now, limits.suspend));
                client_state.binding = Binding::Suspended { since, until };
                self.suspended.push_back((until, *client));
            }
        }
        Some(closed)
    }

    /// When [`Flows::expire`] is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.suspended.front().map(|(at, _)| *at)
    }

    /// Forgets the clients that did not come back.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((until, client)) =
            self.suspended.front().copied().filter(|(at, _)| *at <= now)
        {
            self.suspended.pop_front();
            // One that came back, and perhaps left again since, has another binding by now.
            let binding = self.clients.get(&client).map(|client| client.binding);
            if matches!(binding, Some(Binding::Suspended { until: latest, .. }) if latest == until)
            {
                self.clients.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: ClientId = ClientId([1; 8]);

    fn flows() -> (Flows, Instant) {
        let mut flows = Flows::default();
        for n in 1..=2 {
            let from = Prefix::of([192, 0, 2, 1].into());
            let nameless = ClientId([n as u8 + 100; 8]);
            flows.open(FlowId(n), from, "edge".into(), true, nameless);
        }
        (flows, Instant::now())
    }

    #[test]
    fn a_client_that_returns_on_another_flow_is_found_there() {
        let (mut flows, now) = flows();
        assert_eq!(
            flows.bind(FlowId(1), CLIENT, "a@x", "sip:x@y.invalid"),
            Some(Bound::New)
        );
        assert_eq!(
            flows.bind(FlowId(1), CLIENT, "a@x", "sip:x@y.invalid"),
            Some(Bound::Same)
        );
        flows.close(FlowId(1), &Limits::default(), now);
        assert_eq!(flows.reach(CLIENT), Reach::Suspended);
        assert_eq!(
            flows.bind(FlowId(2), CLIENT, "a@x", "sip:x@y.invalid"),
            Some(Bound::Moved)
        );
        assert_eq!(flows.reach(CLIENT), Reach::Flow(FlowId(2)));
    }

    #[test]
    fn the_old_flow_of_a_client_that_moved_cannot_suspend_it() {
        let (mut flows, now) = flows();
        flows.bind(FlowId(1), CLIENT, "a@x", "sip:x@y.invalid");
        assert_eq!(
            flows.bind(FlowId(2), CLIENT, "a@x", "sip:x@y.invalid"),
            Some(Bound::Moved)
        );
        flows.close(FlowId(1), &Limits::default(), now);
        assert_eq!(flows.reach(CLIENT), Reach::Flow(FlowId(2)));
    }

    #[test]
    fn a_suspended_client_is_forgotten_in_the_end_and_a_nameless_one_at_once() {
        let (mut flows, now) = flows();
        flows.bind(FlowId(1), CLIENT, "a@x", "sip:x@y.invalid");
        flows.close(FlowId(1), &Limits::default(), now);
        assert_eq!(flows.reach(ClientId([101; 8])), Reach::Unknown);
        let end = flows.deadline().unwrap();
        flows.expire(end);
        assert_eq!(flows.reach(CLIENT), Reach::Unknown);
        assert_eq!(flows.deadline(), None);
    }

    #[test]
    fn who_speaks_follows_the_address_of_record() {
        let (mut flows, _) = flows();
        assert_eq!(flows.speaker(FlowId(1), "a@x"), Some(ClientId([101; 8])));
        flows.bind(FlowId(1), CLIENT, "a@x", "sip:x@y.invalid");
        flows.bind(FlowId(1), ClientId([2; 8]), "b@x", "sip:x@y.invalid");
        assert_eq!(flows.speaker(FlowId(1), "b@x"), Some(ClientId([2; 8])));
        assert_eq!(
            flows.speaker(FlowId(1), "anonymous@anonymous.invalid"),
            Some(CLIENT)
        );
        assert_eq!(flows.speaker(FlowId(3), "a@x"), None);
    }

    #[test]
    fn the_clients_of_one_flow_and_the_suspended_are_bounded() {
        let (mut flows, now) = flows();
        for n in 0..MAX_CLIENTS_PER_FLOW {
            assert!(
                flows
                    .bind(FlowId(1), ClientId([n as u8; 8]), "a@x", "sip:x@y.invalid")
                    .is_some()
            );
        }
        assert_eq!(
            flows.bind(FlowId(1), ClientId([99; 8]), "a@x", "sip:x@y.invalid"),
            None
        );
        let limits = Limits {
            bindings: 3,
            ..Limits::default()
        };
        flows.close(FlowId(1), &limits, now);
        assert!(flows.clients.len() <= 4);
    }
}
