//! A connection with many requests under way: each is handed in as it comes, and replies go out as
//! they come, in whatever order.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};

use super::{Asker, Inbox, LINGER, MAX_UNANSWERED, Reply, next_connection};

/// What carries whole messages both ways.
pub(super) trait Channel {
    /// The next message; `None` when there will be none. Nothing is lost when the future is dropped.
    async fn receive(&mut self) -> Option<Vec<u8>>;

    /// Writes one message. `None`: the peer is gone, or too slow.
    async fn send(&mut self, message: &[u8]) -> Option<()>;
}

/// Carries messages until the peer has said its last and has its replies.
pub(super) async fn converse(channel: &mut impl Channel, peer: SocketAddr, inbox: &Inbox) {
    let (sender, mut replies) = mpsc::unbounded_channel();
    if hear(channel, peer, inbox, sender, &mut replies)
        .await
        .is_none()
    {
        return;
    }
    // Nobody holds a sender any more but those who are still to reply.
    let mut end = pin!(sleep(LINGER));
    loop {
        tokio::select! {
            reply = replies.recv() => match reply {
                Some(Reply { message: Some(message), .. }) if channel.send(&message).await.is_some() => {}
                _ => return,
            },
            () = &mut end => return,
        }
    }
}

/// Serves until no more requests come. `None`: the connection is of no more use.
async fn hear(
    channel: &mut impl Channel,
    address: SocketAddr,
    inbox: &Inbox,
    sender: mpsc::UnboundedSender<Reply>,
    replies: &mut mpsc::UnboundedReceiver<Reply>,
) -> Option<()> {
    let connection = next_connection();
    let unanswered = Arc::new(Semaphore::new(MAX_UNANSWERED));
    let mut room = None;
    loop {
        tokio::select! {
            Some(reply) = replies.recv() => channel.send(reply.message.as_deref()?).await?,
            // Whoever has so many requests that nobody answers is of no more use.
            permit = timeout(LINGER, Arc::clone(&unanswered).acquire_owned()), if room.is_none() => {
                room = Some(permit.ok()?.ok()?);
            }
            message = channel.receive(), if room.is_some() => {
                let (Some(message), Some(room)) = (message, room.take()) else {
                    return Some(());
                };
                let asker = Asker {
                    address,
                    connection,
                    replies: sender.clone(),
                    room: Arc::new(room),
                };
                inbox.hand_in(message, asker).await?;
            }
        }
    }
}
