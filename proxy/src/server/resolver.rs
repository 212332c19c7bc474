//! Where the operator's lists lead to, of the SIP server's addresses and of relays: names are looked up, and again whenever
//! their time is up. When DNS fails, what it said last holds on.
//!
//! Only what stands in the operator's list is ever looked up here: no name that came in a message gets this far.

mod walk;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

pub(super) use self::walk::Service;
use self::walk::{Place, Walk};
use super::StartError;
use crate::core::{Hop, Relay, Target, Transport};

/// What weights are multiplied by, so that a name's share can be divided among its addresses.
const SCALE: u64 = 10_000;
/// After a failure it is tried again so soon, and then later and later.
const RETRY: Duration = Duration::from_secs(1);
const MAX_RETRY: Duration = Duration::from_secs(60);

/// One entry of such a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Where it is.
    pub place: ListedPlace,
    /// Entries with the lowest number are used as long as one of them lives.
    pub priority: u16,
    /// The share among entries of one priority, in proportion.
    pub weight: u16,
}

/// Where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListedPlace {
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

impl From<Hop> for Listed {
    fn from(hop: Hop) -> Self {
        Self {
            place: ListedPlace::Hop(hop),
            priority: 0,
            weight: 1,
        }
    }
}

/// The list as it is now.
#[derive(Debug)]
pub(super) struct Found(Vec<(Listed, Vec<Place>)>);

impl Found {
    /// The SIP server's addresses.
    pub(super) fn targets(&self) -> Vec<Target> {
        self.places()
            .map(|(entry, place)| Target {
                hop: place.hop,
                priority: priority(entry, place),
                weight: share(entry.weight, place.share),
            })
            .collect()
    }

    /// The names that certificates at these addresses must be for (RFC 5922).
    pub(super) fn names(&self) -> Vec<(SocketAddr, String)> {
        let named = self.places().filter_map(|(entry, place)| {
            let ListedPlace::Name { host, .. } = &entry.place else {
                return None;
            };
            Some((place.hop.address, host.clone()))
        });
        named.collect()
    }

    /// The relays: each address of a name is one of the entry's weight, so that the others keep their calls when one comes.
    pub(super) fn relays(&self) -> Vec<Relay> {
        let relays = self.places().map(|(entry, place)| {
            let (part, _) = place.share;
            let part = u32::try_from(part).unwrap_or(u32::MAX);
            Relay {
                address: place.hop.address,
                priority: priority(entry, place),
                weight: u32::from(entry.weight).saturating_mul(part),
            }
        });
        relays.collect()
    }

    fn places(&self) -> impl Iterator<Item = (&Listed, &Place)> {
        let entries = self.0.iter();
        entries.flat_map(|(entry, places)| places.iter().map(move |place| (entry, place)))
    }
}

/// An entry's own priority comes first.
fn priority(entry: &Listed, place: &Place) -> u32 {
    u32::from(entry.priority) << 16 | u32::from(place.priority)
}

pub(super) struct Resolver {
    entries: Vec<Entry>,
    /// There if there is a name.
    walk: Option<Walk>,
}

struct Entry {
    listed: Listed,
    places: Vec<Place>,
    /// When its name is looked up again; `None` for an address.
    due: Option<Instant>,
    retry: Duration,
}

impl Resolver {
    /// For this list of those who serve this. `servers` are asked instead of those that the system names.
    pub(super) fn new(
        list: Vec<Listed>,
        servers: &[SocketAddr],
        service: Service,
    ) -> Result<Self, StartError> {
        let named = |entry: &Listed| matches!(entry.place, ListedPlace::Name { .. });
        let walk = match list.iter().any(named) {
            true => Some(Walk::new(servers, service).map_err(StartError::Dns)?),
            false => None,
        };
        let entries = list.into_iter().map(Entry::new).collect();
        Ok(Self { entries, walk })
    }

    /// What is known.
    pub(super) fn found(&self) -> Found {
        let entries = self.entries.iter();
        let known = entries.map(|entry| (entry.listed.clone(), entry.places.clone()));
        Found(known.collect())
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
    fn new(listed: Listed) -> Self {
        let (places, due) = match listed.place {
            ListedPlace::Hop(hop) => (vec![Place::only(hop)], None),
            ListedPlace::Name { .. } => (Vec::new(), Some(Instant::now())),
        };
        Self {
            listed,
            places,
            due,
            retry: RETRY,
        }
    }

    /// Looks its name up, if it is time. True if the outcome differs from what was known.
    async fn look_up(&mut self, walk: &Walk) -> bool {
        let ListedPlace::Name {
            host,
            transport,
            port,
        } = &self.listed.place
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
                let whose = walk.whose();
                tracing::warn!(host, %error, kept, "no address of {whose} in DNS; see that the name is right, and the name servers");
                self.due = Instant::now().checked_add(self.retry);
                self.retry = self.retry.saturating_mul(2).min(MAX_RETRY);
                false
            }
        }
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
