//! Why an address could not be listened on.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// What is listened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// Connections.
    Tcp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        })
    }
}

/// A socket could not be had. The text is one sentence with the address, the reason and the cure.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {transport} {address}: {}", cure(.source))]
pub struct BindError {
    /// What was to be listened for.
    pub transport: Transport,
    /// The address asked for.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

/// Whether strangers may be able to reach what is bound here: the address is neither this machine's alone nor of a
/// private network (RFC 1918, RFC 4193, RFC 6598, link-local), or it is every address at once.
#[must_use]
pub fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let shared = Ipv4Addr::new(100, 64, 0, 0);
            let is_shared = ip.to_bits() >> 22 == shared.to_bits() >> 22;
            !(ip.is_loopback() || ip.is_private() || ip.is_link_local() || is_shared)
        }
        IpAddr::V6(ip) => !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()),
    }
}

fn cure(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program has that port; stop it, or choose another port".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address; choose one that `ip address` shows".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need root or CAP_NET_BIND_SERVICE; choose a higher one".to_owned()
        }
        _ if error.raw_os_error() == Some(libc::EMFILE) => {
            "this process has too many files open; raise its limit (ulimit -n, LimitNOFILE=)"
                .to_owned()
        }
        _ => error.to_string(),
    }
}
