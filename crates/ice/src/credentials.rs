//! The user name fragment and password of one side (RFC 8839 section 5.4).

use std::fmt;

use crate::Error;

/// An `ice-ufrag` and `ice-pwd` of legal length and characters.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    ufrag: String,
    pwd: String,
}

const LETTERS: usize = 62;
const ALPHABET: &[u8; LETTERS] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Lengths that we write: 8 characters of at least 5.6 bits and 26 of them, above RFC 8445's 24 and 128 bits.
const UFRAG_LENGTH: usize = 8;
const PWD_LENGTH: usize = 26;

impl Credentials {
    /// How many random bytes [`Credentials::from_random`] takes.
    pub const RANDOM_BYTES: usize = UFRAG_LENGTH + PWD_LENGTH;

    /// What a fragment of ours may begin with, by number.
    pub const MARKS: &[u8] = ALPHABET;

    /// Makes credentials of our own from cryptographically random bytes: 8 and 26 alphanumeric characters.
    pub fn from_random(random: &[u8; Self::RANDOM_BYTES]) -> Self {
        let mut text = random
            .iter()
            .filter_map(|byte| ALPHABET.get(usize::from(*byte) % LETTERS))
            .map(|character| char::from(*character));
        let ufrag = text.by_ref().take(UFRAG_LENGTH).collect();
        Credentials {
            ufrag,
            pwd: text.collect(),
        }
    }

    /// The same with a fragment that begins with a [mark](Self::MARKS): whoever sees a check of it can tell where it
    /// belongs and need not know the fragment. A number beyond the marks changes nothing.
    #[must_use]
    pub fn marked(mut self, number: u8) -> Self {
        if let Some(mark) = Self::MARKS.get(usize::from(number)) {
            self.ufrag
                .replace_range(..1, char::from(*mark).encode_utf8(&mut [0; 4]));
        }
        self
    }

    /// The number of the mark that a fragment begins with.
    #[must_use]
    pub fn mark(ufrag: &str) -> Option<u8> {
        let first = ufrag.bytes().next()?;
        let number = Self::MARKS.iter().position(|mark| *mark == first)?;
        u8::try_from(number).ok()
    }

    /// Takes a peer's credentials as its SDP gave them.
    ///
    /// # Errors
    /// When the length (4 to 256 and 22 to 256) or a character (letters, digits, `+`, `/`) is not what RFC 8839
    /// section 5.4 allows. `-`, `_` and `=` are let through, since deployed agents write them.
    pub fn new(ufrag: &str, pwd: &str) -> Result<Self, Error> {
        if !(4..=256).contains(&ufrag.len()) || !ufrag.bytes().all(is_ice_char) {
            return Err(Error::BadUfrag);
        }
        if !(22..=256).contains(&pwd.len()) || !pwd.bytes().all(is_ice_char) {
            return Err(Error::BadPwd);
        }
        Ok(Credentials {
            ufrag: ufrag.to_owned(),
            pwd: pwd.to_owned(),
        })
    }

    /// The value of `a=ice-ufrag`.
    pub fn ufrag(&self) -> &str {
        &self.ufrag
    }

    /// The value of `a=ice-pwd`. A secret between the two sides: never log it.
    pub fn pwd(&self) -> &str {
        &self.pwd
    }
}

fn is_ice_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=')
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.ufrag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_have_the_lengths_of_rtpengine_and_only_alphanumerics() {
        let mut random = [0_u8; Credentials::RANDOM_BYTES];
        for (index, byte) in random.iter_mut().enumerate() {
            *byte = (index * 37) as u8;
        }
        let ours = Credentials::from_random(&random);
        assert_eq!((ours.ufrag().len(), ours.pwd().len()), (8, 26));
        assert!(
            ours.ufrag()
                .bytes()
                .chain(ours.pwd().bytes())
                .all(|b| b.is_ascii_alphanumeric())
        );
        assert_eq!(Credentials::new(ours.ufrag(), ours.pwd()), Ok(ours));
    }

    #[test]
    fn a_mark_is_the_first_letter_and_nothing_else_changes() {
        let ours = || Credentials::from_random(&[200; Credentials::RANDOM_BYTES]);
        for number in 0..62 {
            let marked = ours().marked(number);
            assert_eq!(Credentials::mark(marked.ufrag()), Some(number));
            assert_eq!(marked.ufrag()[1..], ours().ufrag()[1..]);
            assert_eq!(marked.pwd(), ours().pwd());
        }
        assert_eq!(ours().marked(62), ours());
        assert_eq!(Credentials::mark("+abc"), None);
        assert_eq!(Credentials::mark(""), None);
    }

    #[test]
    fn illegal_credentials_are_refused() {
        let pwd = "0123456789012345678901";
        assert!(Credentials::new("abcd", pwd).is_ok());
        assert_eq!(Credentials::new("abc", pwd), Err(Error::BadUfrag));
        assert_eq!(Credentials::new("ab:d", pwd), Err(Error::BadUfrag));
        assert_eq!(
            Credentials::new(&"a".repeat(257), pwd),
            Err(Error::BadUfrag)
        );
        assert_eq!(Credentials::new("abcd", "short"), Err(Error::BadPwd));
        assert_eq!(
            Credentials::new("abcd", "0123456789\r\n0123456789"),
            Err(Error::BadPwd)
        );
    }

    #[test]
    fn debug_output_keeps_the_password_to_itself() {
        let credentials = Credentials::new("abcd", "0123456789012345678901").unwrap();
        assert_eq!(format!("{credentials:?}"), "Credentials(abcd)");
    }
}
