//! a=candidate and a=remote-candidates (RFC 8839): data, never a reason to send by itself.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::{Address, Token};

/// One a=candidate line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Foundation.
    pub foundation: Token,
    /// 1 for RTP, 2 for RTCP; 1 to 256.
    pub component: u16,
    /// UDP, TCP or something else.
    pub transport: CandidateTransport,
    /// Priority.
    pub priority: u32,
    /// Address; a name (`.local`) is kept, never resolved.
    pub address: Address,
    /// Port; 9 for active TCP.
    pub port: u16,
    /// host, srflx, prflx, relay.
    pub kind: CandidateKind,
    /// raddr and rport.
    pub related: Option<(Address, u16)>,
    /// Extensions in input order: tcptype, generation, ufrag, network-cost...
    pub extensions: Vec<(Token, Token)>,
}

/// Transport of a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CandidateTransport {
    /// UDP
    Udp,
    /// TCP (RFC 6544), which we never use.
    Tcp,
    /// Anything else.
    Other(Token),
}

/// Type of a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CandidateKind {
    /// host
    Host,
    /// srflx
    ServerReflexive,
    /// prflx
    PeerReflexive,
    /// relay
    Relay,
    /// Anything else.
    Other(Token),
}

/// One of the addresses of a=remote-candidates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteCandidate {
    /// Component, 1 to 256.
    pub component: u16,
    /// Address.
    pub address: Address,
    /// Port.
    pub port: u16,
}

/// RFC 8839 5.1: component ids are 1 to 256.
const MAX_COMPONENT: u16 = 256;

impl Candidate {
    /// A UDP host candidate.
    pub fn host(foundation: Token, component: u16, priority: u32, address: SocketAddr) -> Self {
        Self {
            foundation,
            component,
            transport: CandidateTransport::Udp,
            priority,
            address: Address::Ip(address.ip()),
            port: address.port(),
            kind: CandidateKind::Host,
            related: None,
            extensions: Vec::new(),
        }
    }

    /// The address that a check could be sent to: UDP, numeric, not zero. `None` for
    /// TCP, for names and for the candidates of a browser that hides.
    pub fn udp_address(&self) -> Option<SocketAddr> {
        let ip = self.address.ip()?;
        let usable =
            self.transport == CandidateTransport::Udp && self.port != 0 && !ip.is_unspecified();
        usable.then(|| (ip, self.port).into())
    }

    /// Reads what follows `a=candidate:`. `None` when it is malformed.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let foundation = Token::new(words.next()?).ok()?;
        let component = component(words.next()?)?;
        let transport = CandidateTransport::parse(words.next()?)?;
        let priority = words.next()?.parse().ok()?;
        let address = Address::parse(words.next()?)?;
        let port = words.next()?.parse().ok()?;
        if words.next()? != "typ" {
            return None;
        }
        let mut candidate = Self {
            foundation,
            component,
            transport,
            priority,
            address,
            port,
            kind: CandidateKind::parse(words.next()?)?,
            related: None,
            extensions: Vec::new(),
        };
        let mut related = None;
        while let Some(name) = words.next() {
            let value = words.next()?;
            match name {
                "raddr" => related = Some(Address::parse(value)?),
                "rport" => {
                    let port = value.parse().ok()?;
                    candidate.related = related.take().map(|address| (address, port));
                }
                _ => {
                    let pair = (Token::new(name).ok()?, Token::new(value).ok()?);
                    candidate.extensions.push(pair);
                }
            }
        }
        Some(candidate)
    }
}

impl RemoteCandidate {
    /// Reads what follows `a=remote-candidates:`.
    pub(crate) fn parse_list(text: &str) -> Option<Vec<Self>> {
        let mut words = text.split_ascii_whitespace();
        let mut list = Vec::new();
        while let Some(word) = words.next() {
            list.push(Self {
                component: component(word)?,
                address: Address::parse(words.next()?)?,
                port: words.next()?.parse().ok()?,
            });
        }
        Some(list)
    }
}

impl Address {
    /// An IP address, or else a name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.parse::<IpAddr>() {
            Ok(ip) => Some(Self::Ip(ip)),
            Err(_) => Token::new(text).ok().map(Self::Name),
        }
    }
}

impl CandidateTransport {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            _ if text.eq_ignore_ascii_case("udp") => Self::Udp,
            _ if text.eq_ignore_ascii_case("tcp") => Self::Tcp,
            _ => Self::Other(Token::new(text).ok()?),
        })
    }
}

impl CandidateKind {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "host" => Self::Host,
            "srflx" => Self::ServerReflexive,
            "prflx" => Self::PeerReflexive,
            "relay" => Self::Relay,
            _ => Self::Other(Token::new(text).ok()?),
        })
    }
}

fn component(text: &str) -> Option<u16> {
    let number = text.parse().ok()?;
    (1..=MAX_COMPONENT).contains(&number).then_some(number)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => fmt::Display::fmt(ip, f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for CandidateTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Other(token) => token,
        })
    }
}

impl fmt::Display for CandidateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "host",
            Self::ServerReflexive => "srflx",
            Self::PeerReflexive => "prflx",
            Self::Relay => "relay",
            Self::Other(token) => token,
        })
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {} {} {} typ {}",
            self.foundation,
            self.component,
            self.transport,
            self.priority,
            self.address,
            self.port,
            self.kind
        )?;
        if let Some((address, port)) = &self.related {
            write!(f, " raddr {address} rport {port}")?;
        }
        for (name, value) in &self.extensions {
            write!(f, " {name} {value}")?;
        }
        Ok(())
    }
}

impl fmt::Display for RemoteCandidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.component, self.address, self.port)
    }
}
