//! One connection from accept to close: TLS, HTTP head, then a WebSocket whose
//! messages become events. A slow, silent or oversized peer ends only its own flow.

use std::io::Cursor;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_websockets::{CloseCode, Limits, Message, ServerBuilder, WebSocketStream};

use crate::deadline::within;
use crate::proxied;
use crate::stream::Octets;
use crate::tls::{self, aside};

use super::door::Place;
use super::gate::count;
use super::head::{self, Head};
use super::{
    Event, FAREWELL, FlowId, MAX_CONTROL, MAX_MESSAGE, Opened, Options, PING, SEND_QUEUE,
    UPGRADE_DEADLINE,
};

/// How every request begins that is served here.
const HTTP: &[u8; 4] = b"GET ";

/// Why a flow ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Closing {
    /// The browser closed it, or its connection broke.
    ByPeer,
    /// It sent what RFC 6455 forbids, or a message over [`MAX_MESSAGE`].
    Protocol,
    /// It did not answer a ping in time.
    Silent,
    /// It did not read: its queue of outgoing messages was full.
    Slow,
    /// We closed it.
    ByUs,
}

/// Sends on one flow. Dropping it closes the flow.
#[derive(Clone, Debug)]
pub struct FlowSender(mpsc::Sender<Vec<u8>>);

impl FlowSender {
    /// Queues one message. `false`: the flow is gone, or so slow that it must be closed (drop the sender).
    pub fn send(&self, message: Vec<u8>) -> bool {
        self.0.try_send(message).is_ok()
    }
}

/// An accepted connection that is not yet anything.
pub(super) struct Connection {
    pub(super) flow: FlowId,
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
    pub(super) options: Options,
    pub(super) events: mpsc::Sender<Event>,
    /// Its place among those of its address.
    pub(super) place: Option<Place>,
    /// Its place among all.
    pub(super) permit: OwnedSemaphorePermit,
}

impl Connection {
    /// Serves the connection until it is a WebSocket, and that by a task of its own: a task has room for the largest thing
    /// that it ever does, and TLS handshake and upgrade are larger than all that an idle flow needs.
    pub(super) async fn serve(mut self, mut tcp: TcpStream, acceptor: Option<TlsAcceptor>) {
        // Signalling is small and latency is ring delay: never wait to fill a segment.
        let _ = tcp.set_nodelay(true);
        let deadline = within(UPGRADE_DEADLINE);
        if self.options.proxies.has(self.peer.ip()) {
            let header = timeout_at(deadline, proxied::behind(&mut tcp, self.peer));
            let Ok(Some(peer)) = header.await else {
                count(&self.options.gate.no_proxy_header);
                tracing::warn!(balancer = %self.peer, "no PROXY header; let the load balancer send one, or take it out of proxy_protocol");
                return;
            };
            self.peer = peer;
            self.place = self
                .options
                .door
                .enter(peer.ip(), Instant::now().into_std());
            if self.place.is_none() {
                count(&self.options.gate.crowded);
                return tracing::debug!(%peer, "too many connections of this address");
            }
        }
        match acceptor {
            None => self.begin(tcp, deadline).await,
            Some(acceptor) => {
                match timeout_at(deadline, aside::handshake(acceptor.accept(tcp))).await {
                    Ok(Ok(mut stream)) if tls::is_challenge(stream.get_ref().1) => {
                        // He has seen what he came for.
                        _ = timeout_at(deadline, stream.shutdown()).await;
                    }
                    Ok(Ok(stream)) => self.begin(stream, deadline).await,
                    Ok(Err(error)) => {
                        count(&self.options.gate.tls_failed);
                        tracing::debug!(peer = %self.peer, %error, "TLS handshake failed")
                    }
                    Err(_) => {
                        count(&self.options.gate.too_slow);
                        tracing::debug!(peer = %self.peer, "TLS handshake too slow")
                    }
                }
            }
        }
    }

