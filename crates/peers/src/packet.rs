//! The RTP packets of the test: 160 bytes of payload, as G.711 has, that tell their leg, their number and when they
//! were sent, and are a pattern of both otherwise. A wrong byte anywhere is found.

use crate::random::Same;

const MAGIC: [u8; 4] = *b"load";
const HEADER: usize = 12;
const PATTERN: usize = HEADER + 24;
/// Bytes of a plain packet.
pub const LEN: usize = HEADER + 160;

/// What is the same in all packets of one stream.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    /// Number of the leg that sends it.
    pub leg: u32,
    /// Its source.
    pub ssrc: u32,
    /// Of the packet with number 0.
    pub first_sequence: u16,
    /// Of the packet with number 0.
    pub first_timestamp: u32,
}

impl Stream {
    /// Writes packet `number` to the start of `room`, which is longer than [`LEN`].
    #[inline]
    pub fn write(&self, number: u64, now: u64, room: &mut [u8]) {
        let packet = &mut room[..LEN];
        packet[0] = 0x80;
        packet[1] = if number == 0 { 0x80 } else { 0 };
        packet[2..4].copy_from_slice(&self.sequence(number).to_be_bytes());
        packet[4..8].copy_from_slice(&self.timestamp(number).to_be_bytes());
        packet[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        packet[12..16].copy_from_slice(&MAGIC);
        packet[16..20].copy_from_slice(&self.leg.to_be_bytes());
        packet[20..28].copy_from_slice(&number.to_be_bytes());
        packet[28..36].copy_from_slice(&now.to_be_bytes());
        packet[PATTERN..].copy_from_slice(&self.pattern(number));
    }

    /// Number and time of sending of a packet that is as it was written; `None` when any bit is not.
    #[inline]
    pub fn read(&self, packet: &[u8]) -> Option<(u64, u64)> {
        let packet: &[u8; LEN] = packet.try_into().ok()?;
        let number = u64::from_be_bytes(*packet[20..].first_chunk()?);
        let sent = u64::from_be_bytes(*packet[28..].first_chunk()?);
        let mut wanted = [0; LEN];
        self.write(number, sent, &mut wanted);
        (*packet == wanted).then_some((number, sent))
    }

    /// The sequence number of packet `number`.
    pub fn sequence(&self, number: u64) -> u16 {
        self.first_sequence.wrapping_add(number as u16)
    }

    fn timestamp(&self, number: u64) -> u32 {
        let samples = (number as u32).wrapping_mul(160);
        self.first_timestamp.wrapping_add(samples)
    }

    fn pattern(&self, number: u64) -> [u8; LEN - PATTERN] {
        let seed = u64::from(self.leg) << 40 ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut same = Same(seed ^ 0x1234_5678_9abc_def1);
        let mut bytes = [0; LEN - PATTERN];
        for chunk in bytes.chunks_exact_mut(8) {
            chunk.copy_from_slice(&same.number().to_le_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: Stream = Stream {
        leg: 7,
        ssrc: 0xabcd,
        first_sequence: 65_530,
        first_timestamp: u32::MAX - 100,
    };

    #[test]
    fn a_packet_is_read_as_it_was_written_and_any_changed_byte_is_found() {
        let mut packet = [0; LEN];
        STREAM.write(10, 99, &mut packet);
        assert_eq!(STREAM.read(&packet), Some((10, 99)));
        assert_eq!(packet[2..4], 4u16.to_be_bytes(), "the numbers wrap");
        for at in (0..LEN).filter(|at| !(28..36).contains(at)) {
            packet[at] ^= 1;
            assert_eq!(STREAM.read(&packet), None, "byte {at}");
            packet[at] ^= 1;
        }
        assert_eq!(STREAM.read(&packet[..LEN - 1]), None);
        let other = Stream { leg: 8, ..STREAM };
        assert_eq!(other.read(&packet), None, "another leg's");
    }
}
