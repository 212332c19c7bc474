//! Master keys: what SDES carries and what DTLS exports. Printed nowhere, zeroed when dropped.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::{Error, Suite};

/// 32 bytes of key and 14 of salt: the longest of all suites.
const MAX_LEN: usize = 46;

/// A master key with its salt, and the suite they are for. One direction of one leg.
#[derive(Clone)]
pub struct MasterKey {
    suite: Suite,
    /// Key, then salt, then zeros.
    bytes: [u8; MAX_LEN],
}

/// The two keys of one DTLS-SRTP association (RFC 5764 section 4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DtlsKeys {
    /// What the DTLS client protects with.
    pub client: MasterKey,
    /// What the DTLS server protects with.
    pub server: MasterKey,
}

impl MasterKey {
    /// A key and its salt, of the suite's lengths.
    ///
    /// # Errors
    /// [`Error::KeyLength`] or [`Error::SaltLength`].
    pub fn new(suite: Suite, key: &[u8], salt: &[u8]) -> Result<Self, Error> {
        if key.len() != suite.key_len() {
            return Err(Error::KeyLength {
                suite,
                expected: suite.key_len(),
                given: key.len(),
            });
        }
        if salt.len() != suite.salt_len() {
            return Err(Error::SaltLength {
                suite,
                expected: suite.salt_len(),
                given: salt.len(),
            });
        }
        let mut bytes = [0; MAX_LEN];
        for (to, from) in bytes.iter_mut().zip(key.iter().chain(salt)) {
            *to = *from;
        }
        Ok(Self { suite, bytes })
    }

    /// Key and salt in one piece, as `a=crypto`'s `inline:` has them after base64 (RFC 4568 section 6.1).
    ///
    /// # Errors
    /// [`Error::KeyLength`] or [`Error::SaltLength`]: the piece is not exactly key and salt.
    pub fn from_inline(suite: Suite, key_and_salt: &[u8]) -> Result<Self, Error> {
        let (key, salt) = key_and_salt
            .split_at_checked(suite.key_len())
            .unwrap_or((key_and_salt, &[]));
        Self::new(suite, key, salt)
    }

    /// The suite that the key is for.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// The master key without its salt.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        let len = self.suite.key_len();
        self.bytes.get(..len).unwrap_or_default()
    }

    /// The master salt.
    #[must_use]
    pub fn salt(&self) -> &[u8] {
        let key = self.suite.key_len();
        self.inline().get(key..).unwrap_or_default()
    }

    /// Key and salt in one piece, for `inline:` or for a store.
    #[must_use]
    pub fn inline(&self) -> &[u8] {
        let (key, salt) = (self.suite.key_len(), self.suite.salt_len());
        self.bytes
            .get(..key.saturating_add(salt))
            .unwrap_or_default()
    }
}

impl DtlsKeys {
    /// Cuts what the DTLS exporter labelled `EXTRACTOR-dtls_srtp` gave: client key, server key, client salt, server
    /// salt.
    ///
    /// # Errors
    /// [`Error::KeyLength`] or [`Error::SaltLength`]: the material is not exactly [`DtlsKeys::material_len`] long.
    pub fn from_material(suite: Suite, material: &[u8]) -> Result<Self, Error> {
        let (keys, salts) = material
            .split_at_checked(suite.key_len().saturating_mul(2))
            .unwrap_or((material, &[]));
        let (client_key, server_key) = keys
            .split_at_checked(suite.key_len())
            .unwrap_or((keys, &[]));
        let (client_salt, server_salt) = salts
            .split_at_checked(suite.salt_len())
            .unwrap_or((salts, &[]));
        Ok(Self {
            client: MasterKey::new(suite, client_key, client_salt)?,
            server: MasterKey::new(suite, server_key, server_salt)?,
        })
    }

    /// How many bytes to ask of the DTLS exporter.
    #[must_use]
    pub const fn material_len(suite: Suite) -> usize {
        suite
            .key_len()
            .saturating_add(suite.salt_len())
            .saturating_mul(2)
    }
}

impl PartialEq for MasterKey {
    fn eq(&self, other: &Self) -> bool {
        self.suite == other.suite && bool::from(self.bytes.ct_eq(&other.bytes))
    }
}

impl Eq for MasterKey {}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({:?}, secret)", self.suite)
    }
}

impl Drop for MasterKey {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_byte_of_the_key() {
        let key = MasterKey::new(Suite::AesCm128HmacSha1_80, &[0xab; 16], &[0xcd; 14]).unwrap();
        let shown = format!("{key:?}").to_lowercase();
        assert_eq!(shown, "masterkey(aescm128hmacsha1_80, secret)");
    }

    #[test]
    fn lengths_are_exact() {
        for suite in Suite::ALL {
            let exact = suite.key_len() + suite.salt_len();
            for len in 0..80 {
                let bytes = vec![1; len];
                assert_eq!(
                    MasterKey::from_inline(suite, &bytes).is_ok(),
                    len == exact,
                    "{suite:?} {len}"
                );
                let material = vec![1; 2 * len];
                assert_eq!(
                    DtlsKeys::from_material(suite, &material).is_ok(),
                    len == exact,
                    "{suite:?} {len}"
                );
            }
        }
    }

    #[test]
    fn dtls_material_is_keys_then_salts_client_first() {
        let suite = Suite::AeadAes128Gcm;
        let mut material = vec![1; 16];
        material.extend([2; 16]);
        material.extend([3; 12]);
        material.extend([4; 12]);
        assert_eq!(material.len(), DtlsKeys::material_len(suite));
        let keys = DtlsKeys::from_material(suite, &material).unwrap();
        assert_eq!(
            (keys.client.key(), keys.client.salt()),
            (&[1; 16][..], &[3; 12][..])
        );
        assert_eq!(
            (keys.server.key(), keys.server.salt()),
            (&[2; 16][..], &[4; 12][..])
        );
    }
}
