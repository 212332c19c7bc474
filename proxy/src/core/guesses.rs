//! Passwords that are guessed: how many wrong ones an address and an account may offer, whoever looks at them.
//!
//! A wrong password is one that was refused with a new challenge, or with 403 where it came with a REGISTER. An address
//! from which an account was proven lately is not held up by what others guess for that account: nobody is locked out by
//! strangers.

use std::time::{Duration, Instant};

use sip::digest::Credentials;
use sip::{Message, Method};

use super::Core;
use super::budget::{Ledger, Rate};
use super::config::Limits;
use super::crowd::Prefix;
use super::event::Drop;
use super::face::{FlowId, Source};
use super::refusal::Answer;

/// Wrong passwords that may come at once, in minutes of their limit.
const BURST: u32 = 3;

/// How long an address is known to belong to an account.
const KNOWN: Duration = Duration::from_secs(24 * 3600);

/// A connection, and a hash of the user name that it has given with credentials.
pub(super) type Guesser = (FlowId, u64);

pub(super) struct Guesses {
    by_address: Ledger<Prefix>,
    by_account: Ledger<u64>,
    /// Who was right, and from where.
    right: Ledger<(Prefix, u64)>,
}

impl Guesses {
    pub(super) fn new(limits: &Limits) -> Self {
        let rate = |number| Rate::new(number, Duration::from_secs(60), BURST);
        Self {
            by_address: Ledger::new(rate(limits.guesses_per_address)),
            by_account: Ledger::new(rate(limits.guesses_per_account)),
            right: Ledger::new(Rate::new(1, KNOWN, 1)),
        }
    }
}

impl Core {
    /// Whether the credentials of this request may be tried, and whose they are; those of one without any may.
    pub(super) fn may_guess(
        &mut self,
        from: Source,
        request: &Message,
        now: Instant,
    ) -> Result<Option<Guesser>, Answer> {
        let Some(guesser) = self.guesser(from, request) else {
            return Ok(None);
        };
        let (flow, account) = guesser;
        let Some(prefix) = self.flows.get(flow).map(|flow| flow.prefix) else {
            return Ok(None);
        };
        let guesses = &self.guesses;
        let account_may =
            guesses.by_account.has(account, now) || guesses.right.knows((prefix, account));
        if account_may && guesses.by_address.has(prefix, now) {
            return Ok(Some(guesser));
        }
        self.drop_message(from, Drop::Guessing);
        Err(Answer::busy("Too Many Wrong Passwords"))
    }

    /// The SIP server has answered a request: were its credentials, which are this guesser's, right?
    pub(super) fn proven(
        &mut self,
        (flow, account): Guesser,
        request: &Message,
        response: &Message,
        now: Instant,
    ) {
        let status = response.status().unwrap_or_default();
        let (credentials, challenge) = match status {
            407 => ("Proxy-Authorization", "Proxy-Authenticate"),
            _ => ("Authorization", "WWW-Authenticate"),
        };
        let is_stale = |value: std::borrow::Cow<'_, str>| {
            let value = value.to_ascii_lowercase();
            ["stale=true", "stale=\"true\""]
                .iter()
                .any(|it| value.contains(it))
        };
        match status {
            // No other method is always looked at: credentials in another's name may pass with it.
            200..=299 if request.is(&Method::Register) => self.guessed_right(flow, account, now),
            401 | 407 if response.headers(challenge).any(is_stale) => {}
            401 | 407 if request.has(credentials) => self.guessed_wrong(flow, account, now),
            403 if request.is(&Method::Register) => self.guessed_wrong(flow, account, now),
            _ => {}
        }
    }

    /// Where we look at passwords ourselves.
    pub(super) fn guessed(&mut self, flow: FlowId, user: &str, right: bool, now: Instant) {
        let account = self.names.spread("guess", user);
        match right {
            true => self.guessed_right(flow, account, now),
            false => self.guessed_wrong(flow, account, now),
        }
    }

    /// Whether a token of this connection may be looked at.
    pub(super) fn may_offer_token(&mut self, flow: FlowId, now: Instant) -> bool {
        let prefix = self.flows.get(flow).map(|flow| flow.prefix);
        let may = prefix.is_none_or(|prefix| self.guesses.by_address.has(prefix, now));
        if !may {
            self.drop_message(Source::Flow(flow), Drop::Guessing);
        }
        may
    }

    /// A token of this connection was no issuer's work.
    pub(super) fn token_was_bad(&mut self, flow: FlowId, now: Instant) {
        if let Some(flow) = self.flows.get(flow) {
            _ = self.guesses.by_address.take(flow.prefix, now);
        }
    }

    fn guessed_right(&mut self, flow: FlowId, account: u64, now: Instant) {
        if let Some(flow) = self.flows.get(flow) {
            _ = self.guesses.right.take((flow.prefix, account), now);
        }
    }

    fn guessed_wrong(&mut self, flow: FlowId, account: u64, now: Instant) {
        if let Some(flow) = self.flows.get(flow) {
            _ = self.guesses.by_address.take(flow.prefix, now);
            _ = self.guesses.by_account.take(account, now);
        }
    }

    /// The connection and the account of a browser's request with credentials.
    fn guesser(&self, from: Source, request: &Message) -> Option<Guesser> {
        let Source::Flow(flow) = from else {
            return None;
        };
        // No browser has a password where it signs in by token.
        if self.config.sign_in.is_some() {
            return None;
        }
        let given = ["Authorization", "Proxy-Authorization"];
        let value = given.iter().find_map(|name| request.header(name))?;
        let user = Credentials::username_in(&value).unwrap_or_default();
        Some((flow, self.names.spread("guess", &user)))
    }
}
