//! The demo's SIP server: registrar and stateful proxy over UDP, for users with passwords and phones at fixed addresses.
//!
//! It stands in for Kamailio and its like so that the demo needs nothing installed. It challenges as they do (401 to
//! REGISTER, 407 to INVITE), keeps Path (RFC 3327), forks in parallel and records its route. It is no product: one
//! domain, no persistence, no TCP.

mod auth;
mod fork;
mod location;
mod proxy;
mod register;
mod server;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Instant;

use sip::transaction::{ClientKey, ServerKey, Wire};
use sip::{Message, Method};

use crate::exchange::{Exchange, Received};
use crate::names::Names;
use fork::Fork;
use location::Location;

pub use server::Server;

/// Who is served.
#[derive(Debug, Clone)]
pub struct Config {
    /// The realm of challenges, and the domain that addresses have besides our own IP address.
    pub domain: String,
    /// User names and passwords.
    pub users: HashMap<String, String>,
    /// Names of phones that do not register, and where they are.
    pub phones: HashMap<String, SocketAddr>,
}

/// The server without its socket.
#[derive(Debug)]
pub struct Registrar {
    config: Config,
    address: SocketAddr,
    names: Names,
    nonce: String,
    location: Location,
    exchange: Exchange,
    forks: HashMap<ServerKey, Fork>,
    /// Which fork a branch of ours belongs to.
    branches: HashMap<ClientKey, ServerKey>,
}

impl Registrar {
    /// A server that is reached at `address`. `seed` is 16 random bytes.
    #[must_use]
    pub fn new(config: Config, address: SocketAddr, seed: [u8; 16]) -> Self {
        let mut names = Names::new(seed);
        Self {
            config,
            address,
            nonce: names.name(),
            names,
            location: Location::default(),
            exchange: Exchange::default(),
            forks: HashMap::new(),
            branches: HashMap::new(),
        }
    }

    /// Takes a datagram.
    pub fn receive(&mut self, datagram: &[u8], from: SocketAddr, now: Instant) {
        match self.exchange.receive(datagram, from, now) {
            Received::Request(key, message) => self.request(key, message, from, now),
            Received::Ack(message) => self.forward_ack(message, now),
            Received::Response(key, message) => self.branch_answered(&key, message, now),
            Received::Nothing => {}
        }
    }

    /// The next datagram to send.
    pub fn poll(&mut self) -> Option<(Wire, SocketAddr)> {
        self.exchange.poll_send()
    }

    /// When [`Registrar::timer`] is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.exchange.deadline()
    }

    /// Runs the timers.
    pub fn timer(&mut self, now: Instant) {
        self.exchange.timer(now);
        while let Some(key) = self.exchange.poll_unanswered() {
            self.branch_timed_out(&key, now);
        }
    }

    /// How many bindings a user has now.
    #[must_use]
    pub fn bindings(&self, user: &str, now: Instant) -> usize {
        self.location.of(user, now).count()
    }

    fn request(&mut self, key: ServerKey, message: Message, from: SocketAddr, now: Instant) {
        match message.method() {
            Some(Method::Register) => self.register(&key, &message, now),
            Some(Method::Cancel) => self.cancel(&key, &message, now),
            Some(Method::Options) if self.is_for_us(&message) => {
                self.answer(&key, &message, 200, "OK", now);
            }
            Some(_) => self.proxy(key, message, from, now),
            None => {}
        }
    }

    /// Whether the request is for the server and no user of it.
    fn is_for_us(&self, message: &Message) -> bool {
        message
            .uri()
            .is_some_and(|uri| uri.user().is_none() && self.is_ours(&uri))
    }

    /// Whether a URI is in our domain or at our address.
    fn is_ours(&self, uri: &sip::Uri<'_>) -> bool {
        uri.host().eq_ignore_ascii_case(&self.config.domain) || self.is_our_address(uri)
    }

    fn is_our_address(&self, uri: &sip::Uri<'_>) -> bool {
        uri.ip() == Some(self.address.ip()) && uri.port().unwrap_or(5060) == self.address.port()
    }

    /// Answers without further headers.
    fn answer(
        &mut self,
        key: &ServerKey,
        request: &Message,
        status: u16,
        reason: &str,
        now: Instant,
    ) {
        let tag = self.names.name();
        let response = sip::ResponseBuilder::new(request, status, reason)
            .to_tag(&tag)
            .build();
        if let Ok(response) = response {
            self.exchange.respond(key, &response, now);
        }
    }
}

#[cfg(test)]
mod tests;
