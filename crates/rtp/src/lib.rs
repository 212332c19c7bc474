//! RTP and RTCP views, RFC 7983 demultiplexing, reception statistics.
//!
//! Views borrow the datagram and check every length when they are made; after that reading cannot fail. Nothing here
//! knows keys, codecs, sockets or the time of day.

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

mod demux;
mod extension;
mod header;
mod ntp;
mod packet;
mod reception;
mod renumbering;
pub mod rtcp;

pub use demux::{Kind, demux};
pub use extension::Elements;
pub use header::Header;
pub use ntp::NtpTime;
pub use packet::{Packet, PacketMut};
pub use reception::Reception;
pub use renumbering::Renumbering;

/// Why bytes are no RTP or RTCP, or do not fit. The first ones are the sender's doing: count and drop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Error {
    /// Fewer bytes than a fixed header.
    #[error("shorter than a header")]
    TooShort,
    /// Not version 2 (RFC 3550 section 5.1).
    #[error("not version 2")]
    Version,
    /// The CSRC list or the header extension goes on beyond the packet.
    #[error("the header goes on beyond the packet")]
    Header,
    /// The padding is longer than the payload, or zero bytes long.
    #[error("impossible padding")]
    Padding,
    /// A length field of RTCP goes beyond the packet, or a packet is too short for its kind.
    #[error("an RTCP length does not fit")]
    Length,
    /// What is to be written does not fit the buffer or the format.
    #[error("no room to write")]
    NoRoom,
}
