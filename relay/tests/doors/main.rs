//! Commands by UDP, TCP, HTTP and WebSocket, over real sockets on loopback: the same relay behind each
//! door, and clients that are slow, too long or gone.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may stop on the first surprise

mod clients;
mod counting;
mod signed;

use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use causeway_relay::core::{Advertise, Bind, Interface};
use causeway_relay::server::{Config, ControlAddress, ControlTransport, Error, Server};
use clients::{Door, Http, Tcp, Udp, WebSocket, http_response};
use control_proto::{Client, Command, Envelope, Event, Format, MAX_DATAGRAM, Request, Response};
use tokio::sync::oneshot;

/// A running relay with every door; it is stopped when dropped.
struct Relay {
    udp: SocketAddr,
    tcp: SocketAddr,
    http: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), Error>>>,
}

impl Relay {
    fn start() -> Self {
        Self::start_with(|_| {})
    }

    fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config(&["udp", "tcp", "http"].map(|t| format!("{t}:127.0.0.1:0")));
        change(&mut config);
        let server = Server::bind(config).unwrap();
        let address = |transport| {
            let mut bound = server.control_addrs().iter();
            bound
                .find(|bound| bound.transport == transport)
                .unwrap()
                .address
        };
        let (udp, tcp, http) = (
            address(ControlTransport::Udp),
            address(ControlTransport::Tcp),
            address(ControlTransport::Http),
        );
        assert_eq!(server.control_addr(), udp);
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            runtime.block_on(server.run(async { _ = stopped.await }))
        });
        Self {
            udp,
            tcp,
            http,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    fn doors(&self) -> [(&'static str, Box<dyn Door>); 4] {
        [
            ("udp", Box::new(Udp::connect(self.udp))),
            ("tcp", Box::new(Tcp::connect(self.tcp))),
            ("http", Box::new(Http::connect(self.http))),
            ("websocket", Box::new(WebSocket::connect(self.http))),
        ]
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

fn config(controls: &[String]) -> Config {
    let ip: IpAddr = "127.0.0.1".parse().unwrap();
    let interface = Interface {
        name: "public".to_owned(),
        bind: Bind(ip),
        advertise: Advertise(ip),
    };
    let mut config = Config::new("127.0.0.1:0".parse().unwrap(), vec![interface]);
    config.controls = controls.iter().map(|text| text.parse().unwrap()).collect();
    config.shards = 2;
    config
}

fn offer(call_id: &str) -> Request {
    let mut request = Request::new(Command::Offer);
    request.call_id = Some(call_id.to_owned());
    request.from_tag = Some("caller".to_owned());
    request.sdp = Some(
        b"v=0\r\no=- 1 1 IN IP4 127.0.0.3\r\ns=-\r\nc=IN IP4 127.0.0.3\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
            .to_vec(),
    );
    request
}

/// A phone's RTP port.
fn phone(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind((address, 0)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    socket
}

fn sdp(phone: &UdpSocket) -> Vec<u8> {
    let (ip, port) = (
        phone.local_addr().unwrap().ip(),
        phone.local_addr().unwrap().port(),
    );
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
    )
    .into_bytes()
}

/// Has the phone answer the call; returns where the caller is to send.
fn answer(call: &str, phone: &UdpSocket, door: &mut dyn Door) -> SocketAddr {
    let mut request = offer(call);
    request.command = Command::Answer;
    request.to_tag = Some("callee".to_owned());
    request.sdp = Some(sdp(phone));
    media_address(&ask(door, &request, Format::Bencode))
}

/// Where the body says that media is to be sent.
fn media_address(response: &Response) -> SocketAddr {
    let body = text(response.sdp.as_ref().unwrap());
    let after = |start: &str| {
        let (_, rest) = body.split_once(start).unwrap_or_else(|| panic!("{body}"));
        rest.split_whitespace().next().unwrap().to_owned()
    };
    format!("{}:{}", after("c=IN IP4 "), after("m=audio "))
        .parse()
        .unwrap()
}

/// Asks under a cookie of its own, as a client would.
fn ask(door: &mut dyn Door, request: &Request, format: Format) -> Response {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = Instant::now();
    let mut client = Client::new(NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    client.ask(request, now);
    let Some(Event::Send(asked)) = client.poll() else {
        panic!("nothing to send")
    };
    let cookie = Envelope::open(&asked).unwrap().cookie.to_vec();
    let reply = door.exchange(&request.encode(&cookie, format));
    assert!(client.receive(&reply, now), "{}", text(&reply));
    match client.poll() {
        Some(Event::Answered(_, response)) => response,
        other => panic!("{other:?}"),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A ping of exactly this many bytes.
fn padded(cookie: &str, length: usize, format: Format) -> Vec<u8> {
    let with = |padding: usize| {
        let mut request = Request::new(Command::Ping);
        request.other.push("padding", "x".repeat(padding));
        request.encode(cookie.as_bytes(), format)
    };
    let spare = length - with(length - 100).len();
    let message = with(length - 100 + spare);
    assert_eq!(message.len(), length);
    message
}

#[test]
fn every_door_executes_commands_in_both_formats() {
    let relay = Relay::start();
    for (name, mut door) in relay.doors() {
        for (format, pong) in [
            (Format::Bencode, "d6:result4:ponge"),
            (Format::Json, "{\"result\":\"pong\"}"),
        ] {
            let cookie = format!("{name}_{format:?}");
            let ping = Request::new(Command::Ping).encode(cookie.as_bytes(), format);
            assert_eq!(text(&door.exchange(&ping)), format!("{cookie} {pong}"));

            let cookie = format!("{cookie}_offer");
            let reply = door.exchange(&offer(&cookie).encode(cookie.as_bytes(), format));
            assert!(
                text(&reply).contains("m=audio "),
                "{name}: {}",
                text(&reply)
            );
            let mut query = Request::new(Command::Query);
            query.call_id = Some(cookie.clone());
            let reply =
                text(&door.exchange(&query.encode(format!("{cookie}_2").as_bytes(), format)));
            assert!(
                reply.contains("ok") && reply.contains("caller"),
                "{name}: {reply}"
            );
        }
    }
}

#[test]
fn a_command_that_comes_again_by_another_door_is_executed_once() {
    let relay = Relay::start();
    let message = offer("again").encode(b"same_cookie", Format::Bencode);
    let replies = relay.doors().map(|(_, mut door)| door.exchange(&message));
    assert!(text(&replies[0]).contains("m=audio "));
    assert!(replies.iter().all(|reply| *reply == replies[0]));
}

#[test]
fn what_is_no_command_gets_the_same_error_at_every_door() {
    let relay = Relay::start();
    for (number, (payload, reason)) in [
        ("d7:command4:singe", "Unrecognized command"),
        ("{\"command\":}", "Failed to parse JSON document"),
        ("de", "Dictionary contains no key \"command\""),
        ("hello", "Invalid NG data format"),
        ("d1:ax", "Could not decode bencode dictionary"),
    ]
    .into_iter()
    .enumerate()
    {
        for (name, mut door) in relay.doors() {
            let cookie = format!("{name}_{number}");
            let reply = text(&door.exchange(format!("{cookie} {payload}").as_bytes()));
            let reason = if payload.starts_with('{') {
                reason.replace('"', "\\\"")
            } else {
                reason.to_owned()
            };
            assert!(
                reply.starts_with(&cookie) && reply.contains(&reason),
                "{name}: {reply}"
            );
        }
    }
}

#[test]
fn requests_on_one_connection_do_not_wait_for_one_another() {
    let relay = Relay::start();
    let mut tcp = Tcp::connect(relay.tcp);
    // All at once, and more than may be under way: those behind are read as the first are answered.
    let calls: Vec<String> = (0..100).map(|number| format!("burst_{number}")).collect();
    let message = |call: &String| offer(call).encode(call.as_bytes(), Format::Bencode);
    let burst: Vec<u8> = calls.iter().flat_map(message).collect();
    tcp.stream.write_all(&burst).unwrap();
    let mut cookies: Vec<String> = (0..100)
        .map(|_| {
            let reply = tcp.read();
            assert!(text(&reply).contains("m=audio "), "{}", text(&reply));
            text(Envelope::open(&reply).unwrap().cookie)
        })
        .collect();
    cookies.sort_by_key(|cookie| cookie.split('_').nth(1).unwrap().parse::<u32>().unwrap());
    assert_eq!(cookies, calls);
}

#[test]
fn a_message_in_pieces_is_put_together_while_others_are_served() {
    let relay = Relay::start();
    let (mut slow, mut quick) = (Tcp::connect(relay.tcp), Tcp::connect(relay.tcp));
    let message = Request::new(Command::Ping).encode(b"slow", Format::Json);
    for (number, piece) in message.chunks(3).enumerate() {
        slow.stream.write_all(piece).unwrap();
        let ping =
            Request::new(Command::Ping).encode(format!("q{number}").as_bytes(), Format::Json);
        assert!(text(&quick.exchange(&ping)).ends_with("{\"result\":\"pong\"}"));
    }
    assert_eq!(text(&slow.read()), "slow {\"result\":\"pong\"}");
}

#[test]
fn a_client_that_has_said_its_last_gets_its_replies() {
    let relay = Relay::start();
    let mut tcp = Tcp::connect(relay.tcp);
    tcp.stream
        .write_all(&offer("last").encode(b"last", Format::Bencode))
        .unwrap();
    tcp.stream.shutdown(Shutdown::Write).unwrap();
    let mut all = Vec::new();
    tcp.stream.read_to_end(&mut all).unwrap();
    assert!(text(&all).starts_with("last d") && text(&all).contains("m=audio "));
}

#[test]
fn a_client_that_dies_after_its_request_finds_its_reply_at_another_door() {
    let relay = Relay::start();
    for (number, (name, mut door)) in relay.doors().into_iter().enumerate() {
        let cookie = format!("dead_{number}");
        let message = offer(&cookie).encode(cookie.as_bytes(), Format::Bencode);
        door.say(&message);
        drop(door);
        let mut half = Tcp::connect(relay.tcp);
        half.stream
            .write_all(&message[..message.len() / 2])
            .unwrap();
        drop(half);
        let mut udp = Udp::connect(relay.udp);
        let first = udp.exchange(&message);
        assert!(text(&first).contains("m=audio "), "{name}");
        assert_eq!(udp.exchange(&message), first, "{name}");
    }
}

#[test]
fn whoever_asks_is_told_which_process_answers_a_ping() {
    let instance = |relay: &Relay, cookie: &str| {
        let mut ping = Request::new(Command::Ping);
        ping.supports = vec!["instance".to_owned()];
        let reply = Udp::connect(relay.udp).exchange(&ping.encode(cookie.as_bytes(), Format::Json));
        let said = text(&reply);
        let (_, name) = said.split_once("\"instance\":").expect("a name");
        name.to_owned()
    };
    let (relay, other) = (Relay::start(), Relay::start());
    let first = instance(&relay, "one");
    assert_eq!(instance(&relay, "two"), first, "as long as it runs");
    assert_ne!(instance(&other, "three"), first);
}

#[test]
fn the_longest_message_is_taken_and_a_longer_one_ends_only_its_connection() {
    let relay = Relay::start();
    let mut bystander = Tcp::connect(relay.tcp);
    let pong = |door: &mut dyn Door, cookie: &str| {
        let ping = Request::new(Command::Ping).encode(cookie.as_bytes(), Format::Bencode);
        assert_eq!(
            text(&door.exchange(&ping)),
            format!("{cookie} d6:result4:ponge")
        );
    };
    pong(&mut bystander, "before");
    for format in [Format::Bencode, Format::Json] {
        for (name, mut door) in relay.doors().into_iter().skip(1) {
            let cookie = format!("{name}{format:?}");
            let reply = text(&door.exchange(&padded(&cookie, MAX_DATAGRAM, format)));
            assert!(reply.contains("pong"), "{name}: {reply}");
        }
        let long = padded("long", 65 * 1024, format);
        let mut tcp = Tcp::connect(relay.tcp);
        tcp.stream.write_all(&long).unwrap();
        let mut all = Vec::new();
        tcp.stream.read_to_end(&mut all).unwrap();
        assert!(
            text(&all).starts_with("long ") && text(&all).contains("error-reason"),
            "{}",
            text(&all)
        );
        let mut http = Http::connect(relay.http);
        http.say(&long);
        assert_eq!(http_response(&mut http.stream).0, 413);
        let mut socket = WebSocket::connect(relay.http);
        socket.say(&long);
        assert_eq!(socket.read_frame().0 & 0x0f, 8, "a close frame");
    }
    pong(&mut bystander, "after");
}

#[test]
fn http_serves_one_message_after_the_other_and_says_what_is_wrong() {
    let relay = Relay::start();
    let mut http = Http::connect(relay.http);
    for number in 0..3 {
        let reply = http.exchange(format!("h{number} {{\"command\":\"ping\"}}").as_bytes());
        assert_eq!(text(&reply), format!("h{number} {{\"result\":\"pong\"}}"));
    }
    http.say(b"nocookie");
    assert_eq!(http_response(&mut http.stream).0, 400);
    http.stream
        .write_all(b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    assert_eq!(http_response(&mut http.stream), (200, b"pong\n".to_vec()));

    let kind = "Content-Type: application/x-rtpengine-ng\r\n";
    for (request, status) in [
        ("POST /ng HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\nx".to_owned(), 415),
        (format!("POST /ng HTTP/1.1\r\n{kind}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"), 411),
        (format!("POST /other HTTP/1.1\r\n{kind}Content-Length: 1\r\n\r\nx"), 404),
        ("GET /ng HTTP/1.1\r\n\r\n".to_owned(), 405),
        ("this is not HTTP\r\n\r\n".to_owned(), 400),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(9000)), 431),
        (
            "GET / HTTP/1.1\r\nOrigin: http://evil.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: ng.rtpengine.com\r\n\r\n"
                .to_owned(),
            403,
        ),
    ] {
        let mut http = Http::connect(relay.http);
        http.stream.write_all(request.as_bytes()).unwrap();
        assert_eq!(http_response(&mut http.stream).0, status, "{request}");
        assert_eq!(http.stream.read(&mut [0]).unwrap(), 0, "closed: {request}");
    }
}

#[test]
fn a_web_page_that_reaches_the_tcp_door_commands_nothing() {
    let relay = Relay::start();
    let mut tcp = Tcp::connect(relay.tcp);
    let body = text(&offer("page").encode(b"page", Format::Bencode));
    let request = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    tcp.stream.write_all(request.as_bytes()).unwrap();
    let mut all = Vec::new();
    tcp.stream.read_to_end(&mut all).unwrap();
    assert!(
        text(&all).contains("Invalid NG data format"),
        "{}",
        text(&all)
    );
    let mut query = Request::new(Command::Query);
    query.call_id = Some("page".to_owned());
    let reply = Udp::connect(relay.udp).exchange(&query.encode(b"q", Format::Json));
    assert!(text(&reply).contains("Unknown call"), "{}", text(&reply));
}

#[test]
fn a_public_control_port_is_refused_unless_it_is_asked_for() {
    for control in ["udp:0.0.0.0:0", "tcp:[::]:0", "http:203.0.113.1:0"] {
        let mut config = config(&["udp:127.0.0.1:0".to_owned(), control.to_owned()]);
        let error = Server::bind(config.clone()).err().unwrap();
        assert!(matches!(&error, Error::Public(_)), "{error}");
        let sentence = error.to_string();
        assert!(
            sentence.contains(control) && sentence.contains("bind a loopback or private address")
        );
        config.public_control = true;
        config.controls = vec![ControlAddress::udp("0.0.0.0:0".parse().unwrap())];
        assert!(Server::bind(config).is_ok());
    }
    let mut nowhere = config(&[]);
    nowhere.controls.clear();
    assert!(matches!(
        Server::bind(nowhere).err().unwrap(),
        Error::NoControl
    ));
}

#[test]
fn a_door_that_somebody_holds_is_named() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    let error = Server::bind(config(&[format!("tcp:{taken}")]))
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains(&format!(
            "cannot listen on TCP {taken}: another program has that port"
        )),
        "{error}"
    );
}
