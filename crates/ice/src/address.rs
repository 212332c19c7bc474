//! Where an agent may send: candidates are written by strangers (RFC 8445 section 19, voice hammer and SSRF).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// What is allowed beyond ordinary unicast addresses. The default allows nothing more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddressPolicy {
    /// 127/8 and ::1: only where we are bound to loopback ourselves (an [`crate::Agent`] sets it then by itself).
    pub loopback: bool,
    /// 169.254/16 and fe80::/10. The first holds the metadata service of clouds.
    pub link_local: bool,
}

/// Why an address is no destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Forbidden {
    /// Port 0 leads nowhere.
    #[error("the port is 0")]
    NoPort,
    /// 0/8 or ::, which many kernels take for this host.
    #[error("the address is unspecified")]
    Unspecified,
    /// 127/8 or ::1.
    #[error("the address is loopback")]
    Loopback,
    /// 169.254/16 or fe80::/10.
    #[error("the address is link-local")]
    LinkLocal,
    /// 224/4, 240/4, 255.255.255.255 or ff00::/8.
    #[error("the address is multicast, broadcast or reserved")]
    NotUnicast,
}

impl AddressPolicy {
    /// Says whether `address` may be sent to. A v4-mapped IPv6 address is judged as the IPv4 address it is.
    ///
    /// # Errors
    /// With the reason when it may not.
    pub fn check(self, address: SocketAddr) -> Result<(), Forbidden> {
        if address.port() == 0 {
            return Err(Forbidden::NoPort);
        }
        let ip = address.ip().to_canonical();
        if ip.is_unspecified() || matches!(ip, IpAddr::V4(v4) if v4.octets()[0] == 0) {
            return Err(Forbidden::Unspecified);
        }
        if ip.is_multicast() || matches!(ip, IpAddr::V4(v4) if is_class_e(v4)) {
            return Err(Forbidden::NotUnicast);
        }
        if ip.is_loopback() && !self.loopback {
            return Err(Forbidden::Loopback);
        }
        if is_link_local(ip) && !self.link_local {
            return Err(Forbidden::LinkLocal);
        }
        Ok(())
    }
}

/// 240/4 with the limited broadcast address in it.
fn is_class_e(v4: Ipv4Addr) -> bool {
    v4.octets()[0] >= 240
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unicast_destinations_pass() {
        let cases = [
            ("198.51.100.7:4000", Ok(())),
            ("10.0.0.5:4000", Ok(())),
            ("[2001:db8::1]:4000", Ok(())),
            ("198.51.100.7:0", Err(Forbidden::NoPort)),
            ("0.0.0.0:9", Err(Forbidden::Unspecified)),
            ("0.1.2.3:9", Err(Forbidden::Unspecified)),
            ("[::]:9", Err(Forbidden::Unspecified)),
            ("[::ffff:0.0.0.0]:9", Err(Forbidden::Unspecified)),
            ("127.0.0.1:9", Err(Forbidden::Loopback)),
            ("[::1]:9", Err(Forbidden::Loopback)),
            ("[::ffff:127.0.0.1]:9", Err(Forbidden::Loopback)),
            ("169.254.169.254:80", Err(Forbidden::LinkLocal)),
            ("[fe80::1]:9", Err(Forbidden::LinkLocal)),
            ("224.0.0.1:9", Err(Forbidden::NotUnicast)),
            ("255.255.255.255:9", Err(Forbidden::NotUnicast)),
            ("[ff02::1]:9", Err(Forbidden::NotUnicast)),
        ];
        for (address, expected) in cases {
            assert_eq!(
                AddressPolicy::default().check(address.parse().unwrap()),
                expected,
                "{address}"
            );
        }
    }

    #[test]
    fn loopback_and_link_local_are_opened_each_by_its_own_word() {
        let loopback = AddressPolicy {
            loopback: true,
            link_local: false,
        };
        assert_eq!(loopback.check("127.0.0.1:9".parse().unwrap()), Ok(()));
        assert_eq!(
            loopback.check("169.254.1.1:9".parse().unwrap()),
            Err(Forbidden::LinkLocal)
        );
        let link_local = AddressPolicy {
            loopback: false,
            link_local: true,
        };
        assert_eq!(link_local.check("169.254.1.1:9".parse().unwrap()), Ok(()));
        assert_eq!(
            link_local.check("127.0.0.1:9".parse().unwrap()),
            Err(Forbidden::Loopback)
        );
    }
}
