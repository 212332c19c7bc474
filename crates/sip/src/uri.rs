//! URIs (RFC 3261 19.1, RFC 3966 for tel): a view over their text, never resolved, never rewritten.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use crate::error::Error;
use crate::limits::MAX_URI;
use crate::params::Params;
use crate::scan::{self, IN_HOST, IN_URI, cut};

/// The scheme of a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:`
    Tel,
    /// Any other: its text is opaque.
    Other,
}

/// A parsed URI that borrows its text.
#[derive(Debug, Clone, Copy)]
pub struct Uri<'a> {
    text: &'a str,
    scheme: Scheme,
    user: Option<&'a str>,
    password: Option<&'a str>,
    host: &'a str,
    port: Option<u16>,
    params: Params<'a>,
    headers: Option<&'a str>,
}

impl<'a> Uri<'a> {
    /// Parses a URI without angle brackets around it. A scheme that we do not know is no error.
    pub fn parse(text: &'a str) -> Result<Self, Error> {
        if text.len() > MAX_URI {
            return Err(Error::UriTooLong);
        }
        if !IN_URI.holds_all(text.as_bytes()) {
            return Err(Error::BadUri);
        }
        let (name, rest) = cut(text, b':').ok_or(Error::BadUri)?;
        match scheme(name)? {
            scheme @ (Scheme::Sip | Scheme::Sips) => hierarchical(text, scheme, rest),
            Scheme::Tel => telephone(text, rest),
            Scheme::Other => Ok(Uri { text, ..Uri::EMPTY }),
        }
    }

    const EMPTY: Uri<'static> = Uri {
        text: "",
        scheme: Scheme::Other,
        user: None,
        password: None,
        host: "",
        port: None,
        params: Params::NONE,
        headers: None,
    };

    /// The whole URI as it stands.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The user part, still escaped; the number of a tel URI.
    pub fn user(&self) -> Option<&'a str> {
        self.user
    }

    /// The user part with `%hh` escapes decoded; `None` without one or when that gives no UTF-8.
    pub fn decoded_user(&self) -> Option<Cow<'a, str>> {
        let user = self.user?;
        if !user.contains('%') {
            return Some(Cow::Borrowed(user));
        }
        String::from_utf8(unescape(user)).ok().map(Cow::Owned)
    }

    /// The password in the user part (RFC 3261 advises against it).
    pub fn password(&self) -> Option<&'a str> {
        self.password
    }

    /// The host as written, brackets of an IPv6 address included; empty unless `sip` or `sips`.
    pub fn host(&self) -> &'a str {
        self.host
    }

    /// The host when it is an IP address.
    pub fn ip(&self) -> Option<IpAddr> {
        host_ip(self.host)
    }

    /// The port, if written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The URI's parameters.
    pub fn params(&self) -> Params<'a> {
        self.params
    }

    /// The value of a URI parameter; `""` when it has none (`;lr`).
    pub fn param(&self, name: &str) -> Option<&'a str> {
        self.params.get(name)
    }

    /// What follows `?`.
    pub fn headers(&self) -> Option<&'a str> {
        self.headers
    }

    /// Whether two URIs are equivalent (RFC 3261 19.1.4). URIs that are not SIP are compared as text.
    pub fn equivalent(&self, other: &Uri<'_>) -> bool {
        let sip = |s| matches!(s, Scheme::Sip | Scheme::Sips);
        if !sip(self.scheme) || !sip(other.scheme) {
            return self.text.eq_ignore_ascii_case(other.text);
        }
        let decoded = |text: Option<&str>| text.map(unescape);
        self.scheme == other.scheme
            && decoded(self.user) == decoded(other.user)
            && decoded(self.password) == decoded(other.password)
            && self.host.eq_ignore_ascii_case(other.host)
            && self.port == other.port
            && params_agree(self.params, other.params)
            && params_agree(other.params, self.params)
            && same_headers(self.headers, other.headers)
    }
}

impl fmt::Display for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

fn scheme(name: &str) -> Result<Scheme, Error> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.bytes().all(legal) {
        return Err(Error::BadUri);
    }
    let known = [
        ("sip", Scheme::Sip),
        ("sips", Scheme::Sips),
        ("tel", Scheme::Tel),
    ];
    let scheme = known.iter().find(|(it, _)| it.eq_ignore_ascii_case(name));
    Ok(scheme.map_or(Scheme::Other, |(_, scheme)| *scheme))
}

