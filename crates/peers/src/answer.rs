//! What the other end answers to the relay's offer.

use std::net::SocketAddrV4;

use crate::browser::{Browser, Identity};
use crate::scenario::Scenario;
use crate::sdp::{self, Crypto, Media, Terms};
use crate::srtp::Srtp;

/// What leg B answers to an offer.
pub struct Answer {
    key: Option<Crypto>,
    keys: Option<(Srtp, Srtp)>,
}

impl Answer {
    /// An answer with a key of its own, where SDES is spoken.
    ///
    /// # Errors
    /// The relay did not offer the scenario's suite.
    pub fn new(scenario: Scenario, offered: &Media) -> Result<Self, String> {
        let Some(suite) = scenario.suite() else {
            return Ok(Self {
                key: None,
                keys: None,
            });
        };
        let theirs = offered.cryptos.iter().find(|key| key.suite == Some(suite));
        let theirs = theirs.ok_or_else(|| format!("the relay does not offer {}", suite.name()))?;
        let key = Crypto::new(theirs.tag, suite);
        let srtp = |key: &Crypto| Srtp::new(suite, &key.master).ok_or("a key is too short");
        Ok(Self {
            keys: Some((srtp(&key)?, srtp(theirs)?)),
            key: Some(key),
        })
    }

    /// The description of the other end: a browser's where there is one, or a phone's.
    pub fn body(
        &self,
        browser: Option<&Browser>,
        at: SocketAddrV4,
        offered: &Media,
        identity: &Identity,
    ) -> String {
        match browser {
            Some(browser) => browser_body(browser, at, identity),
            None => self.body_at(at, offered),
        }
    }

    /// The description of a phone, with its key if it has one.
    pub fn body_at(&self, at: SocketAddrV4, offered: &Media) -> String {
        match &self.key {
            Some(key) => sdp::secure_phone(at, &offered.protocol, key),
            None => sdp::phone(at),
        }
    }

    /// Outbound and inbound, once.
    pub fn take_keys(&mut self) -> Option<(Srtp, Srtp)> {
        self.keys.take()
    }
}

/// What a browser answers.
pub fn browser_body(browser: &Browser, at: SocketAddrV4, identity: &Identity) -> String {
    let terms = Terms {
        ufrag: &browser.ufrag,
        password: &browser.password,
        fingerprint: identity.fingerprint(),
        setup: if browser.client { "active" } else { "passive" },
    };
    sdp::browser(at, &terms)
}

/// The DTLS role that is left, or the one that is wanted.
pub fn is_client(offered: &Media, wanted: bool) -> bool {
    match offered.setup.as_str() {
        "active" => false,
        "passive" => true,
        _ => wanted,
    }
}
