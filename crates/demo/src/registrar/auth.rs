//! Digest: who a request is from (RFC 3261 section 22).

use std::time::Instant;

use sip::Message;
use sip::digest::{Challenge, Credentials, Request};
use sip::transaction::ServerKey;

use super::Registrar;

/// Which of the two places credentials stand in: 401 and Authorization, or 407 and Proxy-Authorization.
#[derive(Clone, Copy)]
pub(super) enum Door {
    Registrar,
    Proxy,
}

impl Registrar {
    /// The user whose credentials in our realm hold for this request.
    pub(super) fn authenticated(&self, message: &Message, door: Door) -> Option<String> {
        let header = match door {
            Door::Registrar => "Authorization",
            Door::Proxy => "Proxy-Authorization",
        };
        let credentials = message
            .headers(header)
            .filter_map(|value| Credentials::parse(&value).ok())
            .find(|it| it.realm == self.config.domain && it.nonce == self.nonce)?;
        let password = self.config.users.get(&credentials.username)?;
        let request = Request {
            method: message.method()?,
            uri: &credentials.uri,
            body: message.body(),
        };
        credentials
            .verify(&self.config.domain, password, &request)
            .then_some(credentials.username)
    }

    /// Asks for credentials.
    pub(super) fn challenge(
        &mut self,
        key: &ServerKey,
        message: &Message,
        door: Door,
        now: Instant,
    ) {
        let (status, reason, header) = match door {
            Door::Registrar => (401, "Unauthorized", "WWW-Authenticate"),
            Door::Proxy => (407, "Proxy Authentication Required", "Proxy-Authenticate"),
        };
        let challenge = Challenge::new(&self.config.domain, &self.nonce).to_string();
        let tag = self.names.name();
        let response = sip::ResponseBuilder::new(message, status, reason)
            .to_tag(&tag)
            .header(header, challenge)
            .build();
        if let Ok(response) = response {
            self.exchange.respond(key, &response, now);
        }
    }
}
