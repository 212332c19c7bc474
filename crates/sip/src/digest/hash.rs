//! The arithmetic of RFC 7616 3.4.

use md5::{Digest, Md5};
use sha2::Sha256;

use super::{Algorithm, Qop};

/// What a response is computed over besides user, realm and password.
pub(super) struct Terms<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) nonce: &'a str,
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
    pub(super) body: &'a [u8],
    /// qop, cnonce and nonce count; none of them in the manner of RFC 2069.
    pub(super) qop: Option<(Qop, &'a str, &'a str)>,
}

impl Terms<'_> {
    /// The response (3.4.1), with `ha1` the hash of `user:realm:password` in hex.
    pub(super) fn response(&self, ha1: &str) -> String {
        let mut a2 = format!("{}:{}", self.method, self.uri);
        if let Some((Qop::AuthInt, ..)) = self.qop {
            a2 = format!("{a2}:{}", hash(self.algorithm, self.body));
        }
        let ha2 = hash(self.algorithm, a2.as_bytes());
        let all = match self.qop {
            Some((qop, cnonce, nc)) => {
                format!("{ha1}:{}:{nc}:{cnonce}:{}:{ha2}", self.nonce, qop.as_str())
            }
            None => format!("{ha1}:{}:{ha2}", self.nonce),
        };
        hash(self.algorithm, all.as_bytes())
    }
}

/// `H(user:realm:password)` in hex (3.4.2).
pub(super) fn ha1(algorithm: Algorithm, user: &str, realm: &str, password: &str) -> String {
    hash(algorithm, format!("{user}:{realm}:{password}").as_bytes())
}

fn hash(algorithm: Algorithm, data: &[u8]) -> String {
    match algorithm {
        Algorithm::Md5 => hex(&Md5::digest(data)),
        Algorithm::Sha256 => hex(&Sha256::digest(data)),
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}
