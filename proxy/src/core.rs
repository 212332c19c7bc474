//! The SIP edge, sans-IO: messages, flows and the relay's replies go in; messages and questions to
//! the relay come out.
//!
//! It is a stateful proxy (RFC 3261 section 16, RFC 6026), not a B2BUA: Call-ID, tags, CSeq and digest
//! pass end to end, but for a forked call's tag (`tags`) and what the edge proves for a browser (`numbers`). Whatever a browser sends goes to the configured upstream; whatever the upstream sends
//! with a token that we signed goes to the browser it names. The next hop never comes from a message.
//! Nothing here opens a socket, reads a clock or makes a random number, and a bad peer never causes an
//! error: it becomes a counted [`Event::Dropped`] or the SIP response owed.
//!
//! The contract: [`Core::receive`], then [`Core::poll`] until it yields `None`, then sleep until
//! [`Core::deadline`] or the next input.
//!
//! The walk of a request, file by file: `admit` (size, parse, validate), `policy`, `request` (server transaction), `guard`,
//! `route`, `media`, `rewrite`, `forward` (client transaction). A response comes back by `response`, `media`, `answer`.

mod absent;
mod accounts;
mod ack;
mod admit;
mod alarms;
mod answer;
mod auth;
mod budget;

mod calls;
mod cancel;
mod challenge;
mod choice;
mod closed;
mod config;
mod connections;
mod contacts;
mod crowd;
mod deadline;
mod draining;
mod elsewhere;
mod errand;
mod event;
mod face;
mod failover;
mod figures;
mod flows;
mod fork;
mod forward;
mod guard;
mod guesses;
mod hangup;
mod health;
mod home;
mod hop;
mod identity;
mod large;
mod left;
mod local;
mod loops;
mod meanwhile;
mod media;
mod merged;
mod names;
pub(crate) mod numbered;
mod numbers;
mod options;
mod pacing;
mod pings;
mod policy;
mod pool;
mod provisional;
mod refusal;
mod register;
mod relayed;
mod relays;
mod reliable;
mod request;
mod response;
mod rewrite;
mod route;
mod schemes;
mod sign_in;
mod strangers;
mod strict;
mod tags;
mod timers;
mod token;
mod transactions;
mod upstreams;
mod watch;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

pub use sip::Method;
use sip::transaction::{ClientEvent, ServerEvent};

use self::absent::Absent;
pub use self::accounts::{BadUser, Users};
use self::alarms::{Alarms, Due};
use self::calls::Calls;
pub use self::calls::{CallRecord, Party};
pub use self::config::{Config, Limits, Secrets};
use self::crowd::{Crowd, Prefix};
pub use self::event::{Drop, Event};
pub use self::face::{AskId, Command, FlowId, Input, RelayFailure, Source};
pub use self::figures::{Counted, Figures, RelayFigures, UpstreamFigures, class};
use self::flows::Flows;
use self::guesses::Guesses;
pub use self::hop::{Hop, Transport};
use self::large::Large;
use self::media::MediaSessions;
use self::names::Names;
use self::pacing::Pace;
pub use self::policy::{Callers, Policy};
use self::register::{Bindings, Upstairs};
pub use self::register::{Local, Mid, Registering};
pub use self::relays::Relay;
use self::relays::Relays;
use self::sign_in::Tokens;
pub use self::sign_in::{Account, BadLine, BadToken, Issuer, IssuerNews, Keys, KnownUsers, SignIn};
use self::strangers::Strangers;
use self::transactions::{ContextId, Transactions};
use self::upstreams::Upstreams;
pub use self::upstreams::{Target, Watch};

/// The edge. One value serves every browser; it is driven by one task.
pub struct Core {
    config: Config,
    /// Our own addresses, as they are written into messages.
    written: Vec<(SocketAddr, String)>,
    /// Keys, and what is derived from them: tokens, branches, ids.
    names: Names,
    /// Who has registered with us, where we are the registrar.
    bindings: Bindings,
    /// What the SIP server has granted, where the edge answers refreshes itself.
    upstairs: Upstairs,
    /// Calls that wait for a client to come back.
    absent: Absent,
    /// When the first nonce was made.
    began: Option<Instant>,
    /// Who is connected, and where each registered client is.
    flows: Flows,
    /// What addresses and accounts may still do.
    crowd: Crowd,
    /// Who has guessed wrong passwords.
    guesses: Guesses,
    /// Connections on which nobody has registered.
    strangers: Strangers,
    /// Requests under way.
    transactions: Transactions,
    /// Calls under negotiation, and questions to the relay.
    media: MediaSessions,
    /// Calls that stand.
    calls: Calls,
    /// Where requests from browsers go.
    upstreams: Upstreams,
    /// Which of them take large requests over TCP.
    large: Large,
    /// REGISTERs that wait for their turn.
    pace: Pace,
    /// The relays, and which of them live.
    relays: Relays,
    /// Who signs tokens.
    tokens: Tokens,
    /// When what is due.
    alarms: Alarms,
    /// Nothing new is to begin.
    draining: bool,
    /// What came, for whoever watches.
    counted: Counted,
    commands: VecDeque<Command>,
}

