//! The doors beside UDP by which commands come in: TCP, HTTP and WebSocket. Each message is carried to
//! the control thread, which answers it as it answers datagrams, and its reply back.
//!
//! Nothing is decoded or executed here, and no connection waits for another.

mod conversation;
mod http;
mod tcp;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use net::poll::Waker;
use net::tcp::Listener;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::address::ControlTransport;

/// Connections at once at one door; the next ones wait in the kernel. SIP servers have a few each.
const MAX_CONNECTIONS: usize = 512;

/// Messages that wait for the control thread; whoever has one more waits for his turn to hand it in.
const QUEUE: usize = 256;

/// Requests of one connection that are neither answered nor dropped; the next is read after that. No
/// connection costs more memory than these and their replies.
const MAX_UNANSWERED: usize = 32;

/// How long replies are waited for once a client has said its last request.
const LINGER: Duration = Duration::from_secs(5);

/// A message for the control thread.
pub(super) struct Incoming {
    pub(super) message: Vec<u8>,
    pub(super) asker: Asker,
}

/// The way back to whoever sent a message over a connection.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    pub(super) address: SocketAddr,
    /// Never that of another connection.
    connection: u64,
    replies: mpsc::UnboundedSender<Reply>,
    /// Given back when the reply is written, or nobody can reply any more.
    room: Arc<OwnedSemaphorePermit>,
}

/// A reply on its way to a connection.
#[derive(Debug)]
struct Reply {
    /// `None`: there is nothing to say, now or ever.
    message: Option<Arc<[u8]>>,
    _room: Arc<OwnedSemaphorePermit>,
}

impl Asker {
    /// Sends the reply, unless the connection is gone.
    pub(super) fn reply(&self, message: Arc<[u8]>) {
        self.answer(Some(message));
    }

    /// Ends the connection.
    pub(super) fn hang_up(&self) {
        self.answer(None);
    }

    fn answer(&self, message: Option<Arc<[u8]>>) {
        _ = self.replies.send(Reply {
            message,
            _room: Arc::clone(&self.room),
        });
    }
}

/// The same connection.
impl PartialEq for Asker {
    fn eq(&self, other: &Self) -> bool {
        self.connection == other.connection
    }
}

/// Numbers for connections.
static NEXT_CONNECTION: AtomicU64 = AtomicU64::new(0);

fn next_connection() -> u64 {
    NEXT_CONNECTION.fetch_add(1, Ordering::Relaxed)
}

/// What carries messages to the control thread.
#[derive(Clone)]
struct Inbox {
    queue: mpsc::Sender<Incoming>,
    control: Waker,
}

impl Inbox {
    /// Hands a message in. `None`: the relay is ending.
    async fn hand_in(&self, message: Vec<u8>, asker: Asker) -> Option<()> {
        self.queue.send(Incoming { message, asker }).await.ok()?;
        self.control.wake().ok()
    }
}

/// Every door but UDP, bound.
#[derive(Default)]
pub(super) struct Doors(Vec<(ControlTransport, Listener)>);

impl Doors {
    pub(super) fn add(&mut self, transport: ControlTransport, listener: Listener) {
        self.0.push((transport, listener));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Serves until `stop` is done, on a thread of its own.
    pub(super) fn run(
        self,
        queue: mpsc::Sender<Incoming>,
        control: Waker,
        stop: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let inbox = Inbox { queue, control };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let mut listening = tokio::task::JoinSet::new();
            for (transport, listener) in self.0 {
                listening.spawn(listen(transport, listener, inbox.clone()));
            }
            tokio::select! {
                () = stop => Ok(()),
                Some(ended) = listening.join_next() => ended.map_err(io::Error::other)?,
            }
        })
    }
}

async fn listen(transport: ControlTransport, listener: Listener, inbox: Inbox) -> io::Result<()> {
    listener
        .run(MAX_CONNECTIONS, |stream, peer| {
            let inbox = inbox.clone();
            async move {
                match transport {
                    ControlTransport::Http => http::serve(stream, peer, inbox).await,
                    _ => tcp::serve(stream, peer, inbox).await,
                }
            }
        })
        .await
}

/// The way to the control thread.
pub(super) fn queue() -> (mpsc::Sender<Incoming>, mpsc::Receiver<Incoming>) {
    mpsc::channel(QUEUE)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use control_proto::{Admission, Replay};
    use tokio::sync::Semaphore;

    use super::*;

    #[test]
    fn a_cookie_asked_twice_is_answered_once_on_each_connection() {
        let room = Arc::new(Semaphore::new(9));
        let asker = |connection| {
            let (replies, heard) = mpsc::unbounded_channel();
            let asker = Asker {
                address: "127.0.0.1:1".parse().unwrap(),
                connection,
                replies,
                room: Arc::new(Arc::clone(&room).try_acquire_owned().unwrap()),
            };
            (asker, heard)
        };
        let ((one, mut heard_by_one), (other, mut heard_by_other)) = (asker(1), asker(2));
        let now = Instant::now();
        let mut replay = Replay::new(now);
        assert_eq!(replay.admit(b"c", one.clone(), now), Admission::New);
        for again in [&one, &other, &other] {
            let admission = replay.admit(b"c", again.clone(), now);
            assert_eq!(admission, Admission::Executing);
        }
        for asker in replay.finish(b"c", Arc::from(*b"reply")) {
            asker.reply(Arc::from(*b"reply"));
        }
        for heard in [&mut heard_by_one, &mut heard_by_other] {
            assert_eq!(
                heard.try_recv().unwrap().message.as_deref(),
                Some(&b"reply"[..])
            );
            assert!(heard.try_recv().is_err());
        }
        drop((one, other));
        assert_eq!(
            room.available_permits(),
            9,
            "nothing holds its place for ever"
        );
    }
}
