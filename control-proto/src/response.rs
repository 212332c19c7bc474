//! A reply: what became of a request.

use crate::envelope::{Format, seal};
use crate::error::Refusal;
use crate::value::{Dictionary, Value};

/// The `result` of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Ok,
    /// Refused, for the reason given: one of the protocol's exact texts.
    Error(String),
    /// The answer to `ping`.
    Pong,
    /// Not now; another relay may be asked. Only for those whose request says that they know it.
    LoadLimit(String),
}

/// One reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// What became of the request.
    pub outcome: Outcome,
    /// The rewritten session description.
    pub sdp: Option<Vec<u8>>,
    /// Why an `ok` may not be what was meant, such as the deletion of an unknown call.
    pub warning: Option<String>,
    /// Everything else, such as statistics.
    pub other: Dictionary,
}

impl Response {
    /// `result=ok`.
    #[must_use]
    pub fn ok() -> Self {
        Self::of(Outcome::Ok)
    }

    /// `result=pong`.
    #[must_use]
    pub fn pong() -> Self {
        Self::of(Outcome::Pong)
    }

    /// `result=error` with its reason.
    #[must_use]
    pub fn error(reason: impl Into<String>) -> Self {
        Self::of(Outcome::Error(reason.into()))
    }

    /// `result=load limit` with its message.
    #[must_use]
    pub fn load_limit(message: impl Into<String>) -> Self {
        Self::of(Outcome::LoadLimit(message.into()))
    }

    fn of(outcome: Outcome) -> Self {
        Self {
            outcome,
            sdp: None,
            warning: None,
            other: Dictionary::new(),
        }
    }

    /// Adds the rewritten body.
    #[must_use]
    pub fn with_sdp(mut self, sdp: impl Into<Vec<u8>>) -> Self {
        self.sdp = Some(sdp.into());
        self
    }

    /// Adds a warning.
    #[must_use]
    pub fn with_warning(mut self, warning: impl Into<String>) -> Self {
        self.warning = Some(warning.into());
        self
    }

    /// Adds another key.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.other.push(key, value);
        self
    }

    /// Whether the request was executed.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.outcome == Outcome::Ok
    }

    /// Whether this is the answer to a `ping`.
    #[must_use]
    pub fn is_pong(&self) -> bool {
        self.outcome == Outcome::Pong
    }

    /// The reason of an error.
    #[must_use]
    pub fn error_reason(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Error(reason) => Some(reason),
            _ => None,
        }
    }

    /// Reads a reply; `None` if it has no `result` that the protocol knows.
    #[must_use]
    pub fn decode(dictionary: Dictionary) -> Option<Self> {
        let text = |key: &str| {
            dictionary
                .get(key)
                .and_then(Value::as_bytes)
                .map(|text| String::from_utf8_lossy(text).into_owned())
        };
        let mut response = Self::of(match dictionary.get("result")?.as_str()? {
            "ok" => Outcome::Ok,
            "pong" => Outcome::Pong,
            "error" => Outcome::Error(text("error-reason").unwrap_or_default()),
            "load limit" => Outcome::LoadLimit(text("message").unwrap_or_default()),
            _ => return None,
        });
        response.warning = text("warning");
        response.sdp = dictionary
            .get("sdp")
            .and_then(Value::as_bytes)
            .map(<[u8]>::to_vec);
        for (key, value) in dictionary {
            if !matches!(
                key.as_slice(),
                b"result" | b"error-reason" | b"message" | b"warning" | b"sdp"
            ) {
                response.other.push(key, value);
            }
        }
        Some(response)
    }

    /// Writes the dictionary.
    #[must_use]
    pub fn dictionary(&self) -> Dictionary {
        let mut out = match &self.outcome {
            Outcome::Ok => Dictionary::new().with("result", "ok"),
            Outcome::Pong => Dictionary::new().with("result", "pong"),
            Outcome::Error(reason) => Dictionary::new()
                .with("result", "error")
                .with("error-reason", reason.as_str()),
            Outcome::LoadLimit(message) => Dictionary::new()
                .with("result", "load limit")
                .with("message", message.as_str()),
        };
        if let Some(sdp) = &self.sdp {
            out.push("sdp", Value::Bytes(sdp.clone()));
        }
        if let Some(warning) = &self.warning {
            out.push("warning", warning.as_str());
        }
        self.other
            .iter()
            .for_each(|(key, value)| out.push(key, value.clone()));
        out
    }

    /// Writes the whole datagram.
    #[must_use]
    pub fn encode(&self, cookie: &[u8], format: Format) -> Vec<u8> {
        seal(cookie, format, &self.dictionary())
    }
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        Self::error(refusal.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_survive_encoding() {
        let replies = [
            Response::ok().with_sdp(*b"v=0\r\n").with("created", 17),
            Response::ok().with_warning("Call-ID not found or tags didn't match"),
            Response::pong(),
            Response::error("Unknown call-id"),
            Response::load_limit("Parallel session limit reached"),
        ];
        for reply in replies {
            assert_eq!(Response::decode(reply.dictionary()), Some(reply));
        }
    }

    #[test]
    fn a_reply_without_a_result_is_none() {
        assert_eq!(Response::decode(Dictionary::new().with("sdp", "v=0")), None);
        assert_eq!(
            Response::decode(Dictionary::new().with("result", "perhaps")),
            None
        );
    }
}
