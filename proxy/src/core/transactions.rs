//! The requests under way: each proxied one with its two transactions, and the few of our own.
//!
//! This is the table and its indexes; what happens to a request stands in the files of the walk.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use sip::transaction::{Client, ClientKey, Server, ServerKey};
use sip::{Message, Method};

use super::absent::Parked;
use super::calls::Party;
use super::cancel::Cancel;
use super::errand::Purpose;
use super::face::{AskId, FlowId, Source};
use super::failover::Failover;
use super::fork::Fork;
use super::guesses::Guesser;
use super::media::{Exchange, Rewritten, Spared, Unacknowledged};
use super::names::{MediaId, RelayId};
use super::numbered::Numbered;
use super::register::Registration;
use super::route::Route;
use super::sign_in::{Account, Unproven};
use super::tags::Swap;

/// Names a [`Proxied`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ContextId(u64);

/// Names an [`Errand`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ErrandId(u64);

/// One request on its way through: the response context of RFC 3261 section 16.
pub(super) struct Proxied {
    /// Where the request came from and its responses go.
    pub(super) from: Source,
    /// The request as it came: what our own responses are made from.
    pub(super) request: Arc<Message>,
    /// Its method.
    pub(super) method: Method,
    /// Whether the request is inside a dialog.
    pub(super) in_dialog: bool,
    /// The answering side; `None` when it has ended.
    pub(super) server: Option<Server>,
    /// The asking side; `None` until the request has gone out.
    pub(super) branch: Option<Branch>,
    /// Where it goes; `None` until that is decided.
    pub(super) route: Option<Route>,
    /// Where else it may go; `None` where it has no choice, or none any more.
    pub(super) failover: Option<Box<Failover>>,
    /// What another try with a proof needs; `None` where the edge has nothing to prove by.
    pub(super) unproven: Option<Box<Unproven>>,
    /// What a REGISTER asks for.
    pub(super) registration: Option<Arc<Registration>>,
    /// What the bodies of this transaction mean to each other.
    pub(super) exchange: Exchange,
    /// The media session that this request holds open.
    pub(super) session: Option<MediaId>,
    /// What is answered in the other side's place, which does not hear of this request.
    pub(super) spared: Option<Box<Spared>>,
    /// Our own 200 to an INVITE, until its ACK.
    pub(super) unacknowledged: Option<Unacknowledged>,
    /// The relays that could not take its call.
    pub(super) refused_by: Vec<RelayId>,
    /// What was rewritten for this transaction already, so that a repeated response is the same again.
    pub(super) rewritten: Vec<Rewritten>,
    /// The branches, where it goes to several at once.
    pub(super) fork: Option<Fork>,
    /// The fork that this is a branch of: its responses go there.
    pub(super) parent: Option<ContextId>,
    /// It waits for a client to come back.
    pub(super) parked: Option<Parked>,
    /// The message that waits for the relay.
    pub(super) held: Option<Held>,
    /// Responses that came behind the held one: order is kept.
    pub(super) inbox: VecDeque<Message>,
    /// Whether the call is to be cancelled.
    pub(super) cancel: Cancel,
    /// When it came.
    pub(super) began: Instant,
    /// Who took an INVITE back, and why.
    pub(super) taken_back: Option<(Party, &'static str)>,
    /// Whether the final response is our own.
    pub(super) answered_here: bool,
    /// The To-tag that a browser was shown first.
    pub(super) first_tag: Option<String>,
    /// What became of it when somebody else answered.
    pub(super) swap: Option<Swap>,
    /// The status of the final response given.
    pub(super) final_status: Option<u16>,
    /// To-tags of those who answered a call that nobody wants any more, and were hung up on.
    pub(super) hung_up: Vec<String>,
    /// Timer C, or after a CANCEL the end of our patience.
    pub(super) give_up: Option<Instant>,
    /// Whose password it tries.
    pub(super) guesser: Option<Guesser>,
    /// Who is charged for it as long as it rings.
    payers: Vec<Payer>,
    key: ServerKey,
}

/// A message that waits for the relay's reply to a question.
pub(super) struct Held {
    pub(super) ask: AskId,
    pub(super) message: Message,
}

/// The asking side of a proxied request.
pub(super) struct Branch {
    /// Where the request went and its responses must come from.
    pub(super) to: Source,
    /// The request as it went out: what ACK and CANCEL are made from.
    pub(super) sent: Message,
    /// The machine; `None` when it has ended.
    pub(super) machine: Option<Client>,
    /// What its responses are known by.
    pub(super) key: ClientKey,
}

/// A client transaction that serves no request any more, or never did.
pub(super) struct Errand {
    pub(super) to: Source,
    pub(super) machine: Client,
    pub(super) purpose: Purpose,
    /// When it ends whatever its machine wants.
    pub(super) until: Option<Instant>,
    key: ClientKey,
}

/// All requests under way, found by what arrives.
#[derive(Default)]
pub(super) struct Transactions {
    contexts: Numbered<ContextId, Proxied>,
    servers: HashMap<ServerKey, ContextId>,
    clients: HashMap<ClientKey, Asking>,
    errands: Numbered<ErrandId, Errand>,
    /// In order.
    by_flow: Numbered<FlowId, Vec<ContextId>>,
    ringing: HashMap<Payer, usize>,
    named: u64,
}

/// Who sent the request that a response answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asking {
    Context(ContextId),
    Errand(ErrandId),
}