/// `[user[:password]@]host[:port][;params][?headers]`
fn hierarchical<'a>(text: &'a str, scheme: Scheme, rest: &'a str) -> Result<Uri<'a>, Error> {
    // The user part may hold `;` and `?`, nothing after it may hold `@`: a second `@` would let two parsers see two hosts.
    let (userinfo, rest) = match cut(rest, b'@') {
        Some((_, after)) if cut(after, b'@').is_some() => return Err(Error::BadUri),
        Some((userinfo, after)) => (Some(userinfo), after),
        None => (None, rest),
    };
    let (user, password) =
        match userinfo.map(|info| cut(info, b':').map_or((info, None), |(u, p)| (u, Some(p)))) {
            Some(("", _)) => return Err(Error::BadUri),
            Some((user, password)) => (Some(user), password),
            None => (None, None),
        };
    let (rest, headers) =
        cut(rest, b'?').map_or((rest, None), |(before, headers)| (before, Some(headers)));
    let (hostport, params) = before_params(rest);
    let (host, port) = host_port(hostport).ok_or(Error::BadUri)?;
    Ok(Uri {
        text,
        scheme,
        user,
        password,
        host,
        port,
        params: Params::of_uri(params),
        headers,
    })
}

/// What stands before the first `;`, and the rest with it.
fn before_params(text: &str) -> (&str, &str) {
    let at = text.bytes().position(|b| b == b';');
    at.and_then(|at| text.split_at_checked(at))
        .unwrap_or((text, ""))
}

fn telephone<'a>(text: &'a str, rest: &'a str) -> Result<Uri<'a>, Error> {
    let (number, params) = before_params(rest);
    let legal = |b: u8| b.is_ascii_hexdigit() || b"+-.()*#".contains(&b);
    if number.is_empty() || !number.bytes().all(legal) {
        return Err(Error::BadUri);
    }
    Ok(Uri {
        text,
        scheme: Scheme::Tel,
        user: Some(number),
        params: Params::of_uri(params),
        ..Uri::EMPTY
    })
}

/// `host[:port]`, the host a name, an IPv4 address or an IPv6 one in brackets (RFC 5118: never without).
pub(crate) fn host_port(text: &str) -> Option<(&str, Option<u16>)> {
    let host_end = match text.strip_prefix('[') {
        Some(_) => text.find(']')?.saturating_add(1),
        None => text.bytes().position(|b| b == b':').unwrap_or(text.len()),
    };
    let (host, port) = text.split_at_checked(host_end)?;
    if !is_host(host) {
        return None;
    }
    match port.strip_prefix(':') {
        None if port.is_empty() => Some((host, None)),
        None => None,
        Some(digits) => Some((
            host,
            Some(u16::try_from(scan::number(digits.as_bytes())?).ok()?),
        )),
    }
}

fn is_host(host: &str) -> bool {
    match host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        // RFC 5118 4.10: `:::` is wrong but follows the grammar of RFC 3261; it is passed on, not resolved.
        Some(v6) => {
            v6.contains(':')
                && v6
                    .bytes()
                    .all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.'))
        }
        None => !host.is_empty() && IN_HOST.holds_all(host.as_bytes()),
    }
}

pub(crate) fn host_ip(host: &str) -> Option<IpAddr> {
    host.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host)
        .parse()
        .ok()
}

fn unescape(text: &str) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = (byte == b'%').then(|| after.split_at_checked(2)).flatten();
        match escaped.and_then(|(hex, tail)| Some((hex_byte(hex)?, tail))) {
            Some((value, tail)) => {
                plain.push(value);
                rest = tail;
            }
            None => {
                plain.push(byte);
                rest = after;
            }
        }
    }
    plain
}

fn hex_byte(hex: &[u8]) -> Option<u8> {
    hex.iter().try_fold(0_u8, |sum, &digit| {
        let digit = u8::try_from(char::from(digit).to_digit(16)?).ok()?;
        Some(sum << 4 | digit)
    })
}

