//! Two endpoints and what lies between them: loss, delay, reordering and doubling by a seed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::{Config, Dtls};

use crate::engine::Dimpl;
use crate::{Endpoint, Failure, Fingerprint, Hash, Identity, Keys, Output, Role};

pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) fn fingerprints(identity: &Identity) -> Option<Vec<Fingerprint>> {
    Some(vec![identity.fingerprint(Hash::Sha256)])
}

/// The client that a test wants.
#[derive(Clone, Copy, Debug)]
pub(super) enum Client {
    /// Our own active endpoint.
    Ours,
    /// DTLS 1.3 only.
    Dtls13,
    /// Both versions in one hello, cut into pieces no longer than this, as browsers with ML-KEM shares do.
    Cut(usize),
}

pub(super) fn client(kind: Client, identity: &Identity, peer: &Identity, now: Instant) -> Endpoint {
    let identity = identity.clone();
    let expected = fingerprints(peer);
    match kind {
        Client::Ours => Endpoint::new(&identity, Role::Active, expected, now),
        Client::Dtls13 => Endpoint::with_engine(Role::Active, expected, now, move |now| {
            let mut dtls = Dtls::new_13(identity.config(), identity.dtls_certificate(), now);
            dtls.set_active(true);
            Box::new(Dimpl::over(dtls))
        }),
        Client::Cut(mtu) => {
            let config = Config::builder()
                .mtu(mtu)
                .flight_start_rto(Duration::from_millis(50));
            let config = Arc::new(config.flight_retries(9).max_queue_tx(100).build().unwrap());
            Endpoint::with_engine(Role::Active, expected, now, move |now| {
                let mut dtls = Dtls::new_13(Arc::clone(&config), identity.dtls_certificate(), now);
                dtls.set_active(true);
                Box::new(Dimpl::over(dtls))
            })
        }
    }
}

pub(super) struct Node {
    pub(super) endpoint: Endpoint,
    pub(super) keys: Option<Keys>,
    pub(super) failure: Option<Failure>,
    pub(super) is_closed: bool,
}

impl Node {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Node {
            endpoint,
            keys: None,
            failure: None,
            is_closed: false,
        }
    }
}

struct Packet {
    at: Instant,
    to: usize,
    bytes: Vec<u8>,
}

pub(super) struct Network {
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) loss: u32,
    pub(super) doubling: u32,
    pub(super) delay: (Duration, Duration),
    /// The longest datagram seen.
    pub(super) longest: usize,
    /// Every datagram that was sent, in order, with the node it was for.
    pub(super) log: Vec<(usize, Vec<u8>)>,
    seed: u64,
    flying: Vec<Packet>,
}

impl Network {
    pub(super) fn new(seed: u64) -> Self {
        let start = Instant::now();
        Network {
            start,
            now: start,
            loss: 0,
            doubling: 0,
            delay: (Duration::from_millis(5), Duration::from_millis(5)),
            longest: 0,
            log: vec![],
            seed: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            flying: vec![],
        }
    }

    pub(super) fn bad(seed: u64) -> Self {
        let mut network = Network::new(seed);
        network.loss = 25;
        network.doubling = 15;
        network.delay = (Duration::from_millis(1), Duration::from_millis(80));
        network
    }

    fn random(&mut self, below: u32) -> u32 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        ((self.seed >> 33) % u64::from(below.max(1))) as u32
    }

    /// Lets time pass until both have keys. Says whether they got them.
    pub(super) fn join(&mut self, nodes: &mut [Node; 2], time: Duration) -> bool {
        self.run(nodes, time, |nodes| {
            nodes.iter().all(|node| node.keys.is_some())
        })
    }

    pub(super) fn run(
        &mut self,
        nodes: &mut [Node; 2],
        time: Duration,
        until: impl Fn(&[Node; 2]) -> bool,
    ) -> bool {
        let end = self.now + time;
        loop {
            for (index, node) in nodes.iter_mut().enumerate() {
                self.collect(index, node);
            }
            if until(nodes) {
                return true;
            }
            let deadlines = nodes.iter().filter_map(|node| node.endpoint.deadline());
            let next = self
                .flying
                .iter()
                .map(|packet| packet.at)
                .chain(deadlines)
                .min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = end;
                return false;
            };
            self.now = self.now.max(next);
            self.deliver(nodes);
            for node in nodes.iter_mut() {
                if node.endpoint.deadline().is_some_and(|at| at <= self.now) {
                    node.endpoint.timeout(self.now);
                }
            }
        }
    }

    /// What is under way gets lost.
    pub(super) fn forget(&mut self) {
        self.flying.clear();
    }

    pub(super) fn collect(&mut self, index: usize, node: &mut Node) {
        while let Some(output) = node.endpoint.poll() {
            match output {
                Output::Send(bytes) => self.send(1 - index, bytes),
                Output::Connected(keys) => {
                    assert!(node.keys.replace(keys).is_none(), "keys come once")
                }
                Output::Failed(failure) => node.failure = Some(failure),
                Output::Closed => node.is_closed = true,
            }
        }
    }

    fn send(&mut self, to: usize, bytes: Vec<u8>) {
        self.longest = self.longest.max(bytes.len());
        self.log.push((to, bytes.clone()));
        let copies = 1 + u32::from(self.random(100) < self.doubling);
        for _ in 0..copies {
            if self.random(100) < self.loss {
                continue;
            }
            let spread = (self.delay.1 - self.delay.0).as_micros() as u32;
            let at = self.now + self.delay.0 + Duration::from_micros(self.random(spread).into());
            self.flying.push(Packet {
                at,
                to,
                bytes: bytes.clone(),
            });
        }
    }

    fn deliver(&mut self, nodes: &mut [Node; 2]) {
        let now = self.now;
        let (mut due, flying): (Vec<_>, Vec<_>) =
            self.flying.drain(..).partition(|packet| packet.at <= now);
        self.flying = flying;
        due.sort_by_key(|packet| packet.at);
        for packet in due {
            nodes[packet.to].endpoint.receive(&packet.bytes, now);
        }
    }
}
