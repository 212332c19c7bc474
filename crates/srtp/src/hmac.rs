//! HMAC-SHA1 with both keyed states worked out once. The `hmac` crate would copy and buffer for every packet; this
//! compresses the packet's own blocks where they lie.

use sha1::block_api::compress;
use zeroize::Zeroize;

const BLOCK: usize = 64;

/// The most that is left of a message when its padding fits the same block: a byte of mark, eight of length.
const IN_ONE_BLOCK: usize = BLOCK - 1 - size_of::<u64>();

const INITIAL: [u32; 5] = [
    0x6745_2301,
    0xefcd_ab89,
    0x98ba_dcfe,
    0x1032_5476,
    0xc3d2_e1f0,
];

/// A keyed HMAC-SHA1: the SHA-1 states after the inner and the outer key block (RFC 2104).
#[derive(Clone)]
pub(crate) struct HmacSha1 {
    inner: [u32; 5],
    outer: [u32; 5],
}

impl HmacSha1 {
    /// Keys of at most one block, as all of SRTP's are (20 bytes).
    pub(crate) fn new(key: &[u8; 20]) -> Self {
        let keyed = |pad: u8| {
            let mut block = [pad; BLOCK];
            for (byte, key) in block.iter_mut().zip(key) {
                *byte ^= key;
            }
            let mut state = INITIAL;
            compress(&mut state, &[block]);
            block.zeroize();
            state
        };
        Self {
            inner: keyed(0x36),
            outer: keyed(0x5c),
        }
    }

    /// The MAC of `message` followed by `suffix` (SRTP's roll-over counter, which is not in the packet).
    pub(crate) fn mac(&self, message: &[u8], suffix: &[u8; 4]) -> [u8; 20] {
        self.finish(message, suffix)
    }

    /// The MAC of `message` alone (SRTCP).
    pub(crate) fn mac_alone(&self, message: &[u8]) -> [u8; 20] {
        self.finish(message, &[])
    }

    fn finish(&self, message: &[u8], suffix: &[u8]) -> [u8; 20] {
        let mut inner = self.inner;
        let (blocks, tail) = message.as_chunks::<BLOCK>();
        compress(&mut inner, blocks);
        let len = message.len().wrapping_add(suffix.len());
        compress_last(&mut inner, tail, suffix, len);

        let mut outer = self.outer;
        let digest = to_bytes(inner);
        compress_last(&mut outer, &digest, &[], digest.len());
        to_bytes(outer)
    }
}

impl Drop for HmacSha1 {
    fn drop(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
    }
}

/// Compresses what is left of a message with SHA-1's padding (RFC 3174 section 4). `len` is the message's length
/// without the key block before it. `tail` is shorter than a block and `suffix` at most four bytes, so two blocks hold
/// all.
fn compress_last(state: &mut [u32; 5], tail: &[u8], suffix: &[u8], len: usize) {
    let mut blocks = [[0_u8; BLOCK]; 2];
    let rest = tail.iter().chain(suffix).chain(&[0x80]);
    for (to, from) in blocks.as_flattened_mut().iter_mut().zip(rest) {
        *to = *from;
    }
    // SHA-1's length wraps at 64 bits by definition.
    let bits = (BLOCK.wrapping_add(len) as u64).wrapping_mul(8);
    let bits = bits.to_be_bytes();
    let [first, second] = &mut blocks;
    if tail.len().saturating_add(suffix.len()) <= IN_ONE_BLOCK {
        put_length(first, bits);
        compress(state, &[*first]);
    } else {
        put_length(second, bits);
        compress(state, &blocks);
    }
}

fn put_length(block: &mut [u8; BLOCK], bits: [u8; 8]) {
    if let Some(end) = block.last_chunk_mut() {
        *end = bits;
    }
}

fn to_bytes(state: [u32; 5]) -> [u8; 20] {
    let mut bytes = [0; 20];
    for (to, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *to = word.to_be_bytes();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use ::hmac::{Hmac, KeyInit, Mac};
    use sha1::Sha1;

    use super::*;

    #[test]
    fn every_length_agrees_with_the_hmac_crate() {
        let key = [0x5a; 20];
        let ours = HmacSha1::new(&key);
        let message: Vec<u8> = (0..1500_u32).map(|n| (n * 31) as u8).collect();
        for len in 0..message.len() {
            let message = &message[..len];
            let mut theirs = Hmac::<Sha1>::new_from_slice(&key).unwrap();
            theirs.update(message);
            assert_eq!(
                ours.mac_alone(message)[..],
                theirs.clone().finalize().into_bytes()[..]
            );
            theirs.update(&[1, 2, 3, 4]);
            assert_eq!(
                ours.mac(message, &[1, 2, 3, 4])[..],
                theirs.finalize().into_bytes()[..]
            );
        }
    }
}
