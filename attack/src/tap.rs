//! What the edge sends: UDP from it that reaches a place, counted below the sockets there, so that nothing is missed because
//! nobody had asked for it.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::field::{PRIVATE, PUBLIC, Place};

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
    /// All that the edge sends to a place.
    pub(crate) fn open(place: &Place) -> Result<Self, String> {
        Self::of(place, |_| true)
    }

    /// What the edge sends to addresses that are wanted.
    pub(crate) fn of(
        place: &Place,
        wanted: impl Fn(SocketAddrV4) -> bool + Send + 'static,
    ) -> Result<Self, String> {
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
                if let Some((to, bytes)) = packet.get(..len).and_then(of_the_edge)
                    && wanted(to)
                {
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

/// Where a datagram of the edge's goes, and how many bytes it carries; `None` for all other packets.
fn of_the_edge(packet: &[u8]) -> Option<(SocketAddrV4, u64)> {
    let head = usize::from(packet.first()? & 15) * 4;
    let address = |at: usize| Some(Ipv4Addr::from(*packet.get(at..)?.first_chunk::<4>()?));
    let (from, to) = (address(12)?, address(16)?);
    if *packet.get(9)? != 17 || ![PUBLIC, PRIVATE].contains(&from) {
        return None;
    }
    let &[a, b, high, low] = packet.get(head + 2..)?.first_chunk()?;
    let len = u64::from(u16::from_be_bytes([high, low])).saturating_sub(8);
    Some((SocketAddrV4::new(to, u16::from_be_bytes([a, b])), len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_of_the_edge_is_known_by_its_source_and_measured_without_its_header() {
        let mut packet = [0; 40];
        (packet[0], packet[9]) = (0x45, 17);
        packet[12..16].copy_from_slice(&PUBLIC.octets());
        packet[16..20].copy_from_slice(&[10, 0, 0, 7]);
        (packet[23], packet[25]) = (9, 20);
        let to = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 7), 9);
        assert_eq!(of_the_edge(&packet), Some((to, 12)));
        packet[15] ^= 1;
        assert_eq!(of_the_edge(&packet), None, "from elsewhere");
        packet[15] ^= 1;
        packet[9] = 6;
        assert_eq!(of_the_edge(&packet), None, "TCP");
        assert_eq!(of_the_edge(&packet[..5]), None);
    }
}
