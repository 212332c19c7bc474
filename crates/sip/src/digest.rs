//! Digest authentication (RFC 7616 as used by RFC 3261 22 and RFC 8760): challenges, credentials, their check and
//! their making. Knows no users and keeps no nonces: who may do what, and for how long a nonce lives, is the caller's.
//!
//! The `-sess` algorithms are not offered and not accepted: no SIP client in use needs them.

mod challenge;
mod credentials;
mod fields;
mod hash;

pub use challenge::{Challenge, Request, User};
pub use credentials::Credentials;

use crate::error::Error;

/// The hash. SIP.js and JsSIP know MD5 only; RFC 8760 adds SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// MD5, which is also meant when a challenge names none.
    Md5,
    /// SHA-256.
    Sha256,
}

impl Algorithm {
    fn parse(name: &str) -> Result<Self, Error> {
        match name {
            _ if name.eq_ignore_ascii_case("MD5") => Ok(Algorithm::Md5),
            _ if name.eq_ignore_ascii_case("SHA-256") => Ok(Algorithm::Sha256),
            _ => Err(Error::UnsupportedDigest),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }
}

/// What the digest protects beyond the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Qop {
    /// Method and URI.
    Auth,
    /// Method, URI and body.
    AuthInt,
}

impl Qop {
    fn parse(name: &str) -> Option<Self> {
        match name {
            _ if name.eq_ignore_ascii_case("auth") => Some(Qop::Auth),
            _ if name.eq_ignore_ascii_case("auth-int") => Some(Qop::AuthInt),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Qop::Auth => "auth",
            Qop::AuthInt => "auth-int",
        }
    }
}

/// What a server may keep instead of a password: `H(user:realm:password)` in hex (RFC 7616 3.4.2).
pub fn ha1(algorithm: Algorithm, user: &str, realm: &str, password: &str) -> String {
    hash::ha1(algorithm, user, realm, password)
}

