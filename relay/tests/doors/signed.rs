//! A relay with a key: whoever has it is served at every door, and nobody else is heard.

use std::io::Read;
use std::time::{Duration, SystemTime};

use causeway_relay::server::{ControlKey, Error, Server};
use control_proto::{Command, Envelope, Format, Request};

use crate::clients::{Door, Http, Tcp, Udp, WebSocket, http_response};
use crate::{Relay, config, offer, text};

fn key(secret: u8) -> ControlKey {
    ControlKey::new(&[secret; 32]).unwrap()
}

fn keyed() -> Relay {
    Relay::start_with(|config| config.control_key = Some(key(1)))
}

fn unix() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap()
}

fn command(request: &Request, cookie: &str) -> Vec<u8> {
    let plain = request.encode(cookie.as_bytes(), Format::Bencode);
    key(1).sign_request(&plain, unix()).unwrap()
}

/// What nobody may be heard with: a ping without a signature, with another key's, with an old one.
fn strangers() -> [Vec<u8>; 3] {
    let ping = Request::new(Command::Ping).encode(b"stranger", Format::Bencode);
    let long_ago = unix() - Duration::from_secs(60);
    [
        ping.clone(),
        key(2).sign_request(&ping, unix()).unwrap(),
        key(1).sign_request(&ping, long_ago).unwrap(),
    ]
}

fn exchange(door: &mut dyn Door, request: &Request, cookie: &str) -> String {
    let asked = command(request, cookie);
    let reply = key(1).open_reply(&door.exchange(&asked));
    let reply = reply.unwrap();
    let envelope = Envelope::open(&reply).unwrap();
    assert_eq!(envelope.cookie, Envelope::open(&asked).unwrap().cookie);
    text(&reply)
}

#[test]
fn whoever_has_the_key_is_served_at_every_door() {
    let relay = keyed();
    for (name, mut door) in relay.doors() {
        let pong = exchange(&mut *door, &Request::new(Command::Ping), name);
        assert!(pong.contains("pong"), "{name}: {pong}");
        let cookie = format!("{name}_offer");
        let body = exchange(&mut *door, &offer(&cookie), &cookie);
        assert!(body.contains("m=audio "), "{name}: {body}");
    }
}

#[test]
fn strangers_are_not_heard_by_datagram_and_are_counted() {
    let relay = keyed();
    let mut udp = Udp::connect(relay.udp);
    for message in strangers() {
        udp.say(&message);
    }
    // Were they heard, the first reply would be theirs.
    let told = exchange(&mut udp, &Request::new(Command::Statistics), "one_of_us");
    let counts = "d8:unsignedi1e6:forgedi1e7:expiredi1ee";
    assert!(told.contains(counts), "{told}");
}

#[test]
fn a_connection_on_which_a_stranger_speaks_is_closed() {
    let relay = keyed();
    for message in strangers() {
        let mut tcp = Tcp::connect(relay.tcp);
        tcp.say(&message);
        assert_eq!(tcp.stream.read(&mut [0; 1]).unwrap(), 0, "nothing is said");

        let mut web = WebSocket::connect(relay.http);
        web.say(&message);
        assert_eq!(web.read_frame().0, 0x88, "closed");

        let mut http = Http::connect(relay.http);
        http.say(&message);
        let (status, why) = http_response(&mut http.stream);
        assert_eq!(status, 403, "{}", text(&why));
    }
}

#[test]
fn a_command_that_is_repeated_is_executed_once() {
    let relay = keyed();
    let mut udp = Udp::connect(relay.udp);
    let asked = command(&offer("again"), "again");
    let first = udp.exchange(&asked);
    let mut delete = Request::new(Command::Delete);
    delete.call_id = Some("again".to_owned());
    delete.delete_delay = Some(Duration::ZERO);
    exchange(&mut udp, &delete, "delete");
    assert_eq!(udp.exchange(&asked), first);
    let list = exchange(&mut udp, &Request::new(Command::List), "list");
    assert!(!list.contains("again"), "no call was made: {list}");
}

#[test]
fn a_public_control_port_is_allowed_with_a_key() {
    for address in ["udp:0.0.0.0:0", "tcp:0.0.0.0:0"] {
        let mut config = config(&[address.to_owned()]);
        let error = Server::bind(config.clone()).err().unwrap();
        assert!(matches!(&error, Error::Public(_)), "{error}");
        assert!(error.to_string().contains("control_key"), "{error}");
        config.control_key = Some(key(1));
        assert!(Server::bind(config).is_ok());
    }
}
