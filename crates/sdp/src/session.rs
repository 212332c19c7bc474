//! The session part of a body: whose it is and what holds for all its media.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{Media, Text, Token};

/// A whole body, typed.
///
/// What a peer wrote at session level but means for each medium (c=, direction,
/// ICE credentials and options, fingerprint, setup, tls-id, extmap) stands in each
/// [`Media`] after parsing, so a reader looks in one place and the writer gives
/// every medium its own lines.
///
/// Read it with [`Session::parse`]; write it with [`Session::to_bytes`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// o=
    pub origin: Origin,
    /// s=, `-` when the body had none.
    pub name: Text,
    /// i=
    pub information: Option<Text>,
    /// b= of the session.
    pub bandwidths: Vec<Bandwidth>,
    /// t=, `0 0` when the body had none.
    pub timing: Text,
    /// a=ice-lite
    pub ice_lite: bool,
    /// a=group
    pub groups: Vec<Group>,
    /// Session attributes that this crate does not know, in input order.
    pub attributes: Vec<Attribute>,
    /// The media, in input order.
    pub media: Vec<Media>,
    /// How many lines could not be read or were beyond a bound, and were left out.
    /// For logs and counters; never written.
    pub ignored: u32,
}

/// o= : who made the session, and which version of it this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// User name, `-` if none.
    pub username: Text,
    /// Session id, a number by RFC 8866, kept as text.
    pub session_id: Token,
    /// Version, a number by RFC 8866, kept as text. See [`Origin::raised`].
    pub version: Token,
    /// Address of the machine that made the session.
    pub connection: Connection,
}

/// An address as c=, o= and a=rtcp write it: `IN IP4 192.0.2.1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// The family written. For an IP address it is that of the address.
    pub family: Family,
    /// The address.
    pub address: Address,
}

/// IP4 or IP6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IP4
    Ip4,
    /// IP6
    Ip6,
}

/// An IP address, or a name that is kept and never resolved.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IP address.
    Ip(IpAddr),
    /// Anything else: a host name, an mDNS name (`.local`).
    Name(Token),
}

/// b= : kind and value in the unit of the kind (kbit/s for AS and CT, bit/s for TIAS, RR, RS).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bandwidth {
    /// AS, CT, TIAS, RR, RS...
    pub kind: Token,
    /// The value.
    pub value: u64,
}

/// a=group (RFC 5888): media that belong together, by their mids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// BUNDLE, LS...
    pub semantics: Token,
    /// The mids.
    pub mids: Vec<Token>,
}

/// An attribute that this crate does not know: `a=name` or `a=name:value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// What stands before the colon.
    pub name: Token,
    /// What stands after it, `None` without a colon.
    pub value: Option<Text>,
}

impl Origin {
    /// The same origin one version later: what a changed body must say (RFC 3264 8).
    /// A version that is no number becomes 1.
    pub fn raised(&self) -> Self {
        let version = self.version.parse::<u64>().unwrap_or(0);
        Self {
            version: Token::from(version.wrapping_add(1)),
            ..self.clone()
        }
    }
}

impl Connection {
    /// The IP address, `None` for a name.
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.ip()
    }

    /// The zero address: in c= it means "on hold" (RFC 3264 8.4), or that a
    /// browser hides its addresses.
    pub fn is_unspecified(&self) -> bool {
        self.ip().is_some_and(|ip| ip.is_unspecified())
    }

    /// The zero address of the same family.
    pub fn zero(family: Family) -> Self {
        Self::from(match family {
            Family::Ip4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Family::Ip6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        })
    }
}

impl From<IpAddr> for Connection {
    fn from(ip: IpAddr) -> Self {
        Self {
            family: match ip {
                IpAddr::V4(_) => Family::Ip4,
                IpAddr::V6(_) => Family::Ip6,
            },
            address: Address::Ip(ip),
        }
    }
}

impl Address {
    /// The IP address, `None` for a name.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(*ip),
            Self::Name(_) => None,
        }
    }
}

impl Session {
    /// A body with this origin and without media: the start of one of our own.
    pub fn new(origin: Origin) -> Self {
        Self {
            origin,
            name: Text::from_static("-"),
            information: None,
            bandwidths: Vec::new(),
            timing: Text::from_static("0 0"),
            ice_lite: false,
            groups: Vec::new(),
            attributes: Vec::new(),
            media: Vec::new(),
            ignored: 0,
        }
    }
}
