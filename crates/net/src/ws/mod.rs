//! SIP over WebSocket (RFC 7118): the listener for browsers, WS and WSS.
//!
//! One task accepts, one task serves each connection (a *flow*, RFC 5626). What
//! happens on the flows arrives as [`Event`]s on one bounded channel; what is to
//! be sent goes through the [`FlowSender`] that came with [`Event::Opened`].
//! The listener knows nothing of SIP beyond "one message is one WebSocket message".

mod beat;
mod control;
mod door;
mod flow;
pub mod frames;
mod gate;
mod head;
mod origin;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use crate::bind::{BindError, Transport};
use crate::proxied::Proxies;
use crate::stream::Stream;
use crate::tcp;

pub use door::{Door, DoorLimits};
pub use flow::{Closing, FlowSender};
pub use gate::Gate;
pub(crate) use head::{accept_key, lists, unique};
pub use origin::Origins;

/// A WebSocket message above this size closes the flow: it is the largest SIP message that the proxy takes.
pub const MAX_MESSAGE: usize = 64 * 1024;
/// From accept to the end of the HTTP upgrade, TLS handshake included. A peer that is slower is cut off (slowloris).
const UPGRADE_DEADLINE: Duration = Duration::from_secs(5);
/// How long a closing handshake may take before the connection is dropped.
const FAREWELL: Duration = Duration::from_secs(1);
/// Silence after which a browser is pinged, and as long again until one that does not answer is gone.
const PING: Duration = Duration::from_secs(10);
/// Messages that may wait for one slow browser before its flow is closed.
const SEND_QUEUE: usize = 256;
/// Control frames in one period of pings, beyond which a peer plays with us.
const MAX_CONTROL: u32 = 100;

/// Names one connection for as long as the process lives; never used again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct FlowId(pub u64);

/// A connection that has become a WebSocket with subprotocol `sip`.
#[derive(Debug)]
pub struct Opened {
    /// Its name in later events.
    pub flow: FlowId,
    /// The browser's address as the kernel saw it.
    pub peer: SocketAddr,
    /// Our address of this connection.
    pub local: SocketAddr,
    /// True for WSS.
    pub secure: bool,
    /// The `Host` header: host and optional port of the URL that the browser connected to.
    pub host: String,
    /// The `Origin` header, if the client sent one.
    pub origin: Option<String>,
    /// The way to send on this flow.
    pub sender: FlowSender,
}

/// What happened on a flow.
#[derive(Debug)]
pub enum Event {
    /// A new flow; nothing was received on it yet.
    Opened(Opened),
    /// One WebSocket message, text or binary.
    Message {
        /// On which flow.
        flow: FlowId,
        /// Its payload, at most [`MAX_MESSAGE`] octets.
        bytes: Vec<u8>,
    },
    /// A connection, any TLS handshake done, on which something else than HTTP begins.
    Other {
        /// The connection, nothing of it read.
        stream: Stream,
        /// Its other end.
        peer: SocketAddr,
        /// Whether it is under TLS.
        secure: bool,
    },
    /// The flow is gone; nothing more comes from it.
    Closed {
        /// Which flow.
        flow: FlowId,
        /// Why, for the log.
        why: Closing,
    },
}

/// A static page for plain `GET` requests: content type and body.
pub type Page = (&'static str, Cow<'static, [u8]>);

/// The page at a path, if there is one.
pub type Pages = Arc<dyn Fn(&str) -> Option<Page> + Send + Sync>;

/// What a listener serves beside WebSocket, and whom.
#[derive(Clone, Default)]
pub struct Options {
    /// TLS for WSS; `None` listens for plain WS.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Answers plain `GET`s (the demo's page); without it they get 404.
    pub pages: Option<Pages>,
    /// The pages that may connect. A request without `Origin` does not come from a browser's page and is let in.
    pub origins: Origins,
    /// How many connections there may be; listeners may share one.
    pub door: Door,
    /// Whose connections begin with a PROXY header.
    pub proxies: Proxies,
    /// Whether what does not begin as HTTP is handed out as [`Event::Other`].
    pub others: bool,
    /// Silence after which a browser is pinged; one that is silent for twice as long is gone, and so is one that takes
    /// none of what is sent to it for as long. `None`: 10 s.
    pub ping: Option<Duration>,
    /// Whether anybody is let in; counts those that become no flow.
    pub gate: Arc<Gate>,
}

/// A bound listener; [`Listener::run`] serves it.
pub struct Listener {
    tcp: tokio::net::TcpListener,
    options: Options,
    local: SocketAddr,
}

/// Hands out flow ids across all listeners of a process.
static NEXT_FLOW: AtomicU64 = AtomicU64::new(1);

impl Listener {
    /// Binds `address`, an IPv6 one for IPv6 alone. The error names the address and what to do.
    pub async fn bind(address: SocketAddr, options: Options) -> Result<Self, BindError> {
        let bound = tcp::Listener::bind(address)?;
        let local = bound.local_addr();
        let tcp = bound.into_tokio().map_err(|source| BindError {
            transport: Transport::Tcp,
            address,
            source,
        })?;
        Ok(Self {
            tcp,
            options,
            local,
        })
    }

    /// The bound address (with the real port when 0 was asked for).
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// What it serves.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Accepts until the receiver of `events` is dropped.
    pub async fn run(self, events: mpsc::Sender<Event>) {
        let door = &self.options.door;
        let acceptor = self.options.tls.clone().map(TlsAcceptor::from);
        loop {
            let Some(permit) = door.room().await else {
                return;
            };
            let accepted = tokio::select! {
                accepted = self.tcp.accept() => accepted,
                () = events.closed() => return,
            };
            let (tcp, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors or a connection reset in the backlog: the
                    // listener must outlive both, and must not spin on the first.
                    tracing::warn!(%error, listener = %self.local, "accept failed");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            // Who is behind a load balancer is known later.
            let place = match self.options.proxies.has(peer.ip()) {
                true => None,
                false => match door.enter(peer.ip(), Instant::now()) {
                    Some(place) => Some(place),
                    None => {
                        gate::count(&self.options.gate.crowded);
                        tracing::debug!(%peer, "too many connections of this address");
                        continue;
                    }
                },
            };
            let connection = flow::Connection {
                flow: FlowId(NEXT_FLOW.fetch_add(1, Ordering::Relaxed)),
                peer,
                local: tcp.local_addr().unwrap_or(self.local),
                options: self.options.clone(),
                events: events.clone(),
                place,
                permit,
            };
            tokio::spawn(connection.serve(tcp, acceptor.clone()));
        }
    }
}
