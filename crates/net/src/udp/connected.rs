//! A second socket on a port, for one peer: the kernel gives it what comes from that peer, and has looked up the way
//! there once and for all. What comes from anybody else goes to the first, as before. Only Linux does it this way.

use std::io;
use std::net::SocketAddr;

use super::UdpSocket;
#[cfg(target_os = "linux")]
use super::{Options, SockRef, Socket};

/// The second socket. It hears its peer, and may hear whoever sent in the moment of its making: ask each datagram for
/// its sender.
#[derive(Debug)]
pub struct Connected {
    pub(super) socket: UdpSocket,
    peer: SocketAddr,
}

impl Connected {
    /// Opens it beside the first, with the same options and TOS. What its peer sent before lies in the first: whoever
    /// reads that until it is empty before he reads this one finds everything in its order.
    #[cfg(target_os = "linux")]
    pub fn beside(first: &UdpSocket, peer: SocketAddr) -> io::Result<Self> {
        let address = first.address;
        // A socket on every address would be tied to one of them.
        if address.ip().is_unspecified() || !is_somebody(peer) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let second = super::unbound(address, Options::default())?;
        same_buffers(&SockRef::from(&first.socket), &second)?;
        super::set_tos(SockRef::from(&second), address, first.tos()?)?;
        second.set_reuse_port(true)?;
        // Two sockets may have a port while both say so and are one user's. Nobody else's can ever come in, and none of
        // that user's once this is over.
        let holder = SockRef::from(&first.socket);
        holder.set_reuse_port(true)?;
        // Until it is connected the kernel chooses between the two by the sender, so that nobody's datagrams change
        // from one to the other and back.
        let bound = second.bind(&address.into());
        let connected = bound.and_then(|()| second.connect(&peer.into()));
        holder.set_reuse_port(false)?;
        connected?;
        second.set_reuse_port(false)?;
        let socket = mio::net::UdpSocket::from_std(second.into());
        let socket = UdpSocket { socket, address };
        Ok(Self { socket, peer })
    }

    /// No other system gives a peer's datagrams to the socket that is connected to it for sure.
    #[cfg(not(target_os = "linux"))]
    pub fn beside(_: &UdpSocket, _: SocketAddr) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Connects it to another peer. What that one sent before lies in the first, as with a new socket. After an error it
    /// is whose it was.
    pub fn connect(&mut self, peer: SocketAddr) -> io::Result<()> {
        if !is_somebody(peer) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.socket.socket.connect(peer)?;
        self.peer = peer;
        Ok(())
    }

    /// Whose it is.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The socket, to watch it, to receive from it and to set its options. What is to reach the peer leaves by
    /// [`send`](Self::send).
    #[must_use]
    pub fn socket(&mut self) -> &mut UdpSocket {
        &mut self.socket
    }

    /// Sends one datagram to the peer. Any error but `WouldBlock` may be news of an earlier datagram (ICMP), and this
    /// one has not left: send it from the first socket, which hears no such news.
    pub fn send(&self, datagram: &[u8]) -> io::Result<()> {
        loop {
            match self.socket.socket.send(datagram) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// As much room in the kernel as the other has, of which it tells the double.
#[cfg(target_os = "linux")]
fn same_buffers(first: &SockRef<'_>, second: &Socket) -> io::Result<()> {
    let (receive, send) = (first.recv_buffer_size()?, first.send_buffer_size()?);
    if second.recv_buffer_size()? != receive {
        second.set_recv_buffer_size(receive / 2)?;
    }
    if second.send_buffer_size()? != send {
        second.set_send_buffer_size(send / 2)?;
    }
    Ok(())
}

/// To be connected to anybody else means something else, or nothing.
fn is_somebody(address: SocketAddr) -> bool {
    !address.ip().is_unspecified() && address.port() != 0
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::udp::Options;

    #[test]
    fn it_has_what_the_first_was_given() {
        let options = Options {
            receive_buffer: Some(50_000),
            send_buffer: Some(60_000),
        };
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let first = UdpSocket::bind(address.parse().unwrap(), options).unwrap();
            first.set_tos(184).unwrap();
            let mut second = Connected::beside(&first, first.local_addr()).unwrap();
            let second = second.socket();
            assert_eq!(second.local_addr(), first.local_addr());
            assert_eq!(second.tos().unwrap(), 184);
            assert_eq!(second.capacity().unwrap(), first.capacity().unwrap());
        }
    }
}
