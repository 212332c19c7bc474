//! Every conversion once more, through a running relay: ng, RTP, RTCP, STUN and DTLS on real sockets, on loopback.

#![allow(unreachable_pub)] // the modules of a test program are nobody else's
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may stop on the first surprise

#[path = "core/crossing.rs"]
mod crossing;
#[path = "core/peer.rs"]
mod peer;
#[path = "core/wire.rs"]
mod wire;

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use causeway_relay::core::{Advertise, Bind, Interface};
use causeway_relay::server::{BackendChoice, Config, Error, Server, SharedPort};
use control_proto::TransportProtocol::{RtpAvp, UdpTlsRtpSavpf};
use control_proto::{AddressFamily, Client, Command, Dictionary, Event, Request, Response};
use dtls::Identity;
use tokio::sync::oneshot;

use crate::crossing::{call, media, pairs, set_up, speech};
use crate::peer::Manner;
use crate::wire::{Sent, Wire};

/// Calls at once. Each waits for its timers most of the time.
const CALLERS: usize = 16;

#[test]
fn every_conversion_passes_rtp_and_rtcp_both_ways_on_real_sockets() {
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    for backend in [BackendChoice::Sockets, BackendChoice::Steered] {
        run(
            pairs().collect(),
            [local, local],
            SharedPort::First,
            backend,
        );
    }
}

#[test]
fn a_side_on_ipv4_and_one_on_ipv6_are_joined_with_ice_and_without() {
    let addresses = [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ];
    let is_chosen = |manner: &Manner| match manner.protocol {
        RtpAvp => !manner.mux,
        UdpTlsRtpSavpf => manner.mux,
        _ => false,
    };
    let pairs: Vec<_> = pairs()
        .filter(|(a, b)| is_chosen(a) && is_chosen(b))
        .collect();
    assert_eq!(pairs.len(), 16);
    let [four, six] = addresses;
    for backend in [BackendChoice::Sockets, BackendChoice::Steered] {
        run(pairs.clone(), addresses, SharedPort::None, backend);
        run(pairs.clone(), [six, four], SharedPort::First, backend);
    }
}

/// Several browsers, each of whom says so much without waiting for anybody.
#[test]
fn what_browsers_say_on_one_port_keeps_its_order_whichever_thread_it_comes_to() {
    const BROWSERS: usize = 12;
    const WORDS: u8 = 240;
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let manner = |protocol, is_browser| Manner {
        protocol,
        ice: is_browser,
        mux: is_browser,
    };
    let pair = (manner(UdpTlsRtpSavpf, true), manner(RtpAvp, false));
    for backend in [BackendChoice::Sockets, BackendChoice::Steered] {
        let Some(relay) = Relay::start([local, local], SharedPort::First, backend) else {
            continue;
        };
        let identity = Identity::generate().unwrap();
        let calls: Vec<_> = thread::scope(|scope| {
            let call = |number| {
                let (identity, control) = (&identity, relay.control);
                scope.spawn(move || {
                    let mut sockets = Sockets::new(control, [local, local]);
                    let id = format!("browser {number}");
                    let set_up = set_up(&id, pair, true, identity, &mut sockets);
                    let (mut browser, mut phone) = set_up.unwrap();
                    // No more at a time than a socket holds.
                    for words in 0..WORDS / 20 {
                        let words = words * 20..(words + 1) * 20;
                        for word in words.clone() {
                            browser.send(&speech(word), &mut sockets);
                        }
                        for word in words {
                            let sent = media(&mut browser, &mut phone, &mut sockets);
                            let heard = phone.hear(sent.expect("another word"));
                            assert_eq!(heard, Some(speech(word)));
                        }
                    }
                    (browser, phone, sockets)
                })
            };
            let calls: Vec<_> = (0..BROWSERS).map(call).collect();
            calls.into_iter().map(|call| call.join().unwrap()).collect()
        });
        // One word, while all threads sleep and nothing else comes that could wake them.
        for (mut browser, mut phone, mut sockets) in calls {
            browser.send(&speech(WORDS), &mut sockets);
            let until = Instant::now() + Duration::from_secs(20);
            while !sockets.take() {
                assert!(Instant::now() < until, "nothing came");
                thread::park_timeout(Duration::from_millis(1));
            }
            let heard = phone.hear(sockets.came.pop_front().expect("a word"));
            assert_eq!(heard, Some(speech(WORDS)));
        }
        let (handed, dropped) = relay.handed();
        relay.stop();
        assert_eq!(dropped, 0);
        let said = i64::from(WORDS) * BROWSERS as i64;
        match backend {
            // Two of three packets come to another thread than their own, more or less.
            BackendChoice::Sockets => assert!(handed >= said / 10, "{handed} of {said}"),
            _ => assert!(handed < said / 10, "{handed} of {said}"),
        }
    }
}

