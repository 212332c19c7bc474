//! Waiting for many UDP sockets at once, on a thread of one's own.
//!
//! A socket is reported by every wait for as long as it holds a datagram, so that its reader may stop whenever
//! he likes: after one datagram, which is nearly always the only one, he need not ask whether there is another.

#[cfg(target_os = "linux")]
mod epoll;
#[cfg(any(test, not(target_os = "linux")))]
#[cfg_attr(
    target_os = "linux",
    expect(unreachable_pub, reason = "it is another system's poller")
)]
mod portable;

#[cfg(target_os = "linux")]
pub use epoll::{Poller, Waker};
#[cfg(not(target_os = "linux"))]
pub use portable::{Poller, Waker};

/// Names a socket of a [`Poller`]; whatever number its owner likes.
pub type Key = u32;

/// How many sockets one wait reports at most; the others are reported by the next.
const EVENTS: usize = 256;
