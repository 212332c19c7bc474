//! Whom the issuer's users are to the SIP server: names, and the passwords that no page has. Reading files is the shell's
//! business.

use std::collections::HashMap;
use std::fmt;

/// What a user is to the SIP server.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// His name there: the user part of his address.
    pub user: String,
    /// His password there; empty where none is needed, the edge being the registrar.
    pub(in crate::core) password: String,
}

/// Accounts by what the token's claim says.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KnownUsers(HashMap<String, Account>);

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadLine {
    /// Something is missing.
    #[error("a line has the token's name, the SIP user and the SIP password, with spaces between")]
    Short,
    /// The name stands there already.
    #[error("'{0}' is there twice; remove one of the two")]
    Twice(String),
}

impl KnownUsers {
    /// Reads a file with an account in each line: what the token says, a space, the SIP user, a space, his password, which may
    /// have spaces. Empty lines and those that begin with `#` say nothing. An error has the line's number, from 1.
    pub fn parse(text: &str) -> Result<Self, (usize, BadLine)> {
        let mut known = HashMap::new();
        for (number, line) in (1..).zip(text.lines().map(str::trim)) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut words = line.splitn(3, [' ', '\t']).map(str::trim);
            let (Some(name), Some(user), Some(password)) =
                (words.next(), words.next(), words.next())
            else {
                return Err((number, BadLine::Short));
            };
            if user.is_empty() || password.is_empty() {
                return Err((number, BadLine::Short));
            }
            let account = Account {
                user: user.to_owned(),
                password: password.to_owned(),
            };
            if known.insert(name.to_owned(), account).is_some() {
                return Err((number, BadLine::Twice(name.to_owned())));
            }
        }
        Ok(Self(known))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether somebody is this SIP user.
    pub(super) fn has(&self, user: &str) -> bool {
        self.0.values().any(|account| account.user == user)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Account> {
        self.0.get(name)
    }
}

/// Without the passwords.
impl fmt::Debug for KnownUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} accounts", self.0.len())
    }
}

/// Without the password.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "account {}", self.user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_tokens_name_the_user_and_the_password() {
        let known = KnownUsers::parse("# x\n\nauth0|7 alice open sesame\nbob\tbob\tpw\n").unwrap();
        assert_eq!(known.len(), 2);
        let alice = known.get("auth0|7").unwrap();
        assert_eq!((&*alice.user, &*alice.password), ("alice", "open sesame"));
        assert!(known.get("alice").is_none());
        assert!(!format!("{known:?} {alice:?}").contains("sesame"));
        let fault = |text| KnownUsers::parse(text).unwrap_err();
        assert_eq!(fault("a b c\na b"), (2, BadLine::Short));
        assert_eq!(fault("a b c\na d e"), (2, BadLine::Twice("a".into())));
    }
}