    /// Tells by the first octets what is spoken.
    async fn begin<S: Octets + 'static>(self, mut stream: S, deadline: Instant) {
        if !self.options.others {
            return self.upgrade(stream, deadline).await;
        }
        let mut first = [0; HTTP.len()];
        match timeout_at(deadline, stream.read_exact(&mut first)).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return,
            Err(_) => return count(&self.options.gate.too_slow),
        }
        let (reader, writer) = tokio::io::split(stream);
        let stream = tokio::io::join(Cursor::new(first).chain(reader), writer);
        if first == *HTTP {
            return self.upgrade(stream, deadline).await;
        }
        let event = Event::Other {
            stream: Box::new(stream),
            peer: self.peer,
            secure: self.options.tls.is_some(),
        };
        // The shell is gone when nobody takes it.
        _ = self.events.send(event).await;
    }

    async fn upgrade<S: Octets + 'static>(self, mut stream: S, deadline: Instant) {
        let head = match tokio::time::timeout_at(deadline, head::read(&mut stream)).await {
            Ok(Some(head)) => head,
            Ok(None) => return,
            Err(_) => return count(&self.options.gate.too_slow),
        };
        let answer = match head {
            Head::Upgrade { .. } if self.options.gate.is_closed() => {
                count(&self.options.gate.draining);
                restarting()
            }
            Head::Upgrade { key, host, origin } if self.admits(origin.as_deref(), &host) => {
                let switching = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Protocol: sip\r\nSec-WebSocket-Accept: {}\r\n\r\n",
                    head::accept_key(&key)
                );
                if stream.write_all(switching.as_bytes()).await.is_ok() {
                    tokio::spawn(self.run(stream, host, origin));
                }
                return;
            }
            Head::Upgrade { .. } => {
                count(&self.options.gate.origin);
                plain("403 Forbidden", "This origin may not connect here.")
            }
            Head::Page { path } => match self.options.pages.as_ref().and_then(|pages| pages(&path))
            {
                Some((mime, body)) => page("200 OK", mime, &body),
                None => plain(
                    "404 Not Found",
                    "SIP over WebSocket is served here, and nothing else.",
                ),
            },
            Head::Refused(status, why) => {
                count(&self.options.gate.not_websocket);
                plain(status, why)
            }
        };
        let _ = tokio::time::timeout_at(deadline, async {
            stream.write_all(&answer).await?;
            stream.shutdown().await
        })
        .await;
    }

    fn admits(&self, origin: Option<&str>, host: &str) -> bool {
        let (secure, own_pages) = (self.options.tls.is_some(), self.options.pages.is_some());
        let origins = &self.options.origins;
        let admitted = origins.admit(origin, host, secure, own_pages);
        if !admitted {
            tracing::debug!(peer = %self.peer, origin, "page refused; see [listen] origins");
        }
        admitted
    }

    async fn run<S: AsyncRead + AsyncWrite + Unpin>(
        mut self,
        stream: S,
        host: String,
        origin: Option<String>,
    ) {
        if let Some(place) = &mut self.place {
            place.settle();
        }
        let mut socket = ServerBuilder::new()
            .limits(Limits::default().max_payload_len(Some(MAX_MESSAGE)))
            .serve(stream);
        let (sender, queue) = mpsc::channel(SEND_QUEUE);
        let opened = Opened {
            flow: self.flow,
            peer: self.peer,
            local: self.local,
            secure: self.options.tls.is_some(),
            host,
            origin,
            sender: FlowSender(sender),
        };
        if self.events.send(Event::Opened(opened)).await.is_err() {
            return;
        }
        let why = self.exchange(&mut socket, queue).await;
        let code = match why {
            Closing::Protocol => CloseCode::MESSAGE_TOO_BIG,
            Closing::ByUs if self.options.gate.is_closed() => CloseCode::SERVICE_RESTART,
            _ => CloseCode::GOING_AWAY,
        };
        let farewell = async {
            let _ = socket.send(Message::close(Some(code), "")).await;
            let _ = socket.close().await;
        };
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
        let _ = self
            .events
            .send(Event::Closed {
                flow: self.flow,
                why,
            })
            .await;
        drop(self.permit);
    }

    /// Moves messages both ways until one side ends it. A peer of whom nothing is heard is pinged; one who does not even
    /// answer that in the same time is gone, and so is one who takes nothing for so long.
    async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: &mut WebSocketStream<S>,
        mut queue: mpsc::Receiver<Vec<u8>>,
    ) -> Closing {
        let ping = self.options.ping.unwrap_or(PING);
        let (mut wake, mut pinged) = (within(ping), false);
        let mut control = Control::new(ping);
        loop {
            let received = tokio::select! {
                received = socket.next() => received,
                message = queue.recv() => {
                    let Some(message) = message else { return Closing::ByUs };
                    if let Err(why) = write(socket, frame(message), ping).await {
                        return why;
                    }
                    continue;
                },
                () = tokio::time::sleep_until(wake), if !pinged => {
                    if let Err(why) = write(socket, Message::ping(""), ping).await {
                        return why;
                    }
                    (wake, pinged) = (within(ping), true);
                    continue;
                },
                // While we were writing, nobody has read: what is there by now was in time.
                () = tokio::time::sleep_until(wake), if pinged => {
                    match tokio::time::timeout(Duration::ZERO, socket.next()).await {
                        Ok(received) => received,
                        Err(_) => return Closing::Silent,
                    }
                },
            };
            if let Some(Ok(message)) = &received
                && let Some(why) = control.take(message, socket).await
            {
                return why;
            }
            if let Some(why) = self.take(received).await {
                return why;
            }
            (wake, pinged) = (within(ping), false);
        }
    }

    /// Takes what has come; `Some` if it is the end.
    async fn take(
        &self,
        received: Option<Result<Message, tokio_websockets::Error>>,
    ) -> Option<Closing> {
        let message = match received {
            Some(Ok(message)) => message,
            Some(Err(tokio_websockets::Error::Io(_))) | None => return Some(Closing::ByPeer),
            Some(Err(_)) => return Some(Closing::Protocol),
        };
        if message.is_close() {
            return Some(Closing::ByPeer);
        }
        if message.is_text() || message.is_binary() {
            let bytes = Vec::from(&message.as_payload()[..]);
            let flow = self.flow;
            let told = self.events.send(Event::Message { flow, bytes }).await;
            return told.is_err().then_some(Closing::ByUs);
        }
        None
    }
}

