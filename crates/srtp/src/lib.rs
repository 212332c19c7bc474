//! SRTP and SRTCP contexts, in place (RFC 3711, RFC 6188, RFC 7714).
//!
//! One [`Outbound`] protects what we send under one master key, one [`Inbound`] takes off the protection of what the
//! peer sends under its own. Both work inside the caller's buffer and allocate only when a source (SSRC) is new.
//!
//! ```
//! use srtp::{Inbound, MasterKey, Outbound, Suite};
//! # use causeway_srtp as srtp;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = MasterKey::new(Suite::AeadAes128Gcm, &[7; 16], &[9; 12])?;
//! let (mut ours, mut theirs) = (Outbound::new(&key), Inbound::new(&key));
//!
//! let mut buffer = [0_u8; 64];
//! buffer[..16].copy_from_slice(&[0x80, 0, 0, 1, 0, 0, 0, 160, 0, 0, 0, 5, b'm', b'e', b'o', b'w']);
//! let protected = ours.protect(&mut buffer, 16)?;
//! let plain = theirs.unprotect(&mut buffer[..protected])?;
//! assert_eq!(&buffer[12..plain], b"meow");
//! # Ok(())
//! # }
//! ```
//!
//! What it never does: open sockets, read a clock, change keys by itself (a new key is a new context), or carry MKIs.

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

mod cm;
mod ctr;
mod derive;
mod gcm;
mod hmac;
mod inbound;
mod key;
mod outbound;
mod packet;
mod session;
mod sources;
mod state;
mod suite;
#[cfg(test)]
mod vectors;
mod window;

pub use inbound::{Inbound, MAX_INBOUND_SOURCES, Rejected};
pub use key::{DtlsKeys, MasterKey};
pub use outbound::{MAX_OUTBOUND_SOURCES, Outbound, Refused};
pub use state::{InboundState, MAX_RESERVE, OutboundState, Source};
pub use suite::{MAX_OVERHEAD, Suite};
pub use window::WINDOW;

/// What can be wrong with keys that were handed to us. Packets never cause this: see [`Rejected`] and [`Refused`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The peer (SDES `inline:`) or the DTLS engine gave a key of another length than the suite has.
    #[error("{suite:?} takes a master key of {expected} bytes, not {given}")]
    KeyLength {
        /// The suite that was asked for.
        suite: Suite,
        /// Its master key length in bytes.
        expected: usize,
        /// The length that was handed in.
        given: usize,
    },
    /// The peer or the DTLS engine gave a salt of another length than the suite has.
    #[error("{suite:?} takes a master salt of {expected} bytes, not {given}")]
    SaltLength {
        /// The suite that was asked for.
        suite: Suite,
        /// Its master salt length in bytes.
        expected: usize,
        /// The length that was handed in.
        given: usize,
    },
}