impl Core {
    /// A core that knows no flow yet.
    pub fn new(config: Config, secrets: &Secrets) -> Self {
        let (watch, longest_call) = (config.watch, config.limits.longest_call);
        let own = config.advertised.iter().map(|own| own.address);
        let written = own.map(|own| (own, own.to_string())).collect();
        Self {
            crowd: Crowd::new(&config.limits),
            guesses: Guesses::new(&config.limits),
            strangers: Strangers::default(),
            config,
            written,
            names: Names::new(secrets),
            bindings: Bindings::default(),
            upstairs: Upstairs::default(),
            absent: Absent::default(),
            began: None,
            flows: Flows::default(),
            transactions: Transactions::default(),
            media: MediaSessions::default(),
            calls: Calls::default(),
            upstreams: Upstreams::asked(watch),
            large: Large::default(),
            pace: Pace::default(),
            relays: Relays::of_calls(longest_call),
            tokens: Tokens::default(),
            alarms: Alarms::default(),
            draining: false,
            counted: Counted::default(),
            commands: VecDeque::new(),
        }
    }

    /// Takes one thing that happened. Never fails; what is wrong with a peer is reported by
    /// [`Command::Report`].
    pub fn receive(&mut self, input: Input, now: Instant) {
        match input {
            Input::FlowOpened {
                flow,
                peer,
                secure,
                host,
            } => {
                self.flow_opened(flow, Prefix::of(peer.ip()), &host, secure);
                self.is_strange(flow, now);
            }
            Input::Message { from, bytes } => self.admit(from, bytes, now),
            Input::FlowClosed { flow } => self.flow_closed(flow, now),
            Input::HopOpened { hop } => self.hop_opened(hop),
            Input::HopClosed { hop } => self.hop_closed(hop, now),
            Input::HopUnreachable { hop } => self.hop_unreachable(hop, now),
            Input::Relayed { id, reply } => self.relayed(id, reply, now),
            Input::Upstreams(list) => self.upstreams_are(&list, now),
            Input::Users(users) => self.new_users(users),
            Input::KnownUsers(known) => self.known_users_are(known),
            Input::Issuer(news) => self.issuer_news(news, now),
            Input::Relays(list) => self.relays_are(&list, now),
            Input::RelayUnreachable(relay) => self.relay_unreachable(relay, now),
            Input::Timer => self.timer(now),
            Input::Draining => self.drain(),
            Input::Stopping => self.stopped(now),
        }
        self.welcome(now);
    }

    /// Whether anything from there would be heard: a connection from elsewhere need not be kept.
    pub fn hears(&self, hop: Hop) -> bool {
        self.is_upstream(hop)
    }

    /// The next thing to be done, until there is none.
    pub fn poll(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// When [`Input::Timer`] is due, if ever.
    pub fn deadline(&self) -> Option<Instant> {
        self.alarms.next()
    }

    fn flow_opened(&mut self, flow: FlowId, prefix: Prefix, host: &str, secure: bool) {
        // What a browser says in Host ends up in Record-Route: anything but a host will not do.
        let host = match sip::Uri::parse(&format!("sip:{host}")) {
            Ok(uri) if uri.user().is_none() && uri.params().as_str().is_empty() => host.to_owned(),
            _ => {
                let own = self.config.advertised.first();
                own.map_or_else(String::new, |own| own.address.to_string())
            }
        };
        let anonymous = self.names.anonymous_client();
        self.flows.open(flow, prefix, host, secure, anonymous);
    }

    fn timer(&mut self, now: Instant) {
        while let Some(due) = self.alarms.pop(now) {
            match due {
                Due::Context(id) => self.context_due(id, now),
                Due::Errand(id) => self.errand_due(id, now),
                Due::Ask(id) => self.ask_due(id, now),
                Due::Media(id) => self.session_due(id, now),
                Due::Upstreams => self.watch_upstreams(now),
                Due::Registers => self.registers_due(now),
                Due::Binding(client) => self.binding_due(client, now),
                Due::Relays => self.watch_relays(now),
                Due::Suspended => {
                    self.flows.expire(now);
                    self.alarms.arm(Due::Suspended, self.flows.deadline());
                }
                Due::Strangers => self.strangers_due(now),
                Due::Calls => self.calls_due(now),
            }
        }
    }

    fn context_due(&mut self, id: ContextId, now: Instant) {
        self.serve(id, ServerEvent::Timer, now);
        self.ask(id, ClientEvent::Timer, None, now);
        self.silence_due(id, now);
        self.parked_due(id, now);
        self.unacknowledged_due(id, now);
        let patience = self
            .transactions
            .get_mut(id)
            .and_then(|context| context.give_up);
        if patience.is_some_and(|end| end <= now) {
            self.give_up(id, now);
        }
        self.tidy(id);
    }
}
