//! SIP over TCP and TLS between the edge and its SIP server, over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may stop on the first surprise

mod parts;

use causeway_proxy::core::{Hop, Transport};
use causeway_proxy::server::TlsUpstream;
use futures_util::{SinkExt as _, StreamExt as _};
use parts::{Certificate, Edge, SipServer, Talk, local, ok, options, register};
use tokio::net::TcpSocket;

fn tcp(server: &SipServer) -> Hop {
    Hop {
        transport: Transport::Tcp,
        address: server.address,
    }
}

/// A connection to the edge, from this address.
async fn connect(edge: &Edge, from: &str) -> Talk {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(from.parse().unwrap()).unwrap();
    let stream = socket.connect(edge.own[0].address).await.unwrap();
    Talk::on(Box::new(stream))
}

#[tokio::test]
async fn requests_share_a_connection_and_their_answers_may_come_in_any_pieces() {
    let mut server = SipServer::start(None);
    let edge = Edge::start(tcp(&server), |_| {}).await;
    let mut browser = edge.browser().await;
    browser.send(register(1)).await;
    let mut talk = server.next().await;
    let first = talk.receive().await.unwrap();
    let own = format!("SIP/2.0/TCP {};", edge.own[0].address);
    assert!(first.values("Via").next().unwrap().starts_with(&own));
    browser.send(register(2)).await;
    let second = talk.receive().await.unwrap();
    let answers = [ok(&first), b"\r\n\r\n".to_vec(), ok(&second)].concat();
    for piece in answers.chunks(100) {
        talk.send(piece).await;
    }
    for number in 1..=2 {
        let answer = browser.receive().await;
        assert_eq!(answer.status(), Some(200));
        assert_eq!(answer.cseq().unwrap().number, number);
    }
    assert!(server.is_left_alone(), "one connection is enough");
}

#[tokio::test]
async fn a_closed_connection_is_made_anew_and_a_request_that_was_lost_with_it_goes_out_again() {
    let mut server = SipServer::start(None);
    let edge = Edge::start(tcp(&server), |_| {}).await;
    let mut browser = edge.browser().await;
    browser.send(register(1)).await;
    let mut first = server.next().await;
    let lost = first.receive().await.unwrap();
    drop(first);
    let mut second = server.next().await;
    let again = second.receive().await.unwrap();
    assert_eq!(again.as_bytes(), lost.as_bytes());
    second.send(ok(&again)).await;
    assert_eq!(browser.receive().await.status(), Some(200));
}

#[tokio::test]
async fn where_nobody_listens_the_browser_is_told_at_once() {
    let address = {
        let gone = tokio::net::TcpListener::bind(local()).await.unwrap();
        gone.local_addr().unwrap()
    };
    let transport = Transport::Tcp;
    let edge = Edge::start(Hop { transport, address }, |_| {}).await;
    let mut browser = edge.browser().await;
    browser.send(register(1)).await;
    assert_eq!(browser.receive().await.status(), Some(503));
}

#[tokio::test]
async fn tls_reaches_the_server_whose_certificate_is_for_its_name_and_no_other() {
    for (named, trusted) in [("sip.example.com", true), ("evil.example.com", false)] {
        let certificate = Certificate::of(named);
        let mut server = SipServer::start(Some(certificate.server()));
        let (transport, address) = (Transport::Tls, server.address);
        let edge = Edge::start(Hop { transport, address }, |config| {
            config.tls.push((local(), certificate.server()));
            let name = net::tls::server_name("sip.example.com").unwrap();
            config.tls_upstream = Some(TlsUpstream {
                config: certificate.client(),
                names: [(address, name)].into(),
            });
        })
        .await;
        let mut browser = edge.browser().await;
        browser.send(register(1)).await;
        if trusted {
            let mut talk = server.next().await;
            let request = talk.receive().await.unwrap();
            let own = format!("SIP/2.0/TLS {};", edge.own[0].address);
            assert!(request.values("Via").next().unwrap().starts_with(&own));
            talk.send(ok(&request)).await;
        }
        let expected = if trusted { 200 } else { 503 };
        assert_eq!(browser.receive().await.status(), Some(expected), "{named}");
    }
}

#[tokio::test]
async fn the_server_is_answered_on_the_connection_that_it_opened_also_under_tls() {
    let mut server = SipServer::start(None);
    let certificate = Certificate::of("edge.example.com");
    let edge = Edge::start(tcp(&server), |config| {
        config.tls.push((local(), certificate.server()));
    })
    .await;
    let name = net::tls::server_name("edge.example.com").unwrap();
    let tls = Some((certificate.client(), name));
    let secure = net::stream::connect(edge.own[1].address, tls).await;
    for mut talk in [
        connect(&edge, "127.0.0.1:0").await,
        Talk::on(secure.unwrap()),
    ] {
        for number in 1..=2 {
            talk.send(options(number, "Content-Length: 0\r\n")).await;
            let answer = talk.receive().await.unwrap();
            assert_eq!(answer.status(), Some(200));
            assert_eq!(answer.cseq().unwrap().number, number);
        }
    }
    assert!(server.is_left_alone());
}

