//! SRTP that is here before its keys. The endpoint that works them out is with another thread, so what the peer sends right
//! behind its last flight comes a part of a millisecond too early. A few such packets wait, only from where the peer is
//! known to be; nothing of them is believed before the keys are there.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::shard::Place;
use super::{Drop, HEADROOM, Output, Received, Shard, SocketId};

/// Packets of one port that wait at most: the begin of a picture.
const MAX_WAITING: usize = 8;

/// The longest packet that waits, in bytes: what an Ethernet frame carries.
const MAX_LEN: usize = 1500;

/// One that has waited longer than this is of no use to anybody.
const FRESH: Duration = Duration::from_millis(200);

/// What waits on one port, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Early(VecDeque<Packet>);

/// A packet as it came.
#[derive(Debug)]
struct Packet {
    socket: SocketId,
    from: SocketAddr,
    at: Instant,
    bytes: Vec<u8>,
}

impl Early {
    /// Keeps a packet. An error is one packet lost: this one, or the oldest, which is the farthest from the keys.
    pub(super) fn hold(
        &mut self,
        (socket, from): (SocketId, SocketAddr),
        packet: &[u8],
        at: Instant,
    ) -> Result<(), Drop> {
        if packet.len() > MAX_LEN {
            return Err(Drop::NoKeys);
        }
        let is_full = self.0.len() >= MAX_WAITING;
        let oldest = is_full.then(|| self.0.pop_front());
        self.0.push_back(Packet {
            socket,
            from,
            at,
            bytes: packet.to_vec(),
        });
        oldest.map_or(Ok(()), |_| Err(Drop::NoKeys))
    }
}

impl Shard {
    /// A packet for which there are no keys: that of the peer waits while they are being worked out.
    pub(super) fn hold(
        &mut self,
        (place, socket): (Place, SocketId),
        from: SocketAddr,
        packet: &[u8],
        now: Instant,
    ) -> Result<Received, Drop> {
        let transport = self.transport(place)?;
        if !transport.hears(from) {
            return Err(Drop::NoKeys);
        }
        transport.dtls.hold((socket, from), packet, now)?;
        Ok(Received::Nothing)
    }

    /// A handshake is over: what has waited for it walks from the begin, in the order in which it came. Where there are no
    /// keys it ends there.
    pub(super) fn take_early(&mut self, place: Place, now: Instant) {
        let Ok(transport) = self.transport(place) else {
            return;
        };
        for mut packet in transport.dtls.end().0 {
            if now.saturating_duration_since(packet.at) > FRESH {
                self.count_drop(place, Drop::NoKeys);
                continue;
            }
            let (len, buffer) = (packet.bytes.len(), &mut packet.bytes);
            buffer.resize(len.saturating_add(HEADROOM), 0);
            let received = self.receive(packet.socket, packet.from, buffer, len, now);
            if let Some(send) = received.sent() {
                buffer.truncate(send.len);
                self.outputs.push_back(Output::Datagram {
                    socket: send.socket,
                    to: send.to,
                    bytes: packet.bytes,
                });
            }
        }
    }
}
