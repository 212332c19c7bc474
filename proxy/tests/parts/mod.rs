//! An edge on real sockets, a browser before it, and a SIP server behind it that reads and writes by hand.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use causeway_proxy::core::{Config as CoreConfig, Hop, Secrets, Transport};
use causeway_proxy::server::{Config, Server};
use futures_util::{SinkExt as _, StreamExt as _};
use net::stream::Stream;
use net::{tcp, ws};
use sip::{Frame, Frames, Message, ResponseBuilder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_websockets::{ClientBuilder, MaybeTlsStream, WebSocketStream};

/// Longer than anything takes on loopback.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn local() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// A certificate for this name, and its key.
pub(crate) struct Certificate(rcgen::CertifiedKey<rcgen::KeyPair>);

impl Certificate {
    pub(crate) fn of(name: &str) -> Self {
        Self(rcgen::generate_simple_self_signed([name.to_owned()]).unwrap())
    }

    pub(crate) fn server(&self) -> Arc<rustls::ServerConfig> {
        let key = self.0.signing_key.serialize_der();
        let key = rustls_pki_types::PrivateKeyDer::try_from(key).unwrap();
        net::tls::server_config_from(vec![self.0.cert.der().clone()], key).unwrap()
    }

    /// Trust in this certificate and no other.
    pub(crate) fn client(&self) -> Arc<rustls::ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.0.cert.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap();
        Arc::new(config.with_root_certificates(roots).with_no_client_auth())
    }
}

/// A SIP server that takes connections; each is given out by `next`.
pub(crate) struct SipServer {
    pub(crate) address: SocketAddr,
    connections: mpsc::Receiver<Talk>,
}

impl SipServer {
    pub(crate) fn start(tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = tcp::Listener::bind(local()).unwrap();
        let address = listener.local_addr();
        let (sender, connections) = mpsc::channel(16);
        let show = move |stream, _| {
            let (sender, tls) = (sender.clone(), tls.clone());
            async move {
                if let Ok(stream) = net::stream::accept(stream, tls).await {
                    _ = sender.send(Talk::on(stream)).await;
                }
            }
        };
        tokio::spawn(listener.run(100, show));
        Self {
            address,
            connections,
        }
    }

    pub(crate) async fn next(&mut self) -> Talk {
        let next = timeout(PATIENCE, self.connections.recv()).await;
        next.expect("nobody connects").unwrap()
    }

    /// Nobody has connected but those given out.
    pub(crate) fn is_left_alone(&mut self) -> bool {
        self.connections.try_recv().is_err()
    }
}

/// A connection that SIP is spoken on.
pub(crate) struct Talk {
    pub(crate) stream: Stream,
    frames: Frames,
    unread: Vec<u8>,
}

