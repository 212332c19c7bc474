//! A certificate from a real ACME server, which looks for its challenge at our port: the first one, its renewal while
//! clients are connected, a CA that is not there, and a restart. Needs Debian's `pebble`, and is left out without it.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may stop on the first surprise

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use causeway_acme::{Held, Keeper, Pace, Settings, Store};
use futures_util::SinkExt as _;
use http::Request;
use net::https;
use net::ws::{Event, Listener, Opened, Options};
use testkit::{Pebble, has_pebble};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_websockets::{ClientBuilder, Message, WebSocketStream};

const NAME: &str = "edge.example";
/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks where nobody tells.
const LOOK: Duration = Duration::from_millis(50);

/// Waits that a test has time for.
const HASTE: Pace = Pace {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(1),
    tries: 1000,
    within: Duration::from_secs(3600),
};

type Browser = WebSocketStream<TlsStream<TcpStream>>;

/// A CA, and the port of an edge that it comes to.
struct Stage {
    folder: PathBuf,
    pebble: Pebble,
    port: u16,
}

impl Stage {
    /// Whose certificates are valid for so long.
    fn new(test: &str, seconds: u32) -> Self {
        let name = format!("causeway-pebble-{test}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = port.local_addr().unwrap().port();
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (chain, key) = (own.cert.pem(), own.signing_key.serialize_pem());
        let pebble = Pebble::new(&folder, port, seconds, &chain, &key);
        Self {
            folder,
            pebble,
            port,
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            names: vec![NAME.to_owned()],
            directory: self.pebble.directory(),
            contact: Some("ops@edge.example".to_owned()),
            store: self.folder.join("store"),
            ca: Some(self.pebble.trust()),
        }
    }

    /// A file with the certificate that signs what the CA issues.
    async fn root(&self) -> PathBuf {
        let trust = net::tls::client_config(Some(&self.pebble.trust()), None).unwrap();
        let request = Request::get(self.pebble.root()).body(Bytes::new()).unwrap();
        let answer = https::Client::new(trust).request(request).await.unwrap();
        let file = self.folder.join("root.pem");
        std::fs::write(&file, answer.into_body()).unwrap();
        file
    }

    async fn edge(&self) -> Edge {
        let keeper = Keeper::new(self.settings(), HASTE).unwrap();
        let options = Options {
            tls: Some(keeper.server_config().unwrap()),
            // Nobody reads pings here while he waits for something else.
            ping: Some(PATIENCE),
            ..Options::default()
        };
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let listener = Listener::bind(address, options).await.unwrap();
        let (sender, events) = mpsc::channel(64);
        Edge {
            tasks: [
                tokio::spawn(listener.run(sender)),
                tokio::spawn(keeper.run()),
            ],
            events,
            flows: Vec::new(),
        }
    }

    /// Connects as a browser that trusts `root`, and checks the name.
    async fn connect(&self, root: &std::path::Path) -> Option<Browser> {
        let tls = net::tls::client_config(Some(root), None).unwrap();
        let tcp = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let name = net::tls::server_name(NAME).unwrap();
        let stream = TlsConnector::from(tls).connect(name, tcp).await.ok()?;
        let uri = format!("wss://{NAME}/");
        let (name, sip) = ("sec-websocket-protocol", "sip");
        let builder = ClientBuilder::new().uri(&uri).unwrap();
        let builder = builder.add_header(name.parse().unwrap(), sip.parse().unwrap());
        Some(builder.unwrap().connect_on(stream).await.unwrap().0)
    }

    fn kept(&self) -> Option<Held> {
        Store::of(&self.settings()).certificate()
    }

    /// Waits until a certificate is kept that ends later than `than`.
    async fn later(&self, than: u64) -> Held {
        let found = async {
            loop {
                match self.kept().filter(|held| held.until() > than) {
                    Some(held) => return held,
                    None => tokio::time::sleep(LOOK).await,
                }
            }
        };
        timeout(PATIENCE, found).await.unwrap()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.folder);
    }
}

struct Edge {
    tasks: [JoinHandle<()>; 2],
    events: mpsc::Receiver<Event>,
    /// Kept: a flow whose sender is gone is closed.
    flows: Vec<Opened>,
}

