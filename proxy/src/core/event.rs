//! What an operator may want to count or read. Structured: turning it into a log line or a metric
//! is the shell's business. No body, no credential and no key ever stands in one.

use std::net::SocketAddr;
use std::time::Duration;

use super::calls::CallRecord;
use super::face::{FlowId, Source};
use super::hop::Hop;
use super::sign_in::BadToken;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A message was thrown away without an answer.
    Dropped {
        /// Who sent it.
        from: Source,
        /// Why.
        reason: Drop,
    },
    /// A request was answered by the edge itself, with a failure.
    Refused {
        /// Who sent it.
        from: Source,
        /// The request's method.
        method: String,
        /// The status given.
        status: u16,
        /// The reason phrase given.
        reason: String,
    },
    /// The upstream accepted a registration, so calls for this address now reach this flow.
    Registered {
        /// The browser's flow.
        flow: FlowId,
        /// Address of record, `user@host`.
        aor: String,
        /// Seconds granted; 0 when the client unregistered.
        expires: u32,
        /// Whether that only went on which was so before.
        refreshed: bool,
    },
    /// A registered client came back on another WebSocket.
    Rebound {
        /// The new flow.
        flow: FlowId,
        /// Address of record.
        aor: String,
    },
    /// A call was answered.
    CallAnswered {
        /// The Call-ID.
        call_id: String,
    },
    /// A call's media was released at the relay.
    CallReleased {
        /// The Call-ID.
        call_id: String,
    },
    /// A call is over, or never came about.
    CallEnded(Box<CallRecord>),
    /// The relay was asked to forget a call, or reminded of one, and has answered or will not.
    MediaSeen {
        /// The Call-ID.
        call_id: String,
        /// The call's name at the relay.
        media: String,
        /// Why one side heard nothing, in the relay's words; `None` if it has not said that.
        fault: Option<String>,
    },
    /// The relay refused, or did not answer.
    RelayRefused {
        /// The Call-ID it was asked about.
        call_id: String,
        /// Its reason, or ours.
        reason: String,
    },
    /// The SIP server's addresses are these from now on.
    Upstreams {
        /// All of them.
        upstreams: Vec<Hop>,
    },
    /// An address of the SIP server does not answer, and is passed over as long as another does.
    UpstreamDown {
        /// Which.
        upstream: Hop,
    },
    /// It answers again.
    UpstreamUp {
        /// Which.
        upstream: Hop,
    },
    /// It has asked to be left alone, and is while another lives.
    UpstreamRests {
        /// Which.
        upstream: Hop,
        /// For how long.
        rest: Duration,
    },
    /// A request that had no answer, or 503, was sent to another address.
    FailedOver {
        /// Its method.
        method: String,
        /// Where it went.
        upstream: Hop,
    },
    /// More clients register than the SIP server is to take at once: they wait for their turn.
    RegistersWait,
    /// A request is too large for a datagram, and the SIP server takes no connection.
    TooLarge {
        /// Where it goes.
        upstream: Hop,
        /// Its octets.
        size: usize,
    },
    /// A relay does not answer: new calls go to others.
    RelayDown {
        /// Its control port.
        relay: SocketAddr,
    },
    /// It answers again, or takes calls again.
    RelayUp {
        /// Its control port.
        relay: SocketAddr,
    },
    /// The other side did not take the BYE by which we ended a call: it may think that the call goes on.
    HangUpRefused {
        /// The Call-ID.
        call_id: String,
        /// What it answered.
        status: u16,
    },
    /// It is about to stop, and takes no new call.
    RelayDrains {
        /// Its control port.
        relay: SocketAddr,
    },
    /// It was silent for too long or was started anew: its calls are over, and are being ended.
    RelayLost {
        /// Its control port.
        relay: SocketAddr,
        /// How many of them are known here.
        calls: usize,
    },
    /// A browser's token is worth nothing.
    TokenRefused {
        /// The browser's flow.
        flow: FlowId,
        /// Why.
        why: BadToken,
    },
    /// A token names a user who has no account.
    NoAccount {
        /// The browser's flow.
        flow: FlowId,
        /// As the token names him.
        name: String,
    },
    /// The SIP server refuses what the edge has proven for a user, or asks for it in another realm.
    AccountRefused {
        /// The browser's flow.
        flow: FlowId,
        /// His name at the SIP server.
        user: String,
    },
    /// The upstream left a request unanswered.
    UpstreamSilent {
        /// Where the request went.
        upstream: Hop,
        /// Its method.
        method: String,
    },
}

/// Why a message was thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Drop {
    /// A message from an address that is not the upstream's.
    #[error("not from the upstream")]
    NotUpstream,
    /// A message of a flow that was never opened, or is closed.
    #[error("from a flow that is not open")]
    UnknownFlow,
    /// A keep-alive: nothing is owed.
    #[error("a keep-alive")]
    KeepAlive,
    /// Not SIP, and too broken to be answered.
    #[error("not a SIP message")]
    Unparsable,
    /// The beginning of a message on a connection, which ended before the message did, or was ended because it took too long.
    #[error("a message that never became whole")]
    Incomplete,
    /// A request that deserves an error, but whose Via does not say where to send it.
    #[error("a bad request that cannot be answered")]
    Unanswerable,
    /// A response that belongs to no request of ours.
    #[error("a response to nothing that we sent")]
    StrayResponse,
    /// A response that belongs to a request that we sent to somebody else.
    #[error("a response from the wrong peer")]
    WrongPeer,
    /// An ACK that belongs to no call we can reach.
    #[error("an ACK for a call that is not here")]
    StrayAck,
    /// A body that could not be rewritten for the other side, in a message that cannot be answered.
    #[error("a body that cannot be shown to the other side")]
    UnusableBody,
    /// A token that has the shape of ours and not our signature: old, forged or of another edge. It leads nowhere; its request is
    /// served as one without.
    #[error("a token that this edge did not sign")]
    ForgedToken,
    /// Credentials that were not tried: too many wrong ones came before. Their request is answered.
    #[error("too many wrong passwords")]
    Guessing,
    /// A bound was reached, by a message that cannot be answered.
    #[error("over a limit")]
    OverLimit,
}
