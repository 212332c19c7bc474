//! What a client answers: Authorization and Proxy-Authorization.

use std::borrow::Cow;
use std::fmt;

use subtle::ConstantTimeEq;

use super::challenge::Request;
use super::fields::{Fields, quoted};
use super::hash::{Terms, ha1};
use super::{Algorithm, Qop};
use crate::error::Error;

/// Digest credentials. `Display` writes the header's value.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The digest user name.
    pub username: String,
    /// The realm of the challenge that this answers.
    pub realm: String,
    /// The nonce of the challenge that this answers.
    pub nonce: String,
    /// The digest URI: the Request-URI as the client sent it.
    pub uri: String,
    /// The proof, in hex.
    pub response: String,
    /// The hash.
    pub algorithm: Algorithm,
    /// As the challenge gave it.
    pub opaque: Option<String>,
    /// qop, cnonce and the nonce count as eight hex digits; `None` in the old form (RFC 2069).
    pub qop: Option<(Qop, String, String)>,
}

impl Credentials {
    /// Reads the value of an Authorization or Proxy-Authorization header.
    pub fn parse(value: &str) -> Result<Self, Error> {
        let fields = Fields::parse(value)?;
        Ok(Credentials {
            username: fields.owned("username")?,
            realm: fields.owned("realm")?,
            nonce: fields.owned("nonce")?,
            uri: fields.owned("uri")?,
            response: fields.owned("response")?,
            algorithm: fields
                .get("algorithm")
                .map_or(Ok(Algorithm::Md5), Algorithm::parse)?,
            opaque: fields.get("opaque").map(str::to_owned),
            qop: qop(&fields)?,
        })
    }

    /// The user name in the value of an Authorization or Proxy-Authorization header, whatever else is in it: for counting
    /// whose password is tried. A header that names two has none.
    pub fn username_in(value: &str) -> Result<Cow<'_, str>, Error> {
        Fields::parse(value)?.take("username")
    }

    /// Whether this proves knowledge of `password` for this request, in time that does not depend on where the proofs
    /// differ. The caller still has to check that the nonce is one of its own and fresh, and to refuse a
    /// [`Credentials::count`] that it saw before if replays matter.
    ///
    /// `request.uri` is the Request-URI: credentials made for another one are refused (RFC 7616 3.4.6). A proxy on the
    /// way may have changed it; a server behind one passes `uri` of these credentials instead, knowingly.
    pub fn verify(&self, realm: &str, password: &str, request: &Request<'_>) -> bool {
        let ha1 = ha1(self.algorithm, &self.username, realm, password);
        self.verify_ha1(realm, &ha1, request)
    }

    /// The same for a server that keeps [`super::ha1`] of these credentials' algorithm and no password.
    pub fn verify_ha1(&self, realm: &str, ha1: &str, request: &Request<'_>) -> bool {
        let terms = Terms {
            algorithm: self.algorithm,
            nonce: &self.nonce,
            method: request.method.as_str(),
            uri: request.uri,
            body: request.body,
            qop: self
                .qop
                .as_ref()
                .map(|(qop, cnonce, nc)| (*qop, cnonce.as_str(), nc.as_str())),
        };
        let expected = terms.response(ha1);
        let given = self.response.to_ascii_lowercase();
        let proven: bool = expected.as_bytes().ct_eq(given.as_bytes()).into();
        proven && self.realm == realm && self.uri == request.uri
    }

    /// The nonce count: how many requests the client has sent with this nonce. `None` in the old form.
    pub fn count(&self) -> Option<u32> {
        let (_, _, nc) = self.qop.as_ref()?;
        u32::from_str_radix(nc, 16).ok()
    }
}

/// With qop, cnonce and a count of eight hex digits are owed too (RFC 7616 3.4).
fn qop(fields: &Fields<'_>) -> Result<Option<(Qop, String, String)>, Error> {
    let Some(name) = fields.get("qop") else {
        return Ok(None);
    };
    let qop = Qop::parse(name).ok_or(Error::UnsupportedDigest)?;
    let nc = fields.owned("nc")?;
    if nc.len() != 8 || !nc.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Error::BadDigest);
    }
    Ok(Some((qop, fields.owned("cnonce")?, nc)))
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Digest username={}, realm={}",
            quoted(&self.username),
            quoted(&self.realm)
        )?;
        write!(
            f,
            ", nonce={}, uri={}",
            quoted(&self.nonce),
            quoted(&self.uri)
        )?;
        write!(
            f,
            ", response={}, algorithm={}",
            quoted(&self.response),
            self.algorithm.as_str()
        )?;
        if let Some((qop, cnonce, nc)) = &self.qop {
            write!(
                f,
                ", qop={}, cnonce={}, nc={nc}",
                qop.as_str(),
                quoted(cnonce)
            )?;
        }
        if let Some(opaque) = &self.opaque {
            write!(f, ", opaque={}", quoted(opaque))?;
        }
        Ok(())
    }
}

/// Without the proof: what is printed for debugging ends in logs.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .field("realm", &self.realm)
            .field("uri", &self.uri)
            .finish_non_exhaustive()
    }
}
