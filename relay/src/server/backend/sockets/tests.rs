//! Ports with one socket and with two, on the loopback interface.

#![allow(clippy::unwrap_used)] // a test may stop on the first surprise

use std::net::UdpSocket;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::super::tests::{Core, LONG, open, phone, serve};
use super::*;

/// So many that nobody has to care.
const MANY: usize = 100_000;

const A: SocketId = SocketId(0);
const B: SocketId = SocketId(1);

/// Two ports, and what comes to the one leaves by the other for that one's phone.
struct Call {
    sockets: Sockets,
    core: Core,
    ports: [SocketAddr; 2],
    phones: [UdpSocket; 2],
}

impl Call {
    fn new(files: usize) -> Self {
        let mut sockets = Sockets::new(Arc::new(Files::new(files)), Vec::new()).unwrap();
        let ports = [A, B].map(|id| open(&mut sockets, id));
        let phones = [phone(), phone()];
        let [a, b] = phones.each_ref().map(|phone| phone.local_addr().unwrap());
        let mut core = Core::default();
        core.routes.extend([(A, (B, b)), (B, (A, a))]);
        Self {
            sockets,
            core,
            ports,
            phones,
        }
    }

    /// The first phone says so much, and all of it is heard and passed on.
    fn talk(&mut self, datagrams: u8) {
        self.say(datagrams);
        self.settle();
    }

    fn say(&mut self, datagrams: u8) {
        let [a, b] = &self.phones;
        for byte in 0..datagrams {
            a.send_to(&[byte], self.ports[0]).unwrap();
        }
        let expected = self.core.heard.len() + usize::from(datagrams);
        serve(&mut self.sockets, &mut self.core, |core| {
            core.heard.len() == expected
        });
        for byte in 0..datagrams {
            let mut buffer = [0; 10];
            assert_eq!(b.recv_from(&mut buffer).unwrap(), (1, self.ports[1]));
            assert_eq!(buffer[0], byte);
        }
    }

    /// Turns in which nothing comes, until every port has the socket that it is due.
    fn settle(&mut self) {
        while !self.sockets.known.is_empty() {
            self.turn();
        }
    }

    fn turn(&mut self) {
        self.sockets.turn(&mut self.core, &mut Lost::default());
    }

    /// Whom a port's second socket is for.
    fn peer(&mut self, id: SocketId) -> Option<SocketAddr> {
        let port = self.sockets.table[index(id)].as_mut().unwrap();
        port.second().map(|second| second.peer())
    }

    fn phone(&self, number: usize) -> SocketAddr {
        self.phones[number].local_addr().unwrap()
    }
}

#[test]
fn a_port_gets_a_second_socket_when_its_peer_is_known() {
    let mut call = Call::new(MANY);
    call.talk(24);
    assert_eq!((call.peer(A), call.peer(B)), (None, None));
    call.talk(1);
    let (a, b) = (call.phone(0), call.phone(1));
    assert_eq!((call.peer(A), call.peer(B)), (Some(a), Some(b)));
    call.talk(100);
    assert_eq!(call.sockets.seconds, 2);
    // A stranger is heard, and it is he who is.
    let stranger = phone();
    stranger.send_to(b"me, too", call.ports[0]).unwrap();
    serve(&mut call.sockets, &mut call.core, |core| {
        core.heard.len() == 126
    });
    let from = stranger.local_addr().unwrap();
    let last = call.core.heard.last().unwrap();
    assert_eq!(last, &(A, from, b"me, too".to_vec()));
    // And is spoken to from the port that he knows.
    call.sockets.send(A, from, b"yes").unwrap();
    assert_eq!(
        stranger.recv_from(&mut [0; 10]).unwrap(),
        (3, call.ports[0])
    );
}

#[test]
fn peers_that_become_known_in_one_turn_get_their_sockets_in_one_each() {
    let mut call = Call::new(MANY);
    call.say(25);
    assert_eq!(call.sockets.seconds, 1, "of two ports");
    call.turn();
    assert_eq!(call.sockets.seconds, 2);
    call.turn();
    assert_eq!(call.sockets.seconds, 2);
}

#[test]
fn the_second_socket_loses_nothing_and_changes_no_order() {
    const DATAGRAMS: usize = 500;
    for _ in 0..20 {
        let Call {
            mut sockets,
            mut core,
            ports,
            phones: [a, b],
        } = Call::new(MANY);
        let (heard, until) = (AtomicUsize::new(0), Instant::now() + LONG);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..DATAGRAMS {
                    // As many on the way as one socket holds.
                    while number - heard.load(Ordering::Relaxed) > 100 && Instant::now() < until {
                        std::thread::yield_now();
                    }
                    a.send_to(&number.to_be_bytes(), ports[0]).unwrap();
                }
            });
            let mut buffer = [0; 8];
            for number in 0..DATAGRAMS {
                serve(&mut sockets, &mut core, |core| core.heard.len() > number);
                assert_eq!(core.heard[number].2, number.to_be_bytes());
                b.recv(&mut buffer).unwrap();
                assert_eq!(buffer, number.to_be_bytes());
                heard.store(number, Ordering::Relaxed);
            }
        });
        assert_eq!(sockets.seconds, 2);
    }
}

