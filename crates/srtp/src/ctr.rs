//! AES in counter mode (RFC 3711 section 4.1.1), by aws-lc: it runs eight blocks abreast whatever the packet's length.
//! The `ctr` and `aes` crates do so only for whole kilobytes on processors with VAES, and one by one below.

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};

/// A key with its schedule worked out.
pub(crate) struct Ctr(EncryptingKey);

impl Ctr {
    /// `None` when the cipher library does not take the key: it is 16 or 32 bytes.
    pub(crate) fn new(key: &[u8]) -> Option<Self> {
        let algorithm = if key.len() == 16 { &AES_128 } else { &AES_256 };
        let key = UnboundCipherKey::new(algorithm, key).ok()?;
        EncryptingKey::ctr(key).ok().map(Self)
    }

    /// XORs `bytes` with the keystream that begins at `counter`.
    #[inline]
    pub(crate) fn apply(&self, counter: u128, bytes: &mut [u8]) {
        let context = EncryptionContext::Iv128(counter.to_be_bytes().into());
        if self.0.less_safe_encrypt(bytes, context).is_err() {
            // It has no reason to fail; should it find one, nothing may leave in clear.
            bytes.fill(0);
        }
    }
}