impl Edge {
    async fn hears(&mut self) -> Vec<u8> {
        loop {
            match timeout(PATIENCE, self.events.recv()).await.unwrap() {
                Some(Event::Message { bytes, .. }) => return bytes,
                Some(Event::Closed { why, .. }) => panic!("a flow is gone: {why:?}"),
                Some(Event::Opened(opened)) => self.flows.push(opened),
                Some(other) => panic!("what is this: {other:?}"),
                None => panic!("the listener has ended"),
            }
        }
    }

    async fn stop(self) {
        for task in self.tasks {
            task.abort();
            _ = task.await;
        }
    }
}

/// The certificate that it was shown.
fn shown(browser: &Browser) -> Vec<u8> {
    let (_, tls) = browser.get_ref().get_ref();
    tls.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn a_certificate_is_got_and_renewed_and_no_connection_ends_for_it() {
    if !has_pebble() {
        return;
    }
    let mut stage = Stage::new("renewed", 24);
    stage.pebble.start();
    let root = stage.root().await;
    let mut edge = stage.edge().await;
    let first = stage.later(0).await;
    assert!(first.is_for(&[NAME.to_owned()]));
    let mut browser = stage.connect(&root).await.expect("it is verified");
    let before = shown(&browser);

    stage.later(first.until()).await;
    let mut other = stage.connect(&root).await.expect("it is verified");
    assert_ne!(shown(&other), before, "another certificate");
    for client in [&mut browser, &mut other] {
        client.send(Message::text("still here")).await.unwrap();
        assert_eq!(edge.hears().await, b"still here");
    }
    edge.stop().await;
}

#[tokio::test]
async fn a_ca_that_is_away_is_asked_until_it_is_back_and_a_restart_asks_nobody() {
    if !has_pebble() {
        return;
    }
    let mut stage = Stage::new("away", 90 * 24 * 3600);
    let edge = stage.edge().await;
    // Refused at once, with an alert, and not left waiting.
    let refused = timeout(PATIENCE, stage.connect(&stage.pebble.trust())).await;
    assert!(refused.unwrap().is_none(), "there is nothing to show");
    assert!(stage.kept().is_none());

    stage.pebble.start();
    let root = stage.root().await;
    let held = stage.later(0).await;
    let browser = stage.connect(&root).await.expect("it is verified");
    edge.stop().await;

    // Its account is gone with the CA's memory, and so is the CA.
    stage.pebble.stop();
    let edge = stage.edge().await;
    let again = stage.connect(&root).await.expect("it is verified at once");
    assert_eq!(shown(&again), shown(&browser));
    assert_eq!(stage.kept().unwrap().until(), held.until());
    edge.stop().await;
}

#[tokio::test]
async fn an_account_that_the_ca_has_forgotten_is_made_anew() {
    if !has_pebble() {
        return;
    }
    let mut stage = Stage::new("forgotten", 12);
    stage.pebble.start();
    let edge = stage.edge().await;
    let first = stage.later(0).await;
    stage.pebble.stop();
    // Another CA with the old one's address: it knows nobody.
    stage.pebble.start();
    let root = stage.root().await;
    let renewed = async {
        loop {
            // Verified by the new CA's own certificate alone.
            match stage.connect(&root).await {
                Some(browser) => return browser,
                None => tokio::time::sleep(LOOK).await,
            }
        }
    };
    let browser = timeout(PATIENCE, renewed).await.unwrap();
    assert!(stage.kept().unwrap().until() > first.until());
    drop(browser);
    edge.stop().await;
}

#[tokio::test]
async fn nobody_is_shown_a_challenge_that_is_not_under_way() {
    let stage = Stage::new("silent", 1);
    let edge = stage.edge().await;
    let tls = net::tls::client_config(Some(&stage.pebble.trust()), None).unwrap();
    let mut tls = Arc::unwrap_or_clone(tls);
    tls.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let tcp = TcpStream::connect(("127.0.0.1", stage.port)).await.unwrap();
    let name = net::tls::server_name(NAME).unwrap();
    let connected = TlsConnector::from(Arc::new(tls)).connect(name, tcp);
    let refused = timeout(PATIENCE, connected).await.unwrap();
    assert!(refused.is_err(), "no challenge is under way");
    edge.stop().await;
}
