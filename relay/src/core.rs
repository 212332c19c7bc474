//! The relay core: ng commands and datagrams in, ng replies and datagrams out.
//!
//! It never touches a socket, a clock, a file or a source of randomness: sockets are opened through [`Ports`],
//! time comes in with every call, random bytes come from the [`Random`] given at the start. A peer's bad input
//! never comes out as an `Err`: it is a counted [`Drop`], or the ng error that is owed.
//!
//! One [`Shard`] owns its calls outright, so nothing here is locked or shared but a number ([`Seats`]). A server runs one shard per
//! thread, gives each ng command to the shard its call-id hashes to, and:
//!
//! 1. calls [`Shard::command`] for an ng request;
//! 2. calls [`Shard::receive`] for every datagram and sends the one it may get back;
//! 3. calls [`Shard::timeout`] once [`Shard::deadline`] has passed;
//! 4. after any of these drains [`Shard::poll`] (STUN, DTLS: what is not the direct consequence of one packet).
//!
//! DTLS handshakes are done in passing unless [`Shard::give_handshakes`] was asked to let another thread do them.

mod address;
mod authentic;
mod beside;
mod bundle;
mod call;
mod codec_words;
mod codecs;
mod config;
mod contested;
mod counters;
mod deadline;
mod deletion;
mod diagnosis;
mod dtmf;
mod early;
mod exchange;
mod extensions;
mod extmap_words;
mod gaps;
mod gate;
mod handshakes;
mod keying;
mod learning;
mod leaving;
mod leg;
mod neighbours;
mod opening;
mod orders;
mod output;
mod passing;
mod path;
mod pictures;
mod port_words;
mod ports;
mod publication;
mod quality;
mod query;
mod rate;
mod recording;
mod refused;
mod reports;
mod seats;
mod selection;
mod shard;
mod shared;
mod sharing;
mod signals;
mod sources;
mod statistics;
mod subscription;
mod table;
mod timers;
mod transport_wide;
mod trickle;
mod true_numbers;

/// The certificate that every leg of a process shows; made once and shared.
pub use dtls::Identity;

pub use config::{Advertise, Anchor, Bind, Config, IceRole, Interface, Random};
pub use counters::{Counters, Drop};
pub use handshakes::{HandshakeId, HandshakeNews, HandshakeOrder, Handshakes};
pub use neighbours::{Among, Claim, Shards, Whose};
pub use output::{Event, EventKind, Output, Received, Send};
pub(crate) use port_words::roles as ice_roles;
pub use ports::{Ports, SocketId};
pub use rate::PacketRates;
pub use recording::{Record, RecordedPacket, Sound};
pub use seats::Seats;
pub use shard::Shard;
pub use statistics::{FirstHeard, InterfacePorts, Statistics};

/// The bytes a packet may grow by: a header extension with a mid, and when it is protected an SRTCP index, the longest
/// tag and the longest key identifier (RFC 8843, RFC 3711, RFC 7714).
pub const HEADROOM: usize = 40 + 4 + 16 + 4;