/// Every parameter of `a` that `b` has too is the same there; the ones that name a way to go must be in both.
fn params_agree(a: Params<'_>, b: Params<'_>) -> bool {
    a.iter().all(|(name, value)| match b.get(name) {
        Some(other) => unescape(value.unwrap_or_default()).eq_ignore_ascii_case(&unescape(other)),
        None => !["user", "ttl", "method", "maddr", "transport"]
            .iter()
            .any(|key| name.eq_ignore_ascii_case(key)),
    })
}

fn same_headers(a: Option<&str>, b: Option<&str>) -> bool {
    let sorted = |text: Option<&str>| {
        let mut all: Vec<Vec<u8>> = text.unwrap_or_default().split('&').map(unescape).collect();
        all.iter_mut()
            .for_each(|header| header.make_ascii_lowercase());
        all.sort();
        all
    };
    sorted(a) == sorted(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri<'_> {
        Uri::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn every_part_is_found() {
        let u = uri("sips:al;day=tues:pw@[2001:db8::10]:5070;lr;transport=TCP?Subject=a");
        assert_eq!(u.scheme(), Scheme::Sips);
        assert_eq!((u.user(), u.password()), (Some("al;day=tues"), Some("pw")));
        assert_eq!((u.host(), u.port()), ("[2001:db8::10]", Some(5070)));
        assert_eq!(u.ip(), Some("2001:db8::10".parse().unwrap()));
        assert_eq!(
            (u.param("lr"), u.param("TRANSPORT")),
            (Some(""), Some("TCP"))
        );
        assert_eq!(u.headers(), Some("Subject=a"));
        assert_eq!(
            uri("tel:+1-201-555-0123;phone-context=x").user(),
            Some("+1-201-555-0123")
        );
        assert_eq!(uri("sip:a%40b@c.d").decoded_user().unwrap(), "a@b");
        assert_eq!(uri("urn:service:sos").scheme(), Scheme::Other);
    }

    #[test]
    fn malformed_uris_are_refused() {
        for bad in [
            "",
            "sip",
            "sip:",
            "sip:@h",
            "sip:u@",
            "sip:u@h:",
            "sip:u@h:65536",
            "sip:u@h:-1",
            "sip:2001:db8::10",
            "sip:u@[2001:db8::10",
            "sip:u@[x]",
            "sip:u@h:1:2",
            "sip:a@b@c",
            "sip:a@b;x=c@d",
            "sip:a@b?x=c@d",
            "sip:a b@c",
            "<sip:a@b>",
            "1ip:a@b",
            "sip:a@b\u{e9}",
            "tel:",
            "tel:abc!",
            "sip:a@b\0",
        ] {
            assert_eq!(
                Uri::parse(bad).map(|u| u.text),
                Err(Error::BadUri),
                "{bad:?}"
            );
        }
        assert_eq!(
            Uri::parse(&format!("sip:{}@h", "a".repeat(1018))).map(|u| u.text.len()),
            Ok(1024)
        );
        assert_eq!(
            Uri::parse(&format!("sip:{}@h", "a".repeat(1019))).map(|u| u.text),
            Err(Error::UriTooLong)
        );
    }

    #[test]
    fn equivalence_follows_rfc_3261_19_1_4() {
        let same = |a, b| uri(a).equivalent(&uri(b)) && uri(b).equivalent(&uri(a));
        assert!(same(
            "sip:%61lice@atlanta.com;transport=TCP",
            "sip:alice@AtLanTa.CoM;Transport=tcp"
        ));
        assert!(same(
            "sip:carol@chicago.com",
            "sip:carol@chicago.com;newparam=5"
        ));
        assert!(same(
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40b.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40b.com"
        ));
        assert!(same("sip:a@b?x=1&y=2", "sip:a@b?y=2&x=1"));
        for (a, b) in [
            ("SIP:ALICE@AtLanTa.CoM", "sip:alice@AtLanTa.CoM"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            (
                "sip:carol@chicago.com;security=on",
                "sip:carol@chicago.com;security=off",
            ),
            ("sip:a@b", "sips:a@b"),
            ("sip:a@b", "sip:a@b?x=1"),
        ] {
            assert!(!same(a, b), "{a} {b}");
        }
    }
}
