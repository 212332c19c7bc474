//! What comes out of a shard.

use std::net::SocketAddr;

use super::{Claim, HandshakeId, HandshakeOrder, Record, SocketId};

/// What becomes of a datagram at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// This leaves.
    Send(Send),
    /// Nothing that follows one to one.
    Nothing,
    /// It came to a port that all shards share, and is not this one's. Its bytes are as they were:
    /// [`Shard::whose`](super::Shard::whose) says who is to have them.
    Elsewhere,
}

impl Received {
    /// What leaves.
    #[must_use]
    pub fn sent(self) -> Option<Send> {
        match self {
            Self::Send(send) => Some(send),
            Self::Nothing | Self::Elsewhere => None,
        }
    }
}

/// The one datagram that a received media packet becomes. Its bytes are the first `len` of the buffer that was
/// handed to [`Shard::receive`](super::Shard::receive): decrypted, rewritten and encrypted in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Send {
    /// The socket it must leave from: the port its receiver was told.
    pub socket: SocketId,
    /// Where it goes.
    pub to: SocketAddr,
    /// Its length in the buffer.
    pub len: usize,
}

/// What [`Shard::poll`](super::Shard::poll) yields: datagrams that do not follow one to one from a packet, and news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this (STUN, DTLS).
    Datagram {
        /// The socket it must leave from.
        socket: SocketId,
        /// Where it goes.
        to: SocketAddr,
        /// The whole datagram.
        bytes: Vec<u8>,
    },
    /// Write this to a recording; only of calls that are recorded.
    Record(Record),
    /// Give this to the [`Handshakes`](super::Handshakes) of this shard; only if they were given away.
    Handshake {
        /// Of which endpoint.
        id: HandshakeId,
        /// What is wanted of it.
        order: HandshakeOrder,
    },
    /// Tell the other shards, for them to [hear](super::Shard::hear), before what is polled next is done. There is
    /// none where a shard is alone.
    Claim(Claim),
    /// Something an operator may want to read in the log.
    Event(Event),
}

/// News of a call. The core acts on none of them: they are for logs and metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The ng call-id.
    pub call_id: String,
    /// What happened.
    pub kind: EventKind,
}

/// What happened to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// A DTLS handshake has given SRTP keys, and the certificate is the one the SDP promised.
    DtlsConnected,
    /// A DTLS handshake ended without keys; the reason, in words.
    DtlsFailed(String),
    /// The call was freed: no answer came within [`Config::answer_timeout`](super::Config::answer_timeout).
    Unanswered,
    /// The call was freed: nothing valid came within [`Config::silence_timeout`](super::Config::silence_timeout).
    Silent,
    /// The call was freed: on hold, nothing came within [`Config::hold_timeout`](super::Config::hold_timeout).
    SilentOnHold,
    /// The call was freed: it has lasted for [`Config::final_timeout`](super::Config::final_timeout).
    TooLong,
    /// The call was freed by `delete`.
    Deleted,
    /// In an answered call that was freed, somebody has heard nothing; why, in words.
    Soundless(String),
}
