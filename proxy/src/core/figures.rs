//! The numbers of this moment, and what was counted of messages: for whoever watches the edge. Nothing here decides anything.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip::Message;

use super::Core;
use super::face::Source;
use super::hop::Hop;
use super::names::Side;
use super::register::Registering;
use super::request::side;

/// How much there is of everything.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Whether nothing new begins.
    pub draining: bool,
    /// Open WebSockets: with TLS, and without.
    pub flows: [usize; 2],
    /// Registered clients: connected, and gone for a moment.
    pub clients: [usize; 2],
    /// Calls that stand.
    pub calls: usize,
    /// Calls that may stand.
    pub calls_limit: usize,
    /// Requests under way, or remembered for their retransmissions.
    pub transactions: usize,
    /// Media sessions under negotiation.
    pub media_sessions: usize,
    /// Questions that relays have not answered yet.
    pub relay_asks: usize,
    /// REGISTERs that wait for their turn.
    pub waiting_registers: usize,
    /// The SIP server's addresses.
    pub upstreams: Vec<UpstreamFigures>,
    /// The relays.
    pub relays: Vec<RelayFigures>,
    /// What came from both sides so far.
    pub counted: Counted,
}

/// One address of the SIP server.
#[derive(Debug, Clone, Copy)]
pub struct UpstreamFigures {
    /// Which.
    pub hop: Hop,
    /// Whether requests go there. The only one's do in any case: it lives until it leaves a request unanswered.
    pub lives: bool,
    /// How long it took to answer the last question whether it lives.
    pub answer_time: Option<Duration>,
}

/// One relay.
#[derive(Debug, Clone, Copy)]
pub struct RelayFigures {
    /// Its control port.
    pub address: SocketAddr,
    /// Whether new calls go there: it lives, has room, and is not being drained.
    pub takes_calls: bool,
}

/// Messages by kind. The names are few, whatever peers make up.
#[derive(Debug, Clone, Default)]
pub struct Counted {
    /// Requests that could be read, by side and method.
    pub requests: BTreeMap<(&'static str, &'static str), u64>,
    /// Responses that could be read, by side and class.
    pub responses: BTreeMap<(&'static str, &'static str), u64>,
    /// INVITEs outside of a dialog, those among them that repeat a challenged one.
    pub invites: u64,
}

impl Counted {
    /// One more.
    pub(super) fn message(&mut self, from: Source, message: &Message) {
        let side = match side(from) {
            Side::Browser => "browser",
            Side::Phone => "server",
        };
        let count = match message.method() {
            Some(method) => {
                let name = method.standard().unwrap_or("other");
                self.requests.entry((side, name)).or_default()
            }
            None => self
                .responses
                .entry((side, class(message.status().unwrap_or_default())))
                .or_default(),
        };
        *count = count.saturating_add(1);
    }

    /// One more INVITE that begins something.
    pub(super) fn begun(&mut self) {
        self.invites = self.invites.saturating_add(1);
    }
}

/// The class of a status.
pub fn class(status: u16) -> &'static str {
    match status {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        500..=599 => "5xx",
        600..=699 => "6xx",
        _ => "other",
    }
}

impl Core {
    /// The numbers of this moment.
    #[must_use]
    pub fn figures(&self, now: Instant) -> Figures {
        Figures {
            draining: self.is_draining(),
            flows: self.flows.open_flows(),
            clients: self.flows.registered(),
            calls: self.calls.standing(),
            calls_limit: self.config.limits.calls,
            transactions: self.transactions.len(),
            media_sessions: self.media.len(),
            relay_asks: self.media.asks_out(),
            waiting_registers: self.pace.waiting(),
            upstreams: self.upstreams.figures(now),
            relays: self.relays.figures(now),
            counted: self.counted.clone(),
        }
    }

    /// Why no new call would come about, as far as is known.
    #[must_use]
    pub fn unready(&self, now: Instant) -> Option<String> {
        if self.is_draining() {
            return Some("draining: it is being stopped, and takes no new call".to_owned());
        }
        let upstreams = self.upstreams.figures(now);
        let relays = self.relays.figures(now);
        let needs_server = !matches!(self.config.registering, Registering::Local(_));
        if needs_server && !upstreams.iter().any(|one| one.lives) {
            let why = match upstreams.is_empty() {
                true => "no address of the SIP server is known: its name leads nowhere",
                false => "no address of the SIP server answers",
            };
            return Some(why.to_owned());
        }
        if !relays.iter().any(|one| one.takes_calls) {
            return Some("no relay takes calls: none answers, or all are full".to_owned());
        }
        let (calls, limit) = (self.calls.standing(), self.config.limits.calls);
        (calls >= limit).then(|| format!("full: {calls} calls of {limit}"))
    }
}
