//! Agents on a network of testkit's.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use causeway_ice::{Agent, Candidate, Config, Credentials, Local, Output, Pair};
use testkit::{Datagram, Peer};

pub(crate) type Network = testkit::Network<SocketAddr>;

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

impl Peer<SocketAddr> for Node {
    fn poll(&mut self, elapsed: Duration) -> Option<Datagram<SocketAddr>> {
        while let Some(output) = self.agent.poll() {
            match output {
                Output::Send { from, to, bytes } => return Some(Datagram { from, to, bytes }),
                event => self.events.push((elapsed, event)),
            }
        }
        None
    }

    fn receive(&mut self, datagram: &Datagram<SocketAddr>, now: Instant) {
        let Datagram { from, to, bytes } = datagram;
        let locals = self.agent.export().locals;
        if locals.iter().any(|local| local.bound == *to) {
            self.agent.receive(*to, *from, bytes, now);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.agent.deadline()
    }

    fn timeout(&mut self, now: Instant) {
        self.agent.timeout(now);
    }
}

/// Exchanges the descriptions as signalling would.
pub(crate) fn introduce(network: &Network, one: &mut Node, other: &mut Node) {
    let (ones, others) = (one.description(), other.description());
    for (node, (credentials, candidates)) in [(one, others), (other, ones)] {
        node.agent.set_remote(credentials, network.now);
        for candidate in candidates {
            node.agent.add_remote(&candidate, network.now).unwrap();
        }
    }
}
