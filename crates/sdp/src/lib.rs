//! SDP (RFC 8866 and the attributes of WebRTC and SIP phones), in two forms.
//!
//! [`Document`] edits lines and keeps every other byte as it came; it is what a
//! proxy uses. [`Session`] is the typed view that a media relay reads, changes
//! and writes anew in a fixed order.
//!
//! This crate never resolves a name, never opens a socket and never trusts a
//! number: what a peer wrote is data, bounded by the constants below.

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

mod attributes;
mod candidate;
mod crypto;
mod document;
mod error;
mod fingerprint;
mod media;
mod parse;
mod payload;
mod protocol;
mod session;
mod slim;
mod text;
mod write;

pub use candidate::{Candidate, CandidateKind, CandidateTransport, RemoteCandidate};
pub use crypto::{Crypto, CryptoKey, KeySalt, Mki};
pub use document::{Document, Line, Scope};
pub use error::Error;
pub use fingerprint::Fingerprint;
pub use media::{Direction, Formats, Ice, Media, MediaKind, RtcpAddress, Setup};
pub use payload::{Encoding, ExtMap, Payload};
pub use protocol::Protocol;
pub use session::{Address, Attribute, Bandwidth, Connection, Family, Group, Origin, Session};
pub use slim::slim_for_phone;
pub use text::{SdpLine, Text, Token};

/// Longest body read, in bytes: what one UDP datagram or SIP message can carry.
pub const MAX_BODY: usize = 64 * 1024;
/// Most m-lines of one body. A browser with 16 cameras stays well below.
pub const MAX_MEDIA: usize = 32;
/// Most payload types of one m-line: RTP has no more numbers (RFC 3550 5.1).
pub const MAX_PAYLOADS: usize = 128;
/// Most candidates kept of one medium; more are ignored and counted, since a
/// long list is only good for making an agent send checks (RFC 8445 19.5.1).
pub const MAX_CANDIDATES: usize = 64;
/// Most entries of a list that stands at session level and that each medium takes
/// over (extmap, fingerprint, ice-options), so that copying stays cheap.
pub const MAX_SHARED: usize = 64;
/// Longest ICE user fragment or password, in characters (RFC 8839 5.4).
pub const MAX_ICE_CREDENTIAL: usize = 256;
