//! Steered ports, on the loopback interface. Where this process may not steer, each test says so and is done.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)] // a test may stop on the first surprise

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use causeway_net::poll::Poller;
use causeway_net::steer::{Batch, Inlet, RawSocket, Steering, Way};

const LONG: Option<Duration> = Some(Duration::from_secs(10));

/// What a test works with: a port that is steered, its holder, and what it is steered to.
struct Port {
    at: SocketAddr,
    _holder: UdpSocket,
    steering: Steering,
    inlet: Inlet,
    raw: RawSocket,
    poller: Poller,
    batch: Batch,
}

impl Port {
    /// `None` where this process may not.
    fn open(ip: &str) -> Option<Self> {
        let holder = socket(&format!("{ip}:0"))?;
        let at = holder.local_addr().unwrap();
        let four = Inlet::open([127, 0, 0, 1].into(), 1 << 20);
        let six = Inlet::open(std::net::Ipv6Addr::LOCALHOST.into(), 1 << 20);
        let raw = RawSocket::open(at.ip());
        let ([four, six], raw) = match (four, raw) {
            (Ok(four), Ok(raw)) => ([vec![four], six.into_iter().collect()], raw),
            (Err(error), _) | (_, Err(error)) => return skipped(&error),
        };
        let steering = match Steering::new(at.port()..=at.port(), &four, &six) {
            Ok(steering) => steering,
            Err(error) => return skipped(&error),
        };
        let inlet = if at.is_ipv4() { four } else { six }.pop()?;
        let poller = Poller::new().unwrap();
        inlet.watch(&poller, 3).unwrap();
        steering.add(at, 0).unwrap();
        let mut batch = Batch::new(65_507, 20);
        batch.make_exits(1);
        Some(Self {
            at,
            _holder: holder,
            steering,
            inlet,
            raw,
            poller,
            batch,
        })
    }

    /// Takes so many datagrams as they come; each is answered with what it said and an exclamation mark.
    fn answer(&mut self, mut count: usize) {
        while count > 0 {
            let mut keys = Vec::new();
            self.poller.wait(LONG, &mut keys).unwrap();
            assert_eq!(keys, [3], "nothing came");
            loop {
                let taken = self.batch.receive(&self.inlet).unwrap();
                for number in 0..taken {
                    let arrived = self.batch.get(number).unwrap();
                    assert_eq!(arrived.to, self.at);
                    let (len, to) = (arrived.len, arrived.from);
                    arrived.buffer[len] = b'!';
                    let way = Way {
                        exit: 0,
                        from: self.at,
                        to,
                        class: 0xb8,
                    };
                    assert!(self.batch.answer(number, len + 1, way));
                }
                self.batch
                    .flush(0, &self.raw, |refused| panic!("{refused:?}"));
                count -= taken;
                if taken < Batch::SIZE {
                    break;
                }
            }
        }
    }
}

fn skipped<T>(error: &io::Error) -> Option<T> {
    eprintln!("not tested: this process may not steer ports ({error})");
    None
}

/// A socket that waits for ten seconds at most; `None` where there is no such address.
fn socket(at: &str) -> Option<UdpSocket> {
    let socket = UdpSocket::bind(at).ok()?;
    socket.set_read_timeout(LONG).unwrap();
    Some(socket)
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 65_535];
    let (len, from) = socket.recv_from(&mut buffer).unwrap();
    buffer.truncate(len);
    (buffer, from)
}

#[test]
fn what_comes_to_a_steered_port_is_answered_from_that_port_in_order() {
    for ip in ["127.0.0.1", "[::1]"] {
        let Some(mut port) = Port::open(ip) else {
            continue;
        };
        let peer = socket(&format!("{ip}:0")).unwrap();
        for length in [0, 1, 2, 3, 172, 547, 548, 549, 1400] {
            // More than one batch, and no more than the peer's socket holds.
            for number in 0..70 {
                peer.send_to(&vec![number; length], port.at).unwrap();
            }
            port.answer(70);
            for number in 0..70 {
                let mut expected = vec![number; length];
                expected.push(b'!');
                assert_eq!(receive(&peer), (expected, port.at), "{length}");
            }
        }
    }
}

#[test]
fn every_other_port_is_left_alone_and_so_is_this_one_afterwards() {
    let Some(mut port) = Port::open("127.0.0.1") else {
        return;
    };
    let (peer, other) = (
        socket("127.0.0.1:0").unwrap(),
        socket("127.0.0.1:0").unwrap(),
    );
    // The same port of another address of this machine.
    let beside = socket(&format!("127.0.0.2:{}", port.at.port())).unwrap();
    for unsteered in [&other, &beside] {
        peer.send_to(b"yours", unsteered.local_addr().unwrap())
            .unwrap();
        assert_eq!(receive(unsteered).0, b"yours");
    }
    port.steering.remove(port.at).unwrap();
    peer.send_to(b"held", port.at).unwrap();
    assert_eq!(receive(&port._holder).0, b"held");
    port.steering.add(port.at, 0).unwrap();
    peer.send_to(b"steered", port.at).unwrap();
    port.answer(1);
    assert_eq!(receive(&peer).0, b"steered!");
}