/// A running relay with both addresses on one interface, and three media threads.
struct Relay {
    control: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl Relay {
    /// None where this process may not steer.
    fn start(
        addresses: [IpAddr; 2],
        shared_port: SharedPort,
        backend: BackendChoice,
    ) -> Option<Self> {
        let interface = |address| Interface {
            name: "public".into(),
            bind: Bind(address),
            advertise: Advertise(address),
        };
        let mut interfaces = vec![interface(IpAddr::V4(Ipv4Addr::LOCALHOST))];
        if addresses.iter().any(IpAddr::is_ipv6) {
            interfaces.push(interface(IpAddr::V6(Ipv6Addr::LOCALHOST)));
        }
        let control = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut config = Config::new(control, interfaces);
        config.shards = 3;
        config.shared_port = shared_port;
        config.backend = backend;
        let server = match Server::bind(config) {
            Err(error @ Error::Steered(_)) => {
                eprintln!("not tested: {error}");
                return None;
            }
            server => server.unwrap(),
        };
        let control = server.control_addr();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            let run = server.run(async { _ = stopped.await });
            runtime.block_on(run).unwrap();
        });
        Some(Self {
            control,
            stop,
            thread,
        })
    }

    /// Datagrams that went from thread to thread, and that were to and did not.
    fn handed(&self) -> (i64, i64) {
        let sockets = Sockets::new(self.control, [Ipv4Addr::LOCALHOST.into(); 2]);
        let told = sockets.ask(&Request::new(Command::Statistics)).other;
        let part = |from: &Dictionary, key: &str| from.get(key)?.as_dictionary().cloned();
        let handover = part(&told, "statistics").and_then(|told| part(&told, "handover"));
        let handover = handover.expect("figures");
        let [packets, dropped] = ["packets", "dropped"].map(|key| handover.get(key)?.as_integer());
        (packets.unwrap(), dropped.unwrap())
    }

    fn stop(self) {
        drop(self.stop);
        self.thread.join().unwrap();
    }
}

