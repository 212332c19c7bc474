//! AES-GCM (RFC 7714): the session keys of one protocol. On a bad tag the packet's content is lost: the cipher has
//! written over it by then.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::MasterKey;
use crate::derive::{self, Protocol};
use crate::packet::{RTCP_CLEAR, RtpHeader};
use crate::session::{ENCRYPTED, Forged, INDEX_LEN};

const TAG: usize = 16;

/// Session key with its schedule and hash tables worked out.
pub(crate) struct Gcm {
    key: LessSafeKey,
    salt: [u8; 12],
}

impl Gcm {
    /// `None` when the cipher library does not take the key, which its lengths rule out.
    pub(crate) fn new(master: &MasterKey, protocol: Protocol) -> Option<Self> {
        let key = if master.key().len() == 16 {
            UnboundKey::new(&AES_128_GCM, &derive::cipher_key::<16>(master, protocol)?)
        } else {
            UnboundKey::new(&AES_256_GCM, &derive::cipher_key::<32>(master, protocol)?)
        };
        Some(Self {
            key: LessSafeKey::new(key.ok()?),
            salt: derive::salt(master, protocol)?,
        })
    }

    #[inline]
    pub(crate) fn open_rtp(
        &self,
        packet: &mut [u8],
        header: RtpHeader,
        index: u64,
    ) -> Result<usize, Forged> {
        let (aad, sealed) = packet.split_at_mut_checked(header.len).ok_or(Forged)?;
        let nonce = self.rtp_nonce(header.ssrc, index);
        let plain = self.key.open_in_place(nonce, Aad::from(&*aad), sealed);
        Ok(aad.len().saturating_add(plain.map_err(|_| Forged)?.len()))
    }

    /// `packet` is `len` bytes of plain packet and room for the tag after it.
    #[inline]
    pub(crate) fn seal_rtp(&self, packet: &mut [u8], len: usize, header: RtpHeader, index: u64) {
        let Some((body, room)) = packet.split_at_mut_checked(len) else {
            return;
        };
        let Some((aad, plain)) = body.split_at_mut_checked(header.len) else {
            return;
        };
        let nonce = self.rtp_nonce(header.ssrc, index);
        let sealed = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(&*aad), plain);
        put_tag(room, sealed);
    }

    /// `word` is the E bit and index that end the packet.
    pub(crate) fn open_rtcp(
        &self,
        packet: &mut [u8],
        ssrc: u32,
        word: u32,
    ) -> Result<usize, Forged> {
        let nonce = self.rtcp_nonce(ssrc, word & !ENCRYPTED);
        let body_len = packet.len().checked_sub(INDEX_LEN).ok_or(Forged)?;
        let (body, _) = packet.split_at_mut_checked(body_len).ok_or(Forged)?;
        if word & ENCRYPTED != 0 {
            let (clear, sealed) = body.split_first_chunk_mut().ok_or(Forged)?;
            let aad = rtcp_aad(clear, word);
            let plain = self.key.open_in_place(nonce, Aad::from(aad), sealed);
            Ok(RTCP_CLEAR.saturating_add(plain.map_err(|_| Forged)?.len()))
        } else {
            // In clear but authenticated (RFC 7714 section 9.3): everything is associated data, the tag stands alone.
            let len = body.len().checked_sub(TAG).ok_or(Forged)?;
            let (clear, tag) = body.split_at_mut_checked(len).ok_or(Forged)?;
            let aad: Vec<u8> = clear.iter().copied().chain(word.to_be_bytes()).collect();
            let opened = self.key.open_in_place(nonce, Aad::from(aad), tag);
            opened.map(|_| len).map_err(|_| Forged)
        }
    }

    /// `packet` is `len` bytes of plain packet and room for the tag and the index word after it.
    pub(crate) fn seal_rtcp(&self, packet: &mut [u8], len: usize, ssrc: u32, index: u32) {
        let word = ENCRYPTED | index;
        let Some((body, room)) = packet.split_at_mut_checked(len) else {
            return;
        };
        let Some((clear, plain)) = body.split_first_chunk_mut() else {
            return;
        };
        let sealed = self.key.seal_in_place_separate_tag(
            self.rtcp_nonce(ssrc, index),
            Aad::from(rtcp_aad(clear, word)),
            plain,
        );
        put_tag(room, sealed);
        let room = room.get_mut(TAG..);
        if let Some(room) = room.and_then(<[u8]>::first_chunk_mut) {
            *room = word.to_be_bytes();
        }
    }

    /// Section 8.1: two zero bytes, SSRC, roll-over counter, sequence number; XOR the salt.
    #[inline]
    fn rtp_nonce(&self, ssrc: u32, index: u64) -> Nonce {
        self.nonce(u128::from(ssrc) << 48 | u128::from(index))
    }

    /// Section 9.1: two zero bytes, SSRC, two zero bytes, the index; XOR the salt.
    fn rtcp_nonce(&self, ssrc: u32, index: u32) -> Nonce {
        self.nonce(u128::from(ssrc) << 48 | u128::from(index))
    }

    /// `counter` is at most 80 bits.
    #[inline]
    fn nonce(&self, counter: u128) -> Nonce {
        let mut nonce = self.salt;
        for (byte, counter) in nonce.iter_mut().zip(counter.to_be_bytes().iter().skip(4)) {
            *byte ^= counter;
        }
        Nonce::assume_unique_for_key(nonce)
    }
}

