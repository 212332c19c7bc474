//! The addresses of the SIP server: those that requests are shared over, each asked by OPTIONS whether it lives where there
//! is a choice (`watch.rs`).

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::figures::UpstreamFigures;
use super::health::Grade;
use super::hop::Hop;
use super::names::{Names, TargetId};
use super::pool::{Known, Member, Pool, Rules};

/// How long an address that is no longer in the list is still a SIP server's: calls that began there end there.
const DRAIN: Duration = Duration::from_secs(4 * 3600);

/// So many of those, at most.
const MAX_DRAINING: usize = 64;

/// One address of the SIP server, as the operator wrote it or as DNS says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The address, and how SIP is spoken there.
    pub hop: Hop,
    /// Those with the lowest number are used as long as one of them lives (RFC 2782).
    pub priority: u32,
    /// The share among those of one priority, in proportion; those with 0 are used if no other lives.
    pub weight: u32,
}

impl Target {
    /// The only one, or one among equals.
    pub fn new(hop: Hop) -> Self {
        Self {
            hop,
            priority: 0,
            weight: 1,
        }
    }
}

impl Member for Target {
    type Address = Hop;
    type Id = TargetId;

    /// Where the only one's requests go would not change, whatever came out.
    const ALWAYS_WATCHED: bool = false;

    fn address(&self) -> Hop {
        self.hop
    }

    fn id(&self, names: &Names) -> TargetId {
        names.target(self.hop)
    }

    fn priority(&self) -> u32 {
        self.priority
    }

    fn weight(&self) -> u32 {
        self.weight
    }
}

/// How the SIP server's addresses are watched.
#[derive(Debug, Clone, Copy)]
pub struct Watch {
    /// From one question to the next.
    pub interval: Duration,
    /// After so long without an answer, to a question or to a request, an address is down.
    pub patience: Duration,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5),
            patience: Duration::from_secs(2),
        }
    }
}

/// All of them.
pub(super) type Upstreams = Pool<Target>;

impl Upstreams {
    pub(super) fn asked(watch: Watch) -> Self {
        Self::new(Rules {
            interval: watch.interval,
            patience: watch.patience,
            linger: DRAIN,
            lingering: MAX_DRAINING,
        })
    }

    /// Whether the SIP server has this address, or had it when a call of today began.
    pub(super) fn has(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.known()
            .any(|k| k.member.hop.address.ip().to_canonical() == ip)
    }

    /// Which one a message comes from, or goes to: by address and port, or else by address alone, since a server may send
    /// from another port than it listens at.
    pub(super) fn at(&self, hop: Hop) -> Option<TargetId> {
        let alike = |k: &&Known<Target>| {
            let (known, address) = (k.member.hop, hop.address);
            let ip = known.address.ip().to_canonical() == address.ip().to_canonical();
            let port = known.address.port() == address.port();
            ip.then_some((port, known.transport == hop.transport))
        };
        let best = self
            .known()
            .filter(|k| alike(k).is_some())
            .max_by_key(alike)?;
        Some(best.id)
    }

    /// The addresses that requests go to.
    pub(super) fn hops(&self) -> Vec<Hop> {
        self.listed().map(|k| k.member.hop).collect()
    }

    /// What is known of those that requests go to.
    pub(super) fn figures(&self, now: Instant) -> Vec<UpstreamFigures> {
        let listed = self.listed().map(|known| UpstreamFigures {
            hop: known.member.hop,
            lives: known.health.grade(now) == Grade::Up,
            answer_time: known.health.answer_time(),
        });
        listed.collect()
    }
}
