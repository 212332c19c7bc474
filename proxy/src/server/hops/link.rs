//! One connection as the pool holds it: a queue towards the task that makes it, serves it and reports its end.

use std::io;
use std::sync::Arc;

use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::connection::serve;
use super::{End, News, Stream};
use crate::core::{Hop, Transport};

/// Messages that may wait for one connection before it is closed.
const QUEUE: usize = 512;

/// Who opens a connection.
pub(super) enum Origin {
    /// We do; under TLS the other side's certificate must be for this name.
    Ours(Option<(Arc<ClientConfig>, ServerName<'static>)>),
    /// The other side did, and any TLS handshake is done.
    Ready(Stream),
    /// The other side did, under TLS where there is a configuration.
    Accepted(TcpStream, Option<Arc<ServerConfig>>),
}

/// Dropped, it lets what is queued out and closes the connection.
pub(super) struct Link {
    number: u64,
    queue: mpsc::Sender<Vec<u8>>,
}

impl Link {
    pub(super) fn open(hop: Hop, number: u64, origin: Origin, news: mpsc::Sender<News>) -> Self {
        let (queue, queued) = mpsc::channel(QUEUE);
        tokio::spawn(async move {
            let ours = matches!(origin, Origin::Ours(_));
            let end = match established(hop, origin).await {
                Ok(stream) => {
                    if ours {
                        _ = news.send(News::Opened { hop }).await;
                    }
                    serve(stream, hop, ours, &news, queued).await
                }
                Err(error) if ours => End::Unreachable(error),
                Err(_) => End::ByPeer,
            };
            let link = number;
            // The shell is gone when nobody takes it.
            _ = news.send(News::Ended { hop, link, end }).await;
        });
        Self { number, queue }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Whether nothing can be sent on it any more.
    pub(super) fn is_over(&self) -> bool {
        self.queue.is_closed()
    }

    /// Queues one message. `false`: the other side is so slow that there is no room for it.
    pub(super) fn send(&self, message: Vec<u8>) -> bool {
        self.queue.try_send(message).is_ok()
    }
}

async fn established(hop: Hop, origin: Origin) -> io::Result<Stream> {
    match (origin, hop.transport) {
        (Origin::Ours(_), Transport::Tcp) => net::stream::connect(hop.address, None).await,
        (Origin::Ours(Some(tls)), _) => net::stream::connect(hop.address, Some(tls)).await,
        (Origin::Ours(None), _) => Err(io::Error::other("nothing is set for TLS")),
        (Origin::Ready(stream), _) => Ok(stream),
        (Origin::Accepted(stream, tls), _) => net::stream::accept(stream, tls).await,
    }
}
