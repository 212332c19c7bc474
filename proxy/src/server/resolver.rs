//! The SIP server's addresses, where the operator has written names: looked up by RFC 3263, and again whenever their time is
//! up. When DNS fails, what it said last holds on.
//!
//! Only what stands in the operator's list is ever looked up here: no name that came in a message gets this far.

mod walk;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use self::walk::{Place, Walk};
use super::StartError;
use crate::core::{Hop, Target, Transport};

/// What weights are multiplied by, so that a name's share can be divided among its addresses.
const SCALE: u64 = 10_000;
/// After a failure it is tried again so soon, and then later and later.
const RETRY: Duration = Duration::from_secs(1);
const MAX_RETRY: Duration = Duration::from_secs(60);

/// One entry of the operator's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Where it is.
    pub place: UpstreamPlace,
    /// Entries with the lowest number are used as long as one of them lives.
    pub priority: u16,
    /// The share among entries of one priority, in proportion.
    pub weight: u16,
}

/// Where an upstream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamPlace {
    /// At this address.
    Hop(Hop),
    /// Where DNS says.
    Name {
        /// The name, as an operator writes it.
        host: String,
        /// How it is spoken to; `None`: as DNS says, or else over UDP.
        transport: Option<Transport>,
        /// Its port; `None`: as DNS says, or else the transport's own.
        port: Option<u16>,
    },
}

impl From<Hop> for Upstream {
    fn from(hop: Hop) -> Self {
        Self {
            place: UpstreamPlace::Hop(hop),
            priority: 0,
            weight: 1,
        }
    }
}

/// The list as it is now.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) targets: Vec<Target>,
    /// The names that certificates at these addresses must be for (RFC 5922).
    pub(super) names: Vec<(SocketAddr, String)>,
}

pub(super) struct Resolver {
    entries: Vec<Entry>,
    /// There if there is a name.
    walk: Option<Walk>,
}

struct Entry {
    upstream: Upstream,
    places: Vec<Place>,
    /// When its name is looked up again; `None` for an address.
    due: Option<Instant>,
    retry: Duration,
}

impl Resolver {
    /// For this list. `own` are our own addresses: what is found must be of a transport and a family among them.
    /// `servers` are asked instead of those that the system names.
    pub(super) fn new(
        list: Vec<Upstream>,
        servers: &[SocketAddr],
        own: &[Hop],
    ) -> Result<Self, StartError> {
        let named = |upstream: &Upstream| matches!(upstream.place, UpstreamPlace::Name { .. });
        let walk = match list.iter().any(named) {
            true => Some(Walk::new(servers, own).map_err(StartError::Dns)?),
            false => None,
        };
        let entries = list.into_iter().map(Entry::new).collect();
        Ok(Self { entries, walk })
    }

    /// What is known.
    pub(super) fn found(&self) -> Found {
        let mut found = Found::default();
        for entry in &self.entries {
            found.targets.extend(entry.targets());
            if let UpstreamPlace::Name { host, .. } = &entry.upstream.place {
                let address = |place: &Place| (place.hop.address, host.clone());
                found.names.extend(entry.places.iter().map(address));
            }
        }
        found
    }

    /// Looks names up as their time comes, and tells of every change, until nobody listens.
    pub(super) async fn run(mut self, news: mpsc::Sender<Found>) {
        let Some(walk) = self.walk.take() else {
            return;
        };
        loop {
            let mut changed = false;
            for entry in &mut self.entries {
                changed |= entry.look_up(&walk).await;
            }
            if changed && news.send(self.found()).await.is_err() {
                return;
            }
            let due = self.entries.iter().filter_map(|entry| entry.due).min();
            let Some(due) = due else { return };
            tokio::select! {
                () = news.closed() => return,
                () = tokio::time::sleep_until(due.into()) => {}
            }
        }
    }
}

impl Entry {
    fn new(upstream: Upstream) -> Self {
        let (places, due) = match upstream.place {
            UpstreamPlace::Hop(hop) => (vec![Place::only(hop)], None),
            UpstreamPlace::Name { .. } => (Vec::new(), Some(Instant::now())),
        };
        Self {
            upstream,
            places,
            due,
            retry: RETRY,
        }
    }

    /// Looks its name up, if it is time. True if the outcome differs from what was known.
    async fn look_up(&mut self, walk: &Walk) -> bool {
        let UpstreamPlace::Name {
            host,
            transport,
            port,
        } = &self.upstream.place
        else {
            return false;
        };
        if self.due.is_none_or(|due| due > Instant::now()) {
            return false;
        }
        match walk.look_up(host, *transport, *port).await {
            Ok(answer) => {
                self.due = Some(answer.until);
                self.retry = RETRY;
                let changed = self.places != answer.places;
                self.places = answer.places;
                changed
            }
            Err(error) => {
                let kept = self.places.len();
                tracing::warn!(host, %error, kept, "no address of the SIP server in DNS; see that its name is right, and the name servers");
                self.due = Instant::now().checked_add(self.retry);
                self.retry = self.retry.saturating_mul(2).min(MAX_RETRY);
                false
            }
        }
    }

    fn targets(&self) -> impl Iterator<Item = Target> {
        let Upstream {
            priority, weight, ..
        } = self.upstream;
        self.places.iter().map(move |place| Target {
            hop: place.hop,
            priority: u32::from(priority) << 16 | u32::from(place.priority),
            weight: share(weight, place.share),
        })
    }
}

/// A part of an entry's weight; none but that of weight 0 becomes 0.
fn share(weight: u16, (part, whole): (u64, u64)) -> u32 {
    let scaled = u64::from(weight).saturating_mul(SCALE).saturating_mul(part);
    let share = scaled.checked_div(whole).unwrap_or(0);
    let least = u64::from(weight.min(1)).min(part);
    u32::try_from(share.max(least)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entrys_weight_is_divided_among_its_addresses() {
        assert_eq!(share(3, (1, 1)), 30_000);
        assert_eq!((share(3, (1, 3)), share(3, (2, 3))), (10_000, 20_000));
        assert_eq!(share(0, (1, 1)), 0);
        assert_eq!(share(1, (0, 5)), 0, "a record of weight 0");
        assert_eq!(share(1, (1, 65_535 * 64)), 1);
        assert_eq!(share(u16::MAX, (1, 1)), 655_350_000);
    }
}
