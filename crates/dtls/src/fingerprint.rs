//! `a=fingerprint` (RFC 8122 section 5): the hash of a certificate, as SDP carries it.

use std::fmt::{self, Write as _};

use aws_lc_rs::digest::{self, digest};

use crate::Error;

/// A hash that still proves something. SHA-1 and MD5 are refused (RFC 8122 section 5, ASVS 17.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hash {
    /// What all browsers write.
    Sha256,
    /// `sha-384`.
    Sha384,
    /// `sha-512`.
    Sha512,
}

impl Hash {
    const ALL: [Hash; 3] = [Hash::Sha256, Hash::Sha384, Hash::Sha512];

    /// The name in SDP.
    pub fn name(self) -> &'static str {
        match self {
            Hash::Sha256 => "sha-256",
            Hash::Sha384 => "sha-384",
            Hash::Sha512 => "sha-512",
        }
    }

    /// The hash with this name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Hash::ALL
            .into_iter()
            .find(|hash| name.eq_ignore_ascii_case(hash.name()))
    }

    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha384 => &digest::SHA384,
            Hash::Sha512 => &digest::SHA512,
        }
    }
}

/// The hash of one certificate. Written as `sha-256 AB:CD:...`, upper-case: Firefox refuses any other.
#[derive(Clone, Debug, PartialEq, Eq, std::hash::Hash)]
pub struct Fingerprint {
    hash: Hash,
    bytes: Vec<u8>,
}

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    pub fn of(hash: Hash, certificate: &[u8]) -> Self {
        Fingerprint {
            hash,
            bytes: digest(hash.algorithm(), certificate).as_ref().to_vec(),
        }
    }

    /// Reads the value of an `a=fingerprint` attribute; hex digits may be of either case.
    ///
    /// # Errors
    /// [`Error::WeakHash`] for another hash, [`Error::BadFingerprint`] for another form or length.
    pub fn parse(value: &str) -> Result<Self, Error> {
        let (name, hex) = value.trim().split_once(' ').ok_or(Error::BadFingerprint)?;
        let Some(hash) = Hash::from_name(name) else {
            let is_name =
                name.len() <= 16 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            return Err(if is_name {
                Error::WeakHash(name.to_owned())
            } else {
                Error::BadFingerprint
            });
        };
        let expected = hash.algorithm().output_len();
        if hex.trim().len() != expected.saturating_mul(3).saturating_sub(1) {
            return Err(Error::BadFingerprint);
        }
        let bytes = hex.trim().split(':').map(byte).collect::<Option<Vec<u8>>>();
        bytes
            .filter(|bytes| bytes.len() == expected)
            .map(|bytes| Fingerprint { hash, bytes })
            .ok_or(Error::BadFingerprint)
    }

    /// Which hash it is of.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The certificate is the one meant.
    pub fn matches(&self, certificate: &[u8]) -> bool {
        *self == Fingerprint::of(self.hash, certificate)
    }
}

/// The certificate matches one of the fingerprints made with the strongest hash among them (RFC 8122 section 5).
/// None matches when there are none.
pub(crate) fn any_matches(expected: &[Fingerprint], certificate: &[u8]) -> bool {
    let Some(strongest) = expected.iter().map(Fingerprint::hash).max() else {
        return false;
    };
    expected
        .iter()
        .filter(|one| one.hash == strongest)
        .any(|one| one.matches(certificate))
}

fn byte(hex: &str) -> Option<u8> {
    let is_hex = hex.len() == 2 && hex.bytes().all(|b| b.is_ascii_hexdigit());
    is_hex.then(|| u8::from_str_radix(hex, 16).ok()).flatten()
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hash.name())?;
        let mut separator = ' ';
        for byte in &self.bytes {
            f.write_char(separator)?;
            write!(f, "{byte:02X}")?;
            separator = ':';
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_in_upper_case_with_colons_and_read_back() {
        for hash in Hash::ALL {
            let one = Fingerprint::of(hash, b"abc");
            let text = one.to_string();
            assert!(text.starts_with(hash.name()));
            assert!(
                !text
                    .split_once(' ')
                    .unwrap()
                    .1
                    .contains(|c: char| c.is_ascii_lowercase())
            );
            assert_eq!(Fingerprint::parse(&text), Ok(one.clone()));
            assert_eq!(Fingerprint::parse(&text.to_lowercase()), Ok(one));
        }
        let sha256 = Fingerprint::of(Hash::Sha256, b"abc").to_string();
        assert!(sha256.starts_with("sha-256 BA:78:16:BF:8F:01:CF:EA"));
    }

    #[test]
    fn weak_hashes_and_wrong_forms_are_refused() {
        let sha1 = "sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB";
        assert_eq!(
            Fingerprint::parse(sha1),
            Err(Error::WeakHash("sha-1".into()))
        );
        assert_eq!(
            Fingerprint::parse("md5 00:11"),
            Err(Error::WeakHash("md5".into()))
        );
        let good = Fingerprint::of(Hash::Sha256, b"abc").to_string();
        for bad in [
            "",
            "sha-256",
            "sha-256 ",
            "sha-256 AB",
            &good[..good.len() - 3],
            &good.replace(':', "-"),
            &good.replace("BA", "+A"),
            &format!("{good}:00"),
        ] {
            assert_eq!(Fingerprint::parse(bad), Err(Error::BadFingerprint), "{bad}");
        }
    }

    #[test]
    fn only_the_strongest_hash_of_several_counts() {
        let expected = [
            Fingerprint::of(Hash::Sha256, b"ours"),
            Fingerprint::of(Hash::Sha512, b"other"),
        ];
        assert!(!any_matches(&expected, b"ours"));
        assert!(any_matches(&expected, b"other"));
        assert!(any_matches(&expected[..1], b"ours"));
        assert!(!any_matches(&[], b"ours"));
    }
}
