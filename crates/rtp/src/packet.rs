//! One RTP packet, read where it lies (RFC 3550 section 5.1), and the fields that forwarding rewrites.

use crate::Error;

const FIXED: usize = 12;

/// An RTP packet whose lengths all hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    fixed: &'a [u8; FIXED],
    csrcs: &'a [u8],
    extension: Option<(u16, &'a [u8])>,
    payload: &'a [u8],
    padding: usize,
}

impl<'a> Packet<'a> {
    /// Checks the header, the extension and the padding of a plain (decrypted) packet.
    ///
    /// # Errors
    /// [`Error::TooShort`], [`Error::Version`], [`Error::Header`] or [`Error::Padding`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let (fixed, rest) = bytes.split_first_chunk::<FIXED>().ok_or(Error::TooShort)?;
        let [first, ..] = *fixed;
        if first >> 6 != 2 {
            return Err(Error::Version);
        }
        let (csrcs, rest) = rest
            .split_at_checked(4 * usize::from(first & 0x0f))
            .ok_or(Error::Header)?;
        let (extension, rest) = if first & 0x10 == 0 {
            (None, rest)
        } else {
            let (&[p0, p1, l0, l1], rest) = rest.split_first_chunk().ok_or(Error::Header)?;
            let len = 4 * usize::from(u16::from_be_bytes([l0, l1]));
            let (data, rest) = rest.split_at_checked(len).ok_or(Error::Header)?;
            (Some((u16::from_be_bytes([p0, p1]), data)), rest)
        };
        let padding = match rest.last() {
            _ if first & 0x20 == 0 => 0,
            Some(&padding) if padding != 0 => usize::from(padding),
            _ => return Err(Error::Padding),
        };
        let len = rest.len().checked_sub(padding).ok_or(Error::Padding)?;
        Ok(Self {
            fixed,
            csrcs,
            extension,
            payload: rest.get(..len).ok_or(Error::Padding)?,
            padding,
        })
    }

    /// The marker bit.
    #[must_use]
    pub const fn marker(&self) -> bool {
        self.fixed[1] & 0x80 != 0
    }

    /// The payload type, 7 bits.
    #[must_use]
    pub const fn payload_type(&self) -> u8 {
        self.fixed[1] & 0x7f
    }

    /// The sequence number.
    #[must_use]
    pub const fn sequence(&self) -> u16 {
        u16::from_be_bytes([self.fixed[2], self.fixed[3]])
    }

    /// The timestamp in units of the codec's clock.
    #[must_use]
    pub const fn timestamp(&self) -> u32 {
        let [_, _, _, _, a, b, c, d, ..] = *self.fixed;
        u32::from_be_bytes([a, b, c, d])
    }

    /// The source.
    #[must_use]
    pub const fn ssrc(&self) -> u32 {
        let [.., a, b, c, d] = *self.fixed;
        u32::from_be_bytes([a, b, c, d])
    }

    /// The contributing sources, at most 15.
    pub fn csrcs(&self) -> impl Iterator<Item = u32> + 'a {
        let (words, _) = self.csrcs.as_chunks::<4>();
        words.iter().map(|word| u32::from_be_bytes(*word))
    }

    /// The header extension: its profile (`0xBEDE` for RFC 8285's one-byte form) and its data.
    #[must_use]
    pub const fn extension(&self) -> Option<(u16, &'a [u8])> {
        self.extension
    }

    /// The payload without padding.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Bytes of padding after the payload.
    #[must_use]
    pub const fn padding(&self) -> usize {
        self.padding
    }
}

/// The fixed header of a packet, to rewrite in place.
#[derive(Debug)]
pub struct PacketMut<'a> {
    bytes: &'a mut [u8],
}

impl<'a> PacketMut<'a> {
    /// Takes a packet that [`Packet::parse`] takes.
    ///
    /// # Errors
    /// As [`Packet::parse`].
    pub fn parse(bytes: &'a mut [u8]) -> Result<Self, Error> {
        Packet::parse(bytes)?;
        Ok(Self { bytes })
    }

    /// Sets the payload type (7 bits) and leaves the marker.
    pub fn set_payload_type(&mut self, payload_type: u8) {
        if let Some(byte) = self.bytes.get_mut(1) {
            *byte = *byte & 0x80 | payload_type & 0x7f;
        }
    }

    /// Sets the sequence number.
    pub fn set_sequence(&mut self, sequence: u16) {
        self.put(2, sequence.to_be_bytes());
    }

    /// Sets the timestamp.
    pub fn set_timestamp(&mut self, timestamp: u32) {
        self.put(4, timestamp.to_be_bytes());
    }

    /// Sets the source.
    pub fn set_ssrc(&mut self, ssrc: u32) {
        self.put(8, ssrc.to_be_bytes());
    }

