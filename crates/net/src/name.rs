//! Addresses as the kernel writes them: `sockaddr_in` and `sockaddr_in6`, read and written as bytes.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Bytes of a `sockaddr_in`.
const FOUR: u32 = 16;
/// Bytes of a `sockaddr_in6`, the longer one.
pub(crate) const SIX: u32 = 28;

/// Room for either.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Name(pub(crate) [u8; SIX as usize]);

impl Name {
    pub(crate) const EMPTY: Self = Self([0; SIX as usize]);

    /// How an address without its port is written for the kernel, and how long that is: a raw socket has no ports.
    pub(crate) fn of_host(address: SocketAddr) -> (Self, u32) {
        let mut name = Self::EMPTY;
        let [f0, f1, _, _, v4 @ ..] = &mut name.0;
        match address {
            SocketAddr::V4(address) => {
                [*f0, *f1] = family(libc::AF_INET);
                if let Some(place) = v4.first_chunk_mut() {
                    *place = address.ip().octets();
                }
                (name, FOUR)
            }
            SocketAddr::V6(address) => {
                [*f0, *f1] = family(libc::AF_INET6);
                let [_, _, _, _, ip @ .., s0, s1, s2, s3] = v4;
                *ip = address.ip().octets();
                [*s0, *s1, *s2, *s3] = address.scope_id().to_ne_bytes();
                (name, SIX)
            }
        }
    }

    /// What the kernel wrote.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        read(&self.0)
    }
}

/// Reads either; `None` if it is neither.
pub(crate) fn read(bytes: &[u8]) -> Option<SocketAddr> {
    let ([f0, f1, p0, p1], rest) = bytes.split_first_chunk()?;
    let port = u16::from_be_bytes([*p0, *p1]);
    if [*f0, *f1] == family(libc::AF_INET) {
        let ip = Ipv4Addr::from(*rest.first_chunk::<4>()?);
        return Some(SocketAddrV4::new(ip, port).into());
    }
    if [*f0, *f1] != family(libc::AF_INET6) {
        return None;
    }
    let (_flow, rest) = rest.split_first_chunk::<4>()?;
    let (ip, rest) = rest.split_first_chunk::<16>()?;
    let scope = u32::from_ne_bytes(*rest.first_chunk()?);
    let ip = Ipv6Addr::from(*ip);
    Some(SocketAddrV6::new(ip, port, 0, scope).into())
}

fn family(family: libc::c_int) -> [u8; 2] {
    libc::sa_family_t::try_from(family)
        .unwrap_or(0)
        .to_ne_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_without_its_port() {
        for (address, length) in [("192.0.2.1:5", FOUR), ("[fe80::1%7]:5", SIX)] {
            let address: SocketAddr = address.parse().unwrap();
            let (name, len) = Name::of_host(address);
            let mut host = address;
            host.set_port(0);
            assert_eq!((name.address(), len), (Some(host), length));
        }
        assert_eq!(Name::EMPTY.address(), None);
    }
}
