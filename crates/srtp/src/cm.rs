//! AES in counter mode with HMAC-SHA1 (RFC 3711 sections 4.1.1 and 4.2, RFC 6188): the session keys of one protocol.
//! Verifies before it decrypts, so a packet that is refused stays as it came.

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::MasterKey;
use crate::ctr::Ctr;
use crate::derive::{self, Protocol};
use crate::hmac::HmacSha1;
use crate::packet::{RTCP_CLEAR, RtpHeader};
use crate::session::{ENCRYPTED, Forged, INDEX_LEN};

/// SRTCP keeps 80 bits whatever the suite does to RTP's tag.
const RTCP_TAG: usize = 10;

/// Session keys, with the AES schedule and the SHA-1 states worked out.
pub(crate) struct Cm {
    ctr: Ctr,
    mac: HmacSha1,
    salt: [u8; 14],
    rtp_tag: usize,
}

impl Cm {
    /// `None`: see [`Ctr::new`].
    pub(crate) fn new(master: &MasterKey, protocol: Protocol) -> Option<Self> {
        let ctr = if master.key().len() == 16 {
            let key = Zeroizing::new(derive::cipher_key::<16>(master, protocol)?);
            Ctr::new(&*key)?
        } else {
            let key = Zeroizing::new(derive::cipher_key::<32>(master, protocol)?);
            Ctr::new(&*key)?
        };
        let mac_key = Zeroizing::new(derive::mac_key(master, protocol)?);
        Some(Self {
            ctr,
            mac: HmacSha1::new(&mac_key),
            salt: derive::salt(master, protocol)?,
            rtp_tag: master.suite().rtp_overhead(),
        })
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
        let Some((body, room)) = packet.split_at_mut_checked(len.saturating_add(INDEX_LEN)) else {
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
        let counter = u128::from_be_bytes(salt) ^ u128::from(ssrc) << 64 ^ u128::from(index) << 16;
        self.ctr.apply(counter, bytes);
    }
}

impl Drop for Cm {
    fn drop(&mut self) {
        self.salt.zeroize();
    }
}

/// The roll-over counter of an index: what is authenticated with an RTP packet although it is not in it.
const fn roc(index: u64) -> u32 {
    (index >> 16 & 0xffff_ffff) as u32
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

/// Copies as far as both reach.
#[inline]
pub(crate) fn put<'a>(room: &mut [u8], bytes: impl IntoIterator<Item = &'a u8>) {
    for (to, from) in room.iter_mut().zip(bytes) {
        *to = *from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::hex;

    /// The RFCs' vectors are for the session salt f0f1..fd, SSRC and index zero.
    fn session(key: &[u8]) -> Cm {
        Cm {
            ctr: Ctr::new(key).unwrap(),
            mac: HmacSha1::new(&[0; 20]),
            salt: hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD"),
            rtp_tag: 10,
        }
    }

    #[test]
    fn rfc_3711_appendix_b_2() {
        let key = hex::<16>("2B7E151628AED2A6ABF7158809CF4F3C");
        let session = session(&key);
        let mut keystream = vec![0; 0xff02 * 16];
        session.keystream(0, 0, &mut keystream);
        let (blocks, _) = keystream.as_chunks::<16>();
        assert_eq!(blocks[0], hex("E03EAD0935C95E80E166B16DD92B4EB4"));
        assert_eq!(blocks[1], hex("D23513162B02D0F72A43A2FE4A5F97AB"));
        assert_eq!(blocks[2], hex("41E95B3BB0A2E8DD477901E4FCA894C0"));
        assert_eq!(blocks[0xfeff], hex("EC8CDF7398607CB0F2D21675EA9EA1E4"));
        assert_eq!(blocks[0xff00], hex("362B7C3C6773516318A077D7FC5073AE"));
        assert_eq!(blocks[0xff01], hex("6A2CC3787889374FBEB4C81B17BA6C44"));
    }

    #[test]
    fn rfc_6188_section_7_1() {
        let key = hex::<32>("57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98");
        let session = session(&key);
        let mut keystream = [0; 48];
        session.keystream(0, 0, &mut keystream);
        let expected = "92bdd28a93c3f52511c677d08b5515a4 9da71b2378a854f67050756ded165bac
                        63c4868b7096d88421b563b8c94c9a31";
        assert_eq!(keystream, hex(expected));
    }
}
