//! The few header fields that protection needs, read with every length checked. Neither rewrites nor judges content.

/// Where an RTP packet's protected part begins, and what its nonce is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RtpHeader {
    /// Bytes of header with CSRCs and extension: authenticated, not encrypted (RFC 3711 section 3.1).
    pub(crate) len: usize,
    pub(crate) sequence: u16,
    pub(crate) ssrc: u32,
}

/// Bytes at the start of every RTCP packet that stay in clear: the first header and the sender's SSRC.
pub(crate) const RTCP_CLEAR: usize = 8;

/// Why a header could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    TooShort,
    Malformed,
}

/// Reads an RTP header (RFC 3550 section 5.1, 5.3.1).
#[inline]
pub(crate) fn rtp_header(packet: &[u8]) -> Result<RtpHeader, Unreadable> {
    let Some(([first, _, s0, s1, _, _, _, _, c0, c1, c2, c3], rest)) = packet.split_first_chunk()
    else {
        return Err(Unreadable::TooShort);
    };
    if first >> 6 != 2 {
        return Err(Unreadable::Malformed);
    }
    let csrcs = 4 * usize::from(first & 0x0f);
    let after_csrcs = rest.get(csrcs..).ok_or(Unreadable::Malformed)?;
    let mut len = csrcs.saturating_add(12);
    if first & 0x10 != 0 {
        let Some(([_, _, high, low], words)) = after_csrcs.split_first_chunk() else {
            return Err(Unreadable::Malformed);
        };
        let extension = 4 * usize::from(u16::from_be_bytes([*high, *low]));
        if words.len() < extension {
            return Err(Unreadable::Malformed);
        }
        len = len.saturating_add(4).saturating_add(extension);
    }
    Ok(RtpHeader {
        len,
        sequence: u16::from_be_bytes([*s0, *s1]),
        ssrc: u32::from_be_bytes([*c0, *c1, *c2, *c3]),
    })
}

/// Reads the sender's SSRC from a compound RTCP packet (RFC 3550 section 6.1).
#[inline]
pub(crate) fn rtcp_ssrc(packet: &[u8]) -> Result<u32, Unreadable> {
    let Some(([first, _, _, _, c0, c1, c2, c3], _)) = packet.split_first_chunk() else {
        return Err(Unreadable::TooShort);
    };
    if first >> 6 != 2 {
        return Err(Unreadable::Malformed);
    }
    Ok(u32::from_be_bytes([*c0, *c1, *c2, *c3]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_ends_after_csrcs_and_extension() {
        let mut packet = vec![0x92, 0, 0x12, 0x34, 0, 0, 0, 0, 0, 0, 0, 7];
        packet.extend([1; 8]); // two CSRCs
        packet.extend([0xbe, 0xde, 0, 2]);
        packet.extend([9; 8]); // two extension words
        let header = rtp_header(&packet).unwrap();
        assert_eq!(
            header,
            RtpHeader {
                len: 32,
                sequence: 0x1234,
                ssrc: 7
            }
        );
        for cut in 0..packet.len() {
            assert!(rtp_header(&packet[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn another_version_is_malformed() {
        assert_eq!(rtp_header(&[0x40; 20]), Err(Unreadable::Malformed));
        assert_eq!(rtcp_ssrc(&[0x40; 20]), Err(Unreadable::Malformed));
        assert_eq!(rtcp_ssrc(&[0x80; 7]), Err(Unreadable::TooShort));
    }
}
