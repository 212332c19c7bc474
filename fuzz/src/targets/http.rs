//! What comes to the door of ng over HTTP and WebSocket: whole messages within their bound, or an answer that is HTTP.

use std::sync::LazyLock;

use net::http::{Asked, Connection, Service};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::{Builder, Runtime};

use crate::Reached;

const SERVICE: Service = Service {
    path: "/ng",
    content_type: "application/x-rtpengine-ng",
    subprotocol: "ng.rtpengine.com",
    max_message: 4096,
};

/// More than all the answers that one input can ask for.
const ROOM: usize = 1 << 24;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().unwrap());

/// A connection on which all has been said before anybody listens.
pub(super) fn run(input: &[u8]) -> Reached {
    RUNTIME.block_on(async {
        let (ours, mut theirs) = tokio::io::duplex(ROOM);
        theirs.write_all(input).await.unwrap();
        theirs.shutdown().await.unwrap();
        let mut connection = Connection::new(ours, SERVICE);
        let mut found = 0;
        while let Some(asked) = connection.next().await {
            found += 1;
            match asked {
                Asked::Message(message) => {
                    is_sound(&message);
                    connection.answer(&message).await.unwrap();
                }
                Asked::Socket(mut socket) => {
                    while let Some(message) = socket.receive().await {
                        is_sound(&message);
                        if socket.send(&message).await.is_none() {
                            break;
                        }
                    }
                    socket.close().await;
                }
            }
        }
        drop(connection);
        let mut said = Vec::new();
        theirs.read_to_end(&mut said).await.unwrap();
        assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 "));
        Reached::taken(found > 0)
    })
}

fn is_sound(message: &[u8]) {
    assert!(message.len() <= SERVICE.max_message, "longer than allowed");
}
