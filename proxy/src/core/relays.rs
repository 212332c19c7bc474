//! The relays: which there are, which of them live and have room, and which of them a new call is given to. Nothing is sent
//! here; `elsewhere.rs` moves a call that its relay cannot take, and asks those that are to be asked.
//!
//! A call stays with its relay: the relay's name is part of the media session's, and so of the signed Record-Route.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::choice::place;
use super::deadline::after;
use super::figures::RelayFigures;
use super::health::{Grade, Health};
use super::names::{MediaId, Names, RelayId};

/// How often a relay that there is another beside is asked whether it lives, and how long its answer may take.
pub(super) const WATCH: Duration = Duration::from_secs(1);

/// How long a relay that says it is full gets no new call.
const FULL: Duration = Duration::from_secs(1);

/// How long a relay that is no longer in the list is remembered: the calls that it has end there.
const DRAIN: Duration = Duration::from_secs(4 * 3600);

/// So many of those, at most; the longest gone leaves first.
const MAX_DRAINING: usize = 256;

/// One relay, as the operator wrote it or as DNS says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relay {
    /// Its control port.
    pub address: SocketAddr,
    /// Its share of the calls, in proportion; one with 0 is used if no other lives.
    pub weight: u32,
}

impl Relay {
    /// The only one, or one among equals.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, weight: 1 }
    }
}

struct Known {
    id: RelayId,
    relay: Relay,
    /// Since when it is not in the list any more; it gets no new call then.
    left: Option<Instant>,
    health: Health,
}

/// All of them.
#[derive(Default)]
pub(super) struct Relays {
    known: Vec<Known>,
}

impl Relays {
    /// Takes the list as it is now.
    pub(super) fn set(&mut self, list: &[Relay], names: &Names, now: Instant) {
        for known in &mut self.known {
            let listed = list.iter().any(|r| r.address == known.relay.address);
            if !listed && known.left.is_none() {
                known.left = Some(now);
            }
        }
        for relay in list {
            let mut known = self.known.iter_mut();
            match known.find(|k| k.relay.address == relay.address) {
                Some(known) => {
                    known.left = None;
                    known.relay = *relay;
                }
                None => self.known.push(Known {
                    id: names.relay(relay.address),
                    relay: *relay,
                    left: None,
                    health: Health::new(now),
                }),
            }
        }
        self.forget(now);
    }

    fn forget(&mut self, now: Instant) {
        self.known
            .retain(|k| k.left.is_none_or(|left| now < after(left, DRAIN)));
        while self.known.iter().filter(|k| k.left.is_some()).count() > MAX_DRAINING {
            let leaving = self.known.iter().enumerate();
            let longest = leaving
                .filter_map(|(at, k)| Some((k.left?, at)))
                .min()
                .map(|(_, at)| at);
            if let Some(at) = longest.filter(|at| *at < self.known.len()) {
                self.known.remove(at);
            }
        }
    }

    /// The relay that a new call goes to, but for those that it was refused by: every proxy with the same list chooses
    /// the same, and when one comes or goes only its own share of the calls changes place.
    pub(super) fn choose(
        &self,
        name: [u8; 8],
        refused: &[RelayId],
        now: Instant,
    ) -> Option<RelayId> {
        let key = u64::from_be_bytes(name);
        let graded = self
            .listed()
            .filter(|k| !refused.contains(&k.id))
            .map(|k| (k.health.grade(now), k));
        let best = graded.min_by(|(a_grade, a), (b_grade, b)| {
            let place = |k: &Known| place(key, k.id.0, k.relay.weight);
            a_grade
                .cmp(b_grade)
                .then_with(|| place(a).total_cmp(&place(b)))
        });
        best.map(|(_, known)| known.id)
    }

    /// Where the relay of a session is asked. One that has left the list still has its calls.
    pub(super) fn address(&self, media: MediaId) -> Option<SocketAddr> {
        let relay = media.relay();
        let known = self.known.iter().find(|k| k.id == relay);
        known.map(|k| k.relay.address)
    }

    /// Whether a call that one relay cannot take may go to another that, as far as is known, lives and has room.
    pub(super) fn has_another(&self, than: RelayId, now: Instant) -> bool {
        let fit = |k: &Known| k.id != than && k.health.grade(now) == Grade::Up;
        self.listed().any(fit)
    }

    /// It has answered. True if it was thought to be dead.
    pub(super) fn answered(&mut self, id: RelayId, now: Instant) -> bool {
        self.health(id).is_some_and(|health| health.answered(now))
    }

    /// It has not answered. True if it was thought to live.
    pub(super) fn failed(&mut self, id: RelayId, now: Instant) -> bool {
        self.health(id).is_some_and(|health| health.failed(now))
    }

    /// It has refused a call for want of room.
    pub(super) fn full(&mut self, id: RelayId, now: Instant) {
        if let Some(health) = self.health(id) {
            health.rests(after(now, FULL), now);
        }
    }

    /// The next that is to be asked now whether it lives. The question has to be settled.
    pub(super) fn due(&mut self, now: Instant) -> Option<RelayId> {
        let watched = self.is_watched();
        let mut listed = self
            .known
            .iter_mut()
            .filter(|k| watched && k.left.is_none());
        listed.find_map(|k| k.health.ask(WATCH, now).then_some(k.id))
    }

