//! ng over HTTP, one request after the other on a connection, and over WebSocket.

use std::net::SocketAddr;
use std::sync::Arc;

use control_proto::{Envelope, MAX_DATAGRAM};
use net::http::{Asked, Connection, Service, WebSocket};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::conversation::{Channel, converse};
use super::{Asker, Inbox, LINGER, Reply, next_connection};

/// As rtpengine serves it.
const NG: Service = Service {
    path: "/ng",
    content_type: "application/x-rtpengine-ng",
    subprotocol: "ng.rtpengine.com",
    max_message: MAX_DATAGRAM,
};

pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    peer: SocketAddr,
    inbox: Inbox,
) {
    let mut connection = Connection::new(stream, NG);
    loop {
        let answered = match connection.next().await {
            None => return,
            Some(Asked::Message(message)) => answer(&mut connection, message, peer, &inbox).await,
            Some(Asked::Socket(mut socket)) => {
                converse(&mut *socket, peer, &inbox).await;
                return socket.close().await;
            }
        };
        if answered.is_none() {
            return;
        }
    }
}

/// Has one message answered. `None`: the connection is of no more use.
async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut Connection<S>,
    message: Vec<u8>,
    address: SocketAddr,
    inbox: &Inbox,
) -> Option<()> {
    if Envelope::open(&message).is_none() {
        // Elsewhere it is dropped in silence; here an answer is owed.
        let why = "A message is a cookie, a space and a dictionary.\n";
        return connection.refuse("400 Bad Request", why).await;
    }
    let (replies, mut reply) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(1)).acquire_owned().await.ok()?;
    let asker = Asker {
        address,
        // Each is an asker of its own: if the same cookie is asked by two, both are owed an answer.
        connection: next_connection(),
        replies,
        room: Arc::new(room),
    };
    inbox.hand_in(message, asker).await?;
    match timeout(LINGER, reply.recv()).await {
        Ok(Some(Reply {
            message: Some(message),
            ..
        })) => connection.answer(&message).await,
        Ok(Some(_)) => {
            let why = "Commands are to be signed here.\n";
            connection.refuse("403 Forbidden", why).await?;
            None
        }
        _ => {
            let why = "Nobody answered; ask again.\n";
            connection.refuse("503 Service Unavailable", why).await
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Channel for WebSocket<S> {
    async fn receive(&mut self) -> Option<Vec<u8>> {
        WebSocket::receive(self).await
    }

    async fn send(&mut self, message: &[u8]) -> Option<()> {
        WebSocket::send(self, message).await
    }
}
