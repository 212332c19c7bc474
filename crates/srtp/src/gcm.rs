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
            UnboundKey::new(&AES_128_GCM, &derive::cipher_key::<16>(master, protocol))
        } else {
            UnboundKey::new(&AES_256_GCM, &derive::cipher_key::<32>(master, protocol))
        };
        Some(Self {
            key: LessSafeKey::new(key.ok()?),
            salt: derive::salt(master, protocol),
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
        Ok(aad.len() + plain.map_err(|_| Forged)?.len())
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
            Ok(RTCP_CLEAR + plain.map_err(|_| Forged)?.len())
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
        if let Some(room) = room.get_mut(TAG..TAG + INDEX_LEN) {
            room.copy_from_slice(&word.to_be_bytes());
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
    if let (Some(room), Ok(tag)) = (room.get_mut(..TAG), sealed) {
        room.copy_from_slice(tag.as_ref());
    }
}
