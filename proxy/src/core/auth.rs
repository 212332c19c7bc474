//! Who a browser's request is from, where the edge itself is the registrar: digest (RFC 3261 section 22, RFC 7616, RFC 8760).
//!
//! Nonces are not remembered: each is signed, names its moment, and is good on the flow that it was given to. What a flow
//! remembers is how often its last few were used. An unknown user is answered as a known one with a wrong password is.

mod nonce;

use std::time::{Duration, Instant};

use sip::Message;
use sip::digest::{Algorithm, Challenge, Credentials, Request};

use super::Core;
use super::accounts::Users;
use super::face::FlowId;
use super::refusal::Answer;

pub(super) use nonce::Counts;

/// How long a nonce is good. Browsers' libraries take a new one for each request.
const NONCE_LIFE: Duration = Duration::from_secs(300);

/// After so many wrong passwords in a row a flow is closed.
const MAX_FAILURES: u32 = 20;

/// Checked when there is no such user, so that his absence takes as long as a wrong password.
const NOBODY: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The two places where credentials stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// 401, WWW-Authenticate and Authorization.
    Registrar,
    /// 407, Proxy-Authenticate and Proxy-Authorization.
    Proxy,
}

impl Door {
    const fn credentials(self) -> &'static str {
        match self {
            Self::Registrar => "Authorization",
            Self::Proxy => "Proxy-Authorization",
        }
    }
}

impl Core {
    /// The user whose credentials hold for this request, or the challenge that is owed.
    pub(super) fn authenticate(
        &mut self,
        flow: FlowId,
        request: &Message,
        users: &Users,
        door: Door,
        now: Instant,
    ) -> Result<String, Answer> {
        let realm = self.config.domain.clone();
        let given = request
            .headers(door.credentials())
            .filter_map(|value| Credentials::parse(&value).ok())
            .find(|given| given.realm == realm);
        let (Some(given), Some(method), Some(uri)) = (given, request.method(), request.uri_text())
        else {
            return Err(self.challenge(flow, users, door, false, now));
        };
        let made_for = Request {
            method,
            uri,
            body: request.body(),
        };
        let ha1 = users.ha1(&given.username, given.algorithm);
        let proven = given.verify_ha1(&realm, ha1.unwrap_or(NOBODY), &made_for) && ha1.is_some();
        if !proven {
            self.failed(flow);
            self.guessed(flow, &given.username, false, now);
            return Err(self.challenge(flow, users, door, false, now));
        }
        if !self.is_fresh(flow, &given, now) {
            return Err(self.challenge(flow, users, door, true, now));
        }
        if let Some(flow) = self.flows.get_mut(flow) {
            flow.failures = 0;
        }
        self.guessed(flow, &given.username, true, now);
        Ok(given.username)
    }

    /// Whether these credentials were made for a nonce of ours, lately, on this flow, and never came before.
    fn is_fresh(&mut self, flow: FlowId, given: &Credentials, now: Instant) -> bool {
        let age = self.age_of_edge(now);
        let Some((serial, made)) = self.names.nonce_of(&given.nonce, flow) else {
            return false;
        };
        let young = age.saturating_sub(Duration::from_secs(made)) <= NONCE_LIFE;
        let count = given.count().unwrap_or_default();
        let counts = self.flows.get_mut(flow).map(|flow| &mut flow.nonces);
        young && counts.is_some_and(|counts| counts.take(serial, count))
    }

    /// What is asked, in the order in which browsers understand it: they know MD5 only, and take the last.
    fn challenge(
        &mut self,
        flow: FlowId,
        users: &Users,
        door: Door,
        stale: bool,
        now: Instant,
    ) -> Answer {
        let made = self.age_of_edge(now).as_secs();
        let nonce = self.names.nonce(flow, made);
        let (answer, header) = match door {
            Door::Registrar => (Answer::new(401, "Unauthorized"), "WWW-Authenticate"),
            Door::Proxy => (
                Answer::new(407, "Proxy Authentication Required"),
                "Proxy-Authenticate",
            ),
        };
        let opaque = self.names.opaque();
        let offered = [Algorithm::Sha256, Algorithm::Md5]
            .into_iter()
            .filter(|algorithm| users.all_have(*algorithm));
        offered.fold(answer, |answer, algorithm| {
            let challenge = Challenge {
                algorithm,
                stale,
                opaque: Some(opaque.clone()),
                ..Challenge::new(&self.config.domain, &nonce)
            };
            answer.with(header, challenge.to_string())
        })
    }

    fn failed(&mut self, flow: FlowId) {
        let Some(state) = self.flows.get_mut(flow) else {
            return;
        };
        state.failures = state.failures.saturating_add(1);
        if state.failures == MAX_FAILURES {
            self.hear_no_more(flow, "too many wrong passwords");
        }
    }

    /// The core has no calendar: nonces count from the first that was made.
    fn age_of_edge(&mut self, now: Instant) -> Duration {
        let began = *self.began.get_or_insert(now);
        now.saturating_duration_since(began)
    }

    /// Takes off the credentials that are for us: nobody else is to see them.
    pub(super) fn remove_own_credentials(&self, request: &mut Message) -> Result<(), sip::Error> {
        for door in [Door::Registrar, Door::Proxy] {
            let name = door.credentials();
            let all: Vec<String> = request
                .headers(name)
                .map(|value| value.into_owned())
                .collect();
            let is_ours = |value: &String| {
                Credentials::parse(value).is_ok_and(|given| given.realm == self.config.domain)
            };
            if !all.iter().any(is_ours) {
                continue;
            }
            request.remove_all(name)?;
            for value in all.iter().filter(|value| !is_ours(value)) {
                request.append(name, value.as_str())?;
            }
        }
        Ok(())
    }
}
