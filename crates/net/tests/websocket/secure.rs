//! TLS: browsers, validators of CAs, and clients that are too old.

use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::*;

/// A server's own certificate for `localhost`, and what makes it one.
fn localhost() -> (CertificateDer<'static>, Arc<rustls::ServerConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let certificate = made.cert.der().clone();
    let tls = causeway_net::tls::server_config_from(vec![certificate.clone()], key).unwrap();
    (certificate, tls)
}

/// A client that trusts this certificate and no other.
fn trusting(certificate: &CertificateDer<'static>) -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
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
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let key = causeway_net::tls::certified_key(vec![made.cert.der().clone()], key).unwrap();
    let tls = causeway_net::tls::server_config_of(Arc::new(Always(key))).unwrap();
    let options = Options {
        tls: Some(tls),
        ..Options::default()
    };
    let (address, _events) = listen(options).await;
    let client = trusting(made.cert.der());
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
    let (certificate, tls) = localhost();
    let (address, mut events) = listen(Options {
        tls: Some(tls),
        ..Options::default()
    })
    .await;
    let _stalled = TcpStream::connect(address).await.unwrap();

    let client = trusting(&certificate);
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
    let (_, tls) = localhost();
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
