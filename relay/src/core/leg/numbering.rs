//! Sequence numbers towards a secure side, for a source that begins its numbering again.
//!
//! SRTP has one index for each packet of a source, and never goes back (RFC 3711 section 3.3.1). A phone or its server
//! that starts at another sequence number under the same SSRC, after a hold or a transfer, would not be heard
//! until it has counted up to where it was. So its numbers are moved on; timestamps and SSRC stay.

use rtp::PacketMut;

/// Late packets in a row, one number after the other, before a source has begun anew: 200 ms of speech. The network
/// delays single packets, not a sequence.
const BEGUN_ANEW: u8 = 10;

/// Sources that are renumbered at once at most; the one moved first is then given up.
const MAX_MOVED: usize = 8;

/// What is added to the sequence numbers of which sources. Nothing, for nearly all of them.
#[derive(Debug, Default)]
pub(crate) struct Numbering {
    moved: Vec<Moved>,
    late: Option<Late>,
}

#[derive(Debug, Clone, Copy)]
struct Moved {
    ssrc: u32,
    by: u16,
}

#[derive(Debug, Clone, Copy)]
struct Late {
    ssrc: u32,
    sequence: u16,
    in_a_row: u8,
}

impl Numbering {
    /// Renumbers a packet whose source has begun anew before.
    pub(crate) fn apply(&self, packet: &mut [u8]) {
        if self.moved.is_empty() {
            return;
        }
        let Ok(read) = rtp::Packet::parse(packet) else {
            return;
        };
        let (ssrc, sequence) = (read.ssrc(), read.sequence());
        if let Some(moved) = self.moved.iter().find(|moved| moved.ssrc == ssrc) {
            set_sequence(packet, sequence.wrapping_add(moved.by));
        }
    }

    /// Whether any source is renumbered.
    pub(crate) fn is_in_use(&self) -> bool {
        !self.moved.is_empty()
    }

    /// What is added to the numbers of a source.
    pub(crate) fn moved_by(&self, ssrc: u32) -> u16 {
        let moved = self.moved.iter().find(|moved| moved.ssrc == ssrc);
        moved.map_or(0, |moved| moved.by)
    }

    /// A packet came too late to be protected. When it is one of many its source has begun anew: the packet and all
    /// after it are numbered on from `highest`. `true` when that is so.
    pub(crate) fn was_late(
        &mut self,
        packet: &mut [u8],
        highest: impl Fn(u32) -> Option<u64>,
    ) -> bool {
        let Ok(read) = rtp::Packet::parse(packet) else {
            return false;
        };
        let (ssrc, sequence) = (read.ssrc(), read.sequence());
        let in_a_row = match self.late {
            Some(late) if late.ssrc == ssrc && sequence == late.sequence.wrapping_add(1) => {
                late.in_a_row.saturating_add(1)
            }
            _ => 1,
        };
        self.late = Some(Late {
            ssrc,
            sequence,
            in_a_row,
        });
        let Some(highest) = highest(ssrc).filter(|_| in_a_row >= BEGUN_ANEW) else {
            return false;
        };
        self.late = None;
        // The low 16 bits of an index are the sequence number.
        let next = u16::try_from(highest & 0xffff).unwrap_or(0).wrapping_add(1);
        let before = self
            .moved
            .iter()
            .position(|moved| moved.ssrc == ssrc)
            .map_or(0, |at| self.moved.remove(at).by);
        if self.moved.len() >= MAX_MOVED {
            self.moved.remove(0);
        }
        let by = before.wrapping_add(next.wrapping_sub(sequence));
        self.moved.push(Moved { ssrc, by });
        set_sequence(packet, next);
        true
    }
}

fn set_sequence(packet: &mut [u8], sequence: u16) {
    if let Ok(mut packet) = PacketMut::parse(packet) {
        packet.set_sequence(sequence);
    }
}
