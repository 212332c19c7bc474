//! A WebSocket client (RFC 6455) that sends what no client should.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than an answer on loopback takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection on which a SIP client has asked for a WebSocket (RFC 7118).
pub(crate) async fn knock(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "GET / HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: sip\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// The connection, and the code that its other end has closed it with.
pub(crate) struct WebSocket(TcpStream, Option<u16>);

impl WebSocket {
    /// Connects as a SIP client does (RFC 7118).
    pub(crate) async fn open(address: &str) -> Self {
        let mut stream = knock(address).await;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        assert!(answer.starts_with(b"HTTP/1.1 101"));
        Self(stream, None)
    }

    /// Sends a binary message in one frame. The peer may have hung up already: then it is lost.
    pub(crate) async fn send(&mut self, message: &[u8]) {
        let mut frame = vec![0x82];
        match u16::try_from(message.len()) {
            Ok(length @ ..126) => frame.push(0x80 | length as u8),
            Ok(length) => frame.extend([&[0x80 | 126], &length.to_be_bytes()[..]].concat()),
            Err(_) => {
                frame.push(0x80 | 127);
                frame.extend((message.len() as u64).to_be_bytes());
            }
        }
        // Masked with zeros, which changes nothing.
        frame.extend([0; 4]);
        frame.extend(message);
        self.send_raw(&frame).await;
    }

    /// Sends bytes as they are.
    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) {
        _ = self.0.write_all(bytes).await;
    }

    /// The next message; `None` when the connection is closed.
    pub(crate) async fn receive(&mut self) -> Option<Vec<u8>> {
        let received = timeout(PATIENCE, self.frame()).await;
        received
            .expect("neither an answer nor a close")
            .ok()
            .flatten()
    }

    /// Waits until the connection is closed; the code that it is closed with.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        let closed = async { while let Ok(Some(_)) = self.frame().await {} };
        timeout(PATIENCE, closed).await.expect("it stays open");
        self.1
    }

    async fn frame(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        loop {
            let opcode = self.0.read_u8().await? & 0x0f;
            let length = match self.0.read_u8().await? & 0x7f {
                126 => self.0.read_u16().await?.into(),
                127 => self.0.read_u64().await?,
                short => short.into(),
            };
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            self.0.read_exact(&mut payload).await?;
            match opcode {
                1 | 2 => return Ok(Some(payload)),
                8 => {
                    self.1 = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    return Ok(None);
                }
                _ => {}
            }
        }
    }
}
