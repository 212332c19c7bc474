//! Where commands come in, and by which transport.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// What ng is carried by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ControlTransport {
    /// A message in each datagram.
    Udp,
    /// Messages one behind the other on a connection.
    Tcp,
    /// `POST /ng`, and WebSockets with the subprotocol `ng.rtpengine.com`.
    Http,
}

/// An address that takes commands. Its text is `udp:127.0.0.1:2223`; the others are `tcp:` and
/// `http:`, for which `ws:` stands as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ControlAddress {
    /// How commands come.
    pub transport: ControlTransport,
    /// Where to. Port 0 takes any free one.
    pub address: SocketAddr,
}

impl ControlAddress {
    /// Datagrams at this address.
    #[must_use]
    pub fn udp(address: SocketAddr) -> Self {
        Self {
            transport: ControlTransport::Udp,
            address,
        }
    }

    /// Whether strangers may be able to reach it: it is neither this machine's alone nor of a
    /// private network (RFC 1918, RFC 4193, RFC 6598, link-local), or it is every address at once.
    #[must_use]
    pub fn is_public(&self) -> bool {
        net::bind::is_public(self.address.ip())
    }
}

impl fmt::Display for ControlAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = match self.transport {
            ControlTransport::Udp => "udp",
            ControlTransport::Tcp => "tcp",
            ControlTransport::Http => "http",
        };
        write!(f, "{transport}:{}", self.address)
    }
}

/// The text is no address: one sentence that shows how one is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not where commands can come to; write it as \"udp:127.0.0.1:2223\", with udp, tcp or http"
)]
pub struct NotAnAddress(String);

impl FromStr for ControlAddress {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let wrong = || NotAnAddress(text.to_owned());
        let (transport, address) = text.split_once(':').ok_or_else(wrong)?;
        let transport = match transport {
            "udp" => ControlTransport::Udp,
            "tcp" => ControlTransport::Tcp,
            "http" | "ws" => ControlTransport::Http,
            _ => return Err(wrong()),
        };
        let address = address.parse().map_err(|_| wrong())?;
        Ok(Self { transport, address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_it_is_read() {
        for text in ["udp:127.0.0.1:2223", "tcp:[::1]:2223", "http:10.0.0.1:80"] {
            assert_eq!(text.parse::<ControlAddress>().unwrap().to_string(), text);
        }
        let ws: ControlAddress = "ws:10.0.0.1:80".parse().unwrap();
        assert_eq!(ws.transport, ControlTransport::Http);
        for text in [
            "",
            "udp",
            "127.0.0.1:2223",
            "tls:127.0.0.1:1",
            "udp:host:1",
            "udp:1.2.3.4",
        ] {
            assert!(text.parse::<ControlAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_strangers_may_reach_is_public() {
        let is_public =
            |ip: &str| ControlAddress::udp(SocketAddr::new(ip.parse().unwrap(), 2223)).is_public();
        for ip in [
            "127.0.0.1",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.0.1",
            "169.254.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(!is_public(ip), "{ip}");
        }
        for ip in [
            "0.0.0.0",
            "::",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "172.32.0.1",
            "2001:db8::1",
            "::ffff:8.8.8.8",
        ] {
            assert!(is_public(ip), "{ip}");
        }
    }
}
