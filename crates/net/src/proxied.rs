//! The PROXY protocol, versions 1 and 2: a load balancer's first words on a connection say who is behind it. They are
//! asked of those whom the operator names, and of nobody else: anyone could say them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use ppp::{v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The longest header of version 1, line end included.
const MAX_LINE: usize = 107;
/// What precedes the addresses in version 2.
const PREFIX: usize = 16;
/// The longest header of version 2 that is taken: addresses, and some words about TLS.
const MAX_BINARY: usize = 4096;

/// From whom such headers are required, and believed.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Arc<[IpNet]>);

impl Proxies {
    /// These networks.
    #[must_use]
    pub fn new(networks: &[IpNet]) -> Self {
        Self(networks.into())
    }

    /// Whether this peer is one of them.
    #[must_use]
    pub fn has(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.iter().any(|network| network.contains(&peer))
    }
}

/// Reads the header, and not an octet more: the address behind the load balancer, or `peer` where it speaks for itself
/// (a health check). `None`: there is no header, and the connection is worth nothing.
pub(crate) async fn behind<S: AsyncRead + Unpin>(
    stream: &mut S,
    peer: SocketAddr,
) -> Option<SocketAddr> {
    let mut header = vec![stream.read_u8().await.ok()?];
    match header.first() {
        Some(b'P') => {
            while !header.ends_with(b"\n") && header.len() < MAX_LINE {
                header.push(stream.read_u8().await.ok()?);
            }
            let header = v1::Header::try_from(header.as_slice()).ok()?;
            Some(match header.addresses {
                v1::Addresses::Tcp4(ip) => (ip.source_address, ip.source_port).into(),
                v1::Addresses::Tcp6(ip) => (ip.source_address, ip.source_port).into(),
                v1::Addresses::Unknown => peer,
            })
        }
        Some(b'\r') => {
            read_up_to(stream, &mut header, PREFIX).await?;
            let length = header
                .last_chunk::<2>()
                .map(|two| u16::from_be_bytes(*two))?;
            let whole = PREFIX.saturating_add(usize::from(length));
            if !header.starts_with(v2::PROTOCOL_PREFIX) || whole > MAX_BINARY {
                return None;
            }
            read_up_to(stream, &mut header, whole).await?;
            let header = v2::Header::try_from(header.as_slice()).ok()?;
            Some(match (header.command, header.addresses) {
                (v2::Command::Proxy, v2::Addresses::IPv4(ip)) => {
                    (ip.source_address, ip.source_port).into()
                }
                (v2::Command::Proxy, v2::Addresses::IPv6(ip)) => {
                    (ip.source_address, ip.source_port).into()
                }
                _ => peer,
            })
        }
        _ => None,
    }
}

async fn read_up_to<S: AsyncRead + Unpin>(
    stream: &mut S,
    header: &mut Vec<u8>,
    length: usize,
) -> Option<()> {
    let from = header.len();
    header.resize(length, 0);
    let rest = header.get_mut(from..)?;
    stream.read_exact(rest).await.ok().map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "10.0.0.1:1000";

    /// Who is behind, and what is left to be read.
    async fn read(mut bytes: &[u8]) -> (Option<String>, Vec<u8>) {
        let peer = PEER.parse().unwrap();
        let found = behind(&mut bytes, peer).await;
        (found.map(|address| address.to_string()), bytes.to_vec())
    }

    fn binary(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        let head = [v2::PROTOCOL_PREFIX, &[command, family], &length[..]].concat();
        [&head[..], addresses, b"GET "].concat()
    }

    #[tokio::test]
    async fn both_versions_tell_who_is_behind_and_leave_the_rest_unread() {
        for (header, expected) in [
            (
                b"PROXY TCP4 203.0.113.7 10.0.0.4 51000 443\r\nGET ".to_vec(),
                "203.0.113.7:51000",
            ),
            (
                b"PROXY TCP6 2001:db8::7 2001:db8::1 51000 443\r\nGET ".to_vec(),
                "[2001:db8::7]:51000",
            ),
            (b"PROXY UNKNOWN\r\nGET ".to_vec(), PEER),
            (
                binary(0x21, 0x11, &[203, 0, 113, 7, 10, 0, 0, 4, 199, 56, 1, 187]),
                "203.0.113.7:51000",
            ),
            (
                binary(
                    0x21,
                    0x11,
                    &[203, 0, 113, 7, 10, 0, 0, 4, 199, 56, 1, 187, 4, 0, 1, 42],
                ),
                "203.0.113.7:51000",
            ),
            (binary(0x20, 0, &[]), PEER),
        ] {
            let (found, rest) = read(&header).await;
            assert_eq!(found.as_deref(), Some(expected));
            assert_eq!(rest, b"GET ");
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_no_address() {
        let long = format!("PROXY TCP4 {}\r\n", "1".repeat(200));
        for bad in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"\x16\x03\x01",
            b"PROXY TCP4 203.0.113.7\r\n",
            b"PROXY TCP4 203.0.113.7 10.0.0.4 99999 443\r\n",
            long.as_bytes(),
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
            b"\r\n\r\n\0\r\nQUIX\n\x21\x11\0\x0c",
            b"",
        ] {
            let (found, _) = read(bad).await;
            assert_eq!(found, None, "{:?}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn a_network_is_what_its_prefix_says() {
        let proxies = Proxies::new(&["10.0.0.0/8".parse().unwrap()]);
        assert!(proxies.has("10.9.9.9".parse().unwrap()));
        assert!(proxies.has("::ffff:10.9.9.9".parse().unwrap()));
        assert!(!proxies.has("11.0.0.1".parse().unwrap()));
        assert!(!Proxies::default().has("10.0.0.1".parse().unwrap()));
    }
}
