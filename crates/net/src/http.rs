//! HTTP/1.1 for programs that send messages: each `POST` is one message and has one answer, or the
//! connection becomes a WebSocket with a message in each frame. A `GET` of `/ping` says `pong`, for
//! whoever watches the server.
//!
//! Nothing a web page can send is taken: pages can neither POST this content type elsewhere without
//! asking first (and are refused), nor open a WebSocket without naming their `Origin`.

mod head;
mod socket;

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout, timeout_at};

use crate::deadline::within;
use crate::tcp::farewell;
use head::Head;
pub use socket::WebSocket;

/// From the first octet of a request to the last of its body.
const REQUEST_DEADLINE: Duration = Duration::from_secs(10);

/// How long a connection is kept for the next request.
const IDLE: Duration = Duration::from_secs(60);

/// How long a peer may take to read an answer.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// What is served.
#[derive(Debug, Clone, Copy)]
pub struct Service {
    /// Where messages are POSTed to.
    pub path: &'static str,
    /// Their content type, and that of the answers.
    pub content_type: &'static str,
    /// What a WebSocket is asked for by.
    pub subprotocol: &'static str,
    /// The longest message, in octets, whichever way it comes.
    pub max_message: usize,
}

/// What a connection was found to be for.
#[derive(Debug)]
pub enum Asked<S> {
    /// A message was POSTed; it is to be answered by [`Connection::answer`].
    Message(Vec<u8>),
    /// The connection is a WebSocket from now on.
    Socket(Box<WebSocket<S>>),
}

/// One connection that speaks HTTP.
#[derive(Debug)]
pub struct Connection<S> {
    /// `None` once it has become something else, or is over.
    stream: Option<S>,
    service: Service,
    /// What was read and not understood yet.
    buffer: Vec<u8>,
    /// Until when the next request has to be there.
    deadline: Instant,
    /// The client wants no more than the answer that is owed.
    last: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// A connection that nothing was said on yet.
    pub fn new(stream: S, service: Service) -> Self {
        Self {
            stream: Some(stream),
            service,
            buffer: Vec::new(),
            deadline: within(REQUEST_DEADLINE),
            last: false,
        }
    }

    /// The next request; those that are none of ours are answered here. `None`: the connection is over.
    pub async fn next(&mut self) -> Option<Asked<S>> {
        while !self.last {
            match self.head().await? {
                Head::Upgrade { key } => {
                    return self.upgrade(&key).await.map(Box::new).map(Asked::Socket);
                }
                Head::Post {
                    length,
                    expects,
                    last,
                } => {
                    self.last = last;
                    if expects {
                        self.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
                    }
                    return self.body(length).await.map(Asked::Message);
                }
                Head::Ping { last } => {
                    self.last = last;
                    self.respond("200 OK", "text/plain", b"pong\n").await?;
                }
                Head::Refused(status, why) => {
                    // What follows may be the body of what was refused.
                    self.last = true;
                    self.respond(status, "text/plain", why.as_bytes()).await?;
                }
            }
        }
        farewell(&mut self.stream.take()?).await;
        None
    }

    /// Answers the message that was POSTed last. `None`: nobody is there to hear it.
    pub async fn answer(&mut self, message: &[u8]) -> Option<()> {
        self.respond("200 OK", self.service.content_type, message)
            .await
    }

    /// Says that the message POSTed last gets no answer.
    pub async fn refuse(&mut self, status: &str, why: &str) -> Option<()> {
        self.respond(status, "text/plain", why.as_bytes()).await
    }

    /// Reads up to the empty line and judges what stands before it.
    async fn head(&mut self) -> Option<Head> {
        let mut scanned = 0;
        loop {
            if let Some(end) = head::end(&self.buffer, scanned) {
                let rest = self.buffer.split_off(end);
                let head = std::mem::replace(&mut self.buffer, rest);
                return Some(head::judge(&head, &self.service));
            }
            if self.buffer.len() > head::MAX_HEAD {
                return Some(head::TOO_LONG);
            }
            scanned = self.buffer.len();
            self.read().await?;
        }
    }

    async fn body(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < length {
            self.read().await?;
        }
        let rest = self.buffer.split_off(length);
        Some(std::mem::replace(&mut self.buffer, rest))
    }

    /// Reads something, within the time that the request under way has.
    async fn read(&mut self) -> Option<()> {
        let between = self.buffer.is_empty();
        let stream = self.stream.as_mut()?;
        match timeout_at(self.deadline, stream.read_buf(&mut self.buffer)).await {
            Ok(Ok(octets)) if octets > 0 => {}
            _ => return None,
        }
        if between {
            self.deadline = self.deadline.min(within(REQUEST_DEADLINE));
        }
        Some(())
    }

    async fn respond(&mut self, status: &str, kind: &str, body: &[u8]) -> Option<()> {
        let connection = if self.last { "close" } else { "keep-alive" };
        let mut response = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: {connection}\r\n\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\r\n",
            body.len()
        )
        .into_bytes();
        response.extend_from_slice(body);
        self.write(&response).await?;
        self.deadline = within(if self.buffer.is_empty() {
            IDLE
        } else {
            REQUEST_DEADLINE
        });
        Some(())
    }

    async fn write(&mut self, octets: &[u8]) -> Option<()> {
        let stream = self.stream.as_mut()?;
        timeout(ANSWER_DEADLINE, stream.write_all(octets))
            .await
            .ok()?
            .ok()
    }

    async fn upgrade(&mut self, key: &str) -> Option<WebSocket<S>> {
        let switching = head::switching(key, self.service.subprotocol);
        self.write(switching.as_bytes()).await?;
        Some(WebSocket::new(
            self.stream.take()?,
            self.service.max_message,
        ))
    }
}
