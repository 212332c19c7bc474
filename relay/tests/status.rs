//! What a relay says of itself at its status door, while it serves.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may stop on the first surprise

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use causeway_relay::core::{Advertise, Bind, Interface, Seats};
use causeway_relay::server::{BackendChoice, Config, Error, Server};
use control_proto::{Client, Command, Event, Request, Response, TransportProtocol, Value, flag};
use net::status::Place;
use testkit::open_metrics::{get, samples};
use tokio::sync::oneshot;

const PREFIX: &str = "causeway_relay_";
const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 0\r\n";

struct Relay {
    control: SocketAddr,
    door: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), Error>>>,
}

impl Relay {
    fn start(seats: usize) -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        let ip: IpAddr = "127.0.0.1".parse().unwrap();
        let interface = Interface {
            name: "public".to_owned(),
            bind: Bind(ip),
            advertise: Advertise(ip),
        };
        let mut config = Config::new(any, vec![interface]);
        config.shards = 2;
        config.backend = BackendChoice::Sockets;
        config.core.seats = Seats::new(seats);
        config.status = Some(Place {
            address: any,
            named: true,
        });
        let server = Server::bind(config).unwrap();
        let (control, door) = (server.control_addr(), server.status_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(server.run(async { _ = stopped.await }))
        });
        Self {
            control,
            door,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    fn ask(&self, request: &Request) -> Response {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        // Each question has a cookie of its own.
        static ASKED: AtomicU64 = AtomicU64::new(0);
        let asked = ASKED.fetch_add(1, Ordering::Relaxed);
        let (mut client, now) = (Client::new(asked.to_be_bytes()), Instant::now());
        client.ask(request, now);
        let Some(Event::Send(datagram)) = client.poll() else {
            panic!("nothing to send");
        };
        socket.send_to(&datagram, self.control).unwrap();
        let mut buffer = [0; 65_536];
        let length = socket.recv(&mut buffer).unwrap();
        client.receive(&buffer[..length], now);
        match client.poll() {
            Some(Event::Answered(_, response)) => response,
            other => panic!("{other:?}"),
        }
    }

    fn offer(&self, call: &str) -> Response {
        let mut request = Request::new(Command::Offer);
        request.call_id = Some(call.to_owned());
        request.from_tag = Some("alice".to_owned());
        request.transport_protocol = Some(TransportProtocol::RtpAvp);
        request.sdp = Some(OFFER.into());
        self.ask(&request)
    }

    fn metrics(&self) -> std::collections::BTreeMap<String, f64> {
        let (status, text) = get(self.door, "/metrics");
        assert_eq!(status, 200, "{text}");
        samples(&text, PREFIX)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap().unwrap();
        }
    }
}

#[test]
fn every_state_has_a_number_and_none_has_more_series_for_more_calls() {
    let relay = Relay::start(1000);
    let before = relay.metrics();
    assert_eq!(before["causeway_relay_calls"], 0.0);
    // Every command that these calls use has been seen once.
    assert!(relay.offer("first").is_ok());
    let mut request = Request::new(Command::Query);
    request.call_id = Some("no such call".to_owned());
    assert!(!relay.ask(&request).is_ok());
    let one = relay.metrics();
    for call in 0..50 {
        assert!(relay.offer(&format!("call {call}")).is_ok());
    }
    let many = relay.metrics();
    assert_eq!(one.len(), many.len(), "series for each call");
    let number = |name: &str| many[&format!("{PREFIX}{name}")];
    assert_eq!(number("calls"), 51.0);
    assert_eq!(number("calls_limit"), 1000.0);
    assert_eq!(
        number("control_requests_total{command=\"offer\",result=\"ok\"}"),
        51.0
    );
    assert_eq!(
        number("control_requests_total{command=\"query\",result=\"error\"}"),
        1.0
    );
    let ports = "{interface=\"public\",address=\"127.0.0.1\"}";
    assert!(number(&format!("ports_used{ports}")) >= 51.0);
    let shards: f64 = (0..2)
        .map(|shard| number(&format!("shard_calls{{shard=\"{shard}\"}}")))
        .sum();
    assert_eq!(shards, 51.0);
    assert_eq!(number("drops_total{reason=\"replayed\"}"), 0.0);
}

#[test]
fn a_relay_that_is_full_is_healthy_and_not_ready_and_says_why() {
    let relay = Relay::start(1);
    assert_eq!(get(relay.door, "/ready"), (200, "ok\n".to_owned()));
    assert!(relay.offer("first").is_ok());
    let (status, why) = get(relay.door, "/ready");
    assert_eq!(status, 503, "{why}");
    assert!(
        why.contains("1 calls of 1") && why.contains("max_calls"),
        "{why}"
    );
    assert_eq!(why.lines().count(), 1, "{why}");
    assert_eq!(get(relay.door, "/health"), (200, "ok\n".to_owned()));
    let mut request = Request::new(Command::Delete);
    request.call_id = Some("first".to_owned());
    request.delete_delay = Some(Duration::ZERO);
    assert!(relay.ask(&request).is_ok());
    assert_eq!(get(relay.door, "/ready").0, 200);
}

#[test]
fn the_end_of_a_call_says_why_nobody_heard_anything() {
    let relay = Relay::start(10);
    assert!(relay.offer("silent").is_ok());
    let about = |command| {
        let mut request = Request::new(command);
        request.call_id = Some("silent".to_owned());
        request.from_tag = Some("alice".to_owned());
        request
    };
    let diagnosis = |reply: &Response| {
        let said = reply.other.get("diagnosis").and_then(Value::as_str);
        said.map(str::to_owned)
    };
    assert_eq!(
        diagnosis(&relay.ask(&about(Command::Query))),
        None,
        "nobody has answered"
    );
    let mut answer = about(Command::Answer);
    answer.to_tag = Some("bob".to_owned());
    answer.sdp = Some(OFFER.into());
    assert!(relay.ask(&answer).is_ok());
    let asked = diagnosis(&relay.ask(&about(Command::Query)));
    let mut delete = about(Command::Delete);
    delete.flags.set(flag::FAST);
    delete.delete_delay = Some(Duration::ZERO);
    let told = diagnosis(&relay.ask(&delete)).unwrap();
    assert_eq!(asked.as_deref(), Some(told.as_str()));
    assert!(
        told.starts_with("audio: the side that called sent nothing to UDP port "),
        "{told}"
    );
}

#[test]
fn a_port_that_nobody_named_stops_no_start_and_one_that_was_named_does() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for named in [false, true] {
        let opened = Place { address, named }.open(PREFIX);
        assert_eq!(opened.is_err(), named);
    }
}
