//! a=fingerprint (RFC 8122): the hash of the certificate that DTLS must show.

use std::fmt;

use crate::Token;

/// A certificate's hash.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// Name of the hash, lower case: `sha-256`.
    pub hash: Token,
    /// The hash's bytes.
    pub digest: Vec<u8>,
}

/// SHA-512's length; no longer hash is registered.
const MAX_DIGEST: usize = 64;

impl Fingerprint {
    /// A SHA-256 fingerprint.
    pub fn sha256(digest: [u8; 32]) -> Self {
        Self {
            hash: Token::from_static("sha-256"),
            digest: digest.to_vec(),
        }
    }

    /// Reads `sha-256 AB:CD:...`. `None` when the digits or their number are wrong.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (hash, digits) = text.trim().split_once(' ')?;
        let hash = Token::new(hash.to_ascii_lowercase()).ok()?;
        if digits.len() > MAX_DIGEST * 3 {
            return None;
        }
        let digest = digits
            .trim()
            .split(':')
            .map(byte)
            .collect::<Option<Vec<u8>>>()?;
        let right = match hash.as_str() {
            "sha-1" => 20,
            "sha-224" => 28,
            "sha-256" => 32,
            "sha-384" => 48,
            "sha-512" => 64,
            _ => digest.len(),
        };
        (digest.len() == right).then_some(Self { hash, digest })
    }
}

fn byte(digits: &str) -> Option<u8> {
    let hex = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    hex.then(|| u8::from_str_radix(digits, 16).ok())?
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.hash)?;
        for (i, byte) in self.digest.iter().enumerate() {
            let colon = if i == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_written_in_upper_case_with_colons() {
        let text = format!("SHA-256 {}", ["0a"; 32].join(":"));
        let read = Fingerprint::parse(&text).unwrap();
        assert_eq!(read, Fingerprint::sha256([10; 32]));
        assert_eq!(
            read.to_string(),
            format!("sha-256 {}", ["0A"; 32].join(":"))
        );
    }

    #[test]
    fn a_fingerprint_of_another_length_or_with_wrong_digits_is_ignored() {
        let short = ["0A"; 31].join(":");
        for bad in [
            "",
            "sha-256",
            "sha-256 ",
            "sha-256 0A",
            "sha-256 +A:0A",
            &format!("sha-256 {short}"),
            &format!("sha-256 {short}:0G"),
            &format!("sha-256 {short}:00A"),
            &format!("weird {}", ["0A"; 65].join(":")),
        ] {
            assert_eq!(Fingerprint::parse(bad), None, "{bad}");
        }
    }
}
