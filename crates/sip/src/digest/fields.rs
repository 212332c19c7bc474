//! `Digest name=value, name="value"...`: the shape that challenges and credentials share.

use std::borrow::Cow;

use crate::error::Error;
use crate::params::unquote;
use crate::scan::{is_token, list, quoted_string, trim};

/// Most fields of one header; the RFCs define eleven.
const MAX_FIELDS: usize = 32;

const USUAL_FIELDS: usize = 11;

/// The fields of one Digest header, values without quotes.
pub(super) struct Fields<'a>(Vec<(&'a str, Cow<'a, str>)>);

impl<'a> Fields<'a> {
    pub(super) fn parse(value: &'a str) -> Result<Self, Error> {
        let (scheme, rest) = value
            .trim()
            .split_once([' ', '\t', '\r'])
            .ok_or(Error::BadDigest)?;
        if !scheme.eq_ignore_ascii_case("Digest") {
            return Err(Error::UnsupportedDigest);
        }
        let mut fields: Vec<(&str, Cow<'_, str>)> = Vec::with_capacity(USUAL_FIELDS);
        for span in list(rest.as_bytes()) {
            let (name, value) = field(span.of(rest.as_bytes())).ok_or(Error::BadDigest)?;
            let mut earlier = fields.iter();
            let repeated = earlier.any(|(earlier, _)| earlier.eq_ignore_ascii_case(name));
            if repeated || fields.len() == MAX_FIELDS {
                return Err(Error::BadDigest);
            }
            fields.push((name, value));
        }
        Ok(Fields(fields))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_ref())
    }

    /// The value of one field, and nothing of the others.
    pub(super) fn take(self, name: &str) -> Result<Cow<'a, str>, Error> {
        let mut fields = self.0.into_iter();
        let field = fields.find(|(found, _)| found.eq_ignore_ascii_case(name));
        field.map(|(_, value)| value).ok_or(Error::BadDigest)
    }

    pub(super) fn owned(&self, name: &str) -> Result<String, Error> {
        self.get(name).map(str::to_owned).ok_or(Error::BadDigest)
    }
}

fn field(text: &[u8]) -> Option<(&str, Cow<'_, str>)> {
    let equals = text.iter().position(|b| *b == b'=')?;
    let (name, value) = text.split_at_checked(equals)?;
    let (name, value) = (trim(name), trim(value.get(1..)?));
    let closed =
        !value.starts_with(b"\"") || quoted_string(value).is_some_and(|(_, rest)| rest.is_empty());
    if !is_token(name) || !closed {
        return None;
    }
    let name = std::str::from_utf8(name).ok()?;
    Some((name, unquote(std::str::from_utf8(value).ok()?)))
}

/// `"value"`, with the escapes that quotes and backslashes need.
pub(super) fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}
