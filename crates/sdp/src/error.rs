//! Why a body or a piece of text is not SDP.

use crate::{MAX_BODY, MAX_MEDIA, MAX_PAYLOADS};

/// What the peer (or the caller, for the two text errors) wrote that cannot stand
/// in SDP. Lines are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The body is longer than [`MAX_BODY`].
    #[error("the body has {len} bytes, more than the {MAX_BODY} that are read")]
    TooLong {
        /// Length of the body, in bytes.
        len: usize,
    },
    /// The body has more than [`MAX_MEDIA`] m-lines.
    #[error("the body has more than {MAX_MEDIA} media")]
    TooManyMedia,
    /// One m-line lists more than [`MAX_PAYLOADS`] payload types.
    #[error("line {line}: the medium lists more than {MAX_PAYLOADS} payload types")]
    TooManyPayloads {
        /// Where the m-line stands.
        line: usize,
    },
    /// The first line is not `v=0`.
    #[error("the body does not begin with v=0")]
    NotSdp,
    /// A line is not a letter, `=` and a value.
    #[error("line {line} is not of the form x=value")]
    MalformedLine {
        /// Where it stands.
        line: usize,
    },
    /// A line contains NUL, or a CR that does not end it.
    #[error("line {line} contains a CR or NUL inside its value")]
    ForbiddenByte {
        /// Where it stands.
        line: usize,
    },
    /// The o= line is missing.
    #[error("the body has no o= line")]
    MissingOrigin,
    /// The o= line is not six fields with an Internet address.
    #[error("line {line}: o= wants user, session id, version, IN, IP4 or IP6, address")]
    Origin {
        /// Where it stands.
        line: usize,
    },
    /// A c= line is not an Internet address.
    #[error("line {line}: c= wants IN, IP4 or IP6, address")]
    Connection {
        /// Where it stands.
        line: usize,
    },
    /// An m= line lacks a field.
    #[error("line {line}: m= wants kind, port, protocol and formats")]
    Media {
        /// Where it stands.
        line: usize,
    },
    /// A port is not a number from 0 to 65535.
    #[error("line {line}: the port is not a number from 0 to 65535")]
    Port {
        /// Where it stands.
        line: usize,
    },
    /// A payload type of an RTP medium is not a number from 0 to 127.
    #[error("line {line}: a payload type is not a number from 0 to 127")]
    PayloadType {
        /// Where it stands.
        line: usize,
    },
    /// Text meant for SDP contains CR, LF or NUL, and would make lines of its own.
    #[error("text for SDP contains CR, LF or NUL")]
    ForbiddenText,
    /// Text meant to be one word is empty or contains blanks or control characters.
    #[error("a word for SDP is empty or contains blanks or control characters")]
    ForbiddenToken,
    /// The medium that a [`crate::Scope`] names does not exist.
    #[error("the body has no medium {index}")]
    NoSuchMedium {
        /// The index asked for, from 0.
        index: usize,
    },
}
