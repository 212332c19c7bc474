//! The attacker's hands: datagrams as fast as he is told to, or as this machine lets him.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use peers::kernel::{self, BATCH, GivingWay, Outbox, ROOM};
use socket2::Socket;

use crate::field::{DEVICE, Place};

/// A socket of a place, for any of its addresses.
pub(crate) struct Hand {
    socket: Socket,
    outbox: Outbox,
}

/// How many make a flood together: one core's work is not enough.
const HANDS: u16 = 2;

/// A flood from ports that begin with `first`, by several hands which take no time from what they attack. Each has its own
/// `write`, as [`Hand::flood`] takes one.
pub(crate) fn together<W>(
    place: &Place,
    first: u16,
    per_second: u64,
    span: Duration,
    write: impl Fn() -> W + Sync,
) -> Result<Sent, String>
where
    W: FnMut(u64, &mut [u8; ROOM]) -> (usize, Ipv4Addr, SocketAddrV4),
{
    let hands: Result<Vec<_>, _> = (0..HANDS)
        .map(|number| Hand::new(place, first + number))
        .collect();
    let each = per_second / u64::from(HANDS);
    std::thread::scope(|scope| {
        let floods: Vec<_> = hands?
            .into_iter()
            .map(|mut hand| {
                let write = &write;
                scope.spawn(move || {
                    let _gives_way = GivingWay::new();
                    hand.flood(each, lasting(span), write())
                })
            })
            .collect();
        let mut all = Sent::default();
        for flood in floods {
            let sent = flood.join().map_err(|_| "a hand has panicked")?;
            all = Sent {
                took: all.took.max(sent.took),
                ..all.and(sent)
            };
        }
        Ok(all)
    })
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
            outbox: Outbox::new(BATCH).in_trains(),
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
