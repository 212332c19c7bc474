//! Who may command: with a key only whoever signs with it, without one whoever reaches the control port. What is
//! not to be heard is counted, and the log says so once in a while; nobody is told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use control_proto::{Dictionary, Key, Unauthentic};

/// How often the log speaks of strangers at most.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(super) struct Guard {
    key: Option<Key>,
    unsigned: u64,
    forged: u64,
    expired: u64,
    complained: Option<Instant>,
}

impl Guard {
    pub(super) fn new(key: Option<Key>) -> Self {
        Self {
            key,
            ..Self::default()
        }
    }

    /// Whether a message is to be heard; `unix` is the time since the Unix epoch.
    pub(super) fn admits(
        &mut self,
        message: &[u8],
        from: SocketAddr,
        unix: Duration,
        now: Instant,
    ) -> bool {
        let Some(key) = &self.key else { return true };
        let Err(why) = key.check_request(message, unix) else {
            return true;
        };
        let (count, reason) = match why {
            Unauthentic::Unsigned => (&mut self.unsigned, "not signed"),
            Unauthentic::Forged => (&mut self.forged, "not signed with our control_key"),
            Unauthentic::Expired => (
                &mut self.expired,
                "signed too long ago or in the future: do the clocks differ?",
            ),
        };
        *count = count.saturating_add(1);
        let is_news = |then| now.saturating_duration_since(then) >= COMPLAIN_EVERY;
        if self.complained.is_none_or(is_news) {
            self.complained = Some(now);
            tracing::warn!(
                %from, reason, unsigned = self.unsigned, forged = self.forged, expired = self.expired,
                "ignored at the control port; said once a minute at most"
            );
        }
        false
    }

    /// A reply as its asker wants it.
    pub(super) fn sign(&self, reply: Arc<[u8]>) -> Arc<[u8]> {
        match &self.key {
            Some(key) => key.sign_reply(&reply).into(),
            None => reply,
        }
    }

    /// How long a reply may be before it is signed.
    pub(super) fn max_unsigned(&self, max_reply: usize) -> usize {
        match &self.key {
            Some(_) => max_reply.saturating_sub(Key::REPLY_OVERHEAD),
            None => max_reply,
        }
    }

    /// What was not heard, by reason.
    pub(super) fn unheard(&self) -> [(&'static str, u64); 3] {
        [
            ("unsigned", self.unsigned),
            ("forged", self.forged),
            ("expired", self.expired),
        ]
    }

    /// What was not heard, for `statistics`; `None` without a key.
    pub(super) fn told(&self) -> Option<Dictionary> {
        let integer = |count| i64::try_from(count).unwrap_or(i64::MAX);
        self.key.as_ref()?;
        let told = Dictionary::new();
        let told = self
            .unheard()
            .into_iter()
            .fold(told, |told, (reason, count)| {
                told.with(reason, integer(count))
            });
        Some(told)
    }
}
