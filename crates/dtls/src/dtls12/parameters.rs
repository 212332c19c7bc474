//! What this engine can agree on, in its order of preference: AEAD ciphers, forward secrecy and sound hashes only.

use aws_lc_rs::{aead, agreement, digest, hmac};
use srtp::Suite;

/// AES-GCM with its hash (RFC 5289).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cipher {
    Aes128GcmSha256,
    Aes256GcmSha384,
}

impl Cipher {
    pub(crate) fn aead(self) -> &'static aead::Algorithm {
        match self {
            Cipher::Aes128GcmSha256 => &aead::AES_128_GCM,
            Cipher::Aes256GcmSha384 => &aead::AES_256_GCM,
        }
    }

    /// Of the PRF and of the transcript.
    pub(crate) fn hash(self) -> &'static digest::Algorithm {
        match self {
            Cipher::Aes128GcmSha256 => &digest::SHA256,
            Cipher::Aes256GcmSha384 => &digest::SHA384,
        }
    }

    pub(crate) fn hmac(self) -> hmac::Algorithm {
        match self {
            Cipher::Aes128GcmSha256 => hmac::HMAC_SHA256,
            Cipher::Aes256GcmSha384 => hmac::HMAC_SHA384,
        }
    }
}

/// The cipher suites by which a server with an ECDSA key, as ours is, can be met.
pub(crate) const ECDSA_SUITES: [(u16, Cipher); 2] = [
    (0xc02b, Cipher::Aes128GcmSha256),
    (0xc02c, Cipher::Aes256GcmSha384),
];

/// The same for a server with an RSA key.
const RSA_SUITES: [(u16, Cipher); 2] = [
    (0xc02f, Cipher::Aes128GcmSha256),
    (0xc030, Cipher::Aes256GcmSha384),
];

/// All that a client of ours offers.
pub(crate) fn suites() -> impl Iterator<Item = (u16, Cipher)> {
    ECDSA_SUITES.into_iter().chain(RSA_SUITES)
}

/// The suite asks for a signature by an RSA key.
pub(crate) fn is_rsa(suite: u16) -> bool {
    RSA_SUITES.iter().any(|(code, _)| *code == suite)
}

/// The groups of the key exchange (RFC 8422 section 5.1.1): X25519, P-256, P-384, P-521. The curve of a server's
/// certificate must be among them, or a careful one refuses to show it.
pub(crate) const GROUPS: [u16; 4] = [29, 23, 24, 25];

/// Makes the keys of a group of [`GROUPS`].
pub(crate) fn group(code: u16) -> Option<&'static agreement::Algorithm> {
    match code {
        29 => Some(&agreement::X25519),
        23 => Some(&agreement::ECDH_P256),
        24 => Some(&agreement::ECDH_P384),
        25 => Some(&agreement::ECDH_P521),
        _ => None,
    }
}

/// Protection profiles of `use_srtp` (RFC 5764 section 4.1.2, RFC 7714 section 14.2): those that dimpl takes too, so
/// that a leg is the same over either engine.
pub(crate) const PROFILES: [Suite; 3] = [
    Suite::AeadAes256Gcm,
    Suite::AeadAes128Gcm,
    Suite::AesCm128HmacSha1_80,
];

/// The profiles by their numbers.
pub(crate) fn profiles() -> impl Iterator<Item = (u16, Suite)> {
    PROFILES
        .into_iter()
        .filter_map(|suite| Some((suite.dtls_profile()?, suite)))
}