/// Who is charged for a call that rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Payer {
    Flow(FlowId),
    /// By a hash of its address of record.
    Account(u64),
}

impl Transactions {
    pub(super) fn len(&self) -> usize {
        self.contexts.len()
    }

    /// Whether an INVITE waits for its final response.
    pub(super) fn has_open_invite(&self) -> bool {
        let mut contexts = self.contexts.values();
        contexts.any(|it| it.method == Method::Invite && it.final_status.is_none())
    }

    /// Whether nothing at all is left, the indexes included.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.contexts.is_empty()
            && self.servers.is_empty()
            && self.clients.is_empty()
            && self.errands.is_empty()
            && self.by_flow.is_empty()
            && self.ringing.is_empty()
    }

    /// Remembers a request that has just come.
    pub(super) fn open(
        &mut self,
        from: Source,
        key: ServerKey,
        request: Arc<Message>,
        method: Method,
        server: Server,
        now: Instant,
    ) -> ContextId {
        let id = ContextId(self.name());
        self.servers.insert(key.clone(), id);
        self.index(from, id);
        let context = Proxied::new(from, key, request, method, Some(server), now);
        self.contexts.insert(id, context);
        id
    }

    /// Makes a branch of a request that goes to several at once. It is found by its responses only.
    pub(super) fn branch_off(&mut self, parent: ContextId) -> Option<ContextId> {
        let id = ContextId(self.name());
        let whole = self.contexts.get(&parent)?;
        let branch = Proxied {
            parent: Some(parent),
            ..Proxied::new(
                whole.from,
                whole.key.clone(),
                Arc::clone(&whole.request),
                whole.method.clone(),
                None,
                whole.began,
            )
        };
        self.contexts.insert(id, branch);
        Some(id)
    }

    /// Remembers that a context's request went out under this branch.
    pub(super) fn sent(&mut self, id: ContextId, branch: Branch) {
        self.index(branch.to, id);
        if let Some(context) = self.contexts.get_mut(&id) {
            self.clients.insert(branch.key.clone(), Asking::Context(id));
            context.branch = Some(branch);
        }
    }

    /// Remembers a request of our own.
    pub(super) fn errand(
        &mut self,
        key: ClientKey,
        to: Source,
        machine: Client,
        purpose: Purpose,
        until: Option<Instant>,
    ) -> ErrandId {
        let id = ErrandId(self.name());
        self.clients.insert(key.clone(), Asking::Errand(id));
        let errand = Errand {
            to,
            machine,
            purpose,
            until,
            key,
        };
        self.errands.insert(id, errand);
        id
    }

    /// Takes a context's branch from it: its responses are not the context's any more.
    pub(super) fn part(&mut self, id: ContextId) -> Option<Branch> {
        let branch = self.contexts.get_mut(&id)?.branch.take()?;
        self.unindex(branch.to, id);
        self.clients.remove(&branch.key);
        Some(branch)
    }

    /// Those of our own that went there.
    pub(super) fn errands_to(&self, to: Source) -> Vec<ErrandId> {
        let there = self.errands.iter().filter(|(_, errand)| errand.to == to);
        let mut ids: Vec<_> = there.map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids
    }

    pub(super) fn get_mut(&mut self, id: ContextId) -> Option<&mut Proxied> {
        self.contexts.get_mut(&id)
    }

    pub(super) fn errand_mut(&mut self, id: ErrandId) -> Option<&mut Errand> {
        self.errands.get_mut(&id)
    }

    /// The context of a request seen before.
    pub(super) fn by_request(&self, key: &ServerKey) -> Option<ContextId> {
        self.servers.get(key).copied()
    }

    /// Whose request a response answers.
    pub(super) fn by_response(&self, key: &ClientKey) -> Option<Asking> {
        self.clients.get(key).copied()
    }

    /// Charges these for a context's call, until it is answered or over.
    pub(super) fn charge(&mut self, id: ContextId, payers: Vec<Payer>) {
        for payer in &payers {
            let count = self.ringing.entry(*payer).or_default();
            *count = count.saturating_add(1);
        }
        if let Some(context) = self.contexts.get_mut(&id) {
            context.payers = payers;
        }
    }

    /// A context's call rings no more.
    pub(super) fn discharge(&mut self, id: ContextId) {
        let payers = self
            .contexts
            .get_mut(&id)
            .map(|it| std::mem::take(&mut it.payers));
        self.repay(payers.unwrap_or_default());
    }

    fn repay(&mut self, payers: Vec<Payer>) {
        for payer in payers {
            let left = self
                .ringing
                .get(&payer)
                .map_or(0, |count| count.saturating_sub(1));
            match left {
                0 => drop(self.ringing.remove(&payer)),
                left => drop(self.ringing.insert(payer, left)),
            }
        }
    }

    /// How many calls of theirs ring.
    pub(super) fn ringing(&self, payer: Payer) -> usize {
        self.ringing.get(&payer).copied().unwrap_or_default()
    }

    /// Every context that receives from this flow or sends to it.
    pub(super) fn of_flow(&self, flow: FlowId) -> Vec<ContextId> {
        let ids = self.by_flow.get(&flow).into_iter().flatten();
        ids.copied().collect()
    }

    /// Every context that receives from this place or sends to it: a walk through all of them.
    pub(super) fn at(&self, place: Source) -> Vec<ContextId> {
        let is_there = |context: &Proxied| {
            let to = context.branch.as_ref().map(|branch| branch.to);
            context.from == place || to == Some(place)
        };
        let found = self.contexts.iter().filter(|(_, c)| is_there(c));
        let mut ids: Vec<_> = found.map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids
    }

    /// Forgets a context that has nothing left to do. Of another, when it wants the clock.
    pub(super) fn close_if_done(&mut self, id: ContextId) -> Option<Instant> {
        let context = self.contexts.get(&id)?;
        if !context.is_done() {
            return context.deadline();
        }
        if let Some(context) = self.contexts.remove(&id) {
            if self.servers.get(&context.key) == Some(&id) {
                self.servers.remove(&context.key);
            }
            self.unindex(context.from, id);
            self.repay(context.payers);
            if let Some(branch) = &context.branch {
                self.unindex(branch.to, id);
                self.clients.remove(&branch.key);
            }
        }
        None
    }

    pub(super) fn close_errand(&mut self, id: ErrandId) -> Option<Errand> {
        let errand = self.errands.remove(&id)?;
        self.clients.remove(&errand.key);
        Some(errand)
    }

    fn name(&mut self) -> u64 {
        self.named = self.named.wrapping_add(1);
        self.named
    }

    fn index(&mut self, place: Source, id: ContextId) {
        if let Source::Flow(flow) = place {
            let ids = self.by_flow.entry(flow).or_default();
            if let Err(at) = ids.binary_search(&id) {
                ids.insert(at, id);
            }
        }
    }

    fn unindex(&mut self, place: Source, id: ContextId) {
        let Source::Flow(flow) = place else { return };
        if let Some(ids) = self.by_flow.get_mut(&flow) {
            if let Ok(at) = ids.binary_search(&id) {
                ids.remove(at);
            }
            if ids.is_empty() {
                self.by_flow.remove(&flow);
            }
        }
    }
}

