//! One connection from accept to close: TLS, HTTP head, then a WebSocket whose
//! messages become events. A slow, silent or oversized peer ends only its own flow.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io::{self, Cursor};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;

use crate::deadline::within;
use crate::proxied;
use crate::stream::Octets;
use crate::tcp;
use crate::tls::{self, aside};

use super::beat;
use super::control::Control;
use super::door::Place;
use super::frames::{self, Broken, Frames, Said, Status};
use super::gate::count;
use super::head::{self, Head};
use super::{Event, FAREWELL, FlowId, Opened, Options, PING, SEND_QUEUE, UPGRADE_DEADLINE};

/// How every request begins that is served here.
const HTTP: &[u8; 4] = b"GET ";
/// Octets that are read at once.
const PIECE: usize = 8 * 1024;
/// Octets of messages that wait, which are written at once.
const WRITTEN: usize = 16 * 1024;

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
        let head = match timeout_at(deadline, head::read(&mut stream)).await {
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
        let _ = timeout_at(deadline, async {
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
        mut stream: S,
        host: String,
        origin: Option<String>,
    ) {
        if let Some(place) = &mut self.place {
            place.settle();
        }
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
        let Err(End { why, broken }) = self.exchange(&mut stream, queue).await;
        let status = match broken {
            Some(broken) => Status::Broken(broken),
            None if why == Closing::ByUs && self.options.gate.is_closed() => Status::Restart,
            None => Status::GoingAway,
        };
        let farewell = async {
            if write_all(&mut stream, &frames::close(status)).await.is_ok() {
                tcp::farewell(&mut stream).await;
            }
        };
        _ = timeout(FAREWELL, farewell).await;
        let flow = self.flow;
        // The shell is gone when nobody takes it.
        _ = self.events.send(Event::Closed { flow, why }).await;
        drop(self.permit);
    }

    /// Moves messages both ways until one side ends it. A peer of whom nothing is heard is pinged; one who does not even
    /// answer that in the same time is gone, and so is one who takes nothing for so long.
    async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        mut queue: mpsc::Receiver<Vec<u8>>,
    ) -> Result<Infallible, End> {
        let ping = self.options.ping.unwrap_or(PING);
        let mut frames = Frames::default();
        let mut control = Control::new(ping);
        let (mut due, mut pinged) = (within(ping), false);
        let mut timer = pin!(sleep_until(beat::after(due, ping)));
        loop {
            tokio::select! {
                // The timer is looked at last: while we were writing, nobody has read, and what is there by now was in time.
                biased;
                message = queue.recv() => {
                    let message = message.ok_or(Closing::ByUs)?;
                    write(stream, &gathered(&message, &mut queue), ping).await?;
                }
                is_there = receive(stream, &mut frames) => {
                    if !is_there {
                        return Err(Closing::ByPeer.into());
                    }
                    (due, pinged) = (within(ping), false);
                    while let Some(said) = frames.take()? {
                        if !matches!(said, Said::Message(_)) && !control.admit() {
                            return Err(Broken::Protocol.into());
                        }
                        self.hear(stream, said, ping).await?;
                    }
                }
                () = &mut timer => {
                    if Instant::now() >= due {
                        if pinged {
                            return Err(Closing::Silent.into());
                        }
                        write(stream, &frames::ping(), ping).await?;
                        (due, pinged) = (within(ping), true);
                    }
                    timer.as_mut().reset(beat::after(due, ping));
                }
            }
        }
    }

    /// Passes on what the peer says, or answers its ping.
    async fn hear<S: AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        said: Said,
        limit: Duration,
    ) -> Result<(), Closing> {
        match said {
            Said::Message(bytes) => {
                let flow = self.flow;
                let told = self.events.send(Event::Message { flow, bytes }).await;
                told.map_err(|_| Closing::ByUs)
            }
            Said::Ping(payload) => write(stream, &frames::pong(&payload), limit).await,
            Said::Pong => Ok(()),
            Said::Close => Err(Closing::ByPeer),
        }
    }
}

/// Why a flow ends, and what its peer has broken.
struct End {
    why: Closing,
    broken: Option<Broken>,
}

impl From<Closing> for End {
    fn from(why: Closing) -> Self {
        Self { why, broken: None }
    }
}

impl From<Broken> for End {
    fn from(broken: Broken) -> Self {
        let (why, broken) = (Closing::Protocol, Some(broken));
        Self { why, broken }
    }
}

/// Reads what is there, into no buffer of the flow's own. False at the connection's end. Nothing is lost when the future is
/// dropped.
async fn receive<S: AsyncRead + Unpin>(stream: &mut S, frames: &mut Frames) -> bool {
    poll_fn(|context| {
        let mut room = [const { MaybeUninit::uninit() }; PIECE];
        let mut piece = ReadBuf::uninit(&mut room);
        let read = ready!(Pin::new(&mut *stream).poll_read(context, &mut piece));
        frames.receive(piece.filled());
        Poll::Ready(read.is_ok() && !piece.filled().is_empty())
    })
    .await
}

/// A message and those that wait behind it, as frames.
fn gathered(message: &[u8], queue: &mut mpsc::Receiver<Vec<u8>>) -> Vec<u8> {
    let mut out = Vec::new();
    frames::write_message(message, &mut out);
    while out.len() < WRITTEN
        && let Ok(message) = queue.try_recv()
    {
        frames::write_message(&message, &mut out);
    }
    out
}

/// Writes to a peer that must take it within `limit`.
async fn write<S: AsyncWrite + Unpin>(
    stream: &mut S,
    octets: &[u8],
    limit: Duration,
) -> Result<(), Closing> {
    match timeout(limit, write_all(stream, octets)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Closing::ByPeer),
        Err(_) => Err(Closing::Slow),
    }
}

async fn write_all<S: AsyncWrite + Unpin>(stream: &mut S, octets: &[u8]) -> io::Result<()> {
    stream.write_all(octets).await?;
    stream.flush().await
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
