//! The DTLS endpoints of a shard: they cost keys' work, a hundred times what a packet costs, so a thread of their own may
//! have them. A core like the shard: orders and the time go in, news come out.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use dtls::{Endpoint, Fingerprint, Identity, Role, Verdict};

use super::timers::Timers;

/// Names one endpoint of a shard; never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HandshakeId(pub(super) u64);

/// What a shard wants of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandshakeOrder {
    /// Make it. `expected` are the fingerprints of the peer's SDP, once that has come.
    Open {
        /// Our part in the association.
        role: Role,
        /// What the peer's certificate must match.
        expected: Option<Vec<Fingerprint>>,
    },
    /// The peer's SDP has come.
    Expect(Vec<Fingerprint>),
    /// There is an address to send to.
    Start,
    /// This came from an address that may speak.
    Datagram(Vec<u8>),
    /// It is wanted no more.
    Close,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandshakeNews {
    /// What the endpoint says.
    Output(dtls::Output),
    /// A datagram was of no use.
    Refused,
}

/// All endpoints of one shard. See [`Shard::give_handshakes`](super::Shard::give_handshakes).
pub struct Handshakes {
    identity: Identity,
    endpoints: HashMap<HandshakeId, Endpoint>,
    timers: Timers<HandshakeId>,
    news: VecDeque<(HandshakeId, HandshakeNews)>,
}

impl Handshakes {
    pub(super) fn new(identity: Identity) -> Self {
        Self {
            identity,
            endpoints: HashMap::new(),
            timers: Timers::new(),
            news: VecDeque::new(),
        }
    }

    /// Whether there is no endpoint at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// Carries an order out. One for an endpoint that is not there is too late, and nothing.
    pub fn take(&mut self, id: HandshakeId, order: HandshakeOrder, now: Instant) {
        if let HandshakeOrder::Open { role, expected } = order {
            let endpoint = Endpoint::new(&self.identity, role, expected, now);
            self.endpoints.insert(id, endpoint);
            return;
        }
        let Some(endpoint) = self.endpoints.get_mut(&id) else {
            return;
        };
        match order {
            HandshakeOrder::Expect(fingerprints) => endpoint.expect(fingerprints),
            HandshakeOrder::Start => endpoint.start(now),
            HandshakeOrder::Datagram(bytes) => {
                if let Verdict::Dropped(_) = endpoint.receive(&bytes, now) {
                    self.news.push_back((id, HandshakeNews::Refused));
                }
            }
            HandshakeOrder::Open { .. } | HandshakeOrder::Close => {
                self.endpoints.remove(&id);
                self.timers.arm(id, None);
                return;
            }
        }
        self.attend(id);
    }

    /// The next news, until there are none.
    pub fn poll(&mut self) -> Option<(HandshakeId, HandshakeNews)> {
        self.news.pop_front()
    }

    /// When [`timeout`](Self::timeout) wants to be called next.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.deadline()
    }

    /// Repeats flights that are due, and gives up on peers that are gone.
    pub fn timeout(&mut self, now: Instant) {
        let mut due = Vec::new();
        while let Some(id) = self.timers.take_due(now) {
            due.push(id);
        }
        for id in due {
            if let Some(endpoint) = self.endpoints.get_mut(&id) {
                endpoint.timeout(now);
            }
            self.attend(id);
        }
    }

    fn attend(&mut self, id: HandshakeId) {
        if let Some(endpoint) = self.endpoints.get_mut(&id) {
            let outputs = std::iter::from_fn(|| endpoint.poll());
            let (first, then): (Vec<_>, Vec<_>) =
                outputs.partition(|output| matches!(output, dtls::Output::Connected(_)));
            // Keys before the last flight: what the peer sends on hearing that finds them.
            for output in first.into_iter().chain(then) {
                self.news.push_back((id, HandshakeNews::Output(output)));
            }
            self.timers.arm(id, endpoint.deadline());
        }
    }
}
