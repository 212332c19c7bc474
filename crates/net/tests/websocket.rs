//! The WebSocket listener as a browser meets it, over real sockets.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may stop on the first surprise

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

#[tokio::test]
async fn messages_pass_both_ways_and_a_close_is_told() {
    let (address, mut events) = listen(Options::default()).await;
    let mut browser = connect(address, None).await.unwrap();
    let flow = opened(&mut events).await;
    assert_eq!(flow.host, address.to_string());
    assert!(!flow.secure);

    browser.send(Message::text("REGISTER")).await.unwrap();
    let Some(Event::Message { bytes, .. }) = events.recv().await else {
        panic!("no message")
    };
    assert_eq!(bytes, b"REGISTER");

    assert!(flow.sender.send(b"SIP/2.0 200 OK".to_vec()));
    let answer = browser.next().await.unwrap().unwrap();
    assert_eq!(answer.as_text(), Some("SIP/2.0 200 OK"));

    assert!(flow.sender.send(b"\xff not utf-8".to_vec()));
    assert!(browser.next().await.unwrap().unwrap().is_binary());

    browser.close().await.unwrap();
    assert!(matches!(
        events.recv().await,
        Some(Event::Closed {
            why: Closing::ByPeer,
            ..
        })
    ));
}

#[tokio::test]
async fn dropping_the_sender_closes_the_browsers_socket() {
    let (address, mut events) = listen(Options::default()).await;
    let mut browser = connect(address, None).await.unwrap();
    drop(opened(&mut events).await.sender);
    assert!(browser.next().await.unwrap().unwrap().is_close());
    assert!(matches!(
        events.recv().await,
        Some(Event::Closed {
            why: Closing::ByUs,
            ..
        })
    ));
}

#[tokio::test]
async fn an_oversized_message_ends_its_flow_and_no_other() {
    let (address, mut events) = listen(Options::default()).await;
    let mut attacker = connect(address, None).await.unwrap();
    let attacking = opened(&mut events).await;
    let mut witness = connect(address, None).await.unwrap();
    let _witnessing = opened(&mut events).await;

    let _ = attacker.send(Message::binary(vec![b'a'; 65 * 1024])).await;
    match events.recv().await {
        Some(Event::Closed {
            flow,
            why: Closing::Protocol | Closing::ByPeer,
        }) => assert_eq!(flow, attacking.flow),
        other => panic!("expected the flow's end, got {other:?}"),
    }
    witness.send(Message::text("\r\n\r\n")).await.unwrap();
    assert!(matches!(events.recv().await, Some(Event::Message { .. })));
}

#[tokio::test]
async fn a_foreign_origin_is_refused_when_origins_are_listed() {
    let origins = Origins::listed(&["https://shop.example".to_owned()]);
    let (address, mut events) = listen(Options {
        origins,
        ..Options::default()
    })
    .await;
    assert!(
        connect(address, Some("https://evil.example"))
            .await
            .is_err()
    );
    assert!(
        connect(address, Some("https://shop.example.evil.example"))
            .await
            .is_err()
    );
    let _browser = connect(address, Some("https://shop.example"))
        .await
        .unwrap();
    assert_eq!(
        opened(&mut events).await.origin.as_deref(),
        Some("https://shop.example")
    );
}

#[tokio::test]
async fn a_page_is_served_where_one_is_given_and_404_otherwise() {
    let pages = |path: &str| (path == "/").then_some(("text/html", b"<p>phone".as_slice().into()));
    let (address, _events) = listen(Options {
        pages: Some(Arc::new(pages)),
        ..Options::default()
    })
    .await;
    assert!(get(address, "/").await.ends_with("<p>phone"));
    assert!(get(address, "/other").await.starts_with("HTTP/1.1 404"));
}

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[derive(Debug)]
struct Always(Arc<rustls::sign::CertifiedKey>);

impl rustls::server::ResolvesServerCert for Always {
    fn resolve(
        &self,
        _: rustls::server::ClientHello<'_>,
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(self.0.clone())
    }
}

