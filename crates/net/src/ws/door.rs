//! Who gets in: how many connections there may be, of everybody and of each address, how many of those may still be at
//! their handshake, and how fast new ones may come. Judged when a connection is accepted, before anything is made for it.
//!
//! An address is what one household or company has: an IPv4 address, or the /64 of an IPv6 one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// New connections of an address that may come at once, in seconds of their limit.
const BURST: u32 = 10;

/// Addresses that are remembered although they have no connection, for what they have had lately.
const MAX_ABSENT: usize = 32 * 1024;

/// The limits.
#[derive(Clone, Copy, Debug)]
pub struct DoorLimits {
    /// Connections at once; the next ones wait in the kernel.
    pub connections: usize,
    /// Connections of one address at once. Half as many may be at their handshake.
    pub per_address: usize,
    /// New connections of one address in a second; ten times as many may come at once.
    pub new_per_address: u32,
}

impl Default for DoorLimits {
    /// A company with some thousand people behind one address gets in.
    fn default() -> Self {
        Self {
            connections: 50_000,
            per_address: 4_000,
            new_per_address: 200,
        }
    }
}

/// One door, of any number of listeners.
#[derive(Clone, Debug)]
pub struct Door(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: DoorLimits,
    room: Arc<Semaphore>,
    seats: Mutex<HashMap<u128, Seats>>,
}

/// What an address has.
#[derive(Clone, Copy, Debug)]
struct Seats {
    open: usize,
    opening: usize,
    /// When it may bring as many new ones as it ever may.
    full: Instant,
}

impl Default for Door {
    fn default() -> Self {
        Self::new(DoorLimits::default())
    }
}

impl Door {
    /// A door with these limits.
    #[must_use]
    pub fn new(limits: DoorLimits) -> Self {
        Self(Arc::new(Inner {
            room: Arc::new(Semaphore::new(
                limits.connections.min(Semaphore::MAX_PERMITS),
            )),
            seats: Mutex::default(),
            limits,
        }))
    }

    /// Waits until there is room for another connection.
    pub(super) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        self.0.room.clone().acquire_owned().await.ok()
    }

    /// A place for a connection from there, at its handshake first; `None` if that address has enough.
    pub(super) fn enter(&self, from: IpAddr, now: Instant) -> Option<Place> {
        let limits = &self.0.limits;
        let address = household(from);
        let mut all = self.seats();
        if all.len() >= MAX_ABSENT && !all.contains_key(&address) {
            all.retain(|_, seats| seats.open > 0);
        }
        let none = Seats {
            open: 0,
            opening: 0,
            full: now,
        };
        let seats = all.entry(address).or_insert(none);
        let second = Duration::from_secs(1);
        let each = second
            .checked_div(limits.new_per_address.max(1))
            .unwrap_or(second);
        let full = seats.full.max(now).checked_add(each).unwrap_or(now);
        let fast = full.saturating_duration_since(now) > second.saturating_mul(BURST);
        let half = limits.per_address.div_ceil(2);
        if fast || seats.open >= limits.per_address || seats.opening >= half {
            return None;
        }
        seats.full = full;
        seats.open = seats.open.saturating_add(1);
        seats.opening = seats.opening.saturating_add(1);
        Some(Place {
            door: self.clone(),
            address,
            opening: true,
        })
    }

    fn seats(&self) -> MutexGuard<'_, HashMap<u128, Seats>> {
        // Nothing that is done under the lock can panic.
        self.0.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    door: Door,
    address: u128,
    opening: bool,
}

impl Place {
    /// The handshake is done.
    pub(super) fn settle(&mut self) {
        if std::mem::take(&mut self.opening)
            && let Some(seats) = self.door.seats().get_mut(&self.address)
        {
            seats.opening = seats.opening.saturating_sub(1);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.settle();
        let mut all = self.door.seats();
        if let Some(seats) = all.get_mut(&self.address) {
            seats.open = seats.open.saturating_sub(1);
            if seats.open == 0 && seats.full <= Instant::now() {
                all.remove(&self.address);
            }
        }
        if all.is_empty() {
            all.shrink_to_fit();
        }
    }
}

fn household(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(four) => four.to_ipv6_mapped().to_bits(),
        IpAddr::V6(six) => six.to_bits() & !u128::from(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(per_address: usize, new_per_address: u32) -> Door {
        Door::new(DoorLimits {
            connections: 100,
            per_address,
            new_per_address,
        })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_so_many_places_and_half_of_them_for_handshakes() {
        let (door, now) = (door(4, 1000), Instant::now());
        let enter = |from: &str| door.enter(ip(from), now);
        let mut places: Vec<_> = (0..4).filter_map(|_| enter("192.0.2.1")).collect();
        assert_eq!(places.len(), 2, "two are at their handshake");
        places.iter_mut().for_each(Place::settle);
        places.extend((0..4).filter_map(|_| enter("192.0.2.1")));
        assert_eq!(places.len(), 4);
        places.iter_mut().for_each(Place::settle);
        assert!(enter("192.0.2.1").is_none() && enter("192.0.2.2").is_some());
        places.pop();
        assert!(enter("192.0.2.1").is_some());
    }

    #[test]
    fn a_household_of_ipv6_is_one_address() {
        let (door, now) = (door(2, 1000), Instant::now());
        let first = door.enter(ip("2001:db8::1"), now);
        assert!(first.is_some() && door.enter(ip("2001:db8::2"), now).is_none());
        assert!(door.enter(ip("2001:db8:0:1::2"), now).is_some());
        assert!(door.enter(ip("::ffff:192.0.2.1"), now).is_some());
    }

    #[test]
    fn an_address_that_comes_and_goes_may_not_do_so_too_fast() {
        let (door, now) = (door(1000, 2), Instant::now());
        let times = |at| {
            (0..100)
                .filter(|_| door.enter(ip("192.0.2.1"), at).is_some())
                .count()
        };
        assert_eq!(times(now), 20);
        assert_eq!(times(now + Duration::from_secs(3)), 6);
        assert!(door.enter(ip("192.0.2.2"), now).is_some());
    }

    #[test]
    fn nothing_is_kept_of_those_who_left_and_little_of_those_who_only_came() {
        let (door, long_ago) = (door(10, 1000), Instant::now());
        drop(door.enter(
            ip("192.0.2.1"),
            long_ago.checked_sub(Duration::from_secs(60)).unwrap(),
        ));
        assert!(door.seats().is_empty());
        for number in 0..3 * MAX_ABSENT as u32 {
            let far = Instant::now() + Duration::from_secs(3600);
            drop(door.enter(IpAddr::from(number.to_be_bytes()), far));
        }
        assert!(door.seats().len() <= MAX_ABSENT);
    }
}
