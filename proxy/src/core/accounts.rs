//! The users of an edge that is its own registrar: names, and what proves them. Reading files is the shell's business.
//!
//! No password is kept: only `H(user:realm:password)`, for each algorithm that a user has it for.

use std::collections::HashMap;
use std::fmt;

use sip::digest::{Algorithm, ha1};

/// How a hash is written instead of a password.
const WRITTEN: [(&str, Algorithm, usize); 2] = [
    ("md5:", Algorithm::Md5, 32),
    ("sha-256:", Algorithm::Sha256, 64),
];

/// Users by name.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Users {
    accounts: HashMap<String, Account>,
}

#[derive(Clone, Default, PartialEq, Eq)]
struct Account {
    md5: Option<String>,
    sha256: Option<String>,
}

/// A line, or an entry, that names no user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadUser {
    /// There is a name and nothing that proves it.
    #[error(
        "user '{0}' has no password; write it behind the name, or md5:HASH and sha-256:HASH of name:domain:password"
    )]
    NoPassword(String),
    /// The name cannot stand in a SIP URI as it is.
    #[error("'{0}' cannot be a user's name; use letters, digits and -_.!~*'()&=+$,;?/")]
    Name(String),
    /// The name stands there already.
    #[error("user '{0}' is there twice; remove one of the two")]
    Twice(String),
}

impl Users {
    /// Adds a user of this realm. `proof` is a password, or `md5:HASH`, `sha-256:HASH` or both with a space between:
    /// the hash of `name:realm:password` in hex.
    pub fn add(&mut self, name: &str, realm: &str, proof: &str) -> Result<(), BadUser> {
        if name.is_empty() || !name.chars().all(is_user_character) {
            return Err(BadUser::Name(name.to_owned()));
        }
        let proof = proof.trim();
        if proof.is_empty() {
            return Err(BadUser::NoPassword(name.to_owned()));
        }
        let account = Account::hashed(proof).unwrap_or_else(|| Account {
            md5: Some(ha1(Algorithm::Md5, name, realm, proof)),
            sha256: Some(ha1(Algorithm::Sha256, name, realm, proof)),
        });
        match self.accounts.insert(name.to_owned(), account) {
            None => Ok(()),
            Some(_) => Err(BadUser::Twice(name.to_owned())),
        }
    }

    /// Reads a file with a user in each line: the name, a space, and the proof of [`Users::add`]. Empty lines and those that
    /// begin with `#` say nothing. An error has the line's number, from 1.
    pub fn parse(text: &str, realm: &str) -> Result<Self, (usize, BadUser)> {
        let mut users = Self::default();
        for (number, line) in (1..).zip(text.lines().map(str::trim)) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, proof) = line.split_once([' ', '\t']).unwrap_or((line, ""));
            users
                .add(name, realm, proof)
                .map_err(|fault| (number, fault))?;
        }
        Ok(users)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Whether there is a user of that name.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.accounts.contains_key(name)
    }

    /// Whether every user can be asked for a proof by this algorithm. A challenge cannot know who will answer it.
    pub fn all_have(&self, algorithm: Algorithm) -> bool {
        self.accounts
            .values()
            .all(|account| account.ha1(algorithm).is_some())
    }

    /// What proves this user.
    pub(super) fn ha1(&self, name: &str, algorithm: Algorithm) -> Option<&str> {
        self.accounts.get(name)?.ha1(algorithm)
    }
}

impl Account {
    fn hashed(proof: &str) -> Option<Self> {
        let mut account = Self::default();
        for word in proof.split_ascii_whitespace() {
            let (hash, algorithm) = WRITTEN.iter().find_map(|(prefix, algorithm, length)| {
                let hash = word.strip_prefix(prefix)?;
                let is_hash = hash.len() == *length && hash.bytes().all(|b| b.is_ascii_hexdigit());
                is_hash.then(|| (hash.to_ascii_lowercase(), *algorithm))
            })?;
            match algorithm {
                Algorithm::Md5 => account.md5 = Some(hash),
                Algorithm::Sha256 => account.sha256 = Some(hash),
            }
        }
        Some(account)
    }

    fn ha1(&self, algorithm: Algorithm) -> Option<&str> {
        match algorithm {
            Algorithm::Md5 => self.md5.as_deref(),
            Algorithm::Sha256 => self.sha256.as_deref(),
        }
    }
}

/// RFC 3261 section 25.1, `user` without escapes: a name has one spelling.
fn is_user_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.!~*'()&=+$,;?/".contains(c)
}

/// Without the hashes: they are as good as passwords.
impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} users", self.accounts.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_passwords_and_hashes() {
        let md5 = ha1(Algorithm::Md5, "carol", "example.com", "pw");
        let text = format!("# users\n\nalice two words\n  bob\tmd5 is no hash\ncarol md5:{md5}\n");
        let users = Users::parse(&text, "example.com").unwrap();
        assert_eq!(users.len(), 3);
        assert_eq!(
            users.ha1("alice", Algorithm::Sha256),
            Some(ha1(Algorithm::Sha256, "alice", "example.com", "two words").as_str())
        );
        assert!(users.ha1("bob", Algorithm::Sha256).is_some());
        assert_eq!(users.ha1("carol", Algorithm::Md5), Some(md5.as_str()));
        assert_eq!(users.ha1("carol", Algorithm::Sha256), None);
        assert!(users.all_have(Algorithm::Md5) && !users.all_have(Algorithm::Sha256));
        assert!(!format!("{users:?}").contains(&md5));
    }

    #[test]
    fn a_bad_line_is_named() {
        let fault = |text| Users::parse(text, "x").unwrap_err();
        assert_eq!(fault("a b\nc"), (2, BadUser::NoPassword("c".into())));
        assert_eq!(fault("a b\n\na c"), (3, BadUser::Twice("a".into())));
        assert_eq!(fault("a@x b"), (1, BadUser::Name("a@x".into())));
    }
}
