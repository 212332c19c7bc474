//! UDP sockets that never wait: the relay's media ports and its control port.
//!
//! Bytes go in and out of buffers that the caller owns. Never takes a port that another program has
//! (no `SO_REUSEADDR`, no `SO_REUSEPORT`): a port that somebody holds is refused. One [`Connected`] socket of ours may
//! stand beside the one that holds it, or a whole [group](bind_group).

mod connected;
mod dated;
mod group;
#[cfg(unix)]
mod watched;

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::bind::Transport;

pub use crate::bind::BindError;
pub use connected::Connected;
pub use dated::Dated;
pub use group::{bind_group, steer_checks};
#[cfg(unix)]
pub use watched::Watched;

/// Bytes that a kernel charges for a waiting datagram at least, however short it is: its own notes on it.
const LEAST_CHARGE: usize = 256;

/// How a socket is set up. The default leaves everything to the system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Bytes that the kernel holds for us while we are busy (`SO_RCVBUF`). The kernel may give less:
    /// its limit is `net.core.rmem_max`.
    pub receive_buffer: Option<usize>,
    /// Bytes that the kernel holds while the network is busy (`SO_SNDBUF`).
    pub send_buffer: Option<usize>,
}

/// A non-blocking UDP socket that belongs to one address.
#[derive(Debug)]
pub struct UdpSocket {
    socket: mio::net::UdpSocket,
    address: SocketAddr,
}

impl UdpSocket {
    /// Binds to exactly this address. Port 0 takes any free one. An IPv6 socket is for IPv6 alone.
    pub fn bind(address: SocketAddr, options: Options) -> Result<Self, BindError> {
        let opened = unbound(address, options).and_then(|socket| open(socket, address));
        opened.map_err(|source| BindError {
            transport: Transport::Udp,
            address,
            source,
        })
    }

    /// The address with the port that was taken.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The next datagram, written to the start of `buffer`: its length and its sender, or `None` if
    /// there is none. What does not fit into the buffer is lost.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<(usize, SocketAddr)>> {
        loop {
            match self.socket.recv_from(buffer) {
                Ok(received) => return Ok(Some(received)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends one datagram. It is lost, with an error of the kind `WouldBlock`, when the kernel has no
    /// room: media that waits is worth nothing.
    pub fn send(&self, datagram: &[u8], to: SocketAddr) -> io::Result<()> {
        loop {
            match self.socket.send_to(datagram, to) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Has the kernel hold this many bytes for us while we are busy; less where its limit (`net.core.rmem_max`) is
    /// lower and we may not go beyond (`CAP_NET_ADMIN`).
    pub fn hold(&self, bytes: usize) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        {
            let forced = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
            let name = libc::SO_RCVBUFFORCE;
            if crate::option::set(&self.socket, libc::SOL_SOCKET, name, forced).is_ok() {
                return Ok(());
            }
        }
        SockRef::from(&self.socket).set_recv_buffer_size(bytes)
    }

    /// How many datagrams can wait in the kernel at most.
    pub fn capacity(&self) -> io::Result<usize> {
        let bytes = SockRef::from(&self.socket).recv_buffer_size()?;
        Ok(bytes.div_ceil(LEAST_CHARGE))
    }

    /// The TOS byte of what is sent from now on (traffic class, RFC 2474): DSCP in its upper six bits.
    pub fn set_tos(&self, tos: u8) -> io::Result<()> {
        set_tos(SockRef::from(&self.socket), self.address, tos)
    }

    #[cfg(any(test, target_os = "linux"))]
    fn tos(&self) -> io::Result<u8> {
        let socket = SockRef::from(&self.socket);
        let tos = if self.address.is_ipv4() {
            socket.tos_v4()?
        } else {
            socket.tclass_v6()?
        };
        u8::try_from(tos).map_err(io::Error::other)
    }

    /// For the portable [`Poller`](crate::poll::Poller) alone.
    #[cfg(any(test, not(target_os = "linux")))]
    pub(crate) fn source(&mut self) -> &mut mio::net::UdpSocket {
        &mut self.socket
    }
}

#[cfg(unix)]
impl std::os::fd::AsRawFd for UdpSocket {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.socket.as_raw_fd()
    }
}

fn open(socket: Socket, address: SocketAddr) -> io::Result<UdpSocket> {
    socket.bind(&address.into())?;
    let socket = mio::net::UdpSocket::from_std(socket.into());
    let address = socket.local_addr()?;
    Ok(UdpSocket { socket, address })
}

fn unbound(address: SocketAddr, options: Options) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if let Some(bytes) = options.receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(bytes) = options.send_buffer {
        socket.set_send_buffer_size(bytes)?;
    }
    ignore_path_mtu(&socket, address)?;
    Ok(socket)
}

fn set_tos(socket: SockRef<'_>, address: SocketAddr, tos: u8) -> io::Result<()> {
    if address.is_ipv4() {
        socket.set_tos_v4(tos.into())
    } else {
        socket.set_tclass_v6(tos.into())
    }
}

/// A relay sends on what it is sent, so it cannot make packets smaller. Without this Linux sets the
/// "don't fragment" bit, and whoever forges an ICMP "fragmentation needed" (RFC 8085 section 3.2 warns
/// of it) decides which of our packets are lost.
#[cfg(target_os = "linux")]
pub(crate) fn ignore_path_mtu(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    let (level, name, value) = if address.is_ipv4() {
        (
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            libc::IP_PMTUDISC_OMIT,
        )
    } else {
        (
            libc::IPPROTO_IPV6,
            libc::IPV6_MTU_DISCOVER,
            libc::IPV6_PMTUDISC_OMIT,
        )
    };
    crate::option::set(socket, level, name, value)
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "the same face as on Linux")]
pub(crate) fn ignore_path_mtu(_: &Socket, _: SocketAddr) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_of_either_family_takes_its_tos() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let socket = UdpSocket::bind(address.parse().unwrap(), Options::default()).unwrap();
            socket.set_tos(184).unwrap();
            assert_eq!(socket.tos().unwrap(), 184, "{address}");
        }
    }
}
