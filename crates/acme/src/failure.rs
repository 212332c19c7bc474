//! Why there is no certificate this time: one sentence with the cure.

use instant_acme::{Error, Problem};
use net::https::RequestError;

use crate::StoreError;

/// What a problem document's type begins with (RFC 8555 section 6.7).
const PROBLEM: &str = "urn:ietf:params:acme:error:";

/// See the module.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Unreachable(RequestError),
    #[error(
        "the CA could not see that {name} is ours ({reason}); its DNS must lead to this machine, and port 443 there from everywhere to an address of [listen] wss or tls"
    )]
    NotOurs { name: String, reason: String },
    #[error(
        "the CA does not offer the challenge tls-alpn-01 for {0}; name one that does in [acme] directory"
    )]
    NoChallenge(String),
    #[error("the CA refuses: {0}; see [acme] names and contact, and the CA's limits")]
    Refused(String),
    #[error("the CA does not know our account any more; the next try makes another one")]
    Forgotten,
    #[error(
        "what the CA has answered cannot be understood ({0}); [acme] directory must be the URL of an ACME directory"
    )]
    Garbled(String),
    #[error("the CA is too slow; nothing has to be done if that changes")]
    Late,
    #[error("what the CA has issued cannot be used ({0})")]
    Unusable(String),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("no key can be made ({0})")]
    Key(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Api(problem) => Self::of(&problem),
            Error::Timeout(_) => Self::Late,
            Error::Other(other) => match other.downcast::<RequestError>() {
                Ok(error) => Self::Unreachable(*error),
                Err(other) => Self::Garbled(other.to_string()),
            },
            error => Self::Garbled(error.to_string()),
        }
    }
}

impl Failure {
    fn of(problem: &Problem) -> Self {
        let kind = problem.r#type.as_deref().unwrap_or_default();
        match kind.strip_prefix(PROBLEM) {
            Some("accountDoesNotExist") => Self::Forgotten,
            _ => Self::Refused(words(problem)),
        }
    }
}

/// What the CA has written, on one line and not too much of it.
pub(crate) fn words(problem: &Problem) -> String {
    let mut words = problem.detail.clone().unwrap_or_default();
    for part in &problem.subproblems {
        words = format!("{words}; {part}");
    }
    let kind = problem.r#type.as_deref().unwrap_or_default();
    let kind = kind.strip_prefix(PROBLEM).unwrap_or(kind);
    let words = format!("{kind}: {words}").replace(char::is_control, " ");
    words.chars().take(400).collect()
}
