//! Text that may be written into SDP: the types refuse what would end a line.
//!
//! Whoever holds a [`Text`] or [`Token`] can write it without a check, so values
//! from SIP, from ng or from a browser cannot add lines (SECURITY: splicing).

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use crate::Error;

/// Text without CR, LF and NUL; blanks are allowed, and so is nothing at all.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Text(Cow<'static, str>);

/// One word: [`Text`] that is not empty and has no blanks or control characters.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(Cow<'static, str>);

/// One line of SDP, without its end.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SdpLine {
    kind: char,
    value: Text,
}

impl Text {
    /// Text, or [`Error::ForbiddenText`].
    pub fn new(text: impl Into<String>) -> Result<Self, Error> {
        let text = text.into();
        if is_text(text.as_bytes()) {
            Ok(Self(Cow::Owned(text)))
        } else {
            Err(Error::ForbiddenText)
        }
    }

    /// Text known when compiling. Meant for constants: bad text stops the build there.
    pub const fn from_static(text: &'static str) -> Self {
        assert!(is_text(text.as_bytes()), "text contains CR, LF or NUL");
        Self(Cow::Borrowed(text))
    }
}

impl Token {
    /// A word, or [`Error::ForbiddenToken`].
    pub fn new(text: impl Into<String>) -> Result<Self, Error> {
        let text = text.into();
        if is_token(text.as_bytes()) {
            Ok(Self(Cow::Owned(text)))
        } else {
            Err(Error::ForbiddenToken)
        }
    }

    /// A word known when compiling. Meant for constants: a bad word stops the build there.
    pub const fn from_static(text: &'static str) -> Self {
        assert!(is_token(text.as_bytes()), "not one word");
        Self(Cow::Borrowed(text))
    }
}

impl SdpLine {
    /// The line `kind=value`. `kind` is an ASCII letter.
    pub fn new(kind: char, value: impl Into<String>) -> Result<Self, Error> {
        if !kind.is_ascii_alphabetic() {
            return Err(Error::ForbiddenText);
        }
        let value = Text::new(value)?;
        Ok(Self { kind, value })
    }

    /// The line `a=name:value`, or `a=name` for an empty value.
    pub fn attribute(name: &Token, value: &Text) -> Self {
        let text = if value.is_empty() {
            name.to_string()
        } else {
            format!("{name}:{value}")
        };
        Self {
            kind: 'a',
            value: Text(Cow::Owned(text)),
        }
    }

    /// The letter before `=`.
    pub fn kind(&self) -> char {
        self.kind
    }

    /// What follows `=`.
    pub fn value(&self) -> &Text {
        &self.value
    }
}

impl fmt::Display for SdpLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.kind, self.value)
    }
}

impl fmt::Debug for SdpLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl From<Token> for Text {
    fn from(token: Token) -> Self {
        Self(token.0)
    }
}

impl From<u64> for Token {
    fn from(number: u64) -> Self {
        Self(Cow::Owned(number.to_string()))
    }
}

macro_rules! as_str {
    ($type:ty) => {
        impl $type {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Deref for $type {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $type {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        impl PartialEq<&str> for $type {
            fn eq(&self, other: &&str) -> bool {
                self.as_str() == *other
            }
        }

        impl TryFrom<&str> for $type {
            type Error = Error;

            fn try_from(text: &str) -> Result<Self, Error> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $type {
            type Error = Error;

            fn try_from(text: String) -> Result<Self, Error> {
                Self::new(text)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }
    };
}

as_str!(Text);
as_str!(Token);

const fn is_text(mut bytes: &[u8]) -> bool {
    while let [first, rest @ ..] = bytes {
        if matches!(first, b'\r' | b'\n' | 0) {
            return false;
        }
        bytes = rest;
    }
    true
}

const fn is_token(bytes: &[u8]) -> bool {
    let mut left = bytes;
    while let [first, rest @ ..] = left {
        if *first <= b' ' || *first == 0x7f {
            return false;
        }
        left = rest;
    }
    !bytes.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_would_make_a_line_of_its_own_is_refused() {
        for bad in ["a\r", "\nb", "a\r\nm=audio 9 RTP/AVP 0", "a\0b"] {
            assert_eq!(Text::new(bad), Err(Error::ForbiddenText), "{bad:?}");
            assert_eq!(Token::new(bad), Err(Error::ForbiddenToken), "{bad:?}");
            assert_eq!(SdpLine::new('a', bad), Err(Error::ForbiddenText), "{bad:?}");
        }
        assert_eq!(SdpLine::new('\n', "x"), Err(Error::ForbiddenText));
    }

    #[test]
    fn a_word_has_no_blanks() {
        for bad in ["", " ", "a b", "a\tb", "\x7f"] {
            assert_eq!(Token::new(bad), Err(Error::ForbiddenToken), "{bad:?}");
        }
        assert_eq!(Token::new("ütf-8").unwrap(), "ütf-8");
    }

    #[test]
    fn an_attribute_without_value_has_no_colon() {
        let name = Token::from_static("rtcp-mux");
        let line = SdpLine::attribute(&name, &Text::default());
        assert_eq!(line.to_string(), "a=rtcp-mux");
        let line = SdpLine::attribute(&Token::from_static("mid"), &Text::from_static("0"));
        assert_eq!(line.to_string(), "a=mid:0");
    }
}
