//! The relays: those that new calls are shared over, each asked by `ping` whether it lives. Nothing is sent here; `elsewhere.rs`
//! moves a call that its relay cannot take, and asks those that are to be asked.
//!
//! A call stays with its relay: the relay's name is part of the media session's, and so of the signed Record-Route.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::deadline::after;
use super::figures::RelayFigures;
use super::health::Grade;
use super::names::{Names, RelayId};
use super::pool::{Member, Pool, Rules};

/// How often a relay is asked whether it lives, and how long its answer may take.
const WATCH: Duration = Duration::from_secs(1);

/// How long a relay that says it is full gets no new call.
const FULL: Duration = Duration::from_secs(1);

/// Relays that are no longer in the list and are remembered, because they have calls.
const MAX_DRAINING: usize = 256;

/// One relay, as the operator wrote it or as DNS says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relay {
    /// Its control port.
    pub address: SocketAddr,
    /// Those with the lowest number are used as long as one of them lives and has room.
    pub priority: u32,
    /// Its share of the calls, in proportion; one with 0 is used if no other lives.
    pub weight: u32,
}

impl Relay {
    /// The only one, or one among equals.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            priority: 0,
            weight: 1,
        }
    }
}

impl Member for Relay {
    type Address = SocketAddr;
    type Id = RelayId;

    /// When it dies, its calls are over.
    const ALWAYS_WATCHED: bool = true;

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn id(&self, names: &Names) -> RelayId {
        names.relay(self.address)
    }

    fn priority(&self) -> u32 {
        self.priority
    }

    fn weight(&self) -> u32 {
        self.weight
    }
}

/// All of them.
pub(super) type Relays = Pool<Relay>;

impl Relays {
    /// `longest` is how long a call may last: so long is a relay known that has left the list.
    pub(super) fn of_calls(longest: Duration) -> Self {
        Self::new(Rules {
            interval: WATCH,
            patience: WATCH,
            linger: longest,
            lingering: MAX_DRAINING,
        })
    }

    /// The relay that a new call of this name goes to, but for those that it was refused by.
    pub(super) fn place(
        &self,
        name: [u8; 8],
        refused: &[RelayId],
        now: Instant,
    ) -> Option<RelayId> {
        let chosen = self.next(u64::from_be_bytes(name), refused, Grade::Down, now);
        chosen.map(|chosen| chosen.id)
    }

    /// Whether a call that one relay cannot take may go to another that, as far as is known, lives and has room.
    pub(super) fn has_another(&self, than: RelayId, now: Instant) -> bool {
        self.listed()
            .any(|k| k.id != than && k.health.grade(now) == Grade::Up)
    }

    /// What is known of those in the list.
    pub(super) fn figures(&self, now: Instant) -> Vec<RelayFigures> {
        let listed = self.listed().map(|known| RelayFigures {
            address: known.member.address,
            takes_calls: known.health.grade(now) == Grade::Up,
        });
        listed.collect()
    }

