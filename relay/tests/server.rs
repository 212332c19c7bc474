//! The relay as a SIP server and two phones meet it: ng and RTP over real sockets, on loopback.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may stop on the first surprise

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::thread::JoinHandle;
use std::time::Duration;

use causeway_relay::core::{Advertise, Bind, Interface};
use causeway_relay::server::{BackendChoice, Config, Error, Server};
use control_proto::{Client, Command, Event, Format, Request, Response, TransportProtocol, flag};
use tokio::sync::oneshot;

const PUBLIC: &str = "127.0.0.1";
const PRIVATE: &str = "127.0.0.2";

/// A running relay; it is stopped when dropped.
struct Relay {
    control: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), Error>>>,
}

impl Relay {
    fn start() -> Self {
        let server = Server::bind(config("127.0.0.1:0")).unwrap();
        let control = server.control_addr();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            runtime.block_on(server.run(async { _ = stopped.await }))
        });
        Self {
            control,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Sends a datagram from a socket of its own and waits for the reply, for as long as a relay that
    /// works will never take.
    fn exchange(&self, datagram: &[u8]) -> Vec<u8> {
        let socket = phone("127.0.0.1");
        socket.send_to(datagram, self.control).unwrap();
        receive(&socket).0
    }

    fn ask(&self, request: &Request, format: Format) -> Response {
        let cookie = format!("{:?}", std::time::Instant::now()).replace(' ', "");
        read(
            &self.exchange(&request.encode(cookie.as_bytes(), format)),
            cookie.as_bytes(),
            format,
        )
    }

    fn stop(mut self) -> Result<(), Error> {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap()
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

fn config(control: &str) -> Config {
    let interface = |name: &str, address: &str| {
        let address: IpAddr = address.parse().unwrap();
        Interface {
            name: name.to_owned(),
            bind: Bind(address),
            advertise: Advertise(address),
        }
    };
    let mut config = Config::new(
        control.parse().unwrap(),
        vec![interface("public", PUBLIC), interface("private", PRIVATE)],
    );
    config.shards = 2;
    config.backend = match std::env::var(BACKEND).as_deref() {
        Ok("sockets") => BackendChoice::Sockets,
        Ok("steered") => BackendChoice::Steered,
        _ => BackendChoice::Auto,
    };
    config
}

/// Names the backend to a process that runs the tests again.
const BACKEND: &str = "CAUSEWAY_TEST_BACKEND";

#[test]
fn everything_holds_whichever_way_media_takes() {
    if std::env::var_os(BACKEND).is_some() {
        return; // this is such a process
    }
    for backend in ["sockets", "steered"] {
        let mut config = config("127.0.0.1:0");
        config.backend = BackendChoice::Steered;
        if backend == "steered"
            && let Err(error @ Error::Steered(_)) = Server::bind(config)
        {
            eprintln!("not tested: {error}");
            continue;
        }
        let again = std::process::Command::new(std::env::current_exe().unwrap())
            .env(BACKEND, backend)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&again.stdout);
        assert!(again.status.success(), "{backend}: {said}");
    }
}

#[test]
fn statistics_say_which_way_media_takes() {
    let relay = Relay::start();
    let reply = relay.ask(&Request::new(Command::Statistics), Format::Bencode);
    let statistics = reply.other.get("statistics").unwrap();
    let backend = statistics.as_dictionary().unwrap().get("backend").unwrap();
    let backend = backend.as_str().unwrap();
    match std::env::var(BACKEND) {
        Ok(asked) => assert_eq!(backend, asked),
        Err(_) => assert!(["sockets", "steered"].contains(&backend)),
    }
}

/// Takes the reply apart as a client that asked with this cookie would.
fn read(datagram: &[u8], cookie: &[u8], format: Format) -> Response {
    let payload = datagram
        .strip_prefix(cookie)
        .and_then(|rest| rest.strip_prefix(b" "))
        .unwrap();
    assert_eq!(
        payload.first(),
        Some(if format == Format::Json { &b'{' } else { &b'd' })
    );
    // A client that happens to have the cookie of the first request.
    let mut client = Client::new([0; 8]);
    let now = std::time::Instant::now();
    let ticket = client.ask(&Request::new(Command::Ping), now);
    client.poll();
    assert!(client.receive(&[b"0000000000000000_0 ", payload].concat(), now));
    match client.poll() {
        Some(Event::Answered(answered, response)) if answered == ticket => response,
        other => panic!("{other:?}"),
    }
}

/// A socket that waits for ten seconds at most.
fn phone(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind((address, 0)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    socket
}

/// An even port and the next one.
fn rtp_and_rtcp(address: &str) -> (UdpSocket, UdpSocket) {
    loop {
        let rtp = phone(address);
        let port = rtp.local_addr().unwrap().port();
        if port.is_multiple_of(2)
            && let Ok(rtcp) = UdpSocket::bind((address, port + 1))
        {
            rtcp.set_read_timeout(Some(Duration::from_secs(10)))
                .unwrap();
            return (rtp, rtcp);
        }
    }
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 65_535];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    buffer.truncate(length);
    (buffer, from)
}

fn sdp(address: SocketAddr) -> Vec<u8> {
    let (ip, port) = (address.ip(), address.port());
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
    )
    .into_bytes()
}

