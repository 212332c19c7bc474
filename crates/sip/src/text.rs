//! Text that may go into a header. The type is the defence against CR/LF/NUL injection: it cannot hold them.

use std::fmt;

use crate::error::Error;

/// A header value without CR, LF or NUL. Not necessarily UTF-8: it may carry a peer's own bytes on.
///
/// Edits and builders take anything that turns into one (`&str`, `String`, `&[u8]`, numbers) and fail on unsafe text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderText(Vec<u8>);

impl HeaderText {
    /// Takes the text, or [`Error::UnsafeText`] when it holds CR, LF or NUL.
    pub fn new(text: impl Into<Vec<u8>>) -> Result<Self, Error> {
        let text = text.into();
        if text.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return Err(Error::UnsafeText);
        }
        Ok(HeaderText(text))
    }

    /// The bytes as they will stand in the message.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for HeaderText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

macro_rules! checked {
    ($($from:ty),*) => {$(
        impl TryFrom<$from> for HeaderText {
            type Error = Error;

            fn try_from(text: $from) -> Result<Self, Error> {
                HeaderText::new(text)
            }
        }
    )*};
}
checked!(&str, String, &[u8], Vec<u8>);

impl TryFrom<&String> for HeaderText {
    type Error = Error;

    fn try_from(text: &String) -> Result<Self, Error> {
        HeaderText::new(text.as_str())
    }
}

impl From<&HeaderText> for HeaderText {
    fn from(text: &HeaderText) -> Self {
        text.clone()
    }
}

impl From<u32> for HeaderText {
    fn from(number: u32) -> Self {
        HeaderText(number.to_string().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_and_nul_are_refused() {
        for bad in ["a\r\nX: y", "a\rb", "a\nb", "a\0b"] {
            assert_eq!(HeaderText::new(bad), Err(Error::UnsafeText));
        }
        assert_eq!(
            HeaderText::new("caf\u{e9}\t\"x\"").unwrap().to_string(),
            "caf\u{e9}\t\"x\""
        );
    }
}
