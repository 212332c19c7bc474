//! What comes back: all UDP that reaches a place, counted below its sockets, so that nothing is missed because nobody
//! had asked for it.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::field::Place;

/// IPv4, as a packet socket wants to be told (`ETH_P_IP` in network order): what arrives, and not what leaves.
const ARRIVING: i32 = 0x0800_u16.to_be() as i32;
/// How long the thread waits before it looks whether it is to end.
const LOOK: Duration = Duration::from_millis(50);

/// Datagrams and the bytes in them.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Came {
    pub(crate) datagrams: u64,
    pub(crate) bytes: u64,
}

impl Came {
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            datagrams: self.datagrams - before.datagrams,
            bytes: self.bytes - before.bytes,
        }
    }
}

#[derive(Default)]
struct Counters {
    datagrams: AtomicU64,
    bytes: AtomicU64,
    end: AtomicBool,
}

/// Counts until it is dropped.
pub(crate) struct Tap {
    counters: Arc<Counters>,
    thread: Option<JoinHandle<()>>,
}

impl Tap {
    pub(crate) fn open(place: &Place) -> Result<Self, String> {
        let mut socket = place.within(|| {
            let open = || {
                let protocol = Some(Protocol::from(ARRIVING));
                let socket = Socket::new(Domain::PACKET, Type::DGRAM, protocol)?;
                socket.set_read_timeout(Some(LOOK))?;
                Ok::<_, std::io::Error>(socket)
            };
            open().map_err(|error| format!("a packet socket: {error}"))
        })?;
        let counters = Arc::new(Counters::default());
        let shared = Arc::clone(&counters);
        let thread = thread::spawn(move || {
            let mut packet = [0; 2048];
            while !shared.end.load(Ordering::Relaxed) {
                let len = socket.read(&mut packet).unwrap_or(0);
                if let Some(bytes) = packet.get(..len).and_then(payload) {
                    shared.datagrams.fetch_add(1, Ordering::Relaxed);
                    shared.bytes.fetch_add(bytes, Ordering::Relaxed);
                }
            }
        });
        Ok(Self {
            counters,
            thread: Some(thread),
        })
    }

    /// All so far.
    pub(crate) fn came(&self) -> Came {
        Came {
            datagrams: self.counters.datagrams.load(Ordering::Relaxed),
            bytes: self.counters.bytes.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.counters.end.store(true, Ordering::Relaxed);
        _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Bytes that a UDP datagram carries; `None` for other packets.
fn payload(packet: &[u8]) -> Option<u64> {
    let head = usize::from(packet.first()? & 15) * 4;
    if *packet.get(9)? != 17 {
        return None;
    }
    let &[high, low] = packet.get(head + 4..)?.first_chunk()?;
    Some(u64::from(u16::from_be_bytes([high, low])).saturating_sub(8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_of_a_datagram_is_what_its_length_says_without_the_header() {
        let mut packet = [0; 40];
        (packet[0], packet[9]) = (0x45, 17);
        packet[25] = 20;
        assert_eq!(payload(&packet), Some(12));
        packet[9] = 6;
        assert_eq!(payload(&packet), None);
        assert_eq!(payload(&packet[..5]), None);
    }
}
