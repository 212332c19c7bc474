//! The media half of Causeway: it moves packets between browsers (ICE, DTLS-SRTP) and phones (plain RTP or
//! SDES), as the ng protocol tells it to. It obeys; it knows no SIP and decides nothing.
//!
//! - [`core`] is the sans-IO relay: calls, legs, the packet path. It opens no socket and reads no clock.
//! - The server around it owns the sockets, the threads and the clock.

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

pub mod core;
pub mod server;