/// It passes where the loopback interface takes packets of 65,536 bytes, as it does unless somebody made it smaller.
#[test]
fn a_long_datagram_passes_or_is_refused_as_too_long_and_holds_up_no_other() {
    let Some(mut port) = Port::open("127.0.0.1") else {
        return;
    };
    let peer = socket("127.0.0.1:0").unwrap();
    peer.send_to(&[7; 65_480], port.at).unwrap();
    peer.send_to(b"short", port.at).unwrap();
    let (mut taken, mut was_refused) = (0, false);
    while taken < 2 {
        let mut keys = Vec::new();
        port.poller.wait(LONG, &mut keys).unwrap();
        let count = port.batch.receive(&port.inlet).unwrap();
        for number in 0..count {
            let arrived = port.batch.get(number).unwrap();
            let way = Way {
                exit: 0,
                from: port.at,
                to: arrived.from,
                class: 0,
            };
            let len = arrived.len;
            let fits = port.batch.answer(number, len, way);
            assert!(fits, "{len}");
        }
        port.batch.flush(0, &port.raw, |refused| {
            assert!(refused.is_too_long(), "{refused:?}");
            assert_eq!(refused.datagram, [7; 65_480]);
            was_refused = true;
        });
        taken += count;
    }
    let (first, _) = receive(&peer);
    let all = if was_refused {
        &b"short"[..]
    } else {
        &[7; 65_480]
    };
    assert_eq!(first, all);
}

/// A check whose USERNAME begins so.
fn check(mark: u8) -> Vec<u8> {
    let mut out = vec![0, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42];
    out.extend([7; 12]);
    out.extend([0, 6, 0, 6, mark, b'2', b'3', b'4', b':', b'x', 0, 0]);
    out
}

/// The thread whose inlet has a datagram, and what it says.
fn came(inlets: &[Inlet]) -> Option<(usize, Vec<u8>)> {
    let mut batch = Batch::new(2000, 20);
    inlets.iter().enumerate().find_map(|(thread, inlet)| {
        let count = batch.receive(inlet).unwrap();
        assert!(count <= 1);
        let arrived = batch.get(count.checked_sub(1)?)?;
        Some((thread, arrived.buffer[..arrived.len].to_vec()))
    })
}

#[test]
fn what_comes_to_a_shared_port_is_told_apart_by_its_check_and_then_by_its_source() {
    const MARKS: &[u8] = b"ABCD";
    for (number, ip) in (0..).zip(["127.0.0.1", "[::1]"]) {
        let Some(holder) = socket(&format!("{ip}:0")) else {
            continue;
        };
        let at = holder.local_addr().unwrap();
        let open = |ip: IpAddr| Inlet::open_group(ip, 1 << 20, MARKS);
        let four = open([127, 0, 0, 1].into()).unwrap();
        let six = open(std::net::Ipv6Addr::LOCALHOST.into()).unwrap_or_default();
        let steering = match Steering::new(at.port()..=at.port(), &four, &six) {
            Ok(steering) => steering,
            Err(error) => {
                skipped::<()>(&error);
                return;
            }
        };
        steering.share(at, number).unwrap();
        let inlets = if at.is_ipv4() { &four } else { &six };
        let mut homes = std::collections::HashSet::new();
        for _ in 0..32 {
            let peer = socket(&format!("{ip}:0")).unwrap();
            let from = peer.local_addr().unwrap();
            let send = |bytes: &[u8]| {
                peer.send_to(bytes, at).unwrap();
                let (thread, came) = came(inlets).expect("on loopback it is there at once");
                assert_eq!(came, bytes);
                thread
            };
            for (thread, mark) in MARKS.iter().enumerate() {
                assert_eq!(send(&check(*mark)), thread);
            }
            let home = send(b"not known yet");
            homes.insert(home);
            assert_eq!(send(b"not known yet"), home);
            for thread in [2, 0, 3] {
                steering.bring(number, from, Some(thread)).unwrap();
                assert_eq!(send(b"known"), usize::from(thread));
                assert_eq!(send(&check(b'B')), usize::from(thread), "a check, too");
                // At another port it is another's.
                steering.bring(number + 2, from, Some(1)).unwrap();
                assert_eq!(send(b"known"), usize::from(thread));
            }
            steering.bring(number, from, None).unwrap();
            steering.bring(number, from, None).unwrap();
            assert_eq!(send(b"forgotten"), home);
            // A port of its own is one thread's, whoever sends.
            steering.add(at, 1).unwrap();
            assert_eq!(send(&check(b'A')), 1);
            steering.share(at, number).unwrap();
        }
        assert_eq!(homes.len(), MARKS.len(), "senders are spread");
    }
}
