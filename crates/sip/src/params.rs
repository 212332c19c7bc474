//! `;name=value` parameters of header values and URIs.

use std::borrow::Cow;

use crate::error::Error;
use crate::scan::{find_unquoted, is_token, quoted_string, trim};

/// Parameters as they stand, from the first `;` on. Names are case-insensitive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Params<'a>(&'a [u8]);

impl<'a> Params<'a> {
    pub(crate) const NONE: Params<'static> = Params(b"");

    /// Takes what follows a value: nothing, or `;` and parameters with token names and closed quotes.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let bytes = trim(bytes);
        if !bytes.is_empty() && !bytes.starts_with(b";") {
            return Err(Error::BadParameter);
        }
        let params = Params(bytes);
        if params
            .raw()
            .all(|(name, value)| is_token(name) && value.is_none_or(is_value))
        {
            Ok(params)
        } else {
            Err(Error::BadParameter)
        }
    }

    /// The parameters of a URI, whose grammar knows no quotes and more characters: only looked up, not judged.
    pub(crate) fn of_uri(text: &'a str) -> Self {
        Params(text.as_bytes())
    }

    /// All parameters in order: name, and value if there is a `=` (quotes left on). Those not UTF-8 are left out.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + use<'a> {
        self.raw().filter_map(|(name, value)| {
            let name = std::str::from_utf8(name).ok()?;
            match value.map(std::str::from_utf8) {
                None => Some((name, None)),
                Some(Ok(value)) => Some((name, Some(value))),
                Some(Err(_)) => None,
            }
        })
    }

    /// The value of the first parameter of that name, quotes left on; `""` when it has none (`;lr`).
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let mut named = self
            .raw()
            .filter(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()));
        named.find_map(|(_, value)| std::str::from_utf8(value.unwrap_or_default()).ok())
    }

    /// As [`Params::get`], without quotes and escapes.
    pub fn unquoted(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name).map(unquote)
    }

    /// Whether there is a parameter of that name.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The parameters as they stand, with the leading `;`; empty when there are none or they are not UTF-8.
    pub fn as_str(&self) -> &'a str {
        std::str::from_utf8(self.0).unwrap_or_default()
    }

    fn raw(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        let mut rest = self.0.strip_prefix(b";");
        std::iter::from_fn(move || {
            let bytes = rest?;
            let name_end = find_unquoted(bytes, |b| matches!(b, b';' | b'='));
            let end = match name_end.and_then(|at| bytes.get(at..)) {
                Some(value @ [b'=', ..]) => {
                    let end = find_unquoted(value, |b| b == b';');
                    end.zip(name_end).map(|(end, at)| at.saturating_add(end))
                }
                _ => name_end,
            };
            rest = end.and_then(|at| bytes.get(at.saturating_add(1)..));
            let pair = bytes.get(..end.unwrap_or(bytes.len()))?;
            let (name, value) = pair.split_at_checked(name_end.unwrap_or(pair.len()))?;
            let value = value.strip_prefix(b"=");
            Some((trim(name), value.map(trim)))
        })
    }
}

/// Takes the quotes and escapes off a quoted string; other text is given back as it is.
pub(crate) fn unquote(text: &str) -> Cow<'_, str> {
    let Some((inner, _)) = quoted_string(text.as_bytes()) else {
        return Cow::Borrowed(text);
    };
    let inner = std::str::from_utf8(inner).unwrap_or_default();
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut plain = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    Cow::Owned(plain)
}

/// A token, host or whole quoted string. An empty value is let pass: some phones write `;rport=`.
fn is_value(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"\"") {
        return quoted_string(bytes).is_some_and(|(_, rest)| rest.is_empty());
    }
    !bytes.contains(&b'"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_whatever_the_case_space_and_quotes() {
        let params = Params::parse(b" ; tag\r\n = a1 ;LR; x = \"a;\\\"b\" ").unwrap();
        assert_eq!(params.get("TAG"), Some("a1"));
        assert_eq!(params.get("lr"), Some(""));
        assert_eq!(params.get("x"), Some("\"a;\\\"b\""));
        assert_eq!(params.unquoted("x").as_deref(), Some("a;\"b"));
        assert_eq!(params.get("y"), None);
    }

    #[test]
    fn a_parameter_without_name_or_with_an_open_quote_is_refused() {
        for bad in [";;", ";=a", "x", ";a=\"b", ";a=\"b\"c", ";a=b\"c"] {
            assert_eq!(
                Params::parse(bad.as_bytes()),
                Err(Error::BadParameter),
                "{bad}"
            );
        }
    }

    #[test]
    fn one_parameter_not_utf8_does_not_hide_the_others() {
        let params = Params::parse(b";a=\"\xff\";tag=x").unwrap();
        assert_eq!(params.get("tag"), Some("x"));
        assert_eq!(params.get("a"), None);
    }
}
