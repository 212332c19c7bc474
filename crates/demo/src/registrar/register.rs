//! REGISTER (RFC 3261 section 10.3, RFC 3327 section 5.3).

use std::time::{Duration, Instant};

use sip::Message;
use sip::transaction::ServerKey;

use super::Registrar;
use super::auth::Door;
use super::location::Binding;

/// What a binding lasts when nobody says, in seconds.
const DEFAULT_EXPIRES: u32 = 600;

/// What a binding lasts at most, in seconds.
const MAX_EXPIRES: u32 = 3600;

impl Registrar {
    pub(super) fn register(&mut self, key: &ServerKey, message: &Message, now: Instant) {
        let user = message.to().and_then(|to| to.uri().ok());
        let user = user.and_then(|uri| uri.decoded_user().map(|user| user.into_owned()));
        let Some(user) = user else {
            return self.answer(key, message, 404, "Not Found", now);
        };
        match self.authenticated(message, Door::Registrar) {
            None => return self.challenge(key, message, Door::Registrar, now),
            Some(name) if name != user => return self.answer(key, message, 403, "Forbidden", now),
            Some(_) => {}
        }
        // As Kamailio does by default: a Path that the client does not know of is refused.
        if message.has("Path") && !message.lists("Supported", "path") {
            return self.refuse_path(key, message, now);
        }
        if self.update(&user, message, now) {
            self.confirm(key, message, &user, now);
        } else {
            self.answer(key, message, 503, "Too Many Contacts", now);
        }
    }

    /// Carries out what the Contacts say; whether there was room.
    fn update(&mut self, user: &str, message: &Message, now: Instant) -> bool {
        let default = message.expires().unwrap_or(DEFAULT_EXPIRES);
        let path: Vec<String> = message.values("Path").map(|it| it.into_owned()).collect();
        for contact in message.contacts().filter_map(Result::ok) {
            if contact.is_star() {
                self.location.unbind_all(user);
                continue;
            }
            let seconds = contact.expires().unwrap_or(default).min(MAX_EXPIRES);
            if seconds == 0 {
                self.location.unbind(user, contact.uri_text());
                continue;
            }
            let binding = Binding {
                uri: contact.uri_text().to_owned(),
                path: path.clone(),
                expires: now + Duration::from_secs(seconds.into()),
                call_id: message.call_id().unwrap_or_default().to_owned(),
                cseq: message.cseq().map_or(0, |cseq| cseq.number),
            };
            if !self.location.bind(user, binding, now) {
                return false;
            }
        }
        true
    }

    fn confirm(&mut self, key: &ServerKey, message: &Message, user: &str, now: Instant) {
        let tag = self.names.name();
        let mut response = sip::ResponseBuilder::new(message, 200, "OK").to_tag(&tag);
        for binding in self.location.of(user, now) {
            let contact = format!("<{}>;expires={}", binding.uri, binding.remaining(now));
            response = response.header("Contact", contact);
        }
        for path in message.values("Path") {
            response = response.header("Path", path.into_owned());
        }
        if let Ok(response) = response.build() {
            self.exchange.respond(key, &response, now);
        }
    }

    fn refuse_path(&mut self, key: &ServerKey, message: &Message, now: Instant) {
        let tag = self.names.name();
        let response = sip::ResponseBuilder::new(message, 420, "Bad Extension")
            .to_tag(&tag)
            .header("Unsupported", "path")
            .build();
        if let Ok(response) = response {
            self.exchange.respond(key, &response, now);
        }
    }
}
