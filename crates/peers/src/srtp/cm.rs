//! AES in counter mode with HMAC-SHA1 (RFC 3711), on the crates aes and hmac.

use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Aes256};
use hmac::{Hmac, Mac};
use sha1::Sha1;

use super::Header;

/// Session keys of RTP.
pub(crate) struct Cm {
    cipher: Aes128,
    salt: [u8; 16],
    /// Keyed; cloned for each packet.
    mac: Hmac<Sha1>,
    tag: usize,
}

impl Cm {
    pub(crate) fn new(key: &[u8], salt: &[u8], tag: usize) -> Option<Self> {
        let cipher = Aes128::new_from_slice(&derive::<16>(key, salt, 0)?).ok()?;
        let mac = Hmac::new_from_slice(&derive::<20>(key, salt, 1)?).ok()?;
        let mut padded = [0; 16];
        padded[..14].copy_from_slice(&derive::<14>(key, salt, 2)?);
        Some(Self {
            cipher,
            salt: padded,
            mac,
            tag,
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
        self.keystream(packet.get_mut(header.len..)?, header, index);
        let mac = self.mac_of(packet, index);
        room.get_mut(..self.tag)?
            .copy_from_slice(mac.get(..self.tag)?);
        Some(len + self.tag)
    }

    pub(crate) fn open(&self, packet: &mut [u8], header: &Header, index: u64) -> Option<usize> {
        let len = packet.len().checked_sub(self.tag)?;
        let (packet, tag) = packet.split_at_mut_checked(len)?;
        if self.mac_of(packet, index).get(..self.tag)? != tag {
            return None;
        }
        self.keystream(packet.get_mut(header.len..)?, header, index);
        Some(len)
    }

    fn mac_of(&self, packet: &[u8], index: u64) -> [u8; 20] {
        let mut mac = self.mac.clone();
        mac.update(packet);
        mac.update(&((index >> 16) as u32).to_be_bytes());
        mac.finalize().into_bytes().into()
    }

    fn keystream(&self, bytes: &mut [u8], header: &Header, index: u64) {
        let counter = u128::from_be_bytes(self.salt)
            ^ u128::from(header.ssrc) << 64
            ^ u128::from(index) << 16;
        apply(&self.cipher, counter, bytes);
    }
}

/// Key derivation with rate 0 (RFC 3711 section 4.3.1, for 256-bit keys RFC 6188). GCM's shorter salt counts as if
/// zeros stood behind it (RFC 7714 section 11).
pub(crate) fn derive<const N: usize>(key: &[u8], salt: &[u8], label: u8) -> Option<[u8; N]> {
    let mut padded = [0; 16];
    padded.get_mut(..salt.len())?.copy_from_slice(salt);
    let counter = u128::from_be_bytes(padded) ^ u128::from(label) << 64;
    let mut out = [0; N];
    match key.len() {
        16 => apply(&Aes128::new_from_slice(key).ok()?, counter, &mut out),
        _ => apply(&Aes256::new_from_slice(key).ok()?, counter, &mut out),
    }
    Some(out)
}

/// XORs the keystream that begins at `counter`, eight blocks abreast.
fn apply<C>(cipher: &C, mut counter: u128, bytes: &mut [u8])
where
    C: BlockCipherEncrypt<BlockSize = aes::cipher::consts::U16>,
{
    for chunk in bytes.chunks_mut(128) {
        let mut blocks: [Array<u8, _>; 8] =
            std::array::from_fn(|i| Array::from(counter.wrapping_add(i as u128).to_be_bytes()));
        let count = chunk.len().div_ceil(16);
        cipher.encrypt_blocks(&mut blocks[..count]);
        for (byte, key) in chunk.iter_mut().zip(blocks.iter().flatten()) {
            *byte ^= key;
        }
        counter = counter.wrapping_add(8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
    }

    #[test]
    fn rfc_3711_appendix_b_3() {
        let key = hex::<16>("E1F97A0D3E018BE0D64FA32C06DE4139");
        let salt = hex::<14>("0EC675AD498AFEEBB6960B3AABE6");
        assert_eq!(
            derive(&key, &salt, 0),
            Some(hex::<16>("C61E7A93744F39EE10734AFE3FF7A087"))
        );
        assert_eq!(
            derive(&key, &salt, 1),
            Some(hex::<20>("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"))
        );
        assert_eq!(
            derive(&key, &salt, 2),
            Some(hex::<14>("30CBBC08863D8C85D49DB34A9AE1"))
        );
    }

    #[test]
    fn rfc_3711_appendix_b_2() {
        let cipher =
            Aes128::new_from_slice(&hex::<16>("2B7E151628AED2A6ABF7158809CF4F3C")).unwrap();
        let counter = u128::from_be_bytes(hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000"));
        let mut keystream = vec![0; 0xff02 * 16];
        apply(&cipher, counter, &mut keystream);
        assert_eq!(
            keystream[..16],
            hex::<16>("E03EAD0935C95E80E166B16DD92B4EB4")
        );
        let last = keystream.len() - 16;
        assert_eq!(
            keystream[last..],
            hex::<16>("6A2CC3787889374FBEB4C81B17BA6C44")
        );
    }
}
