//! The four transaction machines of RFC 3261 section 17, with the Accepted state of RFC 6026.
//!
//! A machine knows nothing of headers: it is told *what* arrived (a retransmission, a response with this
//! status) and given the bytes to send, and it decides what leaves, what goes up and when. It opens no
//! socket and reads no clock: `receive(event, now)` changes its state, `poll()` says what follows, and
//! `deadline()` when it wants `Event::Timer`. Reading and matching messages is the caller's
//! ([`ServerKey`], [`ClientKey`]).
//!
//! ```text
//! server INVITE   Proceeding -> Accepted (2xx) | Completed (3xx-6xx) -> Confirmed (ACK)
//! server other    Trying -> Proceeding (1xx) -> Completed
//! client INVITE   Calling -> Proceeding (1xx) -> Accepted (2xx) | Completed (3xx-6xx, ACK sent)
//! client other    Trying -> Proceeding (1xx) -> Completed
//! ```

mod client;
mod client_invite;
mod client_other;
mod key;
mod server;
mod server_invite;
mod server_other;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use self::client::{Client, ClientEvent};
pub use self::key::{ClientKey, ServerKey};
pub use self::server::{Server, ServerEvent};

/// A message as it goes on the wire, shared by all its retransmissions.
pub type Wire = Arc<[u8]>;

/// Whether the hop below loses datagrams (UDP) or not (TCP, TLS, WebSocket).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TCP, TLS, WebSocket: nothing is sent twice.
    Reliable,
    /// UDP: retransmission timers run.
    Unreliable,
}

/// The base values from which every timer is derived (RFC 3261, table 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// Round-trip estimate, 500 ms.
    pub t1: Duration,
    /// The longest interval between retransmissions, 4 s.
    pub t2: Duration,
    /// How long a message may stay in the network, 5 s.
    pub t4: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
        }
    }
}

impl Timers {
    /// 64*T1: timers B, D, F, H, J, L and M.
    pub fn timeout(&self) -> Duration {
        self.t1.saturating_mul(64)
    }

    /// The interval after `interval`: doubled, at most T2 (timers E and G).
    fn backed_off(&self, interval: Duration) -> Duration {
        interval.saturating_mul(2).min(self.t2)
    }
}

/// What a machine wants. Drain it after every `receive`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this to the peer.
    Send(Wire),
    /// The message just received is not absorbed: it is for the transaction user.
    Deliver,
    /// The transaction failed. [`Output::Ended`] follows.
    Failed(Failure),
    /// Nothing more will come, and nothing more is wanted: forget the machine.
    Ended,
}

/// Why a transaction failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Timer B, F or H: the peer did not answer, or did not acknowledge.
    #[error("the peer did not answer in time")]
    TimedOut,
    /// The transport below reported that the message cannot be delivered.
    #[error("the connection to the peer is gone")]
    Transport,
}

/// A retransmission that repeats until it is stopped.
#[derive(Debug, Clone, Copy)]
struct Repeat {
    at: Instant,
    interval: Duration,
}

impl Repeat {
    fn start(interval: Duration, now: Instant) -> Self {
        Self {
            at: after(now, interval),
            interval,
        }
    }

    /// Whether it is due; if so the next one is `next` later.
    fn fire(&mut self, now: Instant, next: Duration) -> bool {
        let due = self.at <= now;
        if due {
            *self = Self::start(next, now);
        }
        due
    }
}

/// So long after `now`, or in a century: timers may be set to anything, and a clock has an end.
fn after(now: Instant, wait: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 366 * 24 * 3600);
    now.checked_add(wait.min(CENTURY)).unwrap_or(now)
}

/// The earlier of two optional instants.
fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod bench {
    //! A virtual clock for the machines' tests: time moves from deadline to deadline.

    use super::*;

    pub(super) fn wire(text: &str) -> Wire {
        Arc::from(text.as_bytes())
    }

    /// T1 = 500 ms and so on, as the RFC has them, so that the tests read like its tables.
    pub(super) const MS: Duration = Duration::from_millis(1);

    /// A machine under test.
    pub(super) trait Machine {
        fn timer(&mut self, now: Instant);
        fn next(&mut self) -> Option<Output>;
        fn due(&self) -> Option<Instant>;
    }

    pub(super) fn drain(machine: &mut impl Machine) -> Vec<Output> {
        std::iter::from_fn(|| machine.next()).collect()
    }

    /// Runs the timers for `span` and returns what came out, each with its millisecond.
    pub(super) fn run(
        machine: &mut impl Machine,
        start: Instant,
        span: Duration,
    ) -> Vec<(u128, Output)> {
        let mut seen = Vec::new();
        while let Some(at) = machine.due().filter(|at| *at <= start + span) {
            machine.timer(at);
            seen.extend(
                drain(machine)
                    .into_iter()
                    .map(|output| ((at - start).as_millis(), output)),
            );
        }
        seen
    }
}
