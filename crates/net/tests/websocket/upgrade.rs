//! Who may connect, from where, and what else comes to the same port.

use super::*;

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