#[tokio::test]
async fn a_cas_validator_sees_the_certificate_and_is_told_nothing_more() {
    let made = rcgen::generate_simple_self_signed(["edge.example".to_owned()]).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let key = causeway_net::tls::certified_key(vec![made.cert.der().clone()], key).unwrap();
    let tls = causeway_net::tls::server_config_of(Arc::new(Always(key))).unwrap();
    let options = Options {
        tls: Some(tls),
        ..Options::default()
    };
    let (address, _events) = listen(options).await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    for (protocol, answered) in [("http/1.1", true), ("acme-tls/1", false)] {
        let mut client = client.clone();
        client.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
        let tcp = TcpStream::connect(address).await.unwrap();
        let name = "edge.example".try_into().unwrap();
        let mut stream = connector.connect(name, tcp).await.unwrap();
        let chosen = stream.get_ref().1.alpn_protocol().unwrap();
        assert_eq!(chosen, protocol.as_bytes());
        _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut answer = Vec::new();
        // A connection that is closed with something unread may be reset.
        _ = stream.read_to_end(&mut answer).await;
        assert_eq!(!answer.is_empty(), answered, "{protocol}");
    }
}

#[tokio::test]
async fn a_browser_connects_over_tls_and_a_stalled_handshake_harms_nobody() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let tls = causeway_net::tls::server_config_from(vec![made.cert.der().clone()], key).unwrap();
    let (address, mut events) = listen(Options {
        tls: Some(tls),
        ..Options::default()
    })
    .await;
    let _stalled = TcpStream::connect(address).await.unwrap();

    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let stream = connector
        .connect("localhost".try_into().unwrap(), tcp)
        .await
        .unwrap();
    let (mut browser, _) = ClientBuilder::new()
        .uri("wss://localhost/")
        .unwrap()
        .add_header(
            "sec-websocket-protocol".parse().unwrap(),
            "sip".parse().unwrap(),
        )
        .unwrap()
        .connect_on(stream)
        .await
        .unwrap();
    let flow = opened(&mut events).await;
    assert!(flow.secure);
    browser.send(Message::text("OPTIONS")).await.unwrap();
    assert!(matches!(events.recv().await, Some(Event::Message { .. })));
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Protocol: sip\r\n\r\n";

#[tokio::test]
async fn a_load_balancer_says_who_is_behind_it_and_nobody_else_can() {
    for (network, believed) in [("127.0.0.0/8", true), ("10.0.0.0/8", false)] {
        let (address, mut events) = listen(Options {
            proxies: Proxies::new(&[network.parse().unwrap()]),
            ..Options::default()
        })
        .await;
        let header = "PROXY TCP4 203.0.113.7 10.0.0.4 51000 443\r\n";
        for header in [header, ""] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let text = format!("{header}{UPGRADE}");
            stream.write_all(text.as_bytes()).await.unwrap();
            if believed == header.is_empty() {
                let mut answer = Vec::new();
                // Closed with octets unread, which the kernel calls a reset.
                _ = stream.read_to_end(&mut answer).await;
                assert!(!answer.starts_with(b"HTTP/1.1 101"), "{network} {header}");
            } else {
                let peer = opened(&mut events).await.peer;
                let behind = if believed {
                    "203.0.113.7:51000".parse().unwrap()
                } else {
                    stream.local_addr().unwrap()
                };
                assert_eq!(peer, behind);
            }
        }
    }
}

#[tokio::test]
async fn what_is_not_http_is_handed_out_whole_where_others_are_welcome() {
    let (address, mut events) = listen(Options {
        others: true,
        ..Options::default()
    })
    .await;
    let _browser = connect(address, None).await.unwrap();
    let _flow = opened(&mut events).await;
    let mut server = TcpStream::connect(address).await.unwrap();
    server.write_all(b"OPTI").await.unwrap();
    let Some(Event::Other {
        mut stream, secure, ..
    }) = events.recv().await
    else {
        panic!("no connection is handed out")
    };
    assert!(!secure);
    server.write_all(b"ONS").await.unwrap();
    let mut heard = [0; 7];
    stream.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"OPTIONS");
    stream.write_all(b"SIP/2.0").await.unwrap();
    server.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"SIP/2.0");
}

