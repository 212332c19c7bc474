//! A port's DTLS endpoint, as its leg knows it: the endpoint itself is elsewhere ([`Handshakes`](crate::core::Handshakes)),
//! what is wanted of it is written down here until the shard hands it over.

use std::net::SocketAddr;
use std::time::Instant;

use dtls::{Fingerprint, Role};

use crate::core::early::Early;
use crate::core::{Drop, HandshakeId, HandshakeOrder, SocketId};

/// The endpoint of one port, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Handshake {
    open: Option<(HandshakeId, Role)>,
    orders: Vec<(HandshakeId, HandshakeOrder)>,
    /// Datagrams that may still be carried to the endpoint, and since when that is so.
    left: u32,
    since: Option<Instant>,
    stage: Stage,
    /// Why it will never give keys.
    failure: Option<Box<str>>,
    /// What waits for the keys.
    early: Early,
}

/// How far a handshake has come, for whoever wants to know why there is no sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DtlsStage {
    /// The peer has said nothing.
    Unheard,
    /// It has, and there are no keys yet.
    UnderWay,
    /// There will be none; why.
    Failed(Box<str>),
    /// There are keys.
    Keyed,
}

/// How far the endpoint has come, as far as we know.
#[derive(Debug, Default, PartialEq, Eq)]
enum Stage {
    /// The peer has said nothing to it.
    #[default]
    Unheard,
    /// Its keys may be here any moment.
    UnderWay,
    /// It has given keys, or never will.
    Over,
}

/// Datagrams that one port may have carried to its endpoint at once, and then one in each [`REFILL_MS`]: several times
/// what a handshake on a bad path needs. All endpoints share one thread, and one peer's flood is nobody else's.
const BURST: u32 = 64;
const REFILL_MS: u128 = 10;

impl Handshake {
    /// Begins anew under this name.
    pub(super) fn open(&mut self, id: HandshakeId, role: Role, expected: Option<Vec<Fingerprint>>) {
        self.close();
        self.open = Some((id, role));
        self.left = BURST;
        (self.stage, self.failure) = (Stage::Unheard, None);
        self.order(HandshakeOrder::Open { role, expected });
    }

    /// Whose news are ours.
    pub(crate) fn id(&self) -> Option<HandshakeId> {
        self.open.map(|(id, _)| id)
    }

    pub(super) fn role(&self) -> Option<Role> {
        self.open.map(|(_, role)| role)
    }

    /// The peer's SDP has come.
    pub(super) fn expect(&mut self, fingerprints: Vec<Fingerprint>) {
        self.order(HandshakeOrder::Expect(fingerprints));
    }

    /// There is an address to send to: of use to one that calls.
    pub(super) fn start(&mut self) {
        if self.role() == Some(Role::Active) {
            self.order(HandshakeOrder::Start);
        }
    }

    /// Writes down a datagram, if there is an endpoint for it and not too much came before.
    pub(crate) fn take(&mut self, datagram: &[u8], now: Instant) -> Result<(), Drop> {
        if self.open.is_none() {
            return Err(Drop::DtlsUnexpected);
        }
        self.refill(now);
        self.left = self.left.checked_sub(1).ok_or(Drop::TooMany)?;
        self.order(HandshakeOrder::Datagram(datagram.to_vec()));
        if self.stage == Stage::Unheard {
            self.stage = Stage::UnderWay;
        }
        Ok(())
    }

    /// Keeps SRTP of the peer's until there are keys for it, if there may be soon. An error is one packet lost.
    pub(crate) fn hold(
        &mut self,
        from: (SocketId, SocketAddr),
        packet: &[u8],
        now: Instant,
    ) -> Result<(), Drop> {
        match self.stage {
            Stage::UnderWay => self.early.hold(from, packet, now),
            Stage::Unheard | Stage::Over => Err(Drop::NoKeys),
        }
    }

    /// How far it has come.
    pub(crate) fn stage(&self) -> DtlsStage {
        match (&self.failure, &self.stage) {
            (Some(why), _) => DtlsStage::Failed(why.clone()),
            (None, Stage::Unheard) => DtlsStage::Unheard,
            (None, Stage::UnderWay) => DtlsStage::UnderWay,
            (None, Stage::Over) => DtlsStage::Keyed,
        }
    }

    /// It will never give keys.
    pub(crate) fn failed(&mut self, why: &str) {
        self.failure = Some(why.into());
    }

    /// The endpoint has given keys, or never will: what has waited.
    pub(crate) fn end(&mut self) -> Early {
        self.stage = Stage::Over;
        std::mem::take(&mut self.early)
    }

    fn refill(&mut self, now: Instant) {
        let since = *self.since.get_or_insert(now);
        let passed = now.saturating_duration_since(since).as_millis() / REFILL_MS;
        let gained = u32::try_from(passed).unwrap_or(u32::MAX);
        if gained > 0 {
            self.left = self.left.saturating_add(gained).min(BURST);
            self.since = Some(now);
        }
    }

    pub(crate) fn close(&mut self) {
        self.order(HandshakeOrder::Close);
        self.open = None;
        // Whoever sent it has no part in what comes next.
        self.end();
    }

    /// What is wanted, once.
    pub(crate) fn orders(&mut self) -> Vec<(HandshakeId, HandshakeOrder)> {
        std::mem::take(&mut self.orders)
    }

    fn order(&mut self, order: HandshakeOrder) {
        if let Some((id, _)) = self.open {
            self.orders.push((id, order));
        }
    }
}
