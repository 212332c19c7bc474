//! AES in counter mode with HMAC-SHA1 (RFC 3711 sections 4.1.1 and 4.2, RFC 6188): the session keys of one protocol.
//! Verifies before it decrypts, so a packet that is refused stays as it came.

use aes::cipher::{BlockCipherEncrypt, BlockSizeUser, consts::U16};
use ctr::cipher::{InnerIvInit, StreamCipher};
use ctr::{Ctr128BE, CtrCore};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::MasterKey;
use crate::derive::{self, Protocol};
use crate::hmac::HmacSha1;
use crate::packet::{RTCP_CLEAR, RtpHeader};
use crate::session::{ENCRYPTED, Forged, INDEX_LEN};

/// SRTCP keeps 80 bits whatever the suite does to RTP's tag.
const RTCP_TAG: usize = 10;

/// Session keys, with the AES schedule and the SHA-1 states worked out.
pub(crate) struct Cm<A> {
    aes: A,
    mac: HmacSha1,
    salt: [u8; 14],
    rtp_tag: usize,
}

impl<A> Cm<A>
where
    A: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    /// `aes` holds the session's encryption key for the same master key and protocol.
    pub(crate) fn new(aes: A, master: &MasterKey, protocol: Protocol) -> Self {
        let mut mac_key = derive::mac_key(master, protocol);
        let mac = HmacSha1::new(&mac_key);
        mac_key.zeroize();
        Self {
            aes,
            mac,
            salt: derive::salt(master, protocol),
            rtp_tag: master.suite().rtp_overhead(),
        }
    }

    #[inline]
    pub(crate) fn open_rtp(
        &self,
        packet: &mut [u8],
        header: RtpHeader,
        index: u64,
    ) -> Result<usize, Forged> {
        let len = packet.len().checked_sub(self.rtp_tag).ok_or(Forged)?;
        let (body, tag) = packet.split_at_mut_checked(len).ok_or(Forged)?;
        let expected = self.mac.mac(body, &roc(index).to_be_bytes());
        same_tag(&expected, tag)?;
        self.keystream(
            header.ssrc,
            index,
            body.get_mut(header.len..).ok_or(Forged)?,
        );
        Ok(len)
    }

    /// `packet` is `len` bytes of plain packet and room for the tag after it.
    #[inline]
    pub(crate) fn seal_rtp(&self, packet: &mut [u8], len: usize, header: RtpHeader, index: u64) {
        let Some((body, room)) = packet.split_at_mut_checked(len) else {
            return;
        };
        self.keystream(
            header.ssrc,
            index,
            body.get_mut(header.len..).unwrap_or_default(),
        );
        let tag = self.mac.mac(body, &roc(index).to_be_bytes());
        put(room, tag.iter().take(self.rtp_tag));
    }

    /// `word` is the E bit and index that stand before the tag.
    pub(crate) fn open_rtcp(
        &self,
        packet: &mut [u8],
        ssrc: u32,
        word: u32,
    ) -> Result<usize, Forged> {
        let len = packet.len().checked_sub(RTCP_TAG).ok_or(Forged)?;
        let (body, tag) = packet.split_at_mut_checked(len).ok_or(Forged)?;
        same_tag(&self.mac.mac_alone(body), tag)?;
        let plain = len.checked_sub(INDEX_LEN).ok_or(Forged)?;
        if word & ENCRYPTED != 0 {
            let hidden = body.get_mut(RTCP_CLEAR..plain).ok_or(Forged)?;
            self.keystream(ssrc, u64::from(word & !ENCRYPTED), hidden);
        }
        Ok(plain)
    }

    /// `packet` is `len` bytes of plain packet and room for the index word and the tag after it.
    pub(crate) fn seal_rtcp(&self, packet: &mut [u8], len: usize, ssrc: u32, index: u32) {
        if let Some(hidden) = packet.get_mut(RTCP_CLEAR..len) {
            self.keystream(ssrc, u64::from(index), hidden);
        }
        if let Some(room) = packet.get_mut(len..) {
            put(room, &(ENCRYPTED | index).to_be_bytes());
        }
        let Some((body, room)) = packet.split_at_mut_checked(len + INDEX_LEN) else {
            return;
        };
        let tag = self.mac.mac_alone(body);
        put(room, tag.iter().take(RTCP_TAG));
    }

    /// Encrypts or decrypts; one is the other. IV = salt * 2^16 XOR SSRC * 2^64 XOR index * 2^16.
    #[inline]
    fn keystream(&self, ssrc: u32, index: u64, bytes: &mut [u8]) {
        let mut salt = [0; 16];
        put(&mut salt, &self.salt);
        let iv = u128::from_be_bytes(salt) ^ u128::from(ssrc) << 64 ^ u128::from(index) << 16;
        let iv = iv.to_be_bytes().into();
        // Unchecked means without counting blocks: a datagram has far fewer than the 2^16 that one index has.
        Ctr128BE::<&A>::from_core(CtrCore::inner_iv_init(&self.aes, &iv))
            .unchecked_apply_keystream(bytes);
    }
}

impl<A> Drop for Cm<A> {
    fn drop(&mut self) {
        self.salt.zeroize();
    }
}

/// The roll-over counter of an index: what is authenticated with an RTP packet although it is not in it.
const fn roc(index: u64) -> u32 {
    (index >> 16) as u32
}

/// Compares in constant time; `tag` may be a shortened one.
#[inline]
fn same_tag(expected: &[u8; 20], tag: &[u8]) -> Result<(), Forged> {
    let expected = expected.get(..tag.len()).ok_or(Forged)?;
    if bool::from(expected.ct_eq(tag)) {
        Ok(())
    } else {
        Err(Forged)
    }
}

#[inline]
fn put<'a>(room: &mut [u8], bytes: impl IntoIterator<Item = &'a u8>) {
    for (to, from) in room.iter_mut().zip(bytes) {
        *to = *from;
    }
}