#[tokio::test]
async fn both_families_have_the_same_port() {
    // Somebody else may have the port of the other family.
    for _ in 0..50 {
        let any = ([0, 0, 0, 0], 0).into();
        let v4 = Listener::bind(any, Options::default()).await.unwrap();
        let port = v4.local_addr().port();
        let any = ([0_u16; 8], port).into();
        if Listener::bind(any, Options::default()).await.is_ok() {
            return;
        }
    }
    panic!("one family takes the port of both");
}

/// A listener that pings so often, and a browser on it.
async fn pinged(ping: Duration) -> (Browser, Opened, mpsc::Receiver<Event>) {
    let (address, mut events) = listen(Options {
        ping: Some(ping),
        ..Options::default()
    })
    .await;
    let browser = connect(address, None).await.unwrap();
    let flow = opened(&mut events).await;
    (browser, flow, events)
}

#[tokio::test]
async fn a_browser_that_says_nothing_is_pinged_and_lives_as_long_as_it_answers() {
    let often = Duration::from_secs(1);
    let (mut browser, _flow, mut events) = pinged(often).await;
    for _ in 0..2 {
        // The client answers by itself while it is read.
        assert!(browser.next().await.unwrap().unwrap().is_ping());
    }
    browser.send(Message::text("still here")).await.unwrap();
    assert!(matches!(events.recv().await, Some(Event::Message { .. })));
}

#[tokio::test]
async fn a_browser_that_answers_no_ping_is_gone() {
    // Nobody reads this browser's socket, and so nobody answers.
    let (_browser, flow, mut events) = pinged(Duration::from_millis(50)).await;
    match events.recv().await {
        Some(Event::Closed { flow: gone, why }) => {
            assert_eq!((gone, why), (flow.flow, Closing::Silent));
        }
        other => panic!("expected the flow's end, got {other:?}"),
    }
}

