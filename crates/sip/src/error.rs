//! The crate's one error: what the peer (or the caller's text) did that SIP does not allow.

use crate::limits::{MAX_HEADER, MAX_HEADERS, MAX_MESSAGE, MAX_URI, MAX_VIAS};

/// Why bytes are no SIP message, or why a value cannot go into one.
///
/// When a *request* fails to parse, [`crate::refusal_to_unparsable`] makes the response that is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing but line ends: a keep-alive (RFC 5626 3.5.1), to be answered or ignored, not an offence.
    #[error("only line ends: a keep-alive")]
    KeepAlive,
    /// The first line is neither a request line nor a status line.
    #[error("the first line is neither a SIP request line nor a status line")]
    NotSip,
    /// The first line is meant as a SIP request line but is misshapen: space after the version, no Request-URI.
    #[error("the request line is misshapen")]
    BadStartLine,
    /// The message is longer than [`MAX_MESSAGE`].
    #[error("the message is over {MAX_MESSAGE} bytes")]
    MessageTooLarge,
    /// One header field or the start line is longer than [`MAX_HEADER`].
    #[error("a header field is over {MAX_HEADER} bytes")]
    HeaderTooLarge,
    /// There are more header fields than [`MAX_HEADERS`].
    #[error("there are over {MAX_HEADERS} header fields")]
    TooManyHeaders,
    /// There are more Via values than [`MAX_VIAS`].
    #[error("there are over {MAX_VIAS} Via values")]
    TooManyVias,
    /// A URI is longer than [`MAX_URI`].
    #[error("a URI is over {MAX_URI} bytes")]
    UriTooLong,
    /// The header section does not end with an empty line.
    #[error("the header section has no end (no empty line)")]
    Incomplete,
    /// A bare CR or LF, a NUL or another control byte stands in the header section (outside a quoted pair).
    #[error("a control byte stands in the header section")]
    ControlByte,
    /// A header line has no colon, or its name is not a token.
    #[error("a header line has no colon or its name is not a token")]
    BadHeader,
    /// Content-Length is not a plain number below 2^32.
    #[error("Content-Length is not a plain number")]
    BadContentLength,
    /// Two Content-Length fields disagree.
    #[error("two Content-Length fields disagree")]
    ConflictingContentLength,
    /// Content-Length promises more bytes than came.
    #[error("Content-Length is greater than the body that came")]
    BodyTooShort,
    /// Bytes follow the body within one WebSocket message.
    #[error("bytes follow the body that Content-Length announced")]
    BodyTooLong,
    /// A URI is malformed.
    #[error("a URI is malformed")]
    BadUri,
    /// A From, To, Contact, Route, Record-Route or Path value is malformed.
    #[error("a name-addr value is malformed")]
    BadNameAddr,
    /// A Via value is malformed.
    #[error("a Via value is malformed")]
    BadVia,
    /// A CSeq value is malformed or its number is 2^31 or more.
    #[error("the CSeq is malformed or out of range")]
    BadCSeq,
    /// A parameter has no name, or a quoted string has no end.
    #[error("a parameter is malformed")]
    BadParameter,
    /// A WWW-Authenticate, Authorization or like value is not well-formed digest.
    #[error("the digest challenge or credentials are malformed")]
    BadDigest,
    /// The digest algorithm or qop is not one that we know (MD5, SHA-256; auth, auth-int).
    #[error("the digest algorithm or qop is not supported: use MD5 or SHA-256 with qop auth")]
    UnsupportedDigest,
    /// Text meant for a header holds CR, LF or NUL.
    #[error("text for a header holds CR, LF or NUL")]
    UnsafeText,
    /// A method or header name is not a token.
    #[error("a method or header name is not a token")]
    NotAToken,
    /// The edit or builder needs a request, a response, or a header value that is not there.
    #[error("the message lacks what this operation needs")]
    Missing,
}

impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}