/// Where the body says that media is to be sent.
fn media_address(response: &Response) -> SocketAddr {
    assert!(response.is_ok(), "{response:?}");
    let body = String::from_utf8(response.sdp.clone().unwrap()).unwrap();
    let after = |start: &str| {
        let (_, rest) = body
            .split_once(start)
            .unwrap_or_else(|| panic!("no {start} in {body}"));
        rest.split_whitespace().next().unwrap().to_owned()
    };
    format!("{}:{}", after("c=IN IP4 "), after("m=audio "))
        .parse()
        .unwrap()
}

fn request(command: Command, call_id: &str, body: Option<Vec<u8>>) -> Request {
    let mut request = Request::new(command);
    request.call_id = Some(call_id.to_owned());
    request.from_tag = Some("caller".to_owned());
    request.to_tag = (command == Command::Answer).then(|| "callee".to_owned());
    request.direction =
        (command == Command::Offer).then(|| ["public".to_owned(), "private".to_owned()]);
    request.transport_protocol = (command == Command::Offer).then_some(TransportProtocol::RtpAvp);
    request.sdp = body;
    request
}

fn rtp(sequence: u16, ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend([sequence as u8; 160]);
    packet
}

fn receiver_report(ssrc: u32) -> Vec<u8> {
    [&[0x80, 201, 0, 1][..], &ssrc.to_be_bytes()].concat()
}

#[test]
fn a_ping_is_answered_in_its_own_format() {
    let relay = Relay::start();
    assert_eq!(
        relay.exchange(b"5_1 d7:command4:pinge"),
        b"5_1 d6:result4:ponge"
    );
    assert_eq!(
        relay.exchange(b"0.5 {\"command\":\"ping\"}"),
        b"0.5 {\"result\":\"pong\"}"
    );
}

#[test]
fn what_is_no_command_gets_the_error_it_is_owed_and_nothing_else_is_disturbed() {
    let relay = Relay::start();
    let socket = phone("127.0.0.1");
    for nothing in [&b""[..], b"\xff", b" d7:command4:pinge", b"nospace"] {
        socket.send_to(nothing, relay.control).unwrap();
    }
    let nested = format!("n1 d7:command4:ping1:x{}", "l".repeat(60_000));
    let length = b"n2 d7:command99999999999999999999:pinge";
    for (bad, reason) in [
        (nested.as_bytes(), "Could not decode bencode dictionary"),
        (length, "Could not decode bencode dictionary"),
        (b"n3 {\"command\":", "Failed to parse JSON document"),
        (b"n4 hello", "Invalid NG data format"),
        (b"n5 ", "Invalid data (no payload)"),
        (b"n6 de", "Dictionary contains no key \"command\""),
        (b"n7 d7:command4:singe", "Unrecognized command"),
    ] {
        let reply = String::from_utf8(relay.exchange(bad)).unwrap();
        assert!(reply.contains(reason), "{reply}");
    }
    assert_eq!(
        relay.exchange(b"6_1 d7:command4:pinge"),
        b"6_1 d6:result4:ponge"
    );
}

