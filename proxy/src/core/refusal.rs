//! A final response that the edge gives in its own name.

use std::borrow::Cow;

use sip::{Error, Message, ResponseBuilder};

/// Status, reason phrase and the headers that the status calls for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) reason: Cow<'static, str>,
    pub(super) headers: Vec<(&'static str, String)>,
}

/// Seconds, and some by chance where the answer goes out: those who are told to come again must not all come at once.
pub(super) const SOON: &str = "5";

impl Answer {
    pub(super) fn new(status: u16, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            reason: reason.into(),
            headers: Vec::new(),
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Whether it has a header of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| *known == name)
    }

    /// Too much at once: the sender may come again.
    pub(super) fn busy(reason: &'static str) -> Self {
        Self::new(503, reason).with("Retry-After", SOON)
    }

    /// The response to `request`.
    pub(super) fn to(&self, request: &Message, tag: &str) -> Result<Message, Error> {
        let builder = ResponseBuilder::new(request, self.status, &self.reason).to_tag(tag);
        self.headers
            .iter()
            .fold(builder, |builder, (name, value)| {
                builder.header(name, value)
            })
            .build()
    }
}

/// A peer's text as a reason phrase: printable, and not long.
pub(super) fn phrase(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}