#[tokio::test]
async fn a_browser_that_talks_and_does_not_read_is_gone() {
    let (mut browser, flow, mut events) = pinged(Duration::from_millis(500)).await;
    let sender = flow.sender.clone();
    // More than any socket's buffers hold.
    let flood = tokio::spawn(async move {
        while sender.send(vec![b'x'; 60_000]) {
            tokio::task::yield_now().await;
        }
    });
    // It says something all the time, so that it is not silent.
    let talk = tokio::spawn(async move {
        while browser.send(Message::text("hello")).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let why = loop {
        match events.recv().await {
            Some(Event::Closed { why, .. }) => break why,
            Some(_) => {}
            None => panic!("the listener ended"),
        }
    };
    assert_eq!(why, Closing::Slow);
    flood.await.unwrap();
    talk.abort();
}

/// A WebSocket of which every octet is written by hand.
async fn raw(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(UPGRADE.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"));
    stream
}

/// A frame from a client, masked with zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = match payload.len() {
        short if short < 126 => vec![0x80 | short as u8],
        long => [&[0xfe][..], &(long as u16).to_be_bytes()].concat(),
    };
    [&[first][..], &length, &[0; 4], payload].concat()
}

/// The close code that comes back; `None` if the connection just ends.
async fn close_code(stream: &mut TcpStream) -> Option<u16> {
    let mut answer = Vec::new();
    let patience = Duration::from_secs(20);
    _ = tokio::time::timeout(patience, stream.read_to_end(&mut answer))
        .await
        .unwrap();
    let at = answer.iter().position(|octet| *octet == 0x88)?;
    let code = answer.get(at + 2..at + 4)?;
    Some(u16::from_be_bytes(code.try_into().unwrap()))
}

#[tokio::test]
async fn frames_that_rfc_6455_forbids_end_their_flow_with_the_code_that_it_names() {
    let (address, mut events) = listen(Options::default()).await;
    // A flow whose sender is dropped is closed.
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Some(event) = events.recv().await {
            kept.push(event);
        }
    });
    let cases: [(&str, Vec<u8>, u16); 15] = [
        ("unmasked", vec![0x81, 2, b'h', b'i'], 1002),
        ("a reserved bit", frame(0xc1, b"hi"), 1002),
        (
            "compressed without an agreement",
            frame(0xc2, &[0; 50]),
            1002,
        ),
        ("a reserved opcode", frame(0x83, b"hi"), 1002),
        ("a reserved control opcode", frame(0x8b, b"hi"), 1002),
        ("a ping over 125 octets", frame(0x89, &[b'a'; 126]), 1002),
        ("a close over 125 octets", frame(0x88, &[3; 200]), 1002),
        ("a ping in pieces", frame(0x09, b"hi"), 1002),
        ("a continuation of nothing", frame(0x80, b"hi"), 1002),
        (
            "a message within a message",
            [frame(0x01, b"a"), frame(0x81, b"b")].concat(),
            1002,
        ),
        ("a close of one octet", frame(0x88, &[3]), 1002),
        (
            "a close with a code that nobody may send",
            frame(0x88, &1005_u16.to_be_bytes()),
            1002,
        ),
        ("text that is no UTF-8", frame(0x81, &[0xff, 0xfe]), 1007),
        (
            "text that is no UTF-8 in pieces",
            [frame(0x01, &[0xe2]), frame(0x80, &[0x28])].concat(),
            1007,
        ),
        (
            "a message over the limit",
            [&[0x82, 0xff][..], &(1_u64 << 40).to_be_bytes(), &[0; 4]].concat(),
            1009,
        ),
    ];
    for (what, octets, code) in cases {
        let mut stream = raw(address).await;
        stream.write_all(&octets).await.unwrap();
        assert_eq!(close_code(&mut stream).await, Some(code), "{what}");
    }
    // And what it allows is heard.
    let (address, mut events) = listen(Options::default()).await;
    let mut stream = raw(address).await;
    let _flow = opened(&mut events).await;
    let pieces = [
        frame(0x01, b"OP"),
        frame(0x89, b"?"),
        frame(0x00, b""),
        frame(0x80, b"TIONS"),
    ];
    stream.write_all(&pieces.concat()).await.unwrap();
    let Some(Event::Message { bytes, .. }) = events.recv().await else {
        panic!("no message")
    };
    assert_eq!(bytes, b"OPTIONS");
}

#[tokio::test]
async fn a_message_in_endless_pieces_ends_at_the_limit_of_messages() {
    let (address, mut events) = listen(Options::default()).await;
    let mut stream = raw(address).await;
    let _flow = opened(&mut events).await;
    let piece = frame(0x00, &[b'a'; 1000]);
    let _ = stream.write_all(&frame(0x02, b"a")).await;
    let sender = tokio::spawn(async move {
        for _ in 0..100 {
            if stream.write_all(&piece).await.is_err() {
                break;
            }
        }
        stream
    });
    match events.recv().await {
        Some(Event::Closed { why, .. }) => assert_eq!(why, Closing::Protocol),
        other => panic!("expected the flow's end, got {other:?}"),
    }
    drop(sender.await);
}

#[tokio::test]
async fn who_plays_with_pings_is_disconnected_and_so_is_who_does_not_take_his_pongs() {
    let (address, mut events) = listen(Options {
        ping: Some(Duration::from_secs(2)),
        ..Options::default()
    })
    .await;
    let mut stream = raw(address).await;
    let flow = opened(&mut events).await;
    for _ in 0..100 {
        stream.write_all(&frame(0x89, b"?")).await.unwrap();
    }
    stream.write_all(&frame(0x81, b"still here")).await.unwrap();
    assert!(matches!(events.recv().await, Some(Event::Message { .. })));
    // The rest of a second's worth is more than anybody needs.
    let mut pings = 0;
    while pings < 10_000 && stream.write_all(&frame(0x89, &[b'?'; 125])).await.is_ok() {
        pings += 1;
    }
    match events.recv().await {
        Some(Event::Closed { flow: gone, why }) => {
            assert_eq!(gone, flow.flow);
            assert_eq!(why, Closing::Protocol);
        }
        other => panic!("expected the flow's end, got {other:?}"),
    }
}

