//! A final response that the edge gives in its own name.

use std::borrow::Cow;

use sip::{Error, Message, ResponseBuilder};

/// Status, reason phrase and at most one header that the status calls for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) reason: Cow<'static, str>,
    pub(super) header: Option<(&'static str, String)>,
}

impl Answer {
    pub(super) fn new(status: u16, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            reason: reason.into(),
            header: None,
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.header = Some((name, value.into()));
        self
    }

    /// Too much at once: the sender may come again.
    pub(super) fn busy(reason: &'static str) -> Self {
        Self::new(503, reason).with("Retry-After", "5")
    }

    /// The response to `request`.
    pub(super) fn to(&self, request: &Message, tag: &str) -> Result<Message, Error> {
        let builder = ResponseBuilder::new(request, self.status, &self.reason).to_tag(tag);
        match &self.header {
            Some((name, value)) => builder.header(name, value),
            None => builder,
        }
        .build()
    }
}

/// A peer's text as a reason phrase: printable, and not long.
pub(super) fn phrase(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}