/// Section 9.2: the clear start of the packet and the index word.
fn rtcp_aad(clear: &[u8; RTCP_CLEAR], word: u32) -> [u8; RTCP_CLEAR + INDEX_LEN] {
    let mut aad = [0; RTCP_CLEAR + INDEX_LEN];
    for (to, from) in aad
        .iter_mut()
        .zip(clear.iter().copied().chain(word.to_be_bytes()))
    {
        *to = from;
    }
    aad
}

/// Writes the tag. Sealing fails for no packet that fits a datagram; should it, a tag of zeros opens nowhere.
#[inline]
fn put_tag<E>(room: &mut [u8], sealed: Result<aws_lc_rs::aead::Tag, E>) {
    let tag = sealed.ok();
    let tag = tag.as_ref().and_then(|tag| tag.as_ref().first_chunk());
    if let (Some(room), Some(tag)) = (room.first_chunk_mut::<TAG>(), tag) {
        *room = *tag;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::rtp_header;
    use crate::vectors::hex;

    const RTP: &str = "8040f17b8041f8d35501a0b2 47616c6c696120657374206f6d6e69732064
                       697669736120696e207061727465732074726573";
    const RTCP: &str = "81c8000d4d617273 4e5450314e545032525450200000042a0000e930
                        4c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";
    const INDEX: u32 = 0x5d4;

    /// The RFC's session keys are 00, 01, 02 and so on, the salt "Quid pro quo".
    fn session(algorithm: &'static aws_lc_rs::aead::Algorithm) -> Gcm {
        let key: Vec<u8> = (0..algorithm.key_len() as u8).collect();
        Gcm {
            key: LessSafeKey::new(UnboundKey::new(algorithm, &key).unwrap()),
            salt: *b"Quid pro quo",
        }
    }

    fn check_rtp(session: &Gcm, sealed: [u8; 66]) {
        let plain: [u8; 50] = hex(RTP);
        let header = rtp_header(&plain).unwrap();
        let mut buffer = [0; 66];
        buffer[..50].copy_from_slice(&plain);
        session.seal_rtp(&mut buffer, 50, header, 0xf17b);
        assert_eq!(buffer, sealed);
        assert_eq!(session.open_rtp(&mut buffer, header, 0xf17b), Ok(50));
        assert_eq!(buffer[..50], plain);
    }

    fn check_rtcp(session: &Gcm, sealed: [u8; 72]) {
        let (plain, ssrc): ([u8; 52], _) = (hex(RTCP), 0x4d61_7273);
        let mut buffer = [0; 72];
        buffer[..52].copy_from_slice(&plain);
        session.seal_rtcp(&mut buffer, 52, ssrc, INDEX);
        assert_eq!(buffer, sealed);
        assert_eq!(
            session.open_rtcp(&mut buffer, ssrc, ENCRYPTED | INDEX),
            Ok(52)
        );
        assert_eq!(buffer[..52], plain);
    }

    #[test]
    fn rfc_7714_section_16() {
        check_rtp(
            &session(&AES_128_GCM),
            hex("8040f17b8041f8d35501a0b2 f24de3a3fb34de6cacba861c9d7e4bca
                 be633bd50d294e6f42a5f47a51c7d19b 36de3adf8833 899d7f27beb16a9152cf765ee4390cce"),
        );
        check_rtp(
            &session(&AES_256_GCM),
            hex("8040f17b8041f8d35501a0b2 32b1de78a822fe12ef9f78fa332e33aa
                 b18012389a58e2f3b50b2a0276ffae0f 1ba63799b87b 7aa3db36dfffd6b0f9bb7878d7a76c13"),
        );
    }

    #[test]
    fn rfc_7714_section_17() {
        check_rtcp(
            &session(&AES_128_GCM),
            hex(
                "81c8000d4d617273 63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda
                 4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade 800005d4",
            ),
        );
        check_rtcp(
            &session(&AES_256_GCM),
            hex(
                "81c8000d4d617273 d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be
                 8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be 800005d4",
            ),
        );
    }

    #[test]
    fn rfc_7714_section_17_3_in_clear_but_authentic() {
        let sealed = "841dd9683dd78ec92ae58790125f62b3 000005d4";
        let mut packet = [&hex::<52>(RTCP)[..], &hex::<20>(sealed)].concat();
        let session = session(&AES_128_GCM);
        let opened = session.open_rtcp(&mut packet, 0x4d61_7273, INDEX);
        assert_eq!(opened, Ok(52));
        assert_eq!(packet[..52], hex::<52>(RTCP));
    }
}
