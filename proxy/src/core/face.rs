//! What goes into the core and what comes out of it. No sockets: the shell has those.

use std::net::SocketAddr;
use std::sync::Arc;

use super::accounts::Users;
use super::event::Event;
use super::hop::Hop;
use super::relays::Relay;
use super::sign_in::{IssuerNews, KnownUsers};
use super::upstreams::Target;

/// One WebSocket connection, named by the shell. A number is never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId(pub u64);

/// One question to the relay, named by the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AskId(pub u64);

/// Where a message came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// A browser's WebSocket.
    Flow(FlowId),
    /// The SIP server's side, which may or may not be the upstream: the core looks.
    Upstream(Hop),
}

/// What the shell tells the core.
#[derive(Debug)]
pub enum Input {
    /// A WebSocket opened.
    FlowOpened {
        /// Its name from now on.
        flow: FlowId,
        /// The browser's address.
        peer: SocketAddr,
        /// WSS (true) or WS.
        secure: bool,
        /// The `host` or `host:port` of the URL that the browser connected to (HTTP's Host): the
        /// only name that is sure to lead back here, so it is what Record-Route tells the browser.
        host: String,
    },
    /// The SIP server's addresses, all of them: at the start, and whenever they change. Until then there is nobody to send to.
    Upstreams(Vec<Target>),
    /// The relays, all of them: at the start, and whenever they change.
    Relays(Vec<Relay>),
    /// Nobody listens at this relay's control port.
    RelayUnreachable(SocketAddr),
    /// One WebSocket message, one datagram, or one message cut out of a stream.
    Message {
        /// Where it came from.
        from: Source,
        /// The bytes as they came.
        bytes: Vec<u8>,
    },
    /// A WebSocket closed, for whatever reason.
    FlowClosed {
        /// Which.
        flow: FlowId,
    },
    /// A connection was made to the SIP server's side.
    HopOpened {
        /// Its other end.
        hop: Hop,
    },
    /// A connection to or from the SIP server's side has closed.
    HopClosed {
        /// Its other end.
        hop: Hop,
    },
    /// No connection can be made, and what was to go over it is lost.
    HopUnreachable {
        /// Where to.
        hop: Hop,
    },
    /// The relay answered a [`Command::AskRelay`], or will not.
    Relayed {
        /// The question.
        id: AskId,
        /// Its reply: a failure is only that no reply came. `result=error` is a reply.
        reply: Result<control_proto::Response, RelayFailure>,
    },
    /// The users of an edge that is its own registrar are others now.
    Users(Arc<Users>),
    /// The accounts of those who sign in by token are others now.
    KnownUsers(Arc<KnownUsers>),
    /// What is new of who signs tokens: his keys, and in any case the time. Until then nobody can sign in.
    Issuer(IssuerNews),
    /// [`Core::deadline`](super::Core::deadline) has passed.
    Timer,
    /// The process is to end when the calls that stand are over: no others begin.
    Draining,
    /// Nothing more will come: the process ends.
    Stopping,
}

/// Why there is no reply from the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RelayFailure {
    /// Every retransmission went unanswered.
    #[error(
        "the relay does not answer; see that it runs and that `relay.control` names its address"
    )]
    Silent,
    /// No relay is there to be asked.
    #[error("no relay is available; see `relay.control`")]
    Unavailable,
}

/// What the core wants done. The shell does it in order and never answers with an error: a flow
/// that is gone is reported by [`Input::FlowClosed`], a connection that cannot be made by
/// [`Input::HopUnreachable`], a lost datagram by nothing at all.
#[derive(Debug, PartialEq)]
pub enum Command {
    /// Send one WebSocket message.
    SendFlow {
        /// To whom.
        flow: FlowId,
        /// The message, whole.
        bytes: Vec<u8>,
    },
    /// Send to the SIP server's side, from what `advertised` names.
    Send {
        /// To whom.
        to: Hop,
        /// The message, whole.
        bytes: Vec<u8>,
    },
    /// Connect to the SIP server's side, and report with [`Input::HopOpened`] or [`Input::HopUnreachable`].
    Connect {
        /// To whom.
        to: Hop,
    },
    /// Ask the relay, and report with [`Input::Relayed`]. Retransmission is the shell's
    /// (`control_proto::Client` has it).
    AskRelay {
        /// Name of the question.
        id: AskId,
        /// The relay's control port, one of those that [`Input::Relays`] has named.
        relay: SocketAddr,
        /// The question.
        request: Box<control_proto::Request>,
    },
    /// Close a WebSocket whose peer does not speak SIP.
    CloseFlow {
        /// Which.
        flow: FlowId,
        /// For the log and the close frame.
        why: &'static str,
    },
    /// A token names a key that is not known: the issuer may have new ones. Asked for as often as strangers like: the shell
    /// has a pace of its own.
    FetchKeys,
    /// Something an operator may count or read. The core does nothing further with it.
    Report(Event),
}