/// What a peer sends that is no message: each ping has a pong, which it must take, and nobody needs many.
struct Control {
    period: Duration,
    began: Instant,
    count: u32,
}

impl Control {
    fn new(period: Duration) -> Self {
        Self {
            period,
            began: Instant::now(),
            count: 0,
        }
    }

    /// `Some` if that is too many, or if it does not take its pong.
    async fn take<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        message: &Message,
        socket: &mut WebSocketStream<S>,
    ) -> Option<Closing> {
        if !message.is_ping() && !message.is_pong() {
            return None;
        }
        if self.began.elapsed() > self.period {
            (self.began, self.count) = (Instant::now(), 0);
        }
        self.count = self.count.saturating_add(1);
        if self.count > MAX_CONTROL {
            return Some(Closing::Protocol);
        }
        match tokio::time::timeout(self.period, socket.flush()).await {
            Ok(Ok(())) => None,
            Ok(Err(_)) => Some(Closing::ByPeer),
            Err(_) => Some(Closing::Slow),
        }
    }
}

/// Writes one message to a peer that must take it within `limit`.
async fn write<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    message: Message,
    limit: Duration,
) -> Result<(), Closing> {
    match tokio::time::timeout(limit, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Closing::ByPeer),
        Err(_) => Err(Closing::Slow),
    }
}

/// RFC 7118 section 4: text when it is UTF-8, binary otherwise.
fn frame(message: Vec<u8>) -> Message {
    match String::from_utf8(message) {
        Ok(text) => Message::text(text),
        Err(error) => Message::binary(error.into_bytes()),
    }
}

/// Elsewhere there may be a server that stays, and here there will be one soon.
fn restarting() -> Vec<u8> {
    let answer = plain("503 Service Unavailable", "This server is being stopped.");
    let line_end = answer.windows(2).position(|octets| octets == b"\r\n");
    let (line, rest) = answer
        .split_at_checked(line_end.unwrap_or_default())
        .unwrap_or((&answer, &[]));
    [line, b"\r\nRetry-After: 5", rest].concat()
}

fn plain(status: &str, why: &str) -> Vec<u8> {
    page(status, "text/plain; charset=utf-8", why.as_bytes())
}

fn page(status: &str, mime: &str, body: &[u8]) -> Vec<u8> {
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {mime}\r\nContent-Length: {}\r\nConnection: close\r\n\
         Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(body);
    answer
}
