//! Two endpoints on a network of testkit's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::{Config, Dtls};
use testkit::{Datagram, Peer};

use crate::engine::Dimpl;
use crate::{Endpoint, Failure, Fingerprint, Hash, Identity, Keys, Output, Role};

pub(super) type Network = testkit::Network<Side>;

pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) fn fingerprints(identity: &Identity) -> Option<Vec<Fingerprint>> {
    Some(vec![identity.fingerprint(Hash::Sha256)])
}

/// The client that a test wants.
#[derive(Clone, Copy, Debug)]
pub(super) enum Client {
    /// Our own active endpoint.
    Ours,
    /// dimpl with DTLS 1.2.
    Dimpl12,
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
        Client::Dimpl12 => Endpoint::with_engine(Role::Active, expected, now, move |now| {
            let mut dtls = Dtls::new_12(identity.config(), identity.dtls_certificate(), now);
            dtls.set_active(true);
            Box::new(Dimpl::over(dtls))
        }),
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

/// Which end of the network: by their roles, so that an endpoint that replaces another is at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Side(pub(super) usize);

pub(super) struct Node {
    side: Side,
    pub(super) endpoint: Endpoint,
    pub(super) keys: Option<Keys>,
    pub(super) failure: Option<Failure>,
    pub(super) is_closed: bool,
}

impl Node {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Node {
            side: Side(usize::from(endpoint.role() == Role::Passive)),
            endpoint,
            keys: None,
            failure: None,
            is_closed: false,
        }
    }
}

impl Peer<Side> for Node {
    fn poll(&mut self, _: Duration) -> Option<Datagram<Side>> {
        while let Some(output) = self.endpoint.poll() {
            match output {
                Output::Send(bytes) => {
                    let (from, to) = (self.side, Side(1 - self.side.0));
                    return Some(Datagram { from, to, bytes });
                }
                Output::Connected(keys) => {
                    assert!(self.keys.replace(keys).is_none(), "keys come once")
                }
                Output::Failed(failure) => self.failure = Some(failure),
                Output::Closed => self.is_closed = true,
            }
        }
        None
    }

    fn receive(&mut self, datagram: &Datagram<Side>, now: Instant) {
        if datagram.to == self.side {
            self.endpoint.receive(&datagram.bytes, now);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.endpoint.deadline()
    }

    fn timeout(&mut self, now: Instant) {
        self.endpoint.timeout(now);
    }
}

/// Lets time pass until both have keys. Says whether they got them.
pub(super) fn join(network: &mut Network, nodes: &mut [Node; 2], time: Duration) -> bool {
    network.run(nodes, time, |nodes| {
        nodes.iter().all(|node| node.keys.is_some())
    })
}