#[test]
fn a_peer_that_moves_takes_the_second_socket_along() {
    let mut call = Call::new(MANY);
    call.talk(25);
    let before = std::mem::replace(&mut call.phones[0], phone());
    call.talk(24);
    assert_eq!(call.peer(A), before.local_addr().ok(), "not yet");
    call.talk(1);
    assert_eq!(call.peer(A), Some(call.phone(0)));
    call.talk(100);
    // Where datagrams go counts as much as where they come from.
    call.phones[1] = phone();
    let b = call.phone(1);
    call.core.routes.insert(A, (B, b));
    call.talk(25);
    assert_eq!(call.peer(B), Some(b));
    // Who was there before is heard as anybody is.
    before.send_to(b"still here", call.ports[0]).unwrap();
    let expected = call.core.heard.len() + 1;
    serve(&mut call.sockets, &mut call.core, |core| {
        core.heard.len() == expected
    });
    assert_eq!(
        call.core.heard[expected - 1].1,
        before.local_addr().unwrap()
    );
    assert_eq!(call.sockets.seconds, 2);
}

#[test]
fn who_hears_elsewhere_than_he_speaks_gets_no_second_socket() {
    let mut call = Call::new(MANY);
    let elsewhere = phone();
    let to = elsewhere.local_addr().unwrap();
    // Port A hears phone A and answers it elsewhere.
    call.core.routes.insert(A, (A, to));
    for _ in 0..100 {
        call.phones[0].send_to(b"x", call.ports[0]).unwrap();
    }
    serve(&mut call.sockets, &mut call.core, |core| {
        core.heard.len() == 100
    });
    assert_eq!(call.peer(A), None);
}

#[test]
fn a_peer_that_was_gone_for_a_while_misses_nothing_afterwards() {
    let mut call = Call::new(MANY);
    call.talk(25);
    let gone = call.phone(1);
    let other = phone();
    drop(std::mem::replace(&mut call.phones[1], other));
    call.sockets.send(B, gone, b"nobody hears this").unwrap();
    assert_eq!(call.peer(B), Some(gone));
    // The kernel has said that nobody is there, and says so to whoever sends next.
    let Ok(back) = UdpSocket::bind(gone) else {
        return; // somebody else is there now
    };
    back.set_read_timeout(Some(LONG)).unwrap();
    call.sockets.send(B, gone, b"but this").unwrap();
    assert_eq!(back.recv_from(&mut [0; 10]).unwrap(), (8, call.ports[1]));
    call.phones[1] = back;
    call.talk(50);
}

#[test]
fn without_descriptors_to_spare_there_is_no_second_socket() {
    let mut call = Call::new(0);
    call.talk(100);
    assert_eq!(call.sockets.seconds, 0);
}

#[test]
fn second_sockets_are_given_back_before_calls_need_their_descriptors() {
    let mut call = Call::new(1000);
    call.talk(50);
    assert_eq!(call.sockets.seconds, 2);
    // Another shard's ports.
    (0..800).for_each(|_| call.sockets.files.opened());
    // What lies in the second socket is not lost with it.
    call.talk(50);
    assert_eq!(call.sockets.seconds, 0);
    call.talk(100);
    assert_eq!(call.sockets.seconds, 0);
    call.sockets.files.closed(800);
    call.talk(50);
    assert_eq!(call.sockets.seconds, 2);
}

#[test]
fn a_port_that_many_share_has_one_socket() {
    let mut call = Call::new(MANY);
    call.sockets.crowd(A);
    call.talk(100);
    assert_eq!((call.peer(A), call.sockets.seconds), (None, 1));
}

#[test]
fn a_closed_port_is_free_and_its_number_brings_nothing_of_the_old_one() {
    let mut call = Call::new(MANY);
    call.talk(50);
    let heard = call.core.heard.len();
    // It is in both queues, and both are reported.
    let stranger = phone();
    for phone in [&call.phones[0], &stranger] {
        phone.send_to(b"for the old one", call.ports[0]).unwrap();
    }
    call.sockets.wait(Some(Duration::from_secs(1))).unwrap();
    assert_eq!(call.sockets.readable.len(), 2);
    call.sockets.known.push_back(A);
    call.sockets.close(A);
    drop(UdpSocket::bind(call.ports[0]).unwrap());
    call.ports[0] = open(&mut call.sockets, A);
    call.sockets.turn(&mut call.core, &mut Lost::default());
    assert_eq!(call.core.heard.len(), heard);
    assert_eq!((call.peer(A), call.sockets.seconds), (None, 1));
    // It goes the same way as any.
    call.talk(25);
    assert_eq!(
        (call.peer(A), call.sockets.seconds),
        (Some(call.phone(0)), 2)
    );
    call.sockets.close(A);
    call.sockets.close(B);
    assert_eq!(call.sockets.seconds, 0);
    let all = Files::new(MANY);
    assert_eq!(format!("{:?}", call.sockets.files), format!("{all:?}"));
}
