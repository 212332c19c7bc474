//! `"Name" <uri>;params` and `uri;params`: From, To, Contact, Route, Record-Route, Path (RFC 3261 20.10, 25.1).

use std::borrow::Cow;

use crate::error::Error;
use crate::message::seconds;
use crate::params::{Params, unquote};
use crate::scan::{find_unquoted, quoted_string, trim};
use crate::uri::Uri;

/// One name-addr or addr-spec value with its header parameters. The URI's text may still be malformed: see [`NameAddr::uri`].
#[derive(Debug, Clone, Copy)]
pub struct NameAddr<'a> {
    display: &'a [u8],
    uri: &'a str,
    params: Params<'a>,
}

impl<'a> NameAddr<'a> {
    /// Parses one value (not a list), as it stands in a message or in text of ours.
    pub fn parse(value: &'a [u8]) -> Result<Self, Error> {
        let value = trim(value);
        match find_unquoted(value, |b| b == b'<') {
            Some(open) => bracketed(value, open),
            None => bare(value),
        }
    }

    /// The display name without quotes and escapes; empty when there is none.
    pub fn display_name(&self) -> Cow<'a, str> {
        match std::str::from_utf8(self.display) {
            Ok(text) => unquote(text),
            Err(_) => String::from_utf8_lossy(self.display),
        }
    }

    /// The URI, or why it is malformed.
    pub fn uri(&self) -> Result<Uri<'a>, Error> {
        Uri::parse(self.uri)
    }

    /// The URI's text as it stands.
    pub fn uri_text(&self) -> &'a str {
        self.uri
    }

    /// Whether this is the `*` of a Contact that removes all bindings (RFC 3261 10.2.2).
    pub fn is_star(&self) -> bool {
        self.uri == "*"
    }

    /// The header parameters: those after `>`, or after the first `;` when there are no angle brackets.
    pub fn params(&self) -> Params<'a> {
        self.params
    }

    /// The value of a header parameter, quotes left on; `""` when it has none.
    pub fn param(&self, name: &str) -> Option<&'a str> {
        self.params.get(name)
    }

    /// The `tag` parameter, when not empty.
    pub fn tag(&self) -> Option<&'a str> {
        self.param("tag").filter(|tag| !tag.is_empty())
    }

    /// The `expires` parameter of a Contact, in seconds.
    pub fn expires(&self) -> Option<u32> {
        seconds(self.param("expires")?.as_bytes())
    }
}

fn bracketed(value: &[u8], open: usize) -> Result<NameAddr<'_>, Error> {
    let (display, rest) = value.split_at_checked(open).ok_or(Error::BadNameAddr)?;
    let display = trim(display);
    let rest = rest.get(1..).ok_or(Error::BadNameAddr)?;
    let close = rest
        .iter()
        .position(|b| *b == b'>')
        .ok_or(Error::BadNameAddr)?;
    let (uri, after) = rest.split_at_checked(close).ok_or(Error::BadNameAddr)?;
    if !is_display_name(display) {
        return Err(Error::BadNameAddr);
    }
    Ok(NameAddr {
        display,
        uri: text(uri)?,
        params: Params::parse(after.get(1..).unwrap_or_default())?,
    })
}

/// Without angle brackets all parameters are the header's, and `?` and `,` may not be in the URI (RFC 3261 20).
fn bare(value: &[u8]) -> Result<NameAddr<'_>, Error> {
    let end = value.iter().position(|b| *b == b';').unwrap_or(value.len());
    let (uri, params) = value.split_at_checked(end).ok_or(Error::BadNameAddr)?;
    let uri = trim(uri);
    if uri.is_empty() || uri.iter().any(|b| matches!(b, b'?' | b',' | b'"' | b'>')) {
        return Err(Error::BadNameAddr);
    }
    Ok(NameAddr {
        display: b"",
        uri: text(uri)?,
        params: Params::parse(params)?,
    })
}

fn text(uri: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(uri).map_err(|_| Error::BadNameAddr)
}

/// A quoted string, or words. Words beyond the tokens of the grammar (letters of any language) are let pass, but not
/// what would make the value read as another one.
fn is_display_name(name: &[u8]) -> bool {
    if name.starts_with(b"\"") {
        return quoted_string(name).is_some_and(|(_, rest)| rest.is_empty());
    }
    !name
        .iter()
        .any(|b| matches!(b, b'"' | b',' | b';' | b'>' | b'@' | b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> NameAddr<'_> {
        NameAddr::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn names_uris_and_parameters_are_told_apart() {
        let a = addr(
            r#""Bell, \"A\" <x>" <sip:a@b;lr?x=y>;tag=1;expires=60;+sip.instance="<urn:uuid:1>""#,
        );
        assert_eq!(a.display_name(), r#"Bell, "A" <x>"#);
        assert_eq!(a.uri_text(), "sip:a@b;lr?x=y");
        assert_eq!((a.tag(), a.expires()), (Some("1"), Some(60)));
        assert_eq!(
            a.params().unquoted("+sip.instance").unwrap(),
            "<urn:uuid:1>"
        );
        let a = addr("sip:a@b ;\r\n tag = x");
        assert_eq!((a.uri_text(), a.tag()), ("sip:a@b", Some("x")));
        assert_eq!(addr("caller<sip:a@b>").display_name(), "caller");
        assert!(addr("*").is_star());
        assert_eq!(addr("<tel:+123>").uri().unwrap().user(), Some("+123"));
    }

    #[test]
    fn a_display_name_that_is_not_utf8_hides_nothing() {
        let a = NameAddr::parse(b"\"Ren\xe9\" <sip:r@x>;tag=t").unwrap();
        assert_eq!((a.uri_text(), a.tag()), ("sip:r@x", Some("t")));
    }

    #[test]
    fn malformed_values_are_refused() {
        for bad in [
            "",
            ";tag=1",
            "<sip:a@b",
            "\"open <sip:a@b>",
            "Bell, A <sip:a@b>",
            "sip:a@b?x=y",
            "<sip:a@b>x",
            "<sip:a@b>;;",
            "\"a\" b <sip:a@b>",
            "sip:a,b@c",
            "<sip:a@b>, <sip:c@d>",
        ] {
            assert!(NameAddr::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