impl Errand {
    /// When its machine, or its end, wants the clock.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let machine = match self.only_listens() {
            true => None,
            false => self.machine.deadline(),
        };
        [machine, self.until].into_iter().flatten().min()
    }
}

impl Proxied {
    fn new(
        from: Source,
        key: ServerKey,
        request: Arc<Message>,
        method: Method,
        server: Option<Server>,
        now: Instant,
    ) -> Self {
        Self {
            in_dialog: request.to_tag().is_some(),
            from,
            request,
            method,
            server,
            branch: None,
            route: None,
            failover: None,
            unproven: None,
            registration: None,
            exchange: Exchange::None,
            session: None,
            spared: None,
            unacknowledged: None,
            refused_by: Vec::new(),
            rewritten: Vec::new(),
            fork: None,
            parent: None,
            parked: None,
            held: None,
            inbox: VecDeque::new(),
            cancel: Cancel::No,
            began: now,
            taken_back: None,
            answered_here: false,
            first_tag: None,
            swap: None,
            final_status: None,
            hung_up: Vec::new(),
            give_up: None,
            guesser: None,
            payers: Vec::new(),
            key,
        }
    }

    /// Whether all that rings for it may go by one To-tag: it has gone to the SIP server, and nobody counts what rings.
    pub(super) fn may_share_tag(&self) -> bool {
        let route = self.route.as_ref();
        let is_up = route.is_some_and(|route| matches!(route.to, Source::Upstream(_)));
        let reliable = ["Supported", "Require"];
        is_up
            && !reliable
                .iter()
                .any(|name| self.request.lists(name, "100rel"))
    }

