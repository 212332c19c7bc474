//! From a [`Session`] to bytes, in one fixed order (rtpengine's, which tests of SIP
//! servers are used to). Every line ends in CRLF; every medium has its own c=.

use std::fmt;

use crate::{
    Attribute, Bandwidth, Connection, Family, Formats, Ice, Media, Origin, Payload, RtcpAddress,
    Session,
};

impl Session {
    /// The body.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v=0\r\no={}\r\ns={}\r\n", self.origin, self.name)?;
        optional(f, "i=", self.information.as_ref())?;
        bandwidths(f, &self.bandwidths)?;
        write!(f, "t={}\r\n", self.timing)?;
        let is_mark = |attribute: &&Attribute| attribute.name.as_str() == "rtpengine";
        attributes(f, self.attributes.iter().filter(is_mark))?;
        flag(f, "ice-lite", self.ice_lite)?;
        for group in &self.groups {
            write!(f, "a=group:{}", group.semantics)?;
            for mid in &group.mids {
                write!(f, " {mid}")?;
            }
            f.write_str("\r\n")?;
        }
        attributes(f, self.attributes.iter().filter(|a| !is_mark(a)))?;
        self.media.iter().try_for_each(|media| media.fmt(f))
    }
}

impl fmt::Display for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m={} {} {}", self.kind, self.port, self.protocol)?;
        write!(f, "{}\r\n", self.formats)?;
        if self.is_rejected() {
            return self.rejected(f);
        }
        optional(f, "i=", self.information.as_ref())?;
        optional(f, "c=", self.connection.as_ref())?;
        bandwidths(f, &self.bandwidths)?;
        optional(f, "a=mid:", self.mid.as_ref())?;
        optional(f, "a=label:", self.label.as_ref())?;
        flag(f, "bundle-only", self.bundle_only)?;
        self.payloads().iter().try_for_each(|p| payload(f, p))?;
        each(f, "a=rtcp-fb:* ", &self.rtcp_fb_all)?;
        each(f, "a=extmap:", &self.extmaps)?;
        attributes(f, self.attributes.iter())?;
        write!(f, "a={}\r\n", self.direction)?;
        optional(f, "a=rtcp:", self.rtcp.as_ref())?;
        flag(f, "rtcp-mux", self.rtcp_mux)?;
        flag(f, "rtcp-mux-only", self.rtcp_mux_only)?;
        each(f, "a=crypto:", &self.cryptos)?;
        optional(f, "a=setup:", self.setup.as_ref())?;
        each(f, "a=fingerprint:", &self.fingerprints)?;
        optional(f, "a=tls-id:", self.tls_id.as_ref())?;
        optional(f, "a=ptime:", self.ptime.as_ref())?;
        optional(f, "a=maxptime:", self.maxptime.as_ref())?;
        ice(f, &self.ice)
    }
}

impl Media {
    /// What is left of a medium that is refused: the zero address and its names.
    fn rejected(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = self.connection.as_ref().map_or(Family::Ip4, |c| c.family);
        write!(f, "c={}\r\n", Connection::zero(family))?;
        optional(f, "a=mid:", self.mid.as_ref())?;
        optional(f, "a=label:", self.label.as_ref())
    }
}

impl fmt::Display for Formats {
    /// With a blank before each format. An m-line without any is not SDP, so a
    /// medium rejected without formats shows one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rtp(payloads) if payloads.is_empty() => f.write_str(" 0"),
            Self::Other(list) if list.is_empty() => f.write_str(" 0"),
            Self::Rtp(payloads) => payloads.iter().try_for_each(|p| write!(f, " {}", p.number)),
            Self::Other(list) => write!(f, " {list}"),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {}",
            self.username, self.session_id, self.version, self.connection
        )
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = match self.family {
            Family::Ip4 => "IP4",
            Family::Ip6 => "IP6",
        };
        write!(f, "IN {family} {}", self.address)
    }
}

impl fmt::Display for RtcpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.port)?;
        match &self.connection {
            Some(connection) => write!(f, " {connection}"),
            None => Ok(()),
        }
    }
}

fn payload(f: &mut fmt::Formatter<'_>, payload: &Payload) -> fmt::Result {
    let number = payload.number;
    if let Some(encoding) = &payload.encoding {
        write!(f, "a=rtpmap:{number} {encoding}\r\n")?;
    }
    each(f, format_args!("a=fmtp:{number} "), &payload.fmtp)?;
    each(f, format_args!("a=rtcp-fb:{number} "), &payload.rtcp_fb)
}

fn ice(f: &mut fmt::Formatter<'_>, ice: &Ice) -> fmt::Result {
    optional(f, "a=ice-ufrag:", ice.ufrag.as_ref())?;
    optional(f, "a=ice-pwd:", ice.pwd.as_ref())?;
    list(f, "a=ice-options:", &ice.options)?;
    each(f, "a=candidate:", &ice.candidates)?;
    list(f, "a=remote-candidates:", &ice.remote_candidates)?;
    flag(f, "end-of-candidates", ice.end_of_candidates)
}

/// AS, RR, RS, CT, TIAS, then any other.
fn bandwidths(f: &mut fmt::Formatter<'_>, bandwidths: &[Bandwidth]) -> fmt::Result {
    const ORDER: [&str; 5] = ["AS", "RR", "RS", "CT", "TIAS"];
    let known = |b: &&Bandwidth| ORDER.contains(&b.kind.as_str());
    let ordered = ORDER
        .iter()
        .flat_map(|kind| bandwidths.iter().filter(move |b| b.kind == *kind));
    let others = bandwidths.iter().filter(|b| !known(b));
    for bandwidth in ordered.chain(others) {
        write!(f, "b={}:{}\r\n", bandwidth.kind, bandwidth.value)?;
    }
    Ok(())
}

fn attributes<'a>(
    f: &mut fmt::Formatter<'_>,
    attributes: impl Iterator<Item = &'a Attribute>,
) -> fmt::Result {
    for attribute in attributes {
        write!(f, "a={}", attribute.name)?;
        if let Some(value) = &attribute.value {
            write!(f, ":{value}")?;
        }
        f.write_str("\r\n")?;
    }
    Ok(())
}

fn flag(f: &mut fmt::Formatter<'_>, name: &str, given: bool) -> fmt::Result {
    optional(f, "a=", given.then_some(&name))
}

fn optional<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    prefix: &str,
    value: Option<&T>,
) -> fmt::Result {
    match value {
        Some(value) => write!(f, "{prefix}{value}\r\n"),
        None => Ok(()),
    }
}

/// One line for each.
fn each<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    prefix: impl fmt::Display,
    values: &[T],
) -> fmt::Result {
    values
        .iter()
        .try_for_each(|value| write!(f, "{prefix}{value}\r\n"))
}

/// One line for all, with blanks between them.
fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, prefix: &str, values: &[T]) -> fmt::Result {
    for (i, value) in values.iter().enumerate() {
        let before = if i == 0 { prefix } else { " " };
        write!(f, "{before}{value}")?;
    }
    if values.is_empty() {
        Ok(())
    } else {
        f.write_str("\r\n")
    }
}
