//! What became of a datagram, and the errors of our own side.

use crate::Forbidden;

/// What [`crate::Agent::receive`] made of a datagram. A drop changes nothing and sends nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It proved knowledge of the password and was dealt with.
    Accepted,
    /// It was dropped, in silence.
    Dropped(Reason),
}

/// Why a datagram was dropped. In the order of the checks: the cheap ones stand before the first HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No STUN header with the magic cookie and a length that fits the datagram (RFC 8489 section 5).
    NotStun,
    /// An attribute runs over the end, or one that the message needs is missing or of the wrong size.
    Malformed,
    /// Not the Binding method, or an indication.
    NotACheck,
    /// The sender's address is none that may be answered.
    Forbidden(Forbidden),
    /// It came in on an address that is none of this agent's.
    UnknownLocal,
    /// The USERNAME is not for this agent, or not from its peer.
    WrongUfrag,
    /// A response to nothing that was asked, or from another address than was asked.
    UnknownTransaction,
    /// This peer has used too many addresses.
    TooManySources,
    /// FINGERPRINT is missing or wrong (RFC 8445 section 7.1: ICE needs it).
    BadFingerprint,
    /// From about there came so many wrong passwords within this second that no more are looked at.
    TooManyGuesses,
    /// MESSAGE-INTEGRITY is missing or wrong.
    BadIntegrity,
}

/// What the operator or the SDP gave that an agent cannot use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The peer's SDP has an `ice-ufrag` that RFC 8839 does not allow.
    #[error("ice-ufrag must be 4 to 256 letters, digits, + or /")]
    BadUfrag,
    /// The peer's SDP has an `ice-pwd` that RFC 8839 does not allow.
    #[error("ice-pwd must be 22 to 256 letters, digits, + or /")]
    BadPwd,
    /// We are to speak from an address nobody can be reached at: bind a specific one.
    #[error("{0} cannot be a local candidate: bind a specific unicast address and port")]
    UnusableLocal(std::net::SocketAddr),
    /// The peer listed a candidate that we will not send to.
    #[error("candidate skipped: {0}")]
    Skipped(#[from] crate::Skipped),
}
