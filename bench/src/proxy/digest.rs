//! Digest by RFC 2617 with MD5 and `qop=auth`, as browsers' libraries answer it.

use md5::{Digest as _, Md5};

/// Everybody's.
pub(crate) const PASSWORD: &str = "secret";

/// What goes into the answer to a challenge.
pub(crate) struct Credentials<'a> {
    pub(crate) user: &'a str,
    pub(crate) realm: &'a str,
    pub(crate) nonce: &'a str,
    pub(crate) method: &'a str,
    pub(crate) uri: &'a str,
    pub(crate) count: &'a str,
    pub(crate) cnonce: &'a str,
}

impl Credentials<'_> {
    pub(crate) fn response(&self) -> String {
        let who = hash(&format!("{}:{}:{PASSWORD}", self.user, self.realm));
        let what = hash(&format!("{}:{}", self.method, self.uri));
        hash(&format!(
            "{who}:{}:{}:{}:auth:{what}",
            self.nonce, self.count, self.cnonce
        ))
    }

    /// The header's value.
    pub(crate) fn header(&self) -> String {
        format!(
            "Digest algorithm=MD5, username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{}\", response=\"{}\", qop=auth, \
             cnonce=\"{}\", nc={}",
            self.user,
            self.realm,
            self.nonce,
            self.uri,
            self.response(),
            self.cnonce,
            self.count
        )
    }
}

fn hash(text: &str) -> String {
    let digest = Md5::digest(text.as_bytes());
    digest.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_response_has_the_form_of_rfc_2617() {
        // Its section 3.5 has the password "Circle Of Life"; computed anew with ours by `openssl md5`.
        let credentials = Credentials {
            user: "Mufasa",
            realm: "testrealm@host.com",
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            method: "GET",
            uri: "/dir/index.html",
            count: "00000001",
            cnonce: "0a4f113b",
        };
        assert_eq!(credentials.response(), "80d2a6887632bcedb0e6d9a8cc2406e0");
    }
}
