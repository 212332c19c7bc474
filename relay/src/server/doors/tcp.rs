//! ng over TCP: messages one behind the other on a connection.

use std::net::SocketAddr;
use std::time::Duration;

use control_proto::{Frame, Frames};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout, timeout_at};

use super::Inbox;
use super::conversation::{Channel, converse};

/// From the first byte of a message to its last, and from the opening of a connection to its first
/// message: whoever has spoken ng once may then be silent for as long as he likes.
const MESSAGE_DEADLINE: Duration = Duration::from_secs(10);

/// How long a peer may take to read a reply.
const SEND_DEADLINE: Duration = Duration::from_secs(10);

/// Bytes that are read at once.
const PIECE: usize = 16 * 1024;

pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    peer: SocketAddr,
    inbox: Inbox,
) {
    let mut channel = Messages::new(stream);
    converse(&mut channel, peer, &inbox).await;
    net::tcp::farewell(&mut channel.stream).await;
}

/// Messages on a byte stream.
struct Messages<S> {
    stream: S,
    frames: Frames,
    piece: Box<[u8]>,
    /// What of the piece is not taken yet.
    unread: std::ops::Range<usize>,
    /// When the message under way must be whole. `None` while there is none.
    deadline: Option<Instant>,
    /// Nothing more can be read.
    ended: bool,
}

impl<S> Messages<S> {
    fn new(stream: S) -> Self {
        Self {
            stream,
            frames: Frames::new(),
            piece: vec![0; PIECE].into(),
            unread: 0..0,
            deadline: Instant::now().checked_add(MESSAGE_DEADLINE),
            ended: false,
        }
    }

    /// The next message in what was read.
    fn next(&mut self) -> Option<Vec<u8>> {
        let mut input = self.piece.get(self.unread.clone()).unwrap_or_default();
        let frame = self.frames.take(&mut input);
        self.unread.start = self.unread.end.saturating_sub(input.len());
        let message = match frame? {
            Frame::Message(message) => message,
            Frame::Broken(message) => {
                self.ended = true;
                message
            }
        };
        // What stands behind it may have come long ago: it begins now.
        self.deadline = None;
        Some(message)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Channel for Messages<S> {
    async fn receive(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(message) = self.next() {
                return Some(message);
            }
            if self.ended {
                return None;
            }
            if self.frames.is_midway() && self.deadline.is_none() {
                self.deadline = Instant::now().checked_add(MESSAGE_DEADLINE);
            }
            let reading = self.stream.read(&mut self.piece);
            let read = match self.deadline {
                Some(deadline) => timeout_at(deadline, reading).await.unwrap_or(Ok(0)),
                None => reading.await,
            };
            self.unread = 0..read.unwrap_or(0);
            self.ended = self.unread.is_empty();
        }
    }

    async fn send(&mut self, message: &[u8]) -> Option<()> {
        let written = self.stream.write_all(message);
        timeout(SEND_DEADLINE, written).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use net::poll::Poller;
    use tokio::io::{DuplexStream, duplex};
    use tokio::task::JoinHandle;

    use super::*;
    use crate::server::doors::{MAX_UNANSWERED, queue};

    const PING: &[u8] = b"c d7:command4:pinge";

    /// A connection whose requests are all answered by `reply`; no reply to those that it is `None` for.
    fn connect(
        buffer: usize,
        reply: impl Fn(usize) -> Option<Vec<u8>> + Send + 'static,
    ) -> (DuplexStream, JoinHandle<()>) {
        let (client, server) = duplex(buffer);
        let (queue, mut incoming) = queue();
        let inbox = Inbox {
            queue,
            control: Poller::new().unwrap().waker(),
        };
        tokio::spawn(async move {
            let (mut number, mut kept) = (0, Vec::new());
            while let Some(request) = incoming.recv().await {
                match reply(number) {
                    Some(reply) => request.asker.reply(Arc::from(reply)),
                    None => kept.push(request.asker),
                }
                number += 1;
            }
        });
        let peer = "127.0.0.1:1".parse().unwrap();
        (client, tokio::spawn(serve(server, peer, inbox)))
    }

    fn pong(_: usize) -> Option<Vec<u8>> {
        Some(b"pong".to_vec())
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_never_speaks_ng_is_closed_and_whoever_did_may_be_silent() {
        let started = Instant::now();
        let (_silent, served) = connect(1000, pong);
        served.await.unwrap();
        assert!(started.elapsed() < MESSAGE_DEADLINE + Duration::from_secs(2));

        let (mut client, served) = connect(1000, pong);
        client.write_all(PING).await.unwrap();
        client.read_exact(&mut [0; 4]).await.unwrap();
        tokio::time::sleep(Duration::from_secs(3600)).await;
        client.write_all(PING).await.unwrap();
        client.read_exact(&mut [0; 4]).await.unwrap();
        assert!(!served.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_comes_too_slowly_ends_its_connection() {
        let (mut client, served) = connect(1000, pong);
        client.write_all(PING).await.unwrap();
        client.read_exact(&mut [0; 4]).await.unwrap();
        let started = Instant::now();
        for byte in PING {
            _ = client.write_all(&[*byte]).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        served.await.unwrap();
        let took = started.elapsed();
        assert!(
            took < Duration::from_secs(PING.len() as u64 + 2),
            "{took:?}"
        );
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty(), "half a message is no request");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_closed_and_costs_no_more_than_its_share() {
        let (mut client, served) = connect(1000, |_| Some(vec![b'x'; 60_000]));
        let writing = async { while client.write_all(PING).await.is_ok() {} };
        timeout(Duration::from_secs(60), writing).await.unwrap();
        served.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_is_read_while_too_much_is_unanswered() {
        let (mut client, served) = connect(PING.len(), |_| None);
        let mut written = 0;
        while timeout(Duration::from_secs(1), client.write_all(PING))
            .await
            .is_ok()
        {
            written += 1;
        }
        // Beside those under way, what was read ahead and what the pipe holds.
        let ahead = PIECE / PING.len() + 1;
        assert!(
            (MAX_UNANSWERED..=MAX_UNANSWERED + ahead).contains(&written),
            "{written}"
        );
        drop(client);
        served.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_that_takes_long_holds_up_no_other() {
        let (mut client, _served) = connect(1000, |number| (number > 0).then(|| b"pong".to_vec()));
        client.write_all(&PING.repeat(3)).await.unwrap();
        let mut replies = [0; 8];
        timeout(Duration::from_secs(1), client.read_exact(&mut replies))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(&replies, b"pongpong");
    }

    #[tokio::test(start_paused = true)]
    async fn replies_that_take_a_while_reach_a_client_that_has_said_its_last() {
        let (mut client, server) = duplex(1000);
        let (queue, mut incoming) = queue();
        let inbox = Inbox {
            queue,
            control: Poller::new().unwrap().waker(),
        };
        tokio::spawn(serve(server, "127.0.0.1:1".parse().unwrap(), inbox));
        client.write_all(PING).await.unwrap();
        client.shutdown().await.unwrap();
        let request = incoming.recv().await.unwrap();
        tokio::time::sleep(Duration::from_secs(3)).await;
        request.asker.reply(Arc::from(*b"late"));
        drop(request);
        let started = Instant::now();
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"late");
        assert!(
            started.elapsed() < Duration::from_millis(10),
            "closed at once"
        );
    }
}
