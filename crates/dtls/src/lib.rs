//! The DTLS-SRTP endpoint (RFC 5764, RFC 6347, RFC 9147, RFC 8122) without sockets or clock.
//!
//! An [`Endpoint`] is fed datagrams and the time, and queues what to send. It reports [`Output::Connected`] with the
//! SRTP keys only after the peer's certificate has been compared with the fingerprint of its SDP. It never reports
//! keys of anybody else, never ends because of a datagram that proves nothing, and carries no application data.
//!
//! Two engines are behind it: dimpl for peers that offer DTLS 1.3, as browsers do, and our own DTLS 1.2 for the others and
//! for their RSA certificates.
//!
//! It must be fed only from addresses that have passed an ICE check (where there is ICE): nothing before the end of a
//! DTLS handshake proves who speaks.

// What a packet can reach neither indexes, nor overflows, nor cuts a number short: such a thing is a `get`, a
// saturating, wrapping or checked operation, or a `try_from`, chosen on purpose.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::get_unwrap,
        clippy::unreachable,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss
    )
)]

mod attempt;
mod budget;
mod chooser;
mod dtls12;
mod endpoint;
mod engine;
mod fingerprint;
mod identity;
mod record;

#[cfg(test)]
mod tests;

pub use endpoint::{Endpoint, Failure, Keys, Output, Reason, Role, Verdict};
pub use engine::{Engine, EngineError, Event};
pub use fingerprint::{Fingerprint, Hash};
pub use identity::Identity;

/// What the operator or the SDP gave that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The peer's SDP has an `a=fingerprint` that is not RFC 8122's.
    #[error("a=fingerprint must be a hash name and upper-case hex bytes with colons")]
    BadFingerprint,
    /// The peer offers only a hash that is no longer proof: it must write SHA-256 or longer.
    #[error("fingerprint hash {0} is not accepted: use sha-256, sha-384 or sha-512")]
    WeakHash(String),
    /// The certificate could not be made.
    #[error("no certificate could be made: {0}")]
    Generation(String),
    /// The stored certificate and key do not belong together or are not ECDSA P-256: remove them to have new ones.
    #[error(
        "the DTLS certificate and key must be DER (X.509, PKCS #8), ECDSA P-256 and belong together"
    )]
    BadIdentity,
}
