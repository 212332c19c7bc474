//! The SIP server's side: datagrams, and the connections that are open, by the hop at their other end.
//!
//! Bytes for a hop go over the connection to it that is open, whoever opened it; without one a new one is made. It decides
//! nothing: who is heard is the core's business, and what a lost connection means, too.

mod connection;
mod link;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use net::stream::Stream;
use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use self::link::{Link, Origin};
use crate::core::{Drop, Hop, Input, Source, Transport};

/// Connections at once, to and from the SIP server's side; it needs a handful.
const MAX_LINKS: usize = 1024;

/// How connections under TLS are made.
#[derive(Clone, Debug)]
pub struct TlsUpstream {
    /// Whom we trust, and who we are.
    pub config: Arc<ClientConfig>,
    /// The names that certificates must be for (RFC 5922). An address that is not here must be in the certificate itself.
    pub names: HashMap<SocketAddr, ServerName<'static>>,
}

/// What happened on a connection.
pub(super) enum News {
    /// Somebody has connected to us.
    Accepted {
        stream: TcpStream,
        peer: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
    },
    /// A connection that we wanted is there.
    Opened { hop: Hop },
    /// A message came, or the head of one that cannot be measured.
    Message { hop: Hop, bytes: Vec<u8> },
    /// A connection is over.
    Ended { hop: Hop, link: u64, end: End },
}

/// How a connection came to its end.
#[derive(Debug)]
pub(super) enum End {
    /// It never was one.
    Unreachable(io::Error),
    /// The other side closed it, or it broke.
    ByPeer,
    /// The other side sent what cannot be cut into messages.
    Unframed,
    /// In the middle of a message it was closed, or that did not become whole in time.
    Incomplete,
    /// The other side did not read.
    Slow,
    /// We closed it.
    ByUs,
}

pub(super) struct Hops {
    links: HashMap<Hop, Link>,
    named: u64,
    news: mpsc::Sender<News>,
    tls: Option<TlsUpstream>,
    /// Why something has not reached the core, for whoever counts.
    unheard: Vec<Drop>,
}

impl Hops {
    /// No connections; `news` is where they will report.
    pub(super) fn new(news: mpsc::Sender<News>, tls: Option<TlsUpstream>) -> Self {
        Self {
            links: HashMap::new(),
            named: 0,
            news,
            tls,
            unheard: Vec::new(),
        }
    }

    /// Certificates at these addresses must be for these names.
    pub(super) fn name(&mut self, names: Vec<(SocketAddr, String)>) {
        let Some(tls) = &mut self.tls else { return };
        for (address, name) in names {
            if let Ok(name) = net::tls::server_name(&name) {
                tls.names.insert(address, name);
            }
        }
    }

    /// Takes news, and says what the core is to know of it. `hears` says whether the core would hear a hop.
    pub(super) fn take(&mut self, news: News, hears: impl Fn(Hop) -> bool) -> Option<Input> {
        match news {
            News::Accepted { stream, peer, tls } => {
                let hop = self::stream(peer, tls.is_some());
                self.newcomer(hop, Origin::Accepted(stream, tls), hears);
                None
            }
            News::Opened { hop } => Some(Input::HopOpened { hop }),
            News::Message { hop, bytes } => Some(Input::Message {
                from: Source::Upstream(hop),
                bytes,
            }),
            News::Ended { hop, link, end } => Some(self.ended(hop, link, &end)),
        }
    }

    /// Takes a connection that is established, from a listener that others share.
    pub(super) fn established(&mut self, stream: Stream, hop: Hop, hears: impl Fn(Hop) -> bool) {
        self.newcomer(hop, Origin::Ready(stream), hears);
    }

    /// What never reached the core is reported and counted all the same.
    fn unheard(&mut self, hop: Hop, reason: Drop) {
        super::report::unheard(hop, reason);
        self.unheard.push(reason);
    }

    /// Reasons for which something has not reached the core, since this was asked last.
    pub(super) fn take_unheard(&mut self) -> Vec<Drop> {
        std::mem::take(&mut self.unheard)
    }

    fn newcomer(&mut self, hop: Hop, origin: Origin, hears: impl Fn(Hop) -> bool) {
        match hears(hop) && self.links.len() < MAX_LINKS {
            true => self.open(hop, origin),
            false => self.unheard(hop, Drop::NotUpstream),
        }
    }

    fn ended(&mut self, hop: Hop, link: u64, end: &End) -> Input {
        if self.links.get(&hop).is_some_and(|l| l.number() == link) {
            self.links.remove(&hop);
        }
        if let End::Incomplete = end {
            self.unheard(hop, Drop::Incomplete);
        }
        match end {
            End::Unreachable(error) => {
                tracing::warn!(%hop, %error, "no connection; see that the SIP server listens there, and that its certificate is for its name");
                Input::HopUnreachable { hop }
            }
            end => {
                tracing::debug!(%hop, ?end, "connection closed");
                Input::HopClosed { hop }
            }
        }
    }

    /// Makes a connection, unless there is one.
    pub(super) fn connect(&mut self, hop: Hop) {
        if self.links.get(&hop).is_none_or(Link::is_over) {
            let name = self.server_name(hop);
            self.open(hop, Origin::Ours(name));
        }
    }

    /// Sends to a hop that is spoken to over connections. What does not fit into the queue of one that does not read is
    /// lost with that connection, which the core will hear of.
    pub(super) fn send(&mut self, hop: Hop, bytes: Vec<u8>) {
        self.connect(hop);
        if self.links.get(&hop).is_some_and(|link| !link.send(bytes)) {
            tracing::warn!(%hop, "the other side does not read; its connection is closed");
            self.links.remove(&hop);
        }
    }

    fn open(&mut self, hop: Hop, origin: Origin) {
        self.named = self.named.wrapping_add(1);
        let link = Link::open(hop, self.named, origin, self.news.clone());
        self.links.insert(hop, link);
    }

    fn server_name(&self, hop: Hop) -> Option<(Arc<ClientConfig>, ServerName<'static>)> {
        let tls = self.tls.as_ref()?;
        let name = tls.names.get(&hop.address);
        let name = name.map_or_else(|| ServerName::from(hop.address.ip()), Clone::clone);
        Some((tls.config.clone(), name))
    }
}

/// The hop at the end of a connection.
pub(super) fn stream(address: SocketAddr, tls: bool) -> Hop {
    let transport = match tls {
        true => Transport::Tls,
        false => Transport::Tcp,
    };
    Hop { transport, address }
}
