//! Which protocol a datagram on a media port is, by its first two bytes (RFC 7983 section 7, RFC 5761 section 4).
//! Says what the datagram claims to be, not that it is well-formed.

/// What a datagram claims to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// STUN, first byte 0 to 3.
    Stun,
    /// ZRTP, first byte 16 to 19.
    Zrtp,
    /// DTLS, first byte 20 to 63.
    Dtls,
    /// TURN channel data, first byte 64 to 79.
    TurnChannel,
    /// RTP or SRTP.
    Rtp,
    /// RTCP or SRTCP: version 2 with a packet type of 192 to 223, which RTP payload types are kept out of.
    Rtcp,
    /// Nothing that belongs on a media port, or empty.
    Unknown,
}

/// Tells what a datagram claims to be.
#[inline]
#[must_use]
pub fn demux(datagram: &[u8]) -> Kind {
    match datagram {
        [0..=3, ..] => Kind::Stun,
        [16..=19, ..] => Kind::Zrtp,
        [20..=63, ..] => Kind::Dtls,
        [64..=79, ..] => Kind::TurnChannel,
        [128..=191, 192..=223, ..] => Kind::Rtcp,
        [128..=191, ..] => Kind::Rtp,
        _ => Kind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_first_byte_goes_where_rfc_7983_sends_it() {
        for first in 0..=255_u8 {
            let expected = match first {
                0..=3 => Kind::Stun,
                16..=19 => Kind::Zrtp,
                20..=63 => Kind::Dtls,
                64..=79 => Kind::TurnChannel,
                128..=191 => Kind::Rtp,
                _ => Kind::Unknown,
            };
            assert_eq!(demux(&[first, 0, 0, 0]), expected, "{first}");
        }
        assert_eq!(demux(&[]), Kind::Unknown);
    }

    #[test]
    fn rtcp_packet_types_are_no_marked_payload_types() {
        for second in 0..=255_u8 {
            let expected = if (192..=223).contains(&second) {
                Kind::Rtcp
            } else {
                Kind::Rtp
            };
            assert_eq!(demux(&[0x80, second]), expected, "{second}");
        }
        // Payload type 111 with the marker bit, as browsers begin Opus.
        assert_eq!(demux(&[0x80, 0x80 | 111]), Kind::Rtp);
    }
}