    /// The question that was out is answered, or will not be.
    pub(super) fn settled(&mut self, id: RelayId) {
        if let Some(health) = self.health(id) {
            health.settled();
        }
    }

    /// When somebody is to be asked again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let listed = self.listed().filter(|_| self.is_watched());
        listed.filter_map(|known| known.health.deadline()).min()
    }

    /// The only one is not watched: whatever came out would change nothing.
    fn is_watched(&self) -> bool {
        self.listed().nth(1).is_some()
    }

    /// What is known of those in the list.
    pub(super) fn figures(&self, now: Instant) -> Vec<RelayFigures> {
        let listed = self.listed().map(|known| RelayFigures {
            address: known.relay.address,
            takes_calls: known.health.grade(now) == Grade::Up,
        });
        listed.collect()
    }

    fn listed(&self) -> impl Iterator<Item = &Known> {
        self.known.iter().filter(|k| k.left.is_none())
    }

    fn health(&mut self, id: RelayId) -> Option<&mut Health> {
        let known = self.known.iter_mut().find(|k| k.id == id);
        known.map(|k| &mut k.health)
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::Secrets;
    use super::*;

    fn pool(weights: &[u32], now: Instant) -> Relays {
        let names = Names::new(&Secrets {
            token_key: [1; 32],
            seed: [2; 32],
        });
        let list = (1_u8..).zip(weights).map(|(host, weight)| Relay {
            address: ([10, 0, 0, host], 2223).into(),
            weight: *weight,
        });
        let mut relays = Relays::default();
        relays.set(&list.collect::<Vec<_>>(), &names, now);
        relays
    }

    fn placed(relays: &Relays, calls: u64, now: Instant) -> Vec<usize> {
        let place = |call: u64| {
            let name = call.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
            let chosen = relays.choose(name, &[], now).unwrap();
            relays.known.iter().position(|k| k.id == chosen).unwrap()
        };
        (0..calls).map(place).collect()
    }

    #[test]
    fn calls_are_shared_by_weight_and_only_the_share_of_a_relay_moves_with_it() {
        let now = Instant::now();
        let (before, after) = (pool(&[1, 1, 2, 4], now), pool(&[1, 1, 2, 4, 2], now));
        let (old, new) = (placed(&before, 40_000, now), placed(&after, 40_000, now));
        for (relay, part) in [(0, 0.125), (1, 0.125), (2, 0.25), (3, 0.5)] {
            let count = old.iter().filter(|at| **at == relay).count() as f64;
            assert!(
                (count / 40_000.0 / part - 1.0).abs() < 0.05,
                "{relay}: {count}"
            );
        }
        let moved: Vec<_> = old
            .iter()
            .zip(&new)
            .filter(|(old, new)| old != new)
            .collect();
        assert!(
            moved.iter().all(|(_, new)| **new == 4),
            "only to the new one"
        );
        let ideal = 40_000.0 * 2.0 / 10.0;
        assert!(
            (moved.len() as f64 / ideal - 1.0).abs() < 0.1,
            "{}",
            moved.len()
        );
    }

    #[test]
    fn the_dead_the_full_and_those_that_have_left_get_no_new_call() {
        let now = Instant::now();
        let mut relays = pool(&[1, 1, 1], now);
        let name = [7; 8];
        let first = relays.choose(name, &[], now).unwrap();
        relays.failed(first, now);
        let second = relays.choose(name, &[], now).unwrap();
        relays.full(second, now);
        let third = relays.choose(name, &[], now).unwrap();
        assert!(first != second && second != third && third != first);
        assert!(!relays.has_another(third, now));
        // Whoever was full has room again, whoever is dead must have answered.
        let later = now + FULL;
        assert_eq!(relays.choose(name, &[], later), Some(second));
        relays.answered(first, later);
        assert_eq!(relays.choose(name, &[], later), Some(first));

        let names = Names::new(&Secrets {
            token_key: [1; 32],
            seed: [2; 32],
        });
        let address = |id| relays.address(MediaId::new(name, id)).unwrap();
        let kept = [Relay::new(address(second)), Relay::new(address(third))];
        let gone = address(first);
        relays.set(&kept, &names, later);
        assert_ne!(relays.choose(name, &[], later), Some(first));
        assert_eq!(
            relays.address(MediaId::new(name, first)),
            Some(gone),
            "its calls still reach it"
        );
        relays.set(&kept, &names, later + DRAIN);
        assert_eq!(relays.address(MediaId::new(name, first)), None);
    }

    #[test]
    fn where_none_lives_the_first_is_asked_all_the_same() {
        let now = Instant::now();
        let mut relays = pool(&[1, 1], now);
        let first = relays.choose([7; 8], &[], now).unwrap();
        let second = relays.choose([7; 8], &[first], now).unwrap();
        relays.failed(first, now);
        relays.failed(second, now);
        assert_eq!(relays.choose([7; 8], &[], now), Some(first));
        assert_eq!(relays.choose([7; 8], &[first, second], now), None);
    }
}
