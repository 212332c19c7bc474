//! CSeq (RFC 3261 20.16).

use std::fmt;

use crate::error::Error;
use crate::method::Method;
use crate::scan::{is_lws, number, trim};

/// A CSeq value: the number orders requests within a dialog, the method must be the request's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CSeq {
    /// Less than 2^31 (RFC 3261 8.1.1.5).
    pub number: u32,
    /// The method of the request, also in its responses.
    pub method: Method,
}

impl CSeq {
    /// Parses `number LWS method`.
    pub fn parse(value: &[u8]) -> Result<Self, Error> {
        let value = trim(value);
        let space = value
            .iter()
            .position(|b| is_lws(*b))
            .ok_or(Error::BadCSeq)?;
        let (digits, method) = value.split_at_checked(space).ok_or(Error::BadCSeq)?;
        let number = number(digits)
            .filter(|n| *n < 1 << 31)
            .ok_or(Error::BadCSeq)?;
        Ok(CSeq {
            number,
            method: Method::parse(trim(method)).map_err(|_| Error::BadCSeq)?,
        })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_and_method_are_read_and_bounded() {
        let cseq = CSeq::parse(b"0009\r\n  INVITE").unwrap();
        assert_eq!(
            cseq,
            CSeq {
                number: 9,
                method: Method::Invite
            }
        );
        assert_eq!(cseq.to_string(), "9 INVITE");
        for bad in [
            "",
            "9",
            "INVITE 9",
            "9 INVITE x",
            "-1 INVITE",
            "2147483648 INVITE",
            "36893488147419103232 INVITE",
        ] {
            assert_eq!(CSeq::parse(bad.as_bytes()), Err(Error::BadCSeq), "{bad}");
        }
    }
}