#[test]
fn two_phones_hear_each_other_and_a_deleted_call_closes_its_ports() {
    let relay = Relay::start();
    for (call_id, format) in [("in bencode", Format::Bencode), ("in JSON", Format::Json)] {
        let (caller, caller_rtcp) = rtp_and_rtcp("127.0.0.3");
        let (callee, callee_rtcp) = rtp_and_rtcp("127.0.0.4");
        let offer = request(
            Command::Offer,
            call_id,
            Some(sdp(caller.local_addr().unwrap())),
        );
        let for_callee = media_address(&relay.ask(&offer, format));
        let answer = request(
            Command::Answer,
            call_id,
            Some(sdp(callee.local_addr().unwrap())),
        );
        let for_caller = media_address(&relay.ask(&answer, format));
        assert_eq!(for_callee.ip().to_string(), PRIVATE);
        assert_eq!(for_caller.ip().to_string(), PUBLIC);
        assert_eq!((for_callee.port() % 2, for_caller.port() % 2), (0, 0));

        for sequence in 0..50 {
            caller.send_to(&rtp(sequence, 1), for_caller).unwrap();
            assert_eq!(receive(&callee), (rtp(sequence, 1), for_callee));
            callee.send_to(&rtp(sequence, 2), for_callee).unwrap();
            assert_eq!(receive(&caller), (rtp(sequence, 2), for_caller));
        }
        let next = |address: SocketAddr| SocketAddr::new(address.ip(), address.port() + 1);
        caller_rtcp
            .send_to(&receiver_report(1), next(for_caller))
            .unwrap();
        assert_eq!(
            receive(&callee_rtcp),
            (receiver_report(1), next(for_callee))
        );
        callee_rtcp
            .send_to(&receiver_report(2), next(for_callee))
            .unwrap();
        assert_eq!(
            receive(&caller_rtcp),
            (receiver_report(2), next(for_caller))
        );

        let mut delete = request(Command::Delete, call_id, None);
        delete.delete_delay = Some(Duration::ZERO);
        assert!(relay.ask(&delete, format).is_ok());
        for address in [for_caller, for_callee, next(for_caller), next(for_callee)] {
            assert!(is_closed(address), "{address}");
        }
    }
}

/// Whether a send to this port is answered by an ICMP error, which a connected socket hears. A program that is just
/// being started by another thread has our sockets for a moment, so it is asked more than once.
fn is_closed(address: SocketAddr) -> bool {
    let socket = phone("127.0.0.5");
    socket.connect(address).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    (0..25).any(|_| {
        let is_refusal =
            |error: io::Error| (error.kind() == io::ErrorKind::ConnectionRefused).then_some(());
        let sent = socket.send(b"anybody?").err().and_then(is_refusal);
        sent.or_else(|| socket.recv(&mut [0; 10]).err().and_then(is_refusal))
            .is_some()
    })
}