impl Talk {
    pub(crate) fn on(stream: Stream) -> Self {
        Self {
            stream,
            frames: Frames::new(),
            unread: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, text: impl AsRef<[u8]>) {
        self.stream.write_all(text.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next message; `None` at the end.
    pub(crate) async fn receive(&mut self) -> Option<Message> {
        loop {
            let mut input = &self.unread[..];
            let frame = self.frames.take(&mut input);
            self.unread = input.to_vec();
            match frame {
                Some(Frame::Message(bytes)) => return Some(Message::parse(bytes).unwrap()),
                Some(Frame::Ping) => continue,
                Some(Frame::Broken(_)) => panic!("the edge sends what cannot be measured"),
                None => {}
            }
            let mut piece = vec![0; 4096];
            let read = timeout(PATIENCE, self.stream.read(&mut piece)).await;
            match read.expect("neither a message nor the end") {
                Ok(0) | Err(_) => return None,
                Ok(length) => self.unread = piece[..length].to_vec(),
            }
        }
    }
}

/// A running edge. It stops when dropped.
pub(crate) struct Edge {
    pub(crate) ws: Vec<SocketAddr>,
    pub(crate) own: Vec<Hop>,
    _stop: oneshot::Sender<()>,
}

impl Edge {
    pub(crate) async fn start(upstream: Hop, change: impl FnOnce(&mut Config)) -> Self {
        let own = Hop {
            transport: upstream.transport,
            address: local(),
        };
        let mut config = Config {
            core: CoreConfig::new("example.com", vec![own]),
            upstreams: vec![upstream.into()],
            dns: Vec::new(),
            secrets: Secrets {
                token_key: [1; 32],
                seed: [2; 32],
            },
            udp: Vec::new(),
            tcp: Vec::new(),
            tls: Vec::new(),
            tls_upstream: None,
            listeners: vec![(local(), ws::Options::default())],
            records: None,
            users: None,
            keys: None,
            accounts: None,
            relays: Vec::new(),
            cookie_seed: [3; 8],
            status: None,
            certificate_expires: None,
            gate: Default::default(),
            relay_key: None,
        };
        match upstream.transport {
            Transport::Udp => config.udp.push(local()),
            Transport::Tcp => config.tcp.push(local()),
            Transport::Tls => {}
        }
        // Some browsers here ask until they get what they wait for.
        config.core.limits.messages_per_flow = u32::MAX;
        config.core.limits.messages_per_address = u32::MAX;
        change(&mut config);
        let server = Server::bind(config).await.unwrap();
        let (ws, own) = (server.ws_addrs(), server.sip_addrs());
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(server.run(async {
            _ = stopped.await;
        }));
        Self {
            ws,
            own,
            _stop: stop,
        }
    }

    /// A browser on a WSS listener with this certificate.
    pub(crate) async fn secure_browser(&self, trust: &Certificate, name: &str) -> SecureBrowser {
        let tls = Some((trust.client(), net::tls::server_name(name).unwrap()));
        let stream = net::stream::connect(self.ws[0], tls).await.unwrap();
        let header = "sec-websocket-protocol".parse().unwrap();
        let builder = ClientBuilder::new().uri("wss://x/").unwrap();
        let builder = builder.add_header(header, "sip".parse().unwrap()).unwrap();
        builder.connect_on(stream).await.unwrap().0
    }

    pub(crate) async fn browser(&self) -> Browser {
        let url = format!("ws://{}/", self.ws[0]);
        let name = "sec-websocket-protocol".parse().unwrap();
        let builder = ClientBuilder::new().uri(&url).unwrap();
        let builder = builder.add_header(name, "sip".parse().unwrap()).unwrap();
        Browser(builder.connect().await.unwrap().0)
    }
}

pub(crate) type SecureBrowser = WebSocketStream<Stream>;

pub(crate) struct Browser(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Browser {
    pub(crate) async fn send(&mut self, text: String) {
        let message = tokio_websockets::Message::text(text);
        self.0.send(message).await.unwrap();
    }

    pub(crate) async fn receive(&mut self) -> Message {
        let received = timeout(PATIENCE, self.0.next()).await;
        let message = received.expect("no message").unwrap().unwrap();
        Message::parse(message.as_payload().to_vec()).unwrap()
    }
}

/// A request that the edge sends on.
pub(crate) fn register(number: u32) -> String {
    format!(
        "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/WS a.invalid;branch=z9hG4bK{number}x\r\n\
         Max-Forwards: 69\r\nTo: <sip:alice@example.com>\r\nFrom: <sip:alice@example.com>;tag=1\r\n\
         Call-ID: r\r\nCSeq: {number} REGISTER\r\nContact: <sip:a@a.invalid;transport=ws>\r\n\
         Expires: 600\r\nContent-Length: 0\r\n\r\n"
    )
}

/// A request that the edge answers itself.
pub(crate) fn options(number: u32, length: &str) -> String {
    format!(
        "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:5060;branch=z9hG4bK{number}o\r\n\
         Max-Forwards: 70\r\nTo: <sip:127.0.0.1>\r\nFrom: <sip:x@example.com>;tag=1\r\nCall-ID: o\r\n\
         CSeq: {number} OPTIONS\r\n{length}\r\n"
    )
}

/// What a registrar says.
pub(crate) fn ok(request: &Message) -> Vec<u8> {
    let contact = request.header("Contact").unwrap().into_owned();
    ResponseBuilder::new(request, 200, "OK")
        .to_tag("t")
        .header("Contact", contact)
        .build()
        .unwrap()
        .into_bytes()
}
