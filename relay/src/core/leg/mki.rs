//! Master key identifiers (RFC 3711 section 3.1): some phones put a number into every packet that says which of their
//! keys it is under. There is one key, so the number says nothing; but it takes room, and is missed where it is not.

use srtp::{Refused, Rejected, Suite};

/// The longest identifier that is taken. Phones write one byte; RFC 4568 allows 128.
pub(crate) const MAX_MKI: usize = 4;

/// RTCP tags are never cut short (RFC 3711 section 5.2, RFC 5764 section 4.1.2).
const RTCP_TAG: usize = 10;

/// What stands in each packet of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mki {
    bytes: [u8; MAX_MKI],
    len: usize,
}

impl Mki {
    /// `None` when it is longer than we take, or its value is longer than it says.
    pub(crate) fn new(mki: sdp::Mki) -> Option<Self> {
        let len = usize::from(mki.length);
        let value = u32::try_from(mki.value).ok()?;
        let shift = MAX_MKI.checked_sub(len)?.checked_mul(8)?;
        let bytes = value.checked_shl(u32::try_from(shift).ok()?)?;
        let fits = bytes.checked_shr(u32::try_from(shift).ok()?) == Some(value);
        (fits && len > 0).then_some(Self {
            bytes: bytes.to_be_bytes(),
            len,
        })
    }

    /// Takes it out of a packet that came; the length of what is left.
    pub(crate) fn take_out(
        self,
        suite: Suite,
        rtcp: bool,
        packet: &mut [u8],
    ) -> Result<usize, Rejected> {
        let end = packet.len();
        let tag = end
            .checked_sub(tag_behind(suite, rtcp))
            .ok_or(Rejected::TooShort)?;
        let start = tag.checked_sub(self.len).ok_or(Rejected::TooShort)?;
        if packet.get(start..tag) != self.bytes.get(..self.len) {
            return Err(Rejected::Unauthentic);
        }
        packet.copy_within(tag..end, start);
        Ok(end.saturating_sub(self.len))
    }

    /// Puts it into the protected packet in the first `len` bytes of `buffer`; the length of both.
    pub(crate) fn put_in(
        self,
        suite: Suite,
        rtcp: bool,
        buffer: &mut [u8],
        len: usize,
    ) -> Result<usize, Refused> {
        let end = len.checked_add(self.len).ok_or(Refused::NoRoom)?;
        let start = len
            .checked_sub(tag_behind(suite, rtcp))
            .ok_or(Refused::TooShort)?;
        if end > buffer.len() {
            return Err(Refused::NoRoom);
        }
        let behind = start.saturating_add(self.len);
        buffer.copy_within(start..len, behind);
        let place = buffer.get_mut(start..behind).unwrap_or_default();
        for (to, from) in place.iter_mut().zip(self.bytes) {
            *to = from;
        }
        Ok(end)
    }
}

/// The bytes that stand behind the identifier: the tag, but for AEAD, whose tag is part of the cipher text (RFC 7714
/// sections 8.2 and 9.2).
fn tag_behind(suite: Suite, rtcp: bool) -> usize {
    match (suite.is_aead(), rtcp) {
        (true, _) => 0,
        (false, true) => RTCP_TAG,
        (false, false) => suite.rtp_overhead(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mki(value: u64, length: u8) -> Option<Mki> {
        Mki::new(sdp::Mki { value, length })
    }

    #[test]
    fn what_is_put_in_is_taken_out_and_stands_before_the_tag() {
        for suite in Suite::ALL {
            for (rtcp, length) in [(false, 1), (true, 1), (false, 4), (true, 3)] {
                let packet: Vec<u8> = (0..40).collect();
                let mut buffer = packet.clone();
                buffer.resize(60, 0xee);
                let mki = mki(7, length).unwrap();
                let len = mki.put_in(suite, rtcp, &mut buffer, 40).unwrap();
                assert_eq!(len, 40 + usize::from(length));
                let at = 40 - tag_behind(suite, rtcp) + usize::from(length) - 1;
                assert_eq!(
                    (buffer[at], &buffer[at + 1..len]),
                    (7, &packet[at + 1 - usize::from(length)..])
                );
                assert_eq!(mki.take_out(suite, rtcp, &mut buffer[..len]), Ok(40));
                assert_eq!(buffer[..40], packet);
            }
        }
    }

    #[test]
    fn another_identifier_or_too_short_a_packet_is_rejected() {
        let suite = Suite::AesCm128HmacSha1_80;
        let mki = mki(1, 1).unwrap();
        assert_eq!(
            mki.take_out(suite, false, &mut [2; 40]),
            Err(Rejected::Unauthentic)
        );
        for len in 0..11 {
            assert_eq!(
                mki.take_out(suite, false, &mut vec![1; len]),
                Err(Rejected::TooShort)
            );
        }
        assert_eq!(
            mki.put_in(suite, false, &mut [0; 40], 40),
            Err(Refused::NoRoom)
        );
    }

    #[test]
    fn only_short_identifiers_that_fit_are_taken() {
        assert!(mki(1, 0).is_none() && mki(1, 5).is_none() && mki(256, 1).is_none());
        assert!(mki(255, 1).is_some() && mki(u64::from(u32::MAX), 4).is_some());
    }
}