    /// Takes the header extension out, moving what comes after it forward; the packet's new length.
    pub fn remove_extension(&mut self) -> usize {
        let all = self.bytes.len();
        let Ok(packet) = Packet::parse(self.bytes) else {
            return all;
        };
        let Some((_, data)) = packet.extension else {
            return all;
        };
        let start = FIXED.saturating_add(packet.csrcs.len());
        let gone = data.len().saturating_add(4);
        self.bytes.copy_within(start.saturating_add(gone).., start);
        if let Some(first) = self.bytes.first_mut() {
            *first &= !0x10;
        }
        all.saturating_sub(gone)
    }

    fn put<const N: usize>(&mut self, at: usize, value: [u8; N]) {
        let room = self.bytes.get_mut(at..);
        if let Some(room) = room.and_then(<[u8]>::first_chunk_mut) {
            *room = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Header;

    /// Two CSRCs, a two-word extension, four bytes of payload, three of padding.
    fn full() -> Vec<u8> {
        let mut bytes = vec![0xb2, 0x80 | 111, 0x12, 0x34, 0, 0, 0, 9, 1, 2, 3, 4];
        bytes.extend([0, 0, 0, 5, 0, 0, 0, 6]);
        bytes.extend([0xbe, 0xde, 0, 2, 0x10, 7, 0, 0, 0, 0, 0, 0]);
        bytes.extend(*b"meow");
        bytes.extend([0, 0, 3]);
        bytes
    }

    #[test]
    fn every_part_is_where_the_rfc_says() {
        let bytes = full();
        let packet = Packet::parse(&bytes).unwrap();
        assert!(packet.marker());
        assert_eq!(packet.payload_type(), 111);
        assert_eq!(packet.sequence(), 0x1234);
        assert_eq!(packet.timestamp(), 9);
        assert_eq!(packet.ssrc(), 0x0102_0304);
        assert_eq!(packet.csrcs().collect::<Vec<_>>(), [5, 6]);
        assert_eq!(packet.extension().unwrap().0, 0xbede);
        assert_eq!(packet.payload(), b"meow");
        assert_eq!(packet.padding(), 3);
    }

    #[test]
    fn the_extension_goes_and_the_rest_stays() {
        let mut bytes = full();
        let mut packet = PacketMut::parse(&mut bytes).unwrap();
        packet.set_payload_type(0);
        packet.set_sequence(0xffff);
        packet.set_timestamp(77);
        packet.set_ssrc(8);
        let len = packet.remove_extension();
        bytes.truncate(len);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.extension(), None);
        assert_eq!(packet.csrcs().collect::<Vec<_>>(), [5, 6]);
        assert_eq!(packet.payload(), b"meow");
        assert_eq!((packet.marker(), packet.payload_type()), (true, 0));
        assert_eq!(
            (packet.sequence(), packet.timestamp(), packet.ssrc()),
            (0xffff, 77, 8)
        );
    }

    #[test]
    fn what_is_written_is_read() {
        let header = Header {
            marker: true,
            payload_type: 8,
            sequence: 65535,
            timestamp: 0xdead_beef,
            ssrc: 0xcafe_f00d,
        };
        let mut buffer = [0; 16];
        header.write(&mut buffer).unwrap().copy_from_slice(b"meow");
        let packet = Packet::parse(&buffer).unwrap();
        let read = Header {
            marker: packet.marker(),
            payload_type: packet.payload_type(),
            sequence: packet.sequence(),
            timestamp: packet.timestamp(),
            ssrc: packet.ssrc(),
        };
        assert_eq!(read, header);
        assert_eq!(packet.payload(), b"meow");
        assert_eq!(header.write(&mut [0; 11]), Err(Error::NoRoom));
    }

    #[test]
    fn lengths_that_do_not_hold_are_refused() {
        let bytes = full();
        for cut in 0..32 {
            assert!(Packet::parse(&bytes[..cut]).is_err(), "{cut}");
        }
        for padding in [0, 8, 255] {
            let mut bytes = full();
            *bytes.last_mut().unwrap() = padding;
            assert_eq!(Packet::parse(&bytes), Err(Error::Padding));
        }
        assert_eq!(Packet::parse(&[0x40; 12]), Err(Error::Version));
    }

    #[test]
    fn junk_of_every_length_never_panics() {
        let mut dice = testkit::Dice::new(1);
        for len in 0..1500 {
            let mut bytes = dice.bytes(len);
            for first in [0x80, 0x90, 0xa0, 0xbf] {
                if let Some(byte) = bytes.first_mut() {
                    *byte = first;
                }
                let _ = Packet::parse(&bytes);
                if let Ok(mut packet) = PacketMut::parse(&mut bytes.clone()) {
                    packet.remove_extension();
                }
            }
        }
    }
}
