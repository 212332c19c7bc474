//! The WebSocket listener as a browser meets it, over real sockets.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may stop on the first surprise

mod flows;
mod framing;
mod liveness;
mod places;
mod secure;
mod upgrade;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use causeway_net::proxied::Proxies;
use causeway_net::ws::{
    Closing, Door, DoorLimits, Event, Gate, Listener, Opened, Options, Origins,
};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_websockets::{ClientBuilder, MaybeTlsStream, Message, WebSocketStream};

type Browser = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn listen(options: Options) -> (SocketAddr, mpsc::Receiver<Event>) {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), options)
        .await
        .unwrap();
    let address = listener.local_addr();
    let (events, received) = mpsc::channel(16);
    tokio::spawn(listener.run(events));
    (address, received)
}

async fn connect(
    address: SocketAddr,
    origin: Option<&str>,
) -> Result<Browser, tokio_websockets::Error> {
    let url = format!("ws://{address}/");
    let mut builder = ClientBuilder::new().uri(&url).unwrap();
    builder = builder.add_header(
        "sec-websocket-protocol".parse().unwrap(),
        "sip".parse().unwrap(),
    )?;
    if let Some(origin) = origin {
        builder = builder.add_header("origin".parse().unwrap(), origin.parse().unwrap())?;
    }
    Ok(builder.connect().await?.0)
}

async fn opened(events: &mut mpsc::Receiver<Event>) -> Opened {
    match events.recv().await {
        Some(Event::Opened(opened)) => opened,
        other => panic!("expected a flow, got {other:?}"),
    }
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Protocol: sip\r\n\r\n";
