//! A relay core without sockets: they are entries of a table.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use relay::core::{Advertise, Anchor, Bind, Config, Interface, Ports, Seats, Shard, SocketId};
use testkit::Dice;

use crate::world::{identities, start};

/// The port of browsers that share one: the first of those for media.
const BROWSERS: u16 = 30_000;

/// What the core has opened.
#[derive(Default)]
pub(crate) struct Sockets {
    pub(crate) open: BTreeMap<SocketId, SocketAddr>,
}

impl Sockets {
    /// The place in the table of the socket that is bound there.
    pub(crate) fn index(&self, bound: SocketAddr) -> usize {
        self.open
            .values()
            .position(|at| *at == bound)
            .unwrap_or_default()
    }
}

impl Ports for Sockets {
    fn open(&mut self, id: SocketId, at: SocketAddr) -> bool {
        assert!(!self.open.contains_key(&id), "{id:?} is open");
        let is_free = !self.open.values().any(|other| *other == at);
        if is_free {
            self.open.insert(id, at);
        }
        is_free
    }

    fn mark(&mut self, id: SocketId, _: u8) {
        assert!(self.open.contains_key(&id), "{id:?} is not open");
    }

    fn close(&mut self, id: SocketId) {
        assert!(self.open.remove(&id).is_some(), "{id:?} is not open");
    }
}

/// A relay with a public and a private side, with one port for all browsers if that is said; the same random bytes in
/// every run.
pub(crate) fn shard(sockets: &mut Sockets, shares: bool) -> Shard {
    let interface = |name: &str, ip: &str| Interface {
        name: name.into(),
        bind: Bind(ip.parse().unwrap()),
        advertise: Advertise(ip.parse().unwrap()),
    };
    let interfaces = vec![
        interface("public", "203.0.113.1"),
        interface("private", "10.0.0.4"),
    ];
    let unix = Duration::from_secs(1_800_000_000);
    let mut config = Config::new(
        interfaces,
        Anchor {
            instant: start(),
            unix,
        },
    );
    config.seats = Seats::new(16);
    config.hold_timeout = Duration::from_secs(120);
    config.recording = true;
    let mut dice = Dice::new(1);
    let random = Box::new(move |buffer: &mut [u8]| dice.fill(buffer));
    if shares {
        config.shared_port = Some(BROWSERS);
    }
    let mut shard = Shard::new(config, identities()[0].clone(), random);
    shard.share_ports(sockets).unwrap();
    shard
}
