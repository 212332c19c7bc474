//! a=crypto (RFC 4568): SRTP keys in the body, "SDES".

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::Token;

/// One a=crypto line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crypto {
    /// 1 to 999999999; the answer repeats the tag of the suite that it takes.
    pub tag: u32,
    /// Name of the suite, `AES_CM_128_HMAC_SHA1_80`.
    pub suite: Token,
    /// Keys, at least one. More than one only with MKI.
    pub keys: Vec<CryptoKey>,
    /// KDR, UNENCRYPTED_SRTP, WSH... One not understood means that the line must
    /// not be used (RFC 4568 6.3.7), unless it begins with `-`.
    pub session_parameters: Vec<Token>,
}

/// One `inline:` key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CryptoKey {
    /// Master key and salt, one after the other.
    pub key_salt: KeySalt,
    /// Whether base64 padding is written; most peers accept either, rtpengine writes none.
    pub padded: bool,
    /// Lifetime in packets, as written: `2^31` or a number.
    pub lifetime: Option<Token>,
    /// Master key identifier.
    pub mki: Option<Mki>,
}

/// Master key and salt. Its `Debug` shows the length only, so that logs have no keys.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySalt(pub Vec<u8>);

/// Master key identifier: its value, and its length in the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mki {
    /// The value.
    pub value: u64,
    /// Bytes it takes in each packet, 1 to 128.
    pub length: u8,
}

const MAX_TAG: u32 = 999_999_999;
/// RFC 4568 6.1.
const MAX_MKI_LENGTH: u8 = 128;
/// The longest registered suite has 32 + 14 bytes; this is room enough.
const MAX_KEY_SALT: usize = 128;

const PADDED: GeneralPurpose = base64(true);
const UNPADDED: GeneralPurpose = base64(false);

const fn base64(padding: bool) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new()
        .with_encode_padding(padding)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(&ALPHABET, config)
}

impl Crypto {
    /// Reads what follows `a=crypto:`. `None` when it is not complete.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split_ascii_whitespace();
        let tag = fields.next()?.parse().ok().filter(|tag| *tag <= MAX_TAG)?;
        let suite = Token::new(fields.next()?).ok()?;
        let keys = fields
            .next()?
            .split(';')
            .map(CryptoKey::parse)
            .collect::<Option<Vec<_>>>()?;
        let session_parameters = fields
            .map(|field| Token::new(field).ok())
            .collect::<Option<Vec<_>>>()?;
        Some(Self {
            tag,
            suite,
            keys,
            session_parameters,
        })
    }
}

impl CryptoKey {
    /// A key without padding, lifetime and MKI.
    pub fn new(key_salt: Vec<u8>) -> Self {
        Self {
            key_salt: KeySalt(key_salt),
            padded: false,
            lifetime: None,
            mki: None,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (method, info) = text.split_at_checked("inline:".len())?;
        if !method.eq_ignore_ascii_case("inline:") {
            return None;
        }
        let mut parts = info.split('|');
        let encoded = parts.next()?;
        let key_salt = UNPADDED.decode(encoded).ok()?;
        if key_salt.is_empty() || key_salt.len() > MAX_KEY_SALT {
            return None;
        }
        let mut key = Self::new(key_salt);
        key.padded = encoded.ends_with('=');
        for part in parts {
            match part.split_once(':') {
                Some((value, length)) => key.mki = Some(Mki::parse(value, length)?),
                None => key.lifetime = Some(lifetime(part)?),
            }
        }
        Some(key)
    }
}

impl Mki {
    fn parse(value: &str, length: &str) -> Option<Self> {
        let length = length.parse().ok()?;
        if length == 0 || length > MAX_MKI_LENGTH {
            return None;
        }
        Some(Self {
            value: value.parse().ok()?,
            length,
        })
    }
}

fn lifetime(text: &str) -> Option<Token> {
    let digits = text.strip_prefix("2^").unwrap_or(text);
    digits.parse::<u64>().ok()?;
    Token::new(text).ok()
}

impl fmt::Debug for KeySalt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySalt({} bytes)", self.0.len())
    }
}

impl fmt::Display for Crypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.tag, self.suite)?;
        for (i, key) in self.keys.iter().enumerate() {
            let between = if i == 0 { "" } else { ";" };
            write!(f, "{between}{key}")?;
        }
        for parameter in &self.session_parameters {
            write!(f, " {parameter}")?;
        }
        Ok(())
    }
}

impl fmt::Display for CryptoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let engine = if self.padded { PADDED } else { UNPADDED };
        write!(f, "inline:{}", engine.encode(&self.key_salt.0))?;
        if let Some(lifetime) = &self.lifetime {
            write!(f, "|{lifetime}")?;
        }
        match self.mki {
            Some(mki) => write!(f, "|{}:{}", mki.value, mki.length),
            None => Ok(()),
        }
    }
}
