//! What a server asks for: WWW-Authenticate and Proxy-Authenticate.

use std::fmt;

use super::fields::{Fields, quoted};
use super::hash::{Terms, ha1};
use super::{Algorithm, Credentials, Qop};
use crate::error::Error;
use crate::method::Method;

/// A digest challenge. `Display` writes the header's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Whose passwords are meant; shown to users.
    pub realm: String,
    /// The server's nonce.
    pub nonce: String,
    /// Given back by the client unchanged.
    pub opaque: Option<String>,
    /// The hash to use.
    pub algorithm: Algorithm,
    /// What the server takes; empty means the old form without cnonce (RFC 2069).
    pub qop: Vec<Qop>,
    /// The credentials were right but for the old nonce: try again without asking the user.
    pub stale: bool,
}

impl Challenge {
    /// A challenge that every SIP client can answer: MD5, qop `auth`.
    pub fn new(realm: impl Into<String>, nonce: impl Into<String>) -> Self {
        Challenge {
            realm: realm.into(),
            nonce: nonce.into(),
            opaque: None,
            algorithm: Algorithm::Md5,
            qop: vec![Qop::Auth],
            stale: false,
        }
    }

    /// Reads the value of a WWW-Authenticate or Proxy-Authenticate header.
    /// [`Error::UnsupportedDigest`]: another scheme, algorithm or only other qop; look at the next header then.
    pub fn parse(value: &str) -> Result<Self, Error> {
        let fields = Fields::parse(value)?;
        let qop = fields.get("qop").map(|all| {
            all.split(',')
                .filter_map(|one| Qop::parse(one.trim()))
                .collect()
        });
        if qop.as_ref().is_some_and(Vec::is_empty) {
            return Err(Error::UnsupportedDigest);
        }
        Ok(Challenge {
            realm: fields.owned("realm")?,
            nonce: fields.owned("nonce")?,
            opaque: fields.get("opaque").map(str::to_owned),
            algorithm: fields
                .get("algorithm")
                .map_or(Ok(Algorithm::Md5), Algorithm::parse)?,
            qop: qop.unwrap_or_default(),
            stale: fields
                .get("stale")
                .is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }

    /// The client's answer. `uri` is the Request-URI; `cnonce` is fresh randomness ([`super::nonce`]); `count` is 1 for
    /// the first request with this nonce and grows with each. qop `auth` is taken when offered, else `auth-int`.
    pub fn answer(
        &self,
        user: &User<'_>,
        request: &Request<'_>,
        cnonce: &str,
        count: u32,
    ) -> Credentials {
        let qop = self
            .qop
            .iter()
            .find(|qop| **qop == Qop::Auth)
            .or(self.qop.first())
            .copied();
        let nc = format!("{count:08x}");
        let terms = Terms {
            algorithm: self.algorithm,
            nonce: &self.nonce,
            method: request.method.as_str(),
            uri: request.uri,
            body: request.body,
            qop: qop.map(|qop| (qop, cnonce, nc.as_str())),
        };
        let response = terms.response(&ha1(self.algorithm, user.name, &self.realm, user.password));
        Credentials {
            username: user.name.to_owned(),
            realm: self.realm.clone(),
            nonce: self.nonce.clone(),
            uri: request.uri.to_owned(),
            response,
            algorithm: self.algorithm,
            opaque: self.opaque.clone(),
            qop: qop.map(|qop| (qop, cnonce.to_owned(), nc)),
        }
    }
}

/// Who answers a challenge.
#[derive(Clone, Copy)]
pub struct User<'a> {
    /// The digest user name.
    pub name: &'a str,
    /// The password in clear.
    pub password: &'a str,
}

/// The request that digest credentials are for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its Request-URI.
    pub uri: &'a str,
    /// Its body, which only qop `auth-int` looks at.
    pub body: &'a [u8],
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Digest realm={}, nonce={}",
            quoted(&self.realm),
            quoted(&self.nonce)
        )?;
        if let Some(opaque) = &self.opaque {
            write!(f, ", opaque={}", quoted(opaque))?;
        }
        if self.stale {
            f.write_str(", stale=true")?;
        }
        write!(f, ", algorithm={}", self.algorithm.as_str())?;
        if !self.qop.is_empty() {
            let names: Vec<&str> = self.qop.iter().map(|qop| qop.as_str()).collect();
            write!(f, ", qop=\"{}\"", names.join(","))?;
        }
        Ok(())
    }
}