    /// It has refused a call for want of room.
    pub(super) fn full(&mut self, id: RelayId, now: Instant) {
        self.rests(id, after(now, FULL), now);
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::Secrets;
    use super::*;

    const LONGEST: Duration = Duration::from_secs(3600);

    fn pool(weights: &[u32], now: Instant) -> Relays {
        let names = Names::new(&Secrets {
            token_key: [1; 32],
            seed: [2; 32],
        });
        let list = (1_u8..).zip(weights).map(|(host, weight)| Relay {
            weight: *weight,
            ..Relay::new(([10, 0, 0, host], 2223).into())
        });
        let mut relays = Relays::of_calls(LONGEST);
        relays.set(&list.collect::<Vec<_>>(), &names, now);
        relays
    }

    fn placed(relays: &Relays, calls: u64, now: Instant) -> Vec<usize> {
        let place = |call: u64| {
            let name = call.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
            let chosen = relays.place(name, &[], now).unwrap();
            relays.known().position(|k| k.id == chosen).unwrap()
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

    /// How many relays and calls `cargo xtask relays` wants; without it as many as every test run can afford.
    fn sizes() -> (usize, u64) {
        let wanted = std::env::var("CAUSEWAY_RELAYS_AND_CALLS").ok();
        let wanted = wanted.as_deref().and_then(|text| text.split_once(' '));
        wanted.map_or((10, 100_000), |(relays, calls)| {
            (relays.parse().unwrap(), calls.parse().unwrap())
        })
    }

    #[test]
    fn a_relay_that_comes_or_goes_moves_its_own_share_of_many_calls_and_no_other() {
        let now = Instant::now();
        let (count, calls) = sizes();
        // Every fourth is twice as strong.
        let weights: Vec<_> = (1..=count).map(|n| 1 + u32::from(n % 4 == 0)).collect();
        let whole: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
        let more = [weights.as_slice(), &[1]].concat();
        let [before, with] =
            [&weights, &more].map(|weights| placed(&pool(weights, now), calls, now));
        let mut shares = vec![0_u64; count];
        before.iter().for_each(|at| shares[*at] += 1);
        let off = |(share, weight): (&u64, &u32)| {
            (*share as f64 / (calls as f64 * f64::from(*weight) / whole) - 1.0).abs()
        };
        let balance = shares.iter().zip(&weights).map(off).fold(0.0, f64::max);
        let pairs = |other: &[usize]| {
            before
                .iter()
                .copied()
                .zip(other.to_vec())
                .collect::<Vec<_>>()
        };
        let added: Vec<_> = pairs(&with).into_iter().filter(|(a, b)| a != b).collect();
        assert!(
            added.iter().all(|(_, to)| *to == count),
            "to the new one only"
        );
        let by_adding = added.len() as f64 / (calls as f64 / (whole + 1.0));
        let mut less = pool(&weights, now);
        let first = less.known().next().unwrap().id;
        less.failed(first, now);
        let after = placed(&less, calls, now);
        let moved: Vec<_> = pairs(&after).into_iter().filter(|(a, b)| a != b).collect();
        assert!(
            moved.iter().all(|(from, _)| *from == 0),
            "from the dead one only"
        );
        let by_removing = moved.len() as f64 / (calls as f64 / whole);
        println!(
            "relays {count}, calls {calls}\n\
             balance: furthest from its weight     {:.2} %   (5 % allowed)\n\
             one added: calls that move, of ideal  {:.2} %   (90 to 110 allowed)\n\
             one gone: calls that move, of ideal   {:.2} %   (90 to 110 allowed)",
            balance * 100.0,
            by_adding * 100.0,
            by_removing * 100.0
        );
        assert!(balance < 0.05);
        assert!((0.9..1.1).contains(&by_adding) && (0.9..1.1).contains(&by_removing));
    }

    #[test]
    fn the_dead_the_full_and_those_that_have_left_get_no_new_call() {
        let now = Instant::now();
        let mut relays = pool(&[1, 1, 1], now);
        let name = [7; 8];
        let first = relays.place(name, &[], now).unwrap();
        relays.failed(first, now);
        let second = relays.place(name, &[], now).unwrap();
        relays.full(second, now);
        let third = relays.place(name, &[], now).unwrap();
        assert!(first != second && second != third && third != first);
        assert!(!relays.has_another(third, now));
        // Whoever was full has room again, whoever is dead must have answered.
        let later = now + FULL;
        assert_eq!(relays.place(name, &[], later), Some(second));
        relays.answered(first, later);
        assert_eq!(relays.place(name, &[], later), Some(first));

        let names = Names::new(&Secrets {
            token_key: [1; 32],
            seed: [2; 32],
        });
        let address = |id| relays.address(id).unwrap();
        let kept = [Relay::new(address(second)), Relay::new(address(third))];
        let gone = address(first);
        relays.set(&kept, &names, later);
        assert_ne!(relays.place(name, &[], later), Some(first));
        assert_eq!(
            relays.address(first),
            Some(gone),
            "its calls still reach it"
        );
        relays.set(&kept, &names, later + LONGEST);
        assert_eq!(relays.address(first), None);
    }

    #[test]
    fn where_none_lives_the_first_is_asked_all_the_same() {
        let now = Instant::now();
        let mut relays = pool(&[1, 1], now);
        let first = relays.place([7; 8], &[], now).unwrap();
        let second = relays.place([7; 8], &[first], now).unwrap();
        relays.failed(first, now);
        relays.failed(second, now);
        assert_eq!(relays.place([7; 8], &[], now), Some(first));
        assert_eq!(relays.place([7; 8], &[first, second], now), None);
    }
}
