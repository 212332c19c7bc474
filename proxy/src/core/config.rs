//! What the operator decided, in the words of the core. Reading files is the shell's business.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use sip::transaction::Timers;

use super::hop::Hop;
use super::policy::Policy;
use super::register::Registering;
use super::sign_in::SignIn;
use super::upstreams::Watch;

/// Everything that the core must be told before the first message.
#[derive(Debug, Clone)]
pub struct Config {
    /// The SIP domain served (`example.com`): an OPTIONS to it is answered by the edge itself.
    pub domain: String,
    /// Further addresses that the SIP server may send from (another interface). Those that requests go to always may.
    pub upstream_sources: Vec<IpAddr>,
    /// Our addresses as the upstream sees them, at least one if there is an upstream: written in Via, Path and Record-Route.
    pub advertised: Vec<Hop>,
    /// Whether requests that are too large for a datagram stay on UDP, too.
    pub udp_only: bool,
    /// How the SIP server's addresses are watched.
    pub watch: Watch,
    /// Whether a key that a browser sends in INFO becomes telephone events (RFC 4733) where the phone takes them.
    pub dtmf_events: bool,
    /// Whether there is no SIP server: the edge's users call one another, and nobody else.
    pub alone: bool,
    /// Who registers the browsers.
    pub registering: Registering,
    /// Whose tokens browsers sign in with; `None`: they need not.
    pub sign_in: Option<Arc<SignIn>>,
    /// What browsers may do.
    pub policy: Policy,
    /// T1, T2 and T4 of RFC 3261.
    pub timers: Timers,
    /// What is kept finite, and how finite.
    pub limits: Limits,
}

impl Config {
    /// A configuration with the RFC's timers and the default limits.
    pub fn new(domain: impl Into<String>, advertised: Vec<Hop>) -> Self {
        Self {
            domain: domain.into(),
            upstream_sources: Vec::new(),
            advertised,
            udp_only: false,
            watch: Watch::default(),
            dtmf_events: true,
            alone: false,
            registering: Registering::default(),
            sign_in: None,
            policy: Policy::default(),
            timers: Timers::default(),
            limits: Limits::default(),
        }
    }

    /// Which of our own addresses is told to this hop: the first one of its transport and family, or else of its
    /// transport, or else of its family.
    pub(super) fn own(&self, to: Hop) -> Hop {
        let fits = |own: &&Hop| {
            let family = own.address.is_ipv4() == to.address.is_ipv4();
            (own.transport == to.transport, family)
        };
        self.advertised
            .iter()
            .rev()
            .max_by_key(fits)
            .map_or(to, |own| *own)
    }
}

/// Bounds: each holds one peer, or all of them together, away from our memory.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Requests of one flow that wait for their final response. A page that sends REGISTER, a
    /// handful of calls and their DTMF needs some tens.
    pub pending_per_flow: usize,
    /// Messages of one flow in a second, in steady flow; four times as many may come at once.
    pub messages_per_flow: u32,
    /// The same of all flows from one address (IPv6: of its /64) together: a company behind one NAT.
    pub messages_per_address: u32,
    /// Calls of one flow that ring.
    pub ringing_per_flow: usize,
    /// Calls of one account that ring, over all its flows.
    pub ringing_per_account: usize,
    /// INVITEs by which one account begins a call in a minute, challenged ones included; three times as many may come at once.
    pub calls_per_account: u32,
    /// Wrong passwords from one address in a minute; three times as many may come at once.
    pub guesses_per_address: u32,
    /// Wrong passwords for one account in a minute, wherever they come from; three times as many may come at once.
    pub guesses_per_account: u32,
    /// How long a connection may last before the first request on it.
    pub silent: Duration,
    /// How long a connection may last before somebody registers on it.
    pub unregistered: Duration,
    /// Requests known at once, over all peers, those lingering for retransmissions included.
    pub transactions: usize,
    /// Questions that one relay has not answered yet.
    pub relay_asks: usize,
    /// Media sessions under negotiation (an established call needs none).
    pub media_sessions: usize,
    /// Calls that stand at once.
    pub calls: usize,
    /// How long the calls of a browser whose connection closed wait for it to come back.
    pub grace: Duration,
    /// The age at which the edge ends a call.
    pub longest_call: Duration,
    /// REGISTERs that go to the SIP server in a second, in steady flow; at least 1.
    pub register_rate: u32,
    /// Clients remembered, connected or suspended.
    pub bindings: usize,
    /// How long the binding of a closed flow waits for the client to come back.
    pub suspend: Duration,
    /// How long a call waits for a client whose flow has closed to come back.
    pub comeback: Duration,
    /// Timer C of RFC 3261 section 16.6: how long a call may ring.
    pub ringing: Duration,
    /// How long the relay may think. Beyond it the caller is better off with a 503.
    pub relay_patience: Duration,
    /// How long a challenged call's media session waits for the INVITE that carries credentials.
    pub challenge_linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pending_per_flow: 256,
            messages_per_flow: 100,
            messages_per_address: 2_000,
            ringing_per_flow: 30,
            ringing_per_account: 60,
            calls_per_account: 120,
            guesses_per_address: 60,
            guesses_per_account: 10,
            silent: Duration::from_secs(10),
            unregistered: Duration::from_secs(60),
            transactions: 100_000,
            relay_asks: 4_096,
            media_sessions: 20_000,
            calls: 50_000,
            grace: Duration::from_secs(20),
            longest_call: Duration::from_secs(24 * 3600),
            register_rate: 1_000,
            bindings: 50_000,
            suspend: Duration::from_secs(15 * 60),
            comeback: Duration::from_secs(4),
            ringing: Duration::from_secs(185),
            relay_patience: Duration::from_secs(8),
            challenge_linger: Duration::from_secs(30),
        }
    }
}

/// The randomness and the secret that the core is given; it makes none itself.
#[derive(Clone)]
pub struct Secrets {
    /// Signs tokens. Edges that share it, and an edge after its restart, accept each other's.
    pub token_key: [u8; 32],
    /// Fresh for every start: branches and tags are derived from it.
    pub seed: [u8; 32],
}

impl Secrets {
    /// A token key from an operator's text; `None` if that has fewer than 32 characters, which can be guessed.
    pub fn key_of(text: &str) -> Option<[u8; 32]> {
        (text.len() >= 32).then(|| Sha256::digest(text).into())
    }
}
