//! Checks with a wrong password, counted by their senders' addresses: a flood of them costs so many HMACs a second and
//! no more, and others' checks are looked at all the same.
//!
//! Who writes another's address into his checks would use up that one's share. So the tie-breaker, which is the same in
//! all checks of a peer (RFC 8445 section 16.1) and which only its own path sees, sets those apart of a peer that has proved
//! itself: they are always looked at.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::Reason;
use crate::stun::Peek;

/// Wrong passwords from one place within [`SPAN`]; after them nobody from there is looked at until it is over. A peer
/// has none.
const MOST: u8 = 50;
const SPAN: Duration = Duration::from_secs(1);
/// Addresses share this many places: who has them all causes `PLACES * MOST` HMACs in a span, some milliseconds of work.
const PLACES: usize = 1 << PLACE_BITS;
const PLACE_BITS: u32 = 6;

/// What one agent has seen of guessing.
#[derive(Debug, Default)]
pub(crate) struct Guesses {
    /// Of the peer that has proved itself last.
    tie_breaker: Option<u64>,
    /// There is none before anybody has guessed.
    wrong: Option<Box<Wrong>>,
}

#[derive(Debug)]
struct Wrong {
    since: Instant,
    by_place: [u8; PLACES],
}

impl Guesses {
    /// Whether a request is worth an HMAC.
    pub(crate) fn admit(
        &self,
        from: SocketAddr,
        check: &Peek<'_>,
        now: Instant,
    ) -> Result<(), Reason> {
        let Some(wrong) = &self.wrong else {
            return Ok(());
        };
        let is_known = self.tie_breaker.is_some() && tie_breaker(check) == self.tie_breaker;
        let count = wrong.by_place.get(place(from)).copied().unwrap_or(0);
        let is_over = now.saturating_duration_since(wrong.since) >= SPAN;
        match is_known || is_over || count < MOST {
            true => Ok(()),
            false => Err(Reason::TooManyGuesses),
        }
    }

    /// What came of a request that was admitted.
    pub(crate) fn note(
        &mut self,
        from: SocketAddr,
        check: &Peek<'_>,
        outcome: Result<(), Reason>,
        now: Instant,
    ) {
        match outcome {
            Ok(()) => self.tie_breaker = tie_breaker(check),
            Err(Reason::BadIntegrity) => {
                let none = || Wrong {
                    since: now,
                    by_place: [0; PLACES],
                };
                let wrong = self.wrong.get_or_insert_with(|| Box::new(none()));
                if now.saturating_duration_since(wrong.since) >= SPAN {
                    **wrong = none();
                }
                if let Some(count) = wrong.by_place.get_mut(place(from)) {
                    *count = count.saturating_add(1);
                }
            }
            Err(_) => {}
        }
    }
}

fn tie_breaker(check: &Peek<'_>) -> Option<u64> {
    check.controlling.or(check.controlled)
}

/// By address without port, of IPv6 by its network: who has one has all of these.
fn place(from: SocketAddr) -> usize {
    let network = match from.ip().to_canonical() {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        IpAddr::V6(ip) => u64::try_from(ip.to_bits() >> 64).unwrap_or(u64::MAX),
    };
    // The upper bits of a product with the golden ratio: neighbours fall far apart.
    let spread = network.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(spread.rotate_left(PLACE_BITS)).unwrap_or(0) % PLACES
}
