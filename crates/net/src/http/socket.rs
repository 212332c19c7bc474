//! A WebSocket between programs: whole messages in and out, and a watch for peers that are gone.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Interval, interval_at, timeout};
use tokio_websockets::{CloseCode, Limits, Message, ServerBuilder, WebSocketStream};

use crate::deadline::within;
use crate::tcp::farewell;

/// A peer that says nothing is pinged this often; two intervals of silence end the connection.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// How long a peer may take to read a message.
const SEND_DEADLINE: Duration = Duration::from_secs(10);

/// How long a peer may take to read our goodbye.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection that has become a WebSocket.
#[derive(Debug)]
pub struct WebSocket<S> {
    socket: WebSocketStream<S>,
    ping: Interval,
    heard: Instant,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    pub(super) fn new(stream: S, max_message: usize) -> Self {
        Self {
            socket: ServerBuilder::new()
                .limits(Limits::default().max_payload_len(Some(max_message)))
                .serve(stream),
            ping: interval_at(within(PING_INTERVAL), PING_INTERVAL),
            heard: Instant::now(),
        }
    }

    /// The next message, text or binary. `None`: the connection is over. Nothing is lost when the
    /// future is dropped.
    pub async fn receive(&mut self) -> Option<Vec<u8>> {
        loop {
            tokio::select! {
                received = self.socket.next() => {
                    let Ok(message) = received? else {
                        return None;
                    };
                    self.heard = Instant::now();
                    if message.is_close() {
                        return None;
                    }
                    if message.is_text() || message.is_binary() {
                        return Some(Vec::from(&message.as_payload()[..]));
                    }
                }
                _ = self.ping.tick() => {
                    if self.heard.elapsed() > PING_INTERVAL.saturating_mul(2) {
                        return None;
                    }
                    self.socket.send(Message::ping("")).await.ok()?;
                }
            }
        }
    }

    /// Sends one message, in a binary frame. `None`: the peer is gone, or does not read.
    pub async fn send(&mut self, message: &[u8]) -> Option<()> {
        let sent = self.socket.send(Message::binary(message.to_vec()));
        timeout(SEND_DEADLINE, sent).await.ok()?.ok()
    }

    /// Says goodbye.
    pub async fn close(mut self) {
        let closing = Message::close(Some(CloseCode::GOING_AWAY), "");
        let goodbye = async {
            // Refused where the peer has earned a goodbye of its own, which waits to be sent.
            _ = self.socket.send(closing).await;
            self.socket.flush().await
        };
        // Whatever happens, this is the end.
        _ = timeout(FAREWELL, goodbye).await;
        farewell(self.socket.get_mut()).await;
    }
}
