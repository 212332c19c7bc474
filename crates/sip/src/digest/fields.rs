//! `Digest name=value, name="value"...`: the shape that challenges and credentials share.

use crate::error::Error;
use crate::params::unquote;
use crate::scan::{is_token, list, quoted_string, trim};

/// Most fields of one header; the RFCs define eleven.
const MAX_FIELDS: usize = 32;

/// The fields of one Digest header, values without quotes.
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(super) fn parse(value: &str) -> Result<Self, Error> {
        let (scheme, rest) = value
            .trim()
            .split_once([' ', '\t', '\r'])
            .ok_or(Error::BadDigest)?;
        if !scheme.eq_ignore_ascii_case("Digest") {
            return Err(Error::UnsupportedDigest);
        }
        let mut fields: Vec<(String, String)> = Vec::new();
        for span in list(rest.as_bytes()) {
            let (name, value) = field(span.of(rest.as_bytes())).ok_or(Error::BadDigest)?;
            let repeated = fields.iter().any(|(earlier, _)| *earlier == name);
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
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn owned(&self, name: &str) -> Result<String, Error> {
        self.get(name).map(str::to_owned).ok_or(Error::BadDigest)
    }
}

fn field(text: &[u8]) -> Option<(String, String)> {
    let equals = text.iter().position(|b| *b == b'=')?;
    let (name, value) = text.split_at_checked(equals)?;
    let (name, value) = (trim(name), trim(value.get(1..)?));
    let closed =
        !value.starts_with(b"\"") || quoted_string(value).is_some_and(|(_, rest)| rest.is_empty());
    if !is_token(name) || !closed {
        return None;
    }
    let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
    Some((name, unquote(std::str::from_utf8(value).ok()?).into_owned()))
}

/// `"value"`, with the escapes that quotes and backslashes need.
pub(super) fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}
