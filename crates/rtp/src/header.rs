//! The fixed RTP header, to write. Without CSRCs and extension: those who mix or extend write them after it.

use crate::Error;

/// A fixed header (RFC 3550 section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The marker bit: the first packet of a talk spurt, the last of a frame.
    pub marker: bool,
    /// 7 bits.
    pub payload_type: u8,
    /// Goes up by one with each packet and wraps.
    pub sequence: u16,
    /// In units of the codec's clock.
    pub timestamp: u32,
    /// Who sends.
    pub ssrc: u32,
}

impl Header {
    /// Bytes that [`Header::write`] writes.
    pub const LEN: usize = 12;

    /// Writes the header at the start of `buffer` and returns what comes after it.
    ///
    /// # Errors
    /// [`Error::NoRoom`].
    pub fn write(self, buffer: &mut [u8]) -> Result<&mut [u8], Error> {
        let (header, rest) = buffer
            .split_first_chunk_mut::<{ Self::LEN }>()
            .ok_or(Error::NoRoom)?;
        let [s0, s1] = self.sequence.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [c0, c1, c2, c3] = self.ssrc.to_be_bytes();
        let second = u8::from(self.marker) << 7 | self.payload_type & 0x7f;
        *header = [0x80, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3];
        Ok(rest)
    }
}
