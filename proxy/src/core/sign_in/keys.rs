//! The keys of whoever signs tokens (RFC 7517), and what a token that one of them has signed says (RFC 7519).
//!
//! A key verifies what its own kind can sign and nothing else: none of them is a secret, so a token that is signed with
//! one as if it were (HS256), or not at all, is no token.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};

/// Keys of one issuer; he needs a few.
const MAX_KEYS: usize = 64;
/// Seconds by which the clocks of issuer and edge may differ, for `nbf`.
const LEEWAY: u64 = 30;

const RSA: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// Who signs tokens, for whom, and where they name the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// `iss`: the issuer's name, to the letter.
    pub issuer: String,
    /// What `aud` must be, or have in its list.
    pub audience: String,
    /// The claim that names the user.
    pub claim: String,
}

/// Why a token is worth nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum BadToken {
    /// Not a JSON Web Token.
    #[error("it is no JSON Web Token")]
    Malformed,
    /// Its key is none of the issuer's.
    #[error("its key is not one of jwks")]
    UnknownKey,
    /// Its algorithm is not one that its key signs with.
    #[error("its algorithm is not its key's")]
    Algorithm,
    /// Somebody else has signed it, or changed it.
    #[error("its signature is wrong")]
    Signature,
    /// Somebody else's name is in `iss`.
    #[error("it is of another issuer")]
    Issuer,
    /// It was made for somebody else.
    #[error("it is for another audience")]
    Audience,
    /// Its time is over, or it does not say when that is.
    #[error("it has expired")]
    Expired,
    /// Its time has not come.
    #[error("it is not valid yet")]
    Early,
    /// It does not name a user.
    #[error("it names no user")]
    NoUser,
}

/// What a token proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::core) struct Proven {
    /// The user as the issuer names him.
    pub(in crate::core) name: String,
    /// Until when, in seconds since 1970.
    pub(in crate::core) until: u64,
}

struct Key {
    id: Option<String>,
    signs: Vec<Algorithm>,
    key: DecodingKey,
}

/// An issuer's keys.
pub struct Keys(Vec<Key>);

impl Keys {
    /// Reads a JWK set. What is not for signatures, or secret, is left out; an error says why there is no key at all.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let set: Value = serde_json::from_slice(json).map_err(|e| format!("it is no JSON: {e}"))?;
        let list = set.get("keys").and_then(Value::as_array);
        let list = list.ok_or("it is no JWK set: it has no list 'keys'")?;
        let keys: Vec<_> = list.iter().take(MAX_KEYS).filter_map(key).collect();
        match keys.is_empty() {
            true => Err("there is no key for RSA, ECDSA or EdDSA signatures in it".to_owned()),
            false => Ok(Self(keys)),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a token proves at this time, in seconds since 1970.
    pub(in crate::core) fn verify(
        &self,
        token: &str,
        issuer: &Issuer,
        now: u64,
    ) -> Result<Proven, BadToken> {
        let header = decode_header(token).map_err(|_| BadToken::Malformed)?;
        // What we do not understand we may not pass over (RFC 7515 section 4.1.11).
        if header.crit.is_some() {
            return Err(BadToken::Malformed);
        }
        let key = match &header.kid {
            Some(id) => self.0.iter().find(|key| key.id.as_ref() == Some(id)),
            // Without a name it can only be the one that there is.
            None => self.0.first().filter(|_| self.0.len() == 1),
        };
        let key = key.ok_or(BadToken::UnknownKey)?;
        if !key.signs.contains(&header.alg) {
            return Err(BadToken::Algorithm);
        }
        let mut validation = Validation::new(header.alg);
        // The library looks at the signature, and we at the claims: it has a clock, and the core must not.
        validation.required_spec_claims.clear();
        (validation.validate_exp, validation.validate_aud) = (false, false);
        let claims = decode::<Map<String, Value>>(token, &key.key, &validation);
        let claims = claims.map_err(|_| BadToken::Signature)?.claims;
        judge(&claims, issuer, now)
    }
}

fn judge(claims: &Map<String, Value>, wanted: &Issuer, now: u64) -> Result<Proven, BadToken> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(&wanted.issuer) {
        return Err(BadToken::Issuer);
    }
    let is_for_us = match claims.get("aud") {
        Some(Value::String(one)) => *one == wanted.audience,
        Some(Value::Array(all)) => all.iter().any(|one| one.as_str() == Some(&wanted.audience)),
        _ => false,
    };
    if !is_for_us {
        return Err(BadToken::Audience);
    }
    let until = claims.get("exp").and_then(seconds);
    let until = until.filter(|until| *until > now);
    let until = until.ok_or(BadToken::Expired)?;
    match claims.get("nbf") {
        Some(begin) if seconds(begin).is_none_or(|at| at > now.saturating_add(LEEWAY)) => {
            return Err(BadToken::Early);
        }
        _ => {}
    }
    let name = text(&wanted.claim).filter(|name| !name.is_empty());
    let name = name.ok_or(BadToken::NoUser)?.to_owned();
    Ok(Proven { name, until })
}

/// A NumericDate without its fraction (RFC 7519 section 2): more than a whole number of no more than 15 digits is no date.
fn seconds(value: &Value) -> Option<u64> {
    let text = value.as_number()?.to_string();
    let whole = text.split('.').next().unwrap_or_default();
    whole.parse().ok().filter(|_| whole.len() <= 15)
}

fn key(value: &Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
    if jwk
        .common
        .public_key_use
        .as_ref()
        .is_some_and(|known| *known != PublicKeyUse::Signature)
    {
        return None;
    }
    let of_its_kind: &[Algorithm] = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => &RSA,
        AlgorithmParameters::EllipticCurve(ec) => match ec.curve {
            EllipticCurve::P256 => &[Algorithm::ES256],
            EllipticCurve::P384 => &[Algorithm::ES384],
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(_) => &[Algorithm::EdDSA],
        _ => return None,
    };
    let said = jwk.common.key_algorithm.map(|said| said.to_string());
    let signs: Vec<_> = of_its_kind
        .iter()
        .filter(|one| said.as_ref().is_none_or(|said| format!("{one:?}") == *said))
        .copied()
        .collect();
    if signs.is_empty() {
        return None;
    }
    Some(Key {
        id: jwk.common.key_id.clone(),
        signs,
        key: DecodingKey::from_jwk(&jwk).ok()?,
    })
}

/// Without the keys.
impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} keys", self.0.len())
    }
}
