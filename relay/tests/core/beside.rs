//! Two shards that share a port: what comes to it may come to either.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Instant;

use causeway_relay::core::{Among, Claim, Event, Output, Received, Shard, Shards, SocketId};

use crate::wire::Sent;
use crate::world::{Sockets, World, config, random, with_headroom};

/// Which shard a datagram at the shared port comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// The one of the world.
    Home,
    /// The one beside it.
    Beside,
    /// The one that the shards ask for, or else the one beside.
    Brought,
}

/// The other shard.
pub struct Beside {
    pub shard: Shard,
    pub sockets: Sockets,
    pub arrival: Arrival,
    /// Its number, that of the world's is the other of 0 and 1.
    number: u8,
    brought: HashMap<(SocketId, SocketAddr), Option<u8>>,
    /// Datagrams that went from one to the other.
    pub handed: usize,
}

impl World {
    /// Two shards with this port.
    pub fn of_two(port: u16, arrival: Arrival) -> Self {
        let among = |number| Among { number, count: 2 };
        let mut world = Self::with(|config| {
            (config.shared_port, config.among) = (Some(port), among(0));
        });
        let mut config = config(world.start);
        (config.shared_port, config.among) = (Some(port), among(1));
        // So that each port is one's alone.
        config.ports = 40_000..=49_999;
        let mut shard = Shard::new(config, world.identity.clone(), random(2));
        let mut sockets = Sockets::default();
        shard.share_ports(&mut sockets).unwrap();
        world.beside = Some(Box::new(Beside {
            shard,
            sockets,
            arrival,
            number: 1,
            brought: HashMap::new(),
            handed: 0,
        }));
        world
    }

    /// Commands are the other shard's from now on, if there is one. Where datagrams come to stays.
    pub fn swap(&mut self) {
        let Some(beside) = &mut self.beside else {
            return;
        };
        std::mem::swap(&mut self.shard, &mut beside.shard);
        std::mem::swap(&mut self.sockets, &mut beside.sockets);
        beside.number = 1 - beside.number;
        beside.arrival = match beside.arrival {
            Arrival::Home => Arrival::Beside,
            Arrival::Beside => Arrival::Home,
            Arrival::Brought => Arrival::Brought,
        };
    }

    /// Datagrams that were nobody's.
    pub fn strays(&self) -> u64 {
        let beside = self.beside.as_ref().map_or(0, |it| it.shard.strays());
        self.shard.strays() + beside
    }

    fn of(&mut self, number: u8) -> (&mut Shard, &mut Sockets) {
        let beside = self.beside.as_mut().expect("another");
        match number == beside.number {
            true => (&mut beside.shard, &mut beside.sockets),
            false => (&mut self.shard, &mut self.sockets),
        }
    }

    pub fn send_to_one_of_two(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let find = |sockets: &Sockets| {
            let found = sockets.open.iter().find(|(_, at)| **at == to);
            found.map(|(id, _)| *id)
        };
        let beside = self.beside.as_ref().expect("another");
        let (home, number) = (find(&self.sockets), beside.number);
        let (id, first) = match (home, find(&beside.sockets)) {
            (Some(id), Some(same)) => {
                assert_eq!(id, same, "a shared port has one number");
                let brought = beside.brought.get(&(id, from)).copied().flatten();
                let first = match beside.arrival {
                    Arrival::Home => 1 - number,
                    Arrival::Beside => number,
                    Arrival::Brought => brought.unwrap_or(number),
                };
                (id, first)
            }
            (Some(id), None) => (id, 1 - number),
            (None, Some(id)) => (id, number),
            (None, None) => return,
        };
        self.bring(first, (id, from), bytes, None);
        self.drain();
    }

    fn bring(
        &mut self,
        number: u8,
        at: (SocketId, SocketAddr),
        bytes: &[u8],
        seen: Option<Shards>,
    ) {
        let (mut buffer, now) = (with_headroom(bytes), self.now);
        let (shard, sockets) = self.of(number);
        let len = bytes.len();
        let received = match seen {
            None => shard.receive(at.0, at.1, &mut buffer, len, now),
            Some(seen) => shard.receive_handed(at, &mut buffer, len, seen, now),
        };
        match received {
            Received::Send(send) => {
                let sent = Sent {
                    from: sockets.open[&send.socket],
                    to: send.to,
                    bytes: buffer[..send.len].to_vec(),
                };
                self.sent.push_back(sent);
            }
            Received::Nothing => {}
            Received::Elsewhere => {
                assert_eq!(&buffer[..bytes.len()], bytes, "they are as they were");
                let Some(whose) = shard.whose(at.0, at.1, bytes, seen.unwrap_or_default()) else {
                    return shard.stray();
                };
                assert_eq!(whose.shard, 1 - number);
                self.beside.as_mut().unwrap().handed += 1;
                self.bring(1 - number, at, bytes, Some(whose.seen));
            }
        }
    }

    pub fn advance_both(&mut self, end: Instant) {
        loop {
            let due = [0, 1].map(|number| self.of(number).0.deadline());
            let Some(due) = due.into_iter().flatten().min().filter(|due| *due <= end) else {
                break;
            };
            self.now = self.now.max(due);
            let now = self.now;
            for number in [0, 1] {
                let (shard, sockets) = self.of(number);
                shard.timeout(now, sockets);
            }
            self.drain();
        }
        self.now = end;
    }

    pub fn drain_both(&mut self) {
        for number in [0, 1] {
            while let Some(output) = self.of(number).0.poll() {
                self.take(number, output);
            }
        }
    }

    fn take(&mut self, number: u8, output: Output) {
        match output {
            Output::Datagram { socket, to, bytes } => {
                let from = self.of(number).1.open[&socket];
                self.sent.push_back(Sent { from, to, bytes });
            }
            Output::Claim(claim) => {
                let Claim {
                    socket, source, to, ..
                } = claim;
                let (other, _) = self.of(1 - number);
                other.hear(number, socket, source, claim.is_held);
                let brought = &mut self.beside.as_mut().unwrap().brought;
                brought.insert((socket, source), to);
            }
            Output::Event(Event { kind, .. }) => self.events.push(kind),
            Output::Record(record) => self.records.push(record),
            Output::Handshake { .. } => panic!("nobody took them"),
        }
    }
}
