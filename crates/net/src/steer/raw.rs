//! A socket for whole packets, headers included, of one family.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};

use socket2::{Domain, Protocol, Socket, Type};

use crate::udp;

/// A socket that sends whatever its packets say, by the routes that hold for its address. It hears nothing. Needs
/// `CAP_NET_RAW`.
#[derive(Debug)]
pub struct RawSocket {
    socket: Socket,
}

impl RawSocket {
    /// For packets from this address.
    pub fn open(address: IpAddr) -> io::Result<Self> {
        let address = SocketAddr::new(address, 0);
        let domain = Domain::for_address(address);
        // This protocol means that packets bring their headers; and nothing ever comes in by it.
        let protocol = Protocol::from(libc::IPPROTO_RAW);
        let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
        socket.set_nonblocking(true)?;
        udp::ignore_path_mtu(&socket, address)?;
        // Where several routes lead to a place, the kernel chooses by the sender's address: this one, not the packet's.
        socket.bind(&address.into())?;
        Ok(Self { socket })
    }
}

impl AsRawFd for RawSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
