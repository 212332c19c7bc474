//! The time of day in nanoseconds: the clock that the kernel stamps received datagrams with
//! (`SO_TIMESTAMPNS`), so that both ends of a latency come from one clock.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;

/// Nanoseconds since 1970.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    })
}

/// Sleeps; the packets in between are waiting in the socket's buffer, stamped.
pub fn sleep(nanoseconds: u64) {
    thread::sleep(Duration::from_nanos(nanoseconds));
}

/// Seconds as nanoseconds.
pub fn nanoseconds(seconds: f64) -> u64 {
    (seconds * SECOND as f64) as u64
}

/// Nanoseconds as microseconds, for figures.
pub fn microseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e3
}
