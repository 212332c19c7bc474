//! A connected socket beside the one that holds a port, on the loopback interface.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)] // a test may stop on the first surprise

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use causeway_net::udp::{Connected, Options, UdpSocket};
use socket2::{Domain, Socket, Type};

fn bind(address: &str) -> UdpSocket {
    UdpSocket::bind(address.parse().unwrap(), Options::default()).unwrap()
}

/// What lies in a socket, with its senders.
fn lying(socket: &UdpSocket) -> Vec<(String, SocketAddr)> {
    let mut buffer = [0; 100];
    let mut found = Vec::new();
    while let Some((length, from)) = socket.receive(&mut buffer).unwrap() {
        found.push((String::from_utf8_lossy(&buffer[..length]).into(), from));
    }
    found
}

#[test]
fn the_peer_is_heard_by_the_second_socket_and_anybody_else_by_the_first() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let (first, peer, stranger) = (bind(address), bind(address), bind(address));
        let port = first.local_addr();
        for socket in [&peer, &stranger] {
            socket.send(b"before", port).unwrap();
        }
        let mut second = Connected::beside(&first, peer.local_addr()).unwrap();
        for socket in [&peer, &stranger] {
            socket.send(b"after", port).unwrap();
        }
        let from = |socket: &UdpSocket, text: &str| (text.to_owned(), socket.local_addr());
        assert_eq!(lying(second.socket()), [from(&peer, "after")]);
        let expected = [
            from(&peer, "before"),
            from(&stranger, "before"),
            from(&stranger, "after"),
        ];
        assert_eq!(lying(&first), expected);
        second.send(b"answer").unwrap();
        assert_eq!(lying(&peer), [("answer".to_owned(), port)]);
        drop(second);
        peer.send(b"later", port).unwrap();
        assert_eq!(lying(&first), [from(&peer, "later")]);
    }
}

#[test]
fn no_other_socket_gets_the_port_however_much_it_wants_to_share() {
    let (first, peer) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"));
    let address = first.local_addr();
    let intrude = || {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.set_reuse_port(true).unwrap();
        socket.bind(&address.into()).map_err(|error| error.kind())
    };
    for _ in 0..2 {
        let second = Connected::beside(&first, peer.local_addr()).unwrap();
        assert_eq!(intrude(), Err(io::ErrorKind::AddrInUse));
        drop(second);
        assert_eq!(intrude(), Err(io::ErrorKind::AddrInUse));
    }
    drop(first);
    intrude().unwrap();
}

/// Datagrams that are numbered, one after the other.
struct Numbers {
    expected: u32,
    until: Instant,
}

impl Numbers {
    fn next(&mut self, socket: &UdpSocket) -> bool {
        let mut number = [0; 4];
        if socket.receive(&mut number).unwrap().is_none() {
            return false;
        }
        assert_eq!(u32::from_be_bytes(number), self.expected);
        self.expected += 1;
        true
    }

    fn take_until(&mut self, socket: &UdpSocket, count: u32) {
        while self.expected < count {
            let came = self.next(socket);
            assert!(
                came || Instant::now() < self.until,
                "{} never came",
                self.expected
            );
            std::thread::yield_now();
        }
    }
}

#[test]
fn nothing_is_lost_or_out_of_order_when_it_opens_under_traffic() {
    /// Fewer than a socket holds, so that none is lost for want of room.
    const DATAGRAMS: u32 = 150;
    for round in 0..50 {
        let (first, peer) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"));
        let (port, from) = (first.local_addr(), peer.local_addr());
        let sending = std::thread::spawn(move || {
            for number in 0..DATAGRAMS {
                peer.send(&number.to_be_bytes(), port).unwrap();
            }
            peer
        });
        let mut numbers = Numbers {
            expected: 0,
            until: Instant::now() + Duration::from_secs(20),
        };
        numbers.take_until(&first, round + 1);
        let mut second = Connected::beside(&first, from).unwrap();
        while numbers.next(&first) {}
        numbers.take_until(second.socket(), DATAGRAMS);
        sending.join().unwrap();
    }
}

#[test]
fn news_of_a_peer_that_is_gone_costs_no_datagram_that_leaves_by_the_first() {
    let (first, stranger) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"));
    let peer = bind("127.0.0.1:0");
    let (port, address) = (first.local_addr(), peer.local_addr());
    let mut second = Connected::beside(&first, address).unwrap();
    drop(peer);
    second.send(b"nobody hears this").unwrap();
    let error = second.send(b"nor this").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    let peer = bind(&address.to_string());
    first.send(b"but this", address).unwrap();
    second.send(b"and this").unwrap();
    let texts: Vec<_> = lying(&peer).into_iter().map(|(text, _)| text).collect();
    assert_eq!(texts, ["but this", "and this"]);
    peer.send(b"here again", port).unwrap();
    stranger.send(b"and I", port).unwrap();
    assert_eq!(lying(second.socket()), [("here again".to_owned(), address)]);
    assert_eq!(lying(&first), [("and I".to_owned(), stranger.local_addr())]);
}

#[test]
fn nobody_is_no_peer() {
    let first = bind("127.0.0.1:0");
    for nobody in ["127.0.0.1:0", "0.0.0.0:5"] {
        assert!(
            Connected::beside(&first, nobody.parse().unwrap()).is_err(),
            "{nobody}"
        );
    }
    let everywhere = bind("0.0.0.0:0");
    let peer = bind("127.0.0.1:0").local_addr();
    assert!(Connected::beside(&everywhere, peer).is_err());
}
