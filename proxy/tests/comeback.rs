//! A browser that comes back on another WebSocket while its old one still seems to live, over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may stop on the first surprise

#[allow(dead_code)] // what only the tests of streams and names need
mod parts;

use std::time::{Duration, Instant};

use causeway_proxy::core::{Hop, Transport};
use parts::{Edge, SipServer, Talk, ok, register};

/// So long may it take on the slowest machine; the figure that is printed says how long it does take.
const LIMIT: Duration = Duration::from_secs(10);

/// A BYE from the phone, by the Path that the registration left behind.
fn bye(path: &str, number: u32) -> String {
    format!(
        "BYE sip:a@a.invalid;transport=ws SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:5060;branch=z9hG4bKbye{number}\r\n\
         Route: {path}\r\nMax-Forwards: 70\r\nTo: <sip:alice@example.com>;tag=1\r\n\
         From: <sip:bob@example.com>;tag=2\r\nCall-ID: call\r\nCSeq: {number} BYE\r\nContent-Length: 0\r\n\r\n"
    )
}

/// A REGISTER is answered; the Path of its browser.
async fn registers(talk: &mut Talk) -> String {
    let request = talk.receive().await.unwrap();
    talk.send(ok(&request)).await;
    request.header("Path").unwrap().into_owned()
}

#[tokio::test]
async fn a_bye_goes_to_the_new_websocket_at_once_though_the_old_one_is_open() {
    let mut server = SipServer::start(None);
    let upstream = Hop {
        transport: Transport::Tcp,
        address: server.address,
    };
    let edge = Edge::start(upstream, |_| {}).await;
    let mut old = edge.browser().await;
    old.send(register(1)).await;
    let mut talk = server.next().await;
    registers(&mut talk).await;
    assert_eq!(old.receive().await.status(), Some(200));

    let mut took = Vec::new();
    for number in 2..12 {
        let mut new = edge.browser().await;
        new.send(register(number)).await;
        let path = registers(&mut talk).await;
        assert_eq!(new.receive().await.status(), Some(200));
        let began = Instant::now();
        talk.send(bye(&path, number)).await;
        let bye = new.receive().await;
        took.push(began.elapsed());
        assert!(bye.is(&sip::Method::Bye));
        new.send(String::from_utf8(sip_ok(&bye)).unwrap()).await;
        assert_eq!(talk.receive().await.unwrap().status(), Some(200));
    }
    took.sort_unstable();
    println!(
        "BYE on the new WebSocket after {:?} in the middle, {:?} at most",
        took[5], took[9]
    );
    assert!(took[5] < LIMIT, "{took:?}");
}

fn sip_ok(request: &sip::Message) -> Vec<u8> {
    let response = sip::ResponseBuilder::new(request, 200, "OK");
    response.to_tag("t").build().unwrap().into_bytes()
}
