//! UDP sockets and their poller, on the loopback interface.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may stop on the first surprise

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use causeway_net::poll::Poller;
use causeway_net::udp::{Options, UdpSocket};

const LOOPBACK: &str = "127.0.0.1:0";
const LONG: Option<Duration> = Some(Duration::from_secs(10));

fn bind(address: &str) -> UdpSocket {
    UdpSocket::bind(address.parse().unwrap(), Options::default()).unwrap()
}

fn received(poller: &mut Poller, socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2000];
    loop {
        if let Some((length, from)) = socket.receive(&mut buffer).unwrap() {
            return (buffer[..length].to_vec(), from);
        }
        let mut keys = Vec::new();
        poller.wait(LONG, &mut keys).unwrap();
        assert!(!keys.is_empty(), "nothing came");
    }
}

#[test]
fn a_datagram_goes_from_one_socket_to_another() {
    let mut poller = Poller::new().unwrap();
    let (a, mut b) = (bind(LOOPBACK), bind(LOOPBACK));
    poller.watch(&mut b, 7).unwrap();
    a.send(b"hello", b.local_addr()).unwrap();
    let mut keys = Vec::new();
    poller.wait(LONG, &mut keys).unwrap();
    assert_eq!(keys, [7]);
    assert_eq!(
        received(&mut poller, &b),
        (b"hello".to_vec(), a.local_addr())
    );
}

#[test]
fn what_came_before_the_watch_is_reported() {
    let mut poller = Poller::new().unwrap();
    let (a, mut b) = (bind(LOOPBACK), bind(LOOPBACK));
    a.send(b"early", b.local_addr()).unwrap();
    poller.watch(&mut b, 1).unwrap();
    assert_eq!(received(&mut poller, &b).0, b"early");
}

#[test]
fn a_wait_ends_when_its_time_is_over_or_somebody_wakes_it() {
    let mut poller = Poller::new().unwrap();
    let mut keys = Vec::new();
    poller
        .wait(Some(Duration::from_millis(1)), &mut keys)
        .unwrap();
    let waker = poller.waker();
    let waking = std::thread::spawn(move || waker.wake().unwrap());
    let start = Instant::now();
    poller.wait(LONG, &mut keys).unwrap();
    assert!(start.elapsed() < Duration::from_secs(9));
    assert!(keys.is_empty());
    waking.join().unwrap();
}

#[test]
fn a_dropped_socket_is_closed_and_its_port_free() {
    let poller = Poller::new().unwrap();
    let mut socket = bind(LOOPBACK);
    let address = socket.local_addr();
    poller.watch(&mut socket, 0).unwrap();
    drop(socket);
    // The kernel says that the port is closed (ICMP), which only a connected socket hears.
    let peer = std::net::UdpSocket::bind(LOOPBACK).unwrap();
    peer.connect(address).unwrap();
    peer.send(b"anybody?").unwrap();
    assert_eq!(
        peer.recv(&mut [0; 10]).unwrap_err().kind(),
        io::ErrorKind::ConnectionRefused
    );
    bind(&address.to_string());
}

#[test]
fn a_peer_that_is_gone_is_no_error_for_the_next_datagram() {
    let mut poller = Poller::new().unwrap();
    let (a, mut b) = (bind(LOOPBACK), bind(LOOPBACK));
    poller.watch(&mut b, 0).unwrap();
    let gone = bind(LOOPBACK).local_addr();
    for _ in 0..3 {
        b.send(b"x", gone).unwrap();
    }
    a.send(b"y", b.local_addr()).unwrap();
    assert_eq!(received(&mut poller, &b).0, b"y");
}

#[test]
fn a_refused_address_says_what_is_to_be_done() {
    let taken = bind(LOOPBACK);
    let again = UdpSocket::bind(taken.local_addr(), Options::default()).unwrap_err();
    assert_eq!(
        again.to_string(),
        format!(
            "cannot listen on UDP {}: another program has that port; stop it, or choose another port",
            taken.local_addr()
        )
    );
    let foreign = UdpSocket::bind("192.0.2.1:0".parse().unwrap(), Options::default()).unwrap_err();
    assert!(foreign.to_string().contains("no such address"), "{foreign}");
}

#[test]
fn ipv6_sockets_leave_the_ipv4_port_alone() {
    let Ok(six) = UdpSocket::bind("[::]:0".parse().unwrap(), Options::default()) else {
        return; // a machine without IPv6
    };
    bind(&format!("0.0.0.0:{}", six.local_addr().port()));
}
