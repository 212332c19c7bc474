//! The reasons for which a request is refused before anybody looks at its call.

use thiserror::Error;

/// Why a request got no further than this crate. The text of each is the exact `error-reason` that
/// the ng protocol has for it, since SIP servers' scripts match on those.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Nothing stands after the cookie and its space.
    #[error("Invalid data (no payload)")]
    NoPayload,
    /// The bencode is cut short, nested too deeply, or followed by something else.
    #[error("Could not decode bencode dictionary")]
    Bencode,
    /// The text is not JSON.
    #[error("Failed to parse JSON document")]
    Json,
    /// The text is JSON, but nested too deeply.
    #[error("Could not decode JSON dictionary")]
    JsonDictionary,
    /// The payload starts with neither `d` (bencode) nor `{` (JSON).
    #[error("Invalid NG data format")]
    Format,
    /// The dictionary does not say what is asked for.
    #[error("Dictionary contains no key \"command\"")]
    NoCommand,
    /// The command is none of the protocol's.
    #[error("Unrecognized command")]
    UnknownCommand,
}
