//! Two agents, a network between them that loses, delays, reorders and doubles by a seed, and a clock of its own.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use causeway_ice::{Agent, Candidate, Config, Credentials, Local, Output, Pair};

/// An agent with what it has said so far.
pub(crate) struct Node {
    pub(crate) agent: Agent,
    pub(crate) events: Vec<(Duration, Output)>,
}

impl Node {
    pub(crate) fn new(config: Config, addresses: &[&str]) -> Self {
        let mut agent = Agent::new(config);
        for address in addresses {
            agent
                .add_local(Local::host(address.parse().unwrap()))
                .unwrap();
        }
        Node {
            agent,
            events: Vec::new(),
        }
    }

    /// What the SDP of this side would say.
    pub(crate) fn description(&self) -> (Credentials, Vec<Candidate>) {
        (
            self.agent.credentials().clone(),
            self.agent.candidates().to_vec(),
        )
    }

    pub(crate) fn has_selected(&self, local: &str, remote: &str) -> bool {
        self.agent.selected() == Some(pair(local, remote))
    }

    pub(crate) fn was_disconnected(&self) -> bool {
        self.events
            .iter()
            .any(|(_, event)| *event == Output::Disconnected)
    }
}

pub(crate) fn pair(local: &str, remote: &str) -> Pair {
    Pair {
        local: local.parse().unwrap(),
        remote: remote.parse().unwrap(),
    }
}

pub(crate) fn credentials(seed: u8) -> Credentials {
    let mut random = [0; Credentials::RANDOM_BYTES];
    for (index, byte) in random.iter_mut().enumerate() {
        *byte = (index as u8)
            .wrapping_mul(31)
            .wrapping_add(seed.wrapping_mul(7));
    }
    Credentials::from_random(&random)
}

struct Packet {
    at: Instant,
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

pub(crate) struct Network {
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    /// Of a hundred packets.
    pub(crate) loss: u32,
    /// Delay of each packet lies between these.
    pub(crate) delay: (Duration, Duration),
    /// Packets from or to these addresses go nowhere.
    pub(crate) dead: Vec<SocketAddr>,
    seed: u64,
    flying: Vec<Packet>,
}

impl Network {
    pub(crate) fn new(seed: u64) -> Self {
        let start = Instant::now();
        let delay = (Duration::from_millis(5), Duration::from_millis(5));
        let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Network {
            start,
            now: start,
            loss: 0,
            delay,
            dead: vec![],
            seed,
            flying: vec![],
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    fn random(&mut self, below: u32) -> u32 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        ((self.seed >> 33) % u64::from(below.max(1))) as u32
    }

    /// Exchanges the descriptions as signalling would.
    pub(crate) fn introduce(&mut self, one: &mut Node, other: &mut Node) {
        let (ones, others) = (one.description(), other.description());
        for (node, (credentials, candidates)) in [(one, others), (other, ones)] {
            node.agent.set_remote(credentials, self.now);
            for candidate in candidates {
                node.agent.add_remote(&candidate, self.now).unwrap();
            }
        }
    }

    /// Lets time pass until `until` says so or the time is over. Says whether it did.
    pub(crate) fn run(
        &mut self,
        nodes: &mut [&mut Node],
        time: Duration,
        until: impl Fn(&[&mut Node]) -> bool,
    ) -> bool {
        let end = self.now + time;
        loop {
            for node in nodes.iter_mut() {
                self.collect(node);
            }
            if until(nodes) {
                return true;
            }
            let deadlines = nodes.iter().filter_map(|node| node.agent.deadline());
            let Some(next) = self
                .flying
                .iter()
                .map(|packet| packet.at)
                .chain(deadlines)
                .min()
            else {
                self.now = end;
                return false;
            };
            if next > end {
                self.now = end;
                return false;
            }
            self.now = self.now.max(next);
            self.deliver(nodes);
            for node in nodes
                .iter_mut()
                .filter(|node| node.agent.deadline().is_some_and(|at| at <= self.now))
            {
                node.agent.timeout(self.now);
            }
        }
    }

    fn collect(&mut self, node: &mut Node) {
        while let Some(output) = node.agent.poll() {
            match output {
                Output::Send { from, to, bytes } => self.send(from, to, bytes),
                event => node.events.push((self.elapsed(), event)),
            }
        }
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        if self.random(100) < self.loss || self.dead.iter().any(|dead| [from, to].contains(dead)) {
            return;
        }
        let spread = (self.delay.1 - self.delay.0).as_micros() as u32;
        let delay = self.delay.0 + Duration::from_micros(self.random(spread).into());
        self.flying.push(Packet {
            at: self.now + delay,
            from,
            to,
            bytes,
        });
    }

    fn deliver(&mut self, nodes: &mut [&mut Node]) {
        let now = self.now;
        let (mut due, flying): (Vec<_>, Vec<_>) =
            self.flying.drain(..).partition(|packet| packet.at <= now);
        self.flying = flying;
        due.sort_by_key(|packet| packet.at);
        for packet in due {
            for node in nodes.iter_mut() {
                if node
                    .agent
                    .export()
                    .locals
                    .iter()
                    .any(|local| local.bound == packet.to)
                {
                    node.agent
                        .receive(packet.to, packet.from, &packet.bytes, now);
                }
            }
        }
    }
}
