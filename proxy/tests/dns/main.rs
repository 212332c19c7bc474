//! A SIP server and relays by name: found by DNS, followed when they move, and kept when DNS fails. The name server is a few
//! lines on loopback, the SIP servers and relays are sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may stop on the first surprise

mod name_server;
#[allow(dead_code)] // what only the tests of streams need
#[path = "../parts/mod.rs"]
mod parts;
mod relays;
mod upstreams;

use std::net::SocketAddr;
use std::time::Duration;

use parts::{local, ok};
use sip::{Message, Method, ResponseBuilder};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

/// A SIP server on a socket; what it is asked comes out of `requests`, answered already unless it is dead.
struct SipServer {
    address: SocketAddr,
    requests: mpsc::UnboundedReceiver<Message>,
}

impl SipServer {
    async fn start(lives: bool) -> Self {
        let socket = UdpSocket::bind(local()).await.unwrap();
        let address = socket.local_addr().unwrap();
        let (sender, requests) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut buffer = [0; 65_535];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let request = Message::parse(buffer[..length].to_vec()).unwrap();
                if lives {
                    _ = socket.send_to(&yes(&request), from).await;
                }
                _ = sender.send(request);
            }
        });
        Self { address, requests }
    }

    /// The next request that is no question whether it lives.
    async fn next(&mut self) -> Message {
        loop {
            let next = timeout(PATIENCE, self.requests.recv()).await;
            let request = next.expect("no request").unwrap();
            if !request.is(&Method::Options) {
                return request;
            }
        }
    }

    /// Whether it has been asked for anything, not counting whether it lives.
    fn was_used(&mut self) -> bool {
        std::iter::from_fn(|| self.requests.try_recv().ok())
            .any(|request| !request.is(&Method::Options))
    }
}

fn yes(request: &Message) -> Vec<u8> {
    match request.is(&Method::Register) {
        true => ok(request),
        false => ResponseBuilder::new(request, 200, "OK")
            .to_tag("t")
            .build()
            .unwrap()
            .into_bytes(),
    }
}