/// A listener with so many places for an address.
async fn with_places(per_address: usize) -> (SocketAddr, mpsc::Receiver<Event>, Arc<Gate>) {
    let door = Door::new(DoorLimits {
        per_address,
        ..DoorLimits::default()
    });
    let gate = Arc::<Gate>::default();
    let options = Options {
        door,
        gate: gate.clone(),
        ..Options::default()
    };
    let (address, events) = listen(options).await;
    (address, events, gate)
}

/// Connections that found no place.
fn refused(gate: &Gate) -> u64 {
    let told = gate.told();
    told.into_iter().find(|it| it.0 == "crowded").unwrap().1
}

/// A browser with another address.
async fn another_connects(address: SocketAddr) -> TcpStream {
    let other = tokio::net::TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = other.connect(address).await.unwrap();
    other.write_all(UPGRADE.as_bytes()).await.unwrap();
    other
}

#[tokio::test]
async fn an_address_with_too_many_connections_gets_no_more_and_others_do() {
    let (address, mut events, gate) = with_places(2).await;
    let _first = connect(address, None).await.unwrap();
    let _flow = opened(&mut events).await;
    let second = connect(address, None).await.unwrap();
    let second_flow = opened(&mut events).await;
    assert!(connect(address, None).await.is_err());
    assert_eq!(refused(&gate), 1);
    let _other = another_connects(address).await;
    let _flow = opened(&mut events).await;
    // Who leaves makes room.
    drop((second, second_flow));
    assert!(matches!(events.recv().await, Some(Event::Closed { .. })));
    while connect(address, None).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn connections_that_never_become_anything_leave_room_and_are_cut_off() {
    let (address, mut events, gate) = with_places(40).await;
    let mut held = Vec::new();
    while refused(&gate) == 0 {
        held.push(TcpStream::connect(address).await.unwrap());
        tokio::task::yield_now().await;
    }
    // Half of the places are not for handshakes, and others have their own.
    let _other = another_connects(address).await;
    let _flow = opened(&mut events).await;
    let began = std::time::Instant::now();
    for mut stream in held {
        assert!(stream.read_u8().await.is_err(), "nothing is said to them");
    }
    assert!(began.elapsed() < Duration::from_secs(15));
    assert!(
        connect(address, None).await.is_ok(),
        "their places are free"
    );
}

/// A ClientHello that knows nothing newer than this version.
fn hello(minor: u8) -> Vec<u8> {
    let suites = [0xc0, 0x13, 0xc0, 0x14, 0, 0x2f, 0, 0x35, 0, 0x0a, 0, 5];
    let mut body = vec![3, minor];
    body.extend([7; 32]);
    body.extend([0, 0, suites.len() as u8]);
    body.extend(suites);
    body.extend([1, 0]);
    let length = body.len() as u16;
    let mut record = vec![22, 3, minor.min(1)];
    record.extend((length + 4).to_be_bytes());
    record.extend([1, 0]);
    record.extend(length.to_be_bytes());
    record.extend(body);
    record
}

#[tokio::test]
async fn tls_before_1_2_is_refused() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let tls = causeway_net::tls::server_config_from(vec![made.cert.der().clone()], key).unwrap();
    let (address, _events) = listen(Options {
        tls: Some(tls),
        ..Options::default()
    })
    .await;
    for minor in [0, 1, 2] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&hello(minor)).await.unwrap();
        let mut answer = Vec::new();
        _ = stream.read_to_end(&mut answer).await;
        // An alert, fatal: protocol_version, or whatever else there is not to be had.
        assert_eq!((answer[0], answer[5]), (21, 2), "3.{minor}: {answer:x?}");
        assert!([70, 40].contains(&answer[6]), "3.{minor}: {answer:x?}");
    }
}
