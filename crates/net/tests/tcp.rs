//! TCP listeners and their bounds, over real sockets.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may stop on the first surprise

use std::sync::Arc;
use std::time::Duration;

use causeway_net::tcp::{Listener, farewell};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

fn bind() -> Listener {
    Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap()
}

#[tokio::test]
async fn a_connection_over_the_limit_is_served_when_another_has_ended() {
    let listener = bind();
    let address = listener.local_addr();
    let greet = |mut stream: TcpStream, _| async move {
        _ = stream.write_all(b"hello").await;
        _ = stream.read(&mut [0]).await;
    };
    tokio::spawn(listener.run(1, greet));
    let mut greeting = [0; 5];
    let mut first = TcpStream::connect(address).await.unwrap();
    first.read_exact(&mut greeting).await.unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(100), second.read(&mut greeting)).await;
    assert!(early.is_err(), "the second must wait");
    drop(first);
    second.read_exact(&mut greeting).await.unwrap();
}

#[tokio::test]
async fn a_listener_that_ends_ends_its_connections() {
    let listener = bind();
    let address = listener.local_addr();
    let open = Arc::new(Notify::new());
    let accepted = Arc::clone(&open);
    let hold = move |stream: TcpStream, _| {
        accepted.notify_one();
        async move {
            std::future::pending::<()>().await;
            drop(stream);
        }
    };
    let serving = tokio::spawn(listener.run(8, hold));
    let mut client = TcpStream::connect(address).await.unwrap();
    open.notified().await;
    serving.abort();
    assert!(matches!(client.read(&mut [0]).await, Ok(0) | Err(_)));
}

#[tokio::test]
async fn last_words_reach_a_peer_that_is_sending_still() {
    let listener = bind();
    let address = listener.local_addr();
    let refuse = |mut stream: TcpStream, _| async move {
        stream.read_exact(&mut [0; 10]).await.unwrap();
        stream.write_all(b"no").await.unwrap();
        farewell(&mut stream).await;
    };
    tokio::spawn(listener.run(8, refuse));
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(&[7; 100_000]).await.unwrap();
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"no");
}

#[tokio::test]
async fn an_address_that_is_taken_is_refused_in_one_sentence() {
    let holder = bind();
    let error = Listener::bind(holder.local_addr()).unwrap_err().to_string();
    let taken = holder.local_addr();
    assert!(
        error.starts_with(&format!(
            "cannot listen on TCP {taken}: another program has that port"
        )),
        "{error}"
    );
}
