//! The session keys of one direction for one protocol, whichever suite: an enum, so that no packet pays for dynamic
//! dispatch.

use crate::MasterKey;
use crate::cm::Cm;
use crate::derive::Protocol;
use crate::gcm::Gcm;
use crate::packet::RtpHeader;

/// The E bit of the word that holds SRTCP's index (RFC 3711 section 3.4).
pub(crate) const ENCRYPTED: u32 = 1 << 31;

/// That word's length in bytes.
pub(crate) const INDEX_LEN: usize = 4;

/// The tag did not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forged;

/// Boxed: they are some 600 bytes each, and a leg has four.
pub(crate) enum Session {
    Cm(Box<Cm>),
    Gcm(Box<Gcm>),
    /// The cipher library refused the key. Protects nothing and accepts nothing; see [`Gcm::new`].
    Unusable,
}

impl Session {
    pub(crate) fn new(master: &MasterKey, protocol: Protocol) -> Self {
        let session = if master.suite().is_aead() {
            Gcm::new(master, protocol).map(|gcm| Self::Gcm(Box::new(gcm)))
        } else {
            Cm::new(master, protocol).map(|cm| Self::Cm(Box::new(cm)))
        };
        session.unwrap_or(Self::Unusable)
    }

    /// Verifies and decrypts in place; the length of the plain packet.
    #[inline]
    pub(crate) fn open_rtp(
        &self,
        packet: &mut [u8],
        header: RtpHeader,
        index: u64,
    ) -> Result<usize, Forged> {
        match self {
            Self::Cm(cm) => cm.open_rtp(packet, header, index),
            Self::Gcm(gcm) => gcm.open_rtp(packet, header, index),
            Self::Unusable => Err(Forged),
        }
    }

    /// Encrypts `len` bytes of packet in place and writes the tag after them; the caller made sure of the room.
    #[inline]
    pub(crate) fn seal_rtp(&self, packet: &mut [u8], len: usize, header: RtpHeader, index: u64) {
        match self {
            Self::Cm(cm) => cm.seal_rtp(packet, len, header, index),
            Self::Gcm(gcm) => gcm.seal_rtp(packet, len, header, index),
            Self::Unusable => packet.fill(0),
        }
    }

    /// As [`Session::open_rtp`]; `word` is the E bit and index read from the packet.
    pub(crate) fn open_rtcp(
        &self,
        packet: &mut [u8],
        ssrc: u32,
        word: u32,
    ) -> Result<usize, Forged> {
        match self {
            Self::Cm(cm) => cm.open_rtcp(packet, ssrc, word),
            Self::Gcm(gcm) => gcm.open_rtcp(packet, ssrc, word),
            Self::Unusable => Err(Forged),
        }
    }

    /// As [`Session::seal_rtp`]; `index` is at most 31 bits.
    pub(crate) fn seal_rtcp(&self, packet: &mut [u8], len: usize, ssrc: u32, index: u32) {
        match self {
            Self::Cm(cm) => cm.seal_rtcp(packet, len, ssrc, index),
            Self::Gcm(gcm) => gcm.seal_rtcp(packet, len, ssrc, index),
            Self::Unusable => packet.fill(0),
        }
    }
}