#[test]
fn a_command_that_comes_twice_is_executed_once() {
    let relay = Relay::start();
    let caller = phone("127.0.0.3");
    let body = sdp(caller.local_addr().unwrap());
    let offer = request(Command::Offer, "twice", Some(body));
    let datagram = offer.encode(b"cookie_1", Format::Bencode);
    let first = relay.exchange(&datagram);
    // From another address: cookies count for all clients.
    assert_eq!(relay.exchange(&datagram), first);
    let mut delete = request(Command::Delete, "twice", None);
    delete.delete_delay = Some(Duration::ZERO);
    delete.flags.set(flag::FATAL);
    let datagram = delete.encode(b"cookie_2", Format::Bencode);
    let first = relay.exchange(&datagram);
    assert!(read(&first, b"cookie_2", Format::Bencode).is_ok());
    // Executed again it would be an error: the call is gone.
    assert_eq!(relay.exchange(&datagram), first);
    assert!(!relay.ask(&delete, Format::Bencode).is_ok());
    // And the repeated offer has its stored reply still.
    let datagram = offer.encode(b"cookie_1", Format::Bencode);
    assert!(read(&relay.exchange(&datagram), b"cookie_1", Format::Bencode).is_ok());
}

#[test]
fn a_burst_of_calls_spreads_over_the_shards_and_each_gets_its_own_ports() {
    let relay = Relay::start();
    let socket = phone("127.0.0.1");
    let body = sdp("127.0.0.3:4000".parse().unwrap());
    for call in 0..100 {
        let offer = request(Command::Offer, &format!("call {call}"), Some(body.clone()));
        socket
            .send_to(
                &offer.encode(format!("c_{call}").as_bytes(), Format::Bencode),
                relay.control,
            )
            .unwrap();
    }
    let mut addresses = std::collections::HashSet::new();
    for _ in 0..100 {
        let (reply, _) = receive(&socket);
        let cookie = reply.split(|&byte| byte == b' ').next().unwrap().to_vec();
        addresses.insert(media_address(&read(&reply, &cookie, Format::Bencode)));
    }
    assert_eq!(addresses.len(), 100);
}

#[test]
fn a_burst_at_one_port_arrives_whole_and_in_order() {
    let relay = Relay::start();
    let (caller, callee) = (phone("127.0.0.3"), phone("127.0.0.4"));
    let offer = request(
        Command::Offer,
        "burst",
        Some(sdp(caller.local_addr().unwrap())),
    );
    relay.ask(&offer, Format::Bencode);
    let answer = request(
        Command::Answer,
        "burst",
        Some(sdp(callee.local_addr().unwrap())),
    );
    let for_caller = media_address(&relay.ask(&answer, Format::Bencode));
    // More than the relay takes from a socket in one turn, and no event follows the last.
    for sequence in 0..200 {
        caller.send_to(&rtp(sequence, 1), for_caller).unwrap();
    }
    for sequence in 0..200 {
        assert_eq!(receive(&callee).0, rtp(sequence, 1));
    }
}

#[test]
fn a_relay_that_stops_closes_every_port() {
    let relay = Relay::start();
    let control = relay.control;
    let offer = request(
        Command::Offer,
        "stopped",
        Some(sdp("127.0.0.3:4000".parse().unwrap())),
    );
    let media = media_address(&relay.ask(&offer, Format::Bencode));
    assert_eq!(
        UdpSocket::bind(media).unwrap_err().kind(),
        io::ErrorKind::AddrInUse
    );
    relay.stop().unwrap();
    assert!(is_closed(media) && is_closed(control));
}

#[test]
fn a_relay_that_cannot_start_says_why_in_one_sentence() {
    let holder = phone("127.0.0.1");
    let taken = holder.local_addr().unwrap();
    let error = Server::bind(config(&taken.to_string()))
        .err()
        .unwrap()
        .to_string();
    assert_eq!(
        error,
        format!(
            "the relay's control port: cannot listen on UDP {taken}: another program has that port; \
             stop it, or choose another port (setting [relay] listen)"
        )
    );
    let mut foreign = config("127.0.0.1:0");
    foreign.core.interfaces[1].bind = Bind("192.0.2.1".parse().unwrap());
    let error = Server::bind(foreign).err().unwrap().to_string();
    assert!(
        error.contains("'private'") && error.contains("no such address"),
        "{error}"
    );
}