#[tokio::test]
async fn what_cannot_be_measured_is_refused_and_ends_its_connection_and_no_other() {
    let server = SipServer::start(None);
    let edge = Edge::start(tcp(&server), |_| {}).await;
    let mut witness = connect(&edge, "127.0.0.1:0").await;
    let endless = "X: y\r\n".repeat(20_000);
    for (length, status) in [
        ("", 400),
        ("Content-Length: -1\r\n", 400),
        ("Content-Length: 1 1\r\n", 400),
        ("Content-Length: 4294967296\r\n", 400),
        ("Content-Length: 4294967295\r\n", 513),
        (&endless, 513),
    ] {
        let mut talk = connect(&edge, "127.0.0.1:0").await;
        talk.send(options(1, length)).await;
        let said = &length[..length.len().min(40)];
        let answer = talk.receive().await;
        assert_eq!(answer.unwrap().status(), Some(status), "{said}");
        assert!(talk.receive().await.is_none(), "{said}");
    }
    let mut cut = connect(&edge, "127.0.0.1:0").await;
    cut.send(&options(1, "Content-Length: 5\r\n")[..80]).await;
    drop(cut);
    witness.send(options(2, "Content-Length: 0\r\n")).await;
    assert_eq!(witness.receive().await.unwrap().status(), Some(200));
}

#[tokio::test]
async fn a_connection_from_elsewhere_is_closed_unheard() {
    let server = SipServer::start(None);
    let edge = Edge::start(tcp(&server), |_| {}).await;
    let mut stranger = connect(&edge, "127.0.0.2:0").await;
    assert!(stranger.receive().await.is_none());
}

#[tokio::test]
async fn a_large_request_leaves_udp_for_tcp_where_the_server_takes_it() {
    let mut server = SipServer::start(None);
    let udp = tokio::net::UdpSocket::bind(server.address).await.unwrap();
    let edge = Edge::start(Hop::udp(server.address), |_| {}).await;
    let mut browser = edge.browser().await;
    let large = |number| {
        let fill = format!("X-Fill: {}\r\nExpires", "x".repeat(1300));
        register(number).replacen("Expires", &fill, 1)
    };
    browser.send(large(1)).await;
    let mut buffer = vec![0; 65_535];
    let (length, _) = udp.recv_from(&mut buffer).await.unwrap();
    assert!(length > 1300, "the first one goes as ever");
    let mut talk = server.next().await;
    let mut number = 1;
    let request = loop {
        number += 1;
        browser.send(large(number)).await;
        tokio::select! {
            request = talk.receive() => break request.unwrap(),
            // The edge does not know of the connection yet; or it is the first one, again.
            _ = udp.recv_from(&mut buffer) => {}
        }
    };
    assert!(
        request
            .values("Via")
            .next()
            .unwrap()
            .starts_with("SIP/2.0/TCP ")
    );
    talk.send(ok(&request)).await;
    assert_eq!(browser.receive().await.status(), Some(200));
}

#[tokio::test]
async fn browsers_and_the_sip_server_share_a_port_under_tls() {
    let server = SipServer::start(None);
    let certificate = Certificate::of("edge.example.com");
    let edge = Edge::start(tcp(&server), |config| {
        let options = net::ws::Options {
            tls: Some(certificate.server()),
            others: true,
            ..Default::default()
        };
        config.listeners = vec![(local(), options)];
    })
    .await;
    let shared = edge.own.last().unwrap();
    assert_eq!(
        (shared.transport, shared.address),
        (Transport::Tls, edge.ws[0])
    );
    let name = "edge.example.com";
    let mut browser = edge.secure_browser(&certificate, name).await;
    let ping = tokio_websockets::Message::text("\r\n\r\n".to_owned());
    browser.send(ping).await.unwrap();
    let pong = browser.next().await.unwrap().unwrap();
    assert_eq!(pong.as_text(), Some("\r\n"));

    let tls = Some((certificate.client(), net::tls::server_name(name).unwrap()));
    let stream = net::stream::connect(shared.address, tls).await.unwrap();
    let mut talk = Talk::on(stream);
    for number in 1..=2 {
        talk.send(options(number, "Content-Length: 0\r\n")).await;
        assert_eq!(talk.receive().await.unwrap().status(), Some(200));
    }
}
