//! SRTP as a peer of the relay has it (RFC 3711, RFC 7714, RFC 6188's key lengths by DTLS). It shares no line with
//! `crates/srtp`, and takes AES-CM and HMAC from other libraries, so that an error there cannot hide behind its twin here.

mod cm;
mod gcm;

use cm::Cm;
use gcm::Gcm;

/// A crypto suite.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Suite {
    /// AES-CM of 128 bits, a tag of 80.
    CmSha1_80,
    /// AES-CM of 128 bits, a tag of 32.
    CmSha1_32,
    /// AES-GCM of 128 bits.
    Gcm128,
    /// AES-GCM of 256 bits.
    Gcm256,
}

impl Suite {
    const ALL: [Self; 4] = [Self::CmSha1_80, Self::CmSha1_32, Self::Gcm128, Self::Gcm256];

    /// As SDP spells it (RFC 4568, RFC 7714).
    pub fn name(self) -> &'static str {
        match self {
            Self::CmSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::CmSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::Gcm128 => "AEAD_AES_128_GCM",
            Self::Gcm256 => "AEAD_AES_256_GCM",
        }
    }

    /// The suite that SDP spells so.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.name() == name)
    }

    /// Bytes of the master key.
    pub fn key_len(self) -> usize {
        if self == Self::Gcm256 { 32 } else { 16 }
    }

    /// Bytes of the master salt.
    pub fn salt_len(self) -> usize {
        match self {
            Self::CmSha1_80 | Self::CmSha1_32 => 14,
            Self::Gcm128 | Self::Gcm256 => 12,
        }
    }

    /// Bytes that a packet grows by.
    pub fn overhead(self) -> usize {
        match self {
            Self::CmSha1_80 => 10,
            Self::CmSha1_32 => 4,
            Self::Gcm128 | Self::Gcm256 => 16,
        }
    }
}

enum Keys {
    Cm(Box<Cm>),
    Gcm(Box<Gcm>),
}

/// One direction of one stream: its session keys and its roll-over counter.
pub struct Srtp {
    keys: Keys,
    /// The greatest index so far: roll-over counter and sequence number.
    index: Option<u64>,
}

impl Srtp {
    /// `master` is the master key with the master salt behind it; `None` when it is too short.
    pub fn new(suite: Suite, master: &[u8]) -> Option<Self> {
        let (key, salt) = master.split_at_checked(suite.key_len())?;
        let salt = salt.get(..suite.salt_len())?;
        let keys = match suite {
            Suite::CmSha1_80 | Suite::CmSha1_32 => {
                Keys::Cm(Box::new(Cm::new(key, salt, suite.overhead())?))
            }
            Suite::Gcm128 | Suite::Gcm256 => Keys::Gcm(Box::new(Gcm::new(key, salt)?)),
        };
        Some(Self { keys, index: None })
    }

    /// Protects the RTP packet in `buffer[..len]`, which has room behind it. The new length.
    pub fn protect(&mut self, buffer: &mut [u8], len: usize) -> Option<usize> {
        let header = Header::read(buffer.get(..len)?)?;
        let index = self.index_of(header.sequence);
        let done = match &self.keys {
            Keys::Cm(keys) => keys.seal(buffer, len, &header, index),
            Keys::Gcm(keys) => keys.seal(buffer, len, &header, index),
        };
        self.note(index);
        done
    }

    /// Authenticates and decrypts the packet in `packet`. The length without the tag; `None` for a forgery.
    pub fn unprotect(&mut self, packet: &mut [u8]) -> Option<usize> {
        let header = Header::read(packet)?;
        let index = self.index_of(header.sequence);
        let len = match &self.keys {
            Keys::Cm(keys) => keys.open(packet, &header, index),
            Keys::Gcm(keys) => keys.open(packet, &header, index),
        }?;
        self.note(index);
        Some(len)
    }

    /// Follows a packet that is not decrypted, so that the counter stays right.
    pub fn pass(&mut self, sequence: u16) {
        let index = self.index_of(sequence);
        self.note(index);
    }

    /// The index that is nearest to the greatest one so far (RFC 3711 appendix A).
    fn index_of(&self, sequence: u16) -> u64 {
        let Some(greatest) = self.index else {
            return u64::from(sequence);
        };
        let ahead = sequence.wrapping_sub(greatest as u16).cast_signed();
        greatest.saturating_add_signed(i64::from(ahead))
    }

    fn note(&mut self, index: u64) {
        self.index = self.index.max(Some(index));
    }
}

/// What of an RTP header the transforms need.
struct Header {
    /// With sources and extension.
    len: usize,
    ssrc: u32,
    sequence: u16,
}

impl Header {
    fn read(packet: &[u8]) -> Option<Self> {
        let &[first, _, s0, s1, _, _, _, _, a, b, c, d] = packet.first_chunk::<12>()?;
        if first >> 6 != 2 {
            return None;
        }
        let mut len = 12 + 4 * usize::from(first & 15);
        if first & 0x10 != 0 {
            let &[_, _, high, low] = packet.get(len..)?.first_chunk::<4>()?;
            len += 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
        }
        (len <= packet.len()).then_some(Self {
            len,
            ssrc: u32::from_be_bytes([a, b, c, d]),
            sequence: u16::from_be_bytes([s0, s1]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u16) -> [u8; 200] {
        let mut packet = [7; 200];
        packet[..2].copy_from_slice(&[0x80, 0]);
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        packet
    }

    #[test]
    fn what_is_protected_comes_back_over_two_wraps() {
        for suite in Suite::ALL {
            let master = [9; 46];
            let (mut from, mut to) = (
                Srtp::new(suite, &master).unwrap(),
                Srtp::new(suite, &master).unwrap(),
            );
            for n in 65_000..=200_000u32 {
                // Most are only followed, as `saturate` does.
                if n % 16 != 0 && n & 0xffff != 0 {
                    from.pass(n as u16);
                    to.pass(n as u16);
                    continue;
                }
                let plain = packet(n as u16);
                let mut there = plain;
                let len = from.protect(&mut there, 172).unwrap();
                assert_eq!(len, 172 + suite.overhead());
                assert_ne!(there[12..172], plain[12..172]);
                assert_eq!(to.unprotect(&mut there[..len]), Some(172));
                assert_eq!(there[..172], plain[..172]);
            }
            assert_eq!(to.index, Some(200_000));
        }
    }

    #[test]
    fn a_changed_byte_is_a_forgery() {
        for suite in Suite::ALL {
            let (mut from, mut to) = (
                Srtp::new(suite, &[9; 46]).unwrap(),
                Srtp::new(suite, &[9; 46]).unwrap(),
            );
            let mut there = packet(1);
            let len = from.protect(&mut there, 172).unwrap();
            for at in [1, 100, len - 1] {
                let mut changed = there;
                changed[at] ^= 1;
                assert_eq!(to.unprotect(&mut changed[..len]), None);
            }
            assert_eq!(to.unprotect(&mut there[..len]), Some(172));
        }
    }
}
