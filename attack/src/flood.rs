//! The attacker's hand: datagrams as fast as he is told to, or as this machine lets him.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use peers::kernel::{self, BATCH, Outbox, ROOM};
use socket2::Socket;

use crate::field::{DEVICE, Place};

/// A socket of a place, for any of its addresses.
pub(crate) struct Hand {
    socket: Socket,
    outbox: Outbox,
}

/// Goes on for so long.
pub(crate) fn lasting(duration: Duration) -> impl Fn(Duration) -> bool {
    move |since| since < duration
}

/// What has left.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Sent {
    pub(crate) datagrams: u64,
    pub(crate) bytes: u64,
    pub(crate) took: Duration,
}

impl Sent {
    /// Both, one after the other.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            datagrams: self.datagrams + other.datagrams,
            bytes: self.bytes + other.bytes,
            took: self.took + other.took,
        }
    }
}

impl Hand {
    pub(crate) fn new(place: &Place, port: u16) -> Result<Self, String> {
        let socket = place.within(|| {
            let socket = kernel::endpoints(DEVICE, port);
            socket.map_err(|error| format!("port {port} of the attacker: {error}"))
        })?;
        Ok(Self {
            socket,
            outbox: Outbox::new(BATCH),
        })
    }

    /// Sends so many a second while it may go on, which it asks with the time since it began. `write` is given the number of a datagram and room for it; it says how long
    /// it is, from which of the place's addresses it goes, and where to.
    pub(crate) fn flood(
        &mut self,
        per_second: u64,
        goes_on: impl Fn(Duration) -> bool,
        mut write: impl FnMut(u64, &mut [u8; ROOM]) -> (usize, Ipv4Addr, SocketAddrV4),
    ) -> Sent {
        let (began, mut sent) = (Instant::now(), Sent::default());
        let (mut number, mut refused) = (0, 0);
        while goes_on(began.elapsed()) {
            let due = (began.elapsed().as_secs_f64() * per_second as f64) as u64;
            if number >= due {
                std::thread::sleep(Duration::from_micros(200));
                continue;
            }
            // What could not be made in time is not made up for: the rate is told, not hidden in a burst.
            for _ in 0..(due - number).min(BATCH as u64) {
                let (len, from, to) = write(number, self.outbox.room());
                number += 1;
                sent.bytes += len as u64;
                self.outbox.push(len, from, to);
            }
            refused += self.outbox.flush(&self.socket);
        }
        sent.datagrams = number - refused;
        sent.took = began.elapsed();
        sent
    }

    /// Sends one.
    pub(crate) fn send(&mut self, bytes: &[u8], from: Ipv4Addr, to: SocketAddrV4) -> Sent {
        let began = Instant::now();
        let room = &mut self.outbox.room()[..bytes.len()];
        room.copy_from_slice(bytes);
        self.outbox.push(bytes.len(), from, to);
        let refused = self.outbox.flush(&self.socket);
        Sent {
            datagrams: 1 - refused,
            bytes: bytes.len() as u64,
            took: began.elapsed(),
        }
    }
}
