//! The other end on the SIP server's side: an address, and how SIP is carried to it. No names are looked up here.

use std::fmt;
use std::net::SocketAddr;

use sip::transaction;

/// How SIP is carried between us and a SIP server (RFC 3261 section 18).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// Connections.
    Tcp,
    /// Connections under TLS.
    Tls,
}

impl Transport {
    /// The port where none is written (RFC 3261 section 19.1.2).
    pub fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }

    /// What transactions do about loss.
    pub(super) fn for_transactions(self) -> transaction::Transport {
        match self {
            Self::Udp => transaction::Transport::Unreliable,
            Self::Tcp | Self::Tls => transaction::Transport::Reliable,
        }
    }

    /// As it stands in Via.
    pub(super) fn in_via(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// As it stands in a URI: nothing for UDP, which is what a URI means that names none.
    pub(super) fn in_uri(self) -> &'static str {
        match self {
            Self::Udp => "",
            Self::Tcp => ";transport=tcp",
            Self::Tls => ";transport=tls",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        })
    }
}

/// An address with the transport that is spoken there: written `udp:192.0.2.5:5060`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hop {
    /// How.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
}

impl Hop {
    /// An address that datagrams come from or go to.
    pub fn udp(address: SocketAddr) -> Self {
        let transport = Transport::Udp;
        Self { transport, address }
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport, self.address)
    }
}
