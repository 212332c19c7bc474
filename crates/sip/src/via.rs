//! Via values (RFC 3261 20.42, RFC 3581, RFC 7118).

use std::net::IpAddr;

use crate::error::Error;
use crate::params::Params;
use crate::scan::{is_lws, is_token, number, trim};
use crate::uri::{host_ip, host_port};

/// One Via value.
#[derive(Debug, Clone, Copy)]
pub struct Via<'a> {
    transport: &'a str,
    host: &'a str,
    port: Option<u16>,
    params: Params<'a>,
}

impl<'a> Via<'a> {
    /// Parses one value: `SIP/2.0/TRANSPORT host[:port];params`, white space wherever the grammar lets it be.
    pub fn parse(value: &'a [u8]) -> Result<Self, Error> {
        parse(value).ok_or(Error::BadVia)
    }

    /// The transport as written: `UDP`, `WSS`, or any other token.
    pub fn transport(&self) -> &'a str {
        self.transport
    }

    /// The host of sent-by, brackets of an IPv6 address included.
    pub fn host(&self) -> &'a str {
        self.host
    }

    /// The port of sent-by, if written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// All parameters.
    pub fn params(&self) -> Params<'a> {
        self.params
    }

    /// The `branch`, when not empty.
    pub fn branch(&self) -> Option<&'a str> {
        self.params
            .get("branch")
            .filter(|branch| !branch.is_empty())
    }

    /// The address in `received`, with or without brackets (RFC 5118 4.5).
    pub fn received(&self) -> Option<IpAddr> {
        host_ip(self.params.get("received")?)
    }

    /// Whether the sender asked for a response to the port it sent from (`;rport`, RFC 3581).
    pub fn wants_rport(&self) -> bool {
        self.params.has("rport")
    }

    /// The port in `rport=`, once the receiver has filled it in.
    pub fn rport(&self) -> Option<u16> {
        u16::try_from(number(self.params.get("rport")?.as_bytes())?).ok()
    }
}

fn parse(value: &[u8]) -> Option<Via<'_>> {
    let (name, rest) = cut(value, b'/')?;
    let (version, rest) = cut(rest, b'/')?;
    let rest = trim(rest);
    let space = rest.iter().position(|b| is_lws(*b))?;
    let (transport, rest) = rest.split_at_checked(space)?;
    if !name.eq_ignore_ascii_case(b"SIP") || version != b"2.0" || !is_token(transport) {
        return None;
    }
    let end = rest.iter().position(|b| *b == b';').unwrap_or(rest.len());
    let (sent_by, params) = rest.split_at_checked(end)?;
    let (host, port) = sent_by_parts(std::str::from_utf8(trim(sent_by)).ok()?)?;
    Some(Via {
        transport: std::str::from_utf8(transport).ok()?,
        host,
        port,
        params: Params::parse(params).ok()?,
    })
}

/// As in a URI, but the grammar lets white space stand around the colon before the port.
fn sent_by_parts(text: &str) -> Option<(&str, Option<u16>)> {
    let colon = text.bytes().rposition(|b| b == b':');
    let split = colon.and_then(|at| Some((text.get(..at)?, text.get(at.saturating_add(1)..)?)));
    let Some((host, port)) =
        split.filter(|(host, _)| !host.starts_with('[') || host.ends_with([']', ' ']))
    else {
        return host_port(text);
    };
    let (host, None) = host_port(host.trim_end())? else {
        return None;
    };
    Some((
        host,
        Some(u16::try_from(number(port.trim_start().as_bytes())?).ok()?),
    ))
}

fn cut(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let (before, after) = bytes.split_at_checked(bytes.iter().position(|b| *b == at)?)?;
    Some((trim(before), after.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_found() {
        let via =
            Via::parse(b"SIP/2.0/UDP 192.0.2.1:5061;rport=5062;received=192.0.2.9;branch=z9hG4bK1")
                .unwrap();
        assert_eq!(
            (via.transport(), via.host(), via.port()),
            ("UDP", "192.0.2.1", Some(5061))
        );
        assert_eq!((via.branch(), via.rport()), (Some("z9hG4bK1"), Some(5062)));
        assert_eq!(via.received(), Some("192.0.2.9".parse().unwrap()));
        let via =
            Via::parse(b"SIP / 2.0\r\n /WSS\r\n  df7jal.invalid ; branch=\r\n x;rport").unwrap();
        assert_eq!(
            (via.transport(), via.host(), via.port()),
            ("WSS", "df7jal.invalid", None)
        );
        assert_eq!(
            (via.branch(), via.rport(), via.wants_rport()),
            (Some("x"), None, true)
        );
    }

    #[test]
    fn ipv6_and_spaced_ports_are_understood() {
        for (text, host, port) in [
            ("SIP/2.0/UDP [2001:db8::9:1]", "[2001:db8::9:1]", None),
            (
                "SIP/2.0/UDP [2001:db8::9:1]:5060;received=[2001:db8::9:255]",
                "[2001:db8::9:1]",
                Some(5060),
            ),
            (
                "SIP/2.0/UDP first.example.com: 4000;ttl=16",
                "first.example.com",
                Some(4000),
            ),
            (
                "SIP/2.0/UDP [2001:db8::9:1] : 5060",
                "[2001:db8::9:1]",
                Some(5060),
            ),
        ] {
            let via = Via::parse(text.as_bytes()).unwrap();
            assert_eq!((via.host(), via.port()), (host, port), "{text}");
        }
        let via = Via::parse(b"SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255").unwrap();
        assert_eq!(via.received(), Some("2001:db8::9:255".parse().unwrap()));
    }

    #[test]
    fn malformed_values_are_refused() {
        for bad in [
            "",
            "SIP/2.0/UDP",
            "SIP/2.0 host",
            "SIP/7.0/UDP host",
            "HTTP/2.0/UDP host",
            "SIP/2.0/UDP host;;",
            "SIP/2.0/UDP ;branch=x",
            "SIP/2.0/UDP h:99999",
            "SIP/2.0/UDP h:",
            "SIP/2.0/UDP 2001:db8::1",
            "SIP/2.0/UDP a b",
            ";",
            "SIP/2.0/U@P host",
        ] {
            assert_eq!(
                Via::parse(bad.as_bytes()).map(|v| v.host),
                Err(Error::BadVia),
                "{bad}"
            );
        }
    }
}
