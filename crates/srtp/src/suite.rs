//! The protection suites: their names in SDES and DTLS and their lengths. No cryptography here.

/// The most that [`crate::Outbound`] adds to any packet, in bytes: SRTCP under GCM, a 16-byte tag and the index word.
pub const MAX_OVERHEAD: usize = 20;

/// A cipher, its MAC and their lengths, as RFC 4568 section 6.2, RFC 6188 and RFC 7714 name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Suite {
    /// AES-128 in counter mode, HMAC-SHA1 cut to 80 bits: what every peer has.
    AesCm128HmacSha1_80,
    /// The same with 32-bit tags on RTP (SRTCP keeps 80 bits, RFC 5764 section 4.1.2).
    AesCm128HmacSha1_32,
    /// AES-256 in counter mode (RFC 6188), 80-bit tags.
    AesCm256HmacSha1_80,
    /// AES-256 in counter mode (RFC 6188), 32-bit tags on RTP, 80-bit on RTCP.
    AesCm256HmacSha1_32,
    /// AES-128-GCM (RFC 7714), 128-bit tags.
    AeadAes128Gcm,
    /// AES-256-GCM (RFC 7714), 128-bit tags.
    AeadAes256Gcm,
}

impl Suite {
    /// Every suite, the ones to prefer first: GCM costs less than half of HMAC-SHA1 per packet.
    pub const ALL: [Self; 6] = [
        Self::AeadAes256Gcm,
        Self::AeadAes128Gcm,
        Self::AesCm256HmacSha1_80,
        Self::AesCm256HmacSha1_32,
        Self::AesCm128HmacSha1_80,
        Self::AesCm128HmacSha1_32,
    ];

    /// The name in `a=crypto` (RFC 4568 section 6.2, RFC 6188 section 4, RFC 7714 section 14.1).
    #[must_use]
    pub const fn sdes_name(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AesCm256HmacSha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Self::AesCm256HmacSha1_32 => "AES_256_CM_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// The suite that `a=crypto` names, whatever its case. Also takes `AES_CM_256_...`, which some phones write.
    #[must_use]
    pub fn from_sdes_name(name: &str) -> Option<Self> {
        let spelled_otherwise = |suite: Self| match suite {
            Self::AesCm256HmacSha1_80 => name.eq_ignore_ascii_case("AES_CM_256_HMAC_SHA1_80"),
            Self::AesCm256HmacSha1_32 => name.eq_ignore_ascii_case("AES_CM_256_HMAC_SHA1_32"),
            _ => false,
        };
        Self::ALL
            .into_iter()
            .find(|suite| name.eq_ignore_ascii_case(suite.sdes_name()) || spelled_otherwise(*suite))
    }

    /// The number in DTLS's `use_srtp` (RFC 5764 section 4.1.2, RFC 7714 section 14.2). AES-256 in counter mode was
    /// never given one.
    #[must_use]
    pub const fn dtls_profile(self) -> Option<u16> {
        match self {
            Self::AesCm128HmacSha1_80 => Some(0x0001),
            Self::AesCm128HmacSha1_32 => Some(0x0002),
            Self::AesCm256HmacSha1_80 | Self::AesCm256HmacSha1_32 => None,
            Self::AeadAes128Gcm => Some(0x0007),
            Self::AeadAes256Gcm => Some(0x0008),
        }
    }

    /// The suite that a DTLS `use_srtp` number stands for.
    #[must_use]
    pub fn from_dtls_profile(number: u16) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|suite| suite.dtls_profile() == Some(number))
    }

    /// Master key length in bytes.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 | Self::AeadAes128Gcm => 16,
            Self::AesCm256HmacSha1_80 | Self::AesCm256HmacSha1_32 | Self::AeadAes256Gcm => 32,
        }
    }

    /// Master salt length in bytes.
    #[must_use]
    pub const fn salt_len(self) -> usize {
        if self.is_aead() { 12 } else { 14 }
    }

    /// Bytes that protection adds to an RTP packet: the tag.
    #[must_use]
    pub const fn rtp_overhead(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 | Self::AesCm256HmacSha1_80 => 10,
            Self::AesCm128HmacSha1_32 | Self::AesCm256HmacSha1_32 => 4,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
        }
    }

    /// Bytes that protection adds to an RTCP packet: the tag and the word with the E bit and the index.
    #[must_use]
    pub const fn rtcp_overhead(self) -> usize {
        if self.is_aead() { 16 + 4 } else { 10 + 4 }
    }

    /// Whether one algorithm both encrypts and authenticates (RFC 7714).
    #[must_use]
    pub const fn is_aead(self) -> bool {
        matches!(self, Self::AeadAes128Gcm | Self::AeadAes256Gcm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_is_found_again_by_its_names() {
        for suite in Suite::ALL {
            assert_eq!(Suite::from_sdes_name(suite.sdes_name()), Some(suite));
            assert_eq!(
                Suite::from_sdes_name(&suite.sdes_name().to_ascii_lowercase()),
                Some(suite)
            );
            if let Some(number) = suite.dtls_profile() {
                assert_eq!(Suite::from_dtls_profile(number), Some(suite));
            }
        }
        assert_eq!(
            Suite::from_sdes_name("AES_CM_256_HMAC_SHA1_80"),
            Some(Suite::AesCm256HmacSha1_80)
        );
        assert_eq!(Suite::from_sdes_name("F8_128_HMAC_SHA1_80"), None);
        assert_eq!(Suite::from_dtls_profile(0x0005), None);
    }

    #[test]
    fn short_tags_are_for_rtp_only() {
        assert_eq!(Suite::AesCm128HmacSha1_32.rtp_overhead(), 4);
        assert_eq!(Suite::AesCm128HmacSha1_32.rtcp_overhead(), 14);
        for suite in Suite::ALL {
            assert!(suite.rtp_overhead() <= MAX_OVERHEAD);
            assert!(suite.rtcp_overhead() <= MAX_OVERHEAD);
        }
    }
}