    /// How often it was proved.
    pub(super) fn proofs(&self) -> u8 {
        self.unproven.as_ref().map_or(0, |it| it.proofs)
    }

    /// By what it can be proved.
    pub(super) fn account(&self) -> Option<Arc<Account>> {
        let unproven = self.unproven.as_ref();
        unproven.map(|unproven| Arc::clone(&unproven.account))
    }

    /// Whether its sender has taken it back.
    pub(super) fn is_cancelled(&self) -> bool {
        !matches!(self.cancel, Cancel::No)
    }

    /// When any of its machines, or its own patience, wants the clock.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let server = self.server.as_ref().and_then(Server::deadline);
        let machine = self
            .branch
            .as_ref()
            .and_then(|branch| branch.machine.as_ref());
        let client = machine.and_then(Client::deadline);
        let silent = self.failover.as_ref().and_then(|f| f.deadline());
        let parked = self.parked.as_ref().map(|parked| parked.until);
        let unacknowledged = self.unacknowledged.as_ref().map(|waiting| waiting.at);
        let waits = [server, client, self.give_up, silent, parked, unacknowledged];
        waits.into_iter().flatten().min()
    }

    fn is_done(&self) -> bool {
        let asking = self
            .branch
            .as_ref()
            .is_some_and(|branch| branch.machine.is_some());
        self.server.is_none() && !asking && self.held.is_none() && self.inbox.is_empty()
    }
}

/// The key under which responses to this request of ours come back.
pub(super) fn client_key(sent: &Message) -> Option<ClientKey> {
    Some(ClientKey::new(
        sent.top_via()?.branch()?,
        sent.method()?.as_str(),
    ))
}