/// Calls between peers of these manners at these two addresses, through a relay.
fn run(
    pairs: Vec<(Manner, Manner)>,
    addresses: [IpAddr; 2],
    shared_port: SharedPort,
    backend: BackendChoice,
) {
    let Some(relay) = Relay::start(addresses, shared_port, backend) else {
        return;
    };
    let control = relay.control;

    let identity = Identity::generate().unwrap();
    let pairs: Vec<_> = pairs.into_iter().enumerate().collect();
    let share = pairs.len().div_ceil(CALLERS);
    let failures: Vec<String> = thread::scope(|scope| {
        let identity = &identity;
        let callers: Vec<_> = pairs
            .chunks(share)
            .map(|pairs| {
                scope.spawn(move || {
                    let mut failures = Vec::new();
                    for (number, (a, b)) in pairs {
                        let id = format!("call-{number}");
                        let mut sockets = Sockets::new(control, addresses);
                        if let Err(why) = call(&id, (*a, *b), true, identity, &mut sockets) {
                            failures.push(format!("{why}: {a:?} to {b:?}"));
                        }
                        // The next call may get this one's addresses, and they must not be known as this one's.
                        sockets.delete(&id);
                    }
                    failures
                })
            })
            .collect();
        let done = callers
            .into_iter()
            .flat_map(|caller| caller.join().unwrap());
        done.collect()
    });
    relay.stop();
    assert!(
        failures.is_empty(),
        "{} fail:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// The sockets of two peers, and one to the relay's control port.
struct Sockets {
    control: SocketAddr,
    /// Where the caller is, and where the callee is.
    addresses: [IpAddr; 2],
    open: Vec<(SocketAddr, UdpSocket)>,
    came: VecDeque<Sent>,
}

impl Sockets {
    fn new(control: SocketAddr, addresses: [IpAddr; 2]) -> Self {
        Self {
            control,
            addresses,
            open: Vec::new(),
            came: VecDeque::new(),
        }
    }

    fn delete(&self, id: &str) {
        let mut delete = Request::new(Command::Delete);
        delete.call_id = Some(id.into());
        delete.delete_delay = Some(Duration::ZERO);
        self.ask(&delete);
    }

    /// The answer to a command, which must succeed.
    fn ask(&self, request: &Request) -> Response {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        // Another client for each, whose cookies nobody else has.
        let port = socket.local_addr().unwrap().port().to_be_bytes();
        let nanos = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .subsec_nanos()
            .to_be_bytes();
        let mut random = [0; 8];
        random[..2].copy_from_slice(&port);
        random[2..6].copy_from_slice(&nanos);
        let mut client = Client::new(random);
        client.ask(request, Instant::now());
        let mut buffer = [0; 65_535];
        loop {
            match client.poll() {
                Some(Event::Send(datagram)) => {
                    socket.send_to(&datagram, self.control).unwrap();
                }
                Some(Event::Answered(_, response)) => {
                    assert!(response.is_ok(), "{response:?}");
                    return response;
                }
                Some(Event::Failed(_, failure)) => panic!("{failure:?}"),
                None => match socket.recv(&mut buffer) {
                    Ok(len) => _ = client.receive(&buffer[..len], Instant::now()),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        client.timeout(Instant::now());
                    }
                    Err(error) => panic!("{error}"),
                },
            }
        }
    }

    /// Takes whatever has come; `false` if nothing has.
    fn take(&mut self) -> bool {
        let before = self.came.len();
        let mut buffer = [0; 2048];
        for (at, socket) in &self.open {
            while let Ok((len, from)) = socket.recv_from(&mut buffer) {
                self.came.push_back(Sent {
                    from,
                    to: *at,
                    bytes: buffer[..len].to_vec(),
                });
            }
        }
        self.came.len() > before
    }
}

impl Wire for Sockets {
    fn now(&self) -> Instant {
        Instant::now()
    }

    /// A port whose next one is free as well, or that next one.
    fn address(&mut self, peer: u8, port: u16) -> SocketAddr {
        let [caller, callee] = self.addresses;
        let ip = if peer == 7 { caller } else { callee };
        let open = |port: u16| {
            let socket = UdpSocket::bind((ip, port)).ok()?;
            socket.set_nonblocking(true).unwrap();
            Some((socket.local_addr().unwrap(), socket))
        };
        if port == 0 {
            let both = || {
                let rtp = open(0).unwrap();
                let rtcp = open(rtp.0.port().checked_add(1)?)?;
                Some([rtp, rtcp])
            };
            self.open
                .extend(std::iter::repeat_with(both).flatten().take(1).flatten());
        }
        let beside = usize::from(port == 0);
        self.open[self.open.len() - 1 - beside].0
    }

    fn body(&mut self, request: &Request) -> String {
        let mut request = request.clone();
        if request.command == Command::Offer && self.addresses[0] != self.addresses[1] {
            request.address_family = Some(match self.addresses[1] {
                IpAddr::V4(_) => AddressFamily::Ip4,
                IpAddr::V6(_) => AddressFamily::Ip6,
            });
        }
        String::from_utf8(self.ask(&request).sdp.expect("a body")).unwrap()
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let (_, socket) = self.open.iter().find(|(at, _)| *at == from).unwrap();
        socket.send_to(bytes, to).unwrap();
    }

    fn came(&mut self) -> &mut VecDeque<Sent> {
        self.take();
        &mut self.came
    }

    fn wait(&mut self, at_most: Duration) {
        let end = Instant::now() + at_most;
        while !self.take() && Instant::now() < end {
            // Whichever of the sockets it comes to.
            thread::park_timeout(Duration::from_millis(1));
        }
    }
}
