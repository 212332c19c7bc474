//! AES in Galois/counter mode (RFC 7714), by aws-lc.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::Header;
use super::cm::derive;

const TAG: usize = 16;

/// Session keys of RTP.
pub(crate) struct Gcm {
    key: LessSafeKey,
    salt: [u8; 12],
}

impl Gcm {
    pub(crate) fn new(key: &[u8], salt: &[u8]) -> Option<Self> {
        let session = match key.len() {
            16 => UnboundKey::new(&AES_128_GCM, &derive::<16>(key, salt, 0)?),
            _ => UnboundKey::new(&AES_256_GCM, &derive::<32>(key, salt, 0)?),
        };
        Some(Self {
            key: LessSafeKey::new(session.ok()?),
            salt: derive(key, salt, 2)?,
        })
    }

    pub(crate) fn seal(
        &self,
        buffer: &mut [u8],
        len: usize,
        header: &Header,
        index: u64,
    ) -> Option<usize> {
        let (packet, room) = buffer.split_at_mut_checked(len)?;
        let (clear, body) = packet.split_at_mut_checked(header.len)?;
        let tag = self
            .key
            .seal_in_place_separate_tag(self.nonce(header, index), Aad::from(clear), body)
            .ok()?;
        room.get_mut(..TAG)?.copy_from_slice(tag.as_ref());
        Some(len + TAG)
    }

    pub(crate) fn open(&self, packet: &mut [u8], header: &Header, index: u64) -> Option<usize> {
        let (clear, body) = packet.split_at_mut_checked(header.len)?;
        let plain = self
            .key
            .open_in_place(self.nonce(header, index), Aad::from(clear), body)
            .ok()?;
        Some(header.len + plain.len())
    }

    /// Two zeros, SSRC, roll-over counter and sequence number, XOR the salt (RFC 7714 section 8.1).
    fn nonce(&self, header: &Header, index: u64) -> Nonce {
        let mut nonce = [0; 12];
        let value = u128::from(header.ssrc) << 48 | u128::from(index & 0xffff_ffff_ffff);
        nonce.copy_from_slice(&value.to_be_bytes()[4..]);
        nonce.iter_mut().zip(self.salt).for_each(|(n, s)| *n ^= s);
        Nonce::assume_unique_for_key(nonce)
    }
}