/// A nonce out of 16 random bytes, also good as a cnonce.
pub fn nonce(random: [u8; 16]) -> String {
    hash::hex(&random)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::Method;

    /// RFC 7616 3.9.1: the same request answered with both hashes.
    #[test]
    fn the_answers_of_rfc_7616_come_out() {
        let text = r#"Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256,
            nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#;
        let mut challenge = Challenge::parse(text).unwrap();
        assert_eq!(challenge.qop, [Qop::Auth, Qop::AuthInt]);
        let user = User {
            name: "Mufasa",
            password: "Circle of Life",
        };
        let get = Method::parse(b"GET").unwrap();
        let request = Request {
            method: &get,
            uri: "/dir/index.html",
            body: b"",
        };
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let answer = challenge.answer(&user, &request, cnonce, 1);
        assert_eq!(
            answer.response,
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
        challenge.algorithm = Algorithm::Md5;
        let answer = challenge.answer(&user, &request, cnonce, 1);
        assert_eq!(answer.response, "8ca523f5e9506fed4657c9700eebdbec");
    }

    /// RFC 2617 3.5, and without qop.
    #[test]
    fn the_answers_of_rfc_2617_and_2069_come_out() {
        let mut challenge =
            Challenge::new("testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093");
        let user = User {
            name: "Mufasa",
            password: "Circle Of Life",
        };
        let get = Method::parse(b"GET").unwrap();
        let request = Request {
            method: &get,
            uri: "/dir/index.html",
            body: b"",
        };
        let answer = challenge.answer(&user, &request, "0a4f113b", 1);
        assert_eq!(answer.response, "6629fae49393a05397450978507c4ef1");
        challenge.qop.clear();
        assert_eq!(
            challenge.answer(&user, &request, "", 1).response,
            "670fd8c2df070c60b045671b8b24ff02"
        );
    }

    #[test]
    fn an_answer_survives_the_wire_and_proves_only_what_it_was_made_for() {
        let user = User {
            name: "al\"ice",
            password: "s3cret",
        };
        let request = Request {
            method: &Method::Register,
            uri: "sip:example.com",
            body: b"v=0",
        };
        for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
            for qop in [vec![], vec![Qop::Auth], vec![Qop::AuthInt]] {
                let offered = Challenge {
                    algorithm,
                    qop: qop.clone(),
                    opaque: Some("o\\p".into()),
                    stale: true,
                    ..Challenge::new("ex, ample", nonce([7; 16]))
                };
                let challenge = Challenge::parse(&offered.to_string()).unwrap();
                assert_eq!(challenge, offered);
                let made = challenge.answer(&user, &request, "cn", 10);
                let got = Credentials::parse(&made.to_string()).unwrap();
                assert_eq!(got, made);
                assert_eq!(got.count(), (!qop.is_empty()).then_some(10));
                assert!(got.verify("ex, ample", "s3cret", &request));
                let kept = ha1(algorithm, "al\"ice", "ex, ample", "s3cret");
                assert!(got.verify_ha1("ex, ample", &kept, &request));
                let others = ha1(algorithm, "al\"ice", "ex, ample", "s3creT");
                assert!(!got.verify_ha1("ex, ample", &others, &request));
                assert!(!got.verify("ex, ample", "s3creT", &request));
                assert!(!got.verify("other", "s3cret", &request));
                assert!(!got.verify(
                    "ex, ample",
                    "s3cret",
                    &Request {
                        method: &Method::Invite,
                        ..request
                    }
                ));
                assert!(!got.verify(
                    "ex, ample",
                    "s3cret",
                    &Request {
                        uri: "sip:example.org",
                        ..request
                    }
                ));
                let body_counts = qop == [Qop::AuthInt];
                assert_eq!(
                    got.verify(
                        "ex, ample",
                        "s3cret",
                        &Request {
                            body: b"v=1",
                            ..request
                        }
                    ),
                    !body_counts
                );
                let renamed = Credentials {
                    username: "bob".into(),
                    ..got.clone()
                };
                assert!(!renamed.verify("ex, ample", "s3cret", &request));
                let elsewhere = Credentials {
                    realm: "other".into(),
                    ..got.clone()
                };
                assert!(!elsewhere.verify("ex, ample", "s3cret", &request));
                let elsewhere = Credentials {
                    uri: "sip:other".into(),
                    ..got.clone()
                };
                assert!(!elsewhere.verify("ex, ample", "s3cret", &request));
                let cut = Credentials {
                    response: String::new(),
                    ..got
                };
                assert!(!cut.verify("ex, ample", "s3cret", &request));
            }
        }
    }

    #[test]
    fn malformed_and_unknown_digests_are_told_apart() {
        for bad in [
            "Digest",
            "Digest realm=\"x\"",
            "Digest realm=\"x, nonce=y",
            "Digest realm=a, nonce=b, realm=c",
            "Digest realm=a, nonce",
            "Digest =a, nonce=b",
            "Digest realm=a,, nonce=b",
        ] {
            assert_eq!(Challenge::parse(bad), Err(Error::BadDigest), "{bad}");
        }
        for other in [
            "Bearer realm=a, nonce=b",
            "Digest realm=a, nonce=b, algorithm=MD5-sess",
            "Digest realm=a, nonce=b, qop=\"unknown\"",
        ] {
            assert_eq!(
                Challenge::parse(other),
                Err(Error::UnsupportedDigest),
                "{other}"
            );
        }
        let nc = |nc: &str| {
            format!(
                "Digest username=a, realm=b, nonce=c, uri=\"d\", response=e, qop=auth, cnonce=f{nc}"
            )
        };
        assert!(Credentials::parse(&nc(", nc=00000001")).is_ok());
        for bad in ["", ", nc=1", ", nc=0000000x"] {
            assert_eq!(Credentials::parse(&nc(bad)), Err(Error::BadDigest), "{bad}");
        }
    }
}
