//! A UDP socket of a tokio runtime that is watched for what comes, and for nothing else: tokio's own wakes its runtime
//! whenever the kernel has sent a datagram.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::{Connected, Options, UdpSocket};

/// What is sent leaves at once; where the kernel has no room it is lost, as it may be on its way.
#[derive(Debug)]
pub struct Watched(AsyncFd<UdpSocket>);

impl Watched {
    /// Binds to exactly this address, an IPv6 one for IPv6 alone. Port 0 takes any free one. Needs a runtime with I/O.
    ///
    /// # Errors
    /// The address is not to be had.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let bound = UdpSocket::bind(address, Options::default());
        Self::watch(bound.map_err(|error| error.source)?)
    }

    /// A second socket at the same address, for one peer; see [`Connected`]. Its sends fail with news of earlier ones
    /// (ICMP), and then have not left: send again from the first, which hears no such news.
    ///
    /// # Errors
    /// The address is no particular one, the peer is nobody, or this is not Linux.
    pub fn beside(&self, peer: SocketAddr) -> io::Result<Self> {
        Self::watch(Connected::beside(self.0.get_ref(), peer)?.socket)
    }

    #[expect(
        unsafe_code,
        reason = "a socket must not be closed while it is watched"
    )]
    fn watch(socket: UdpSocket) -> io::Result<Self> {
        // SAFETY: The socket owns its descriptor, and nobody can have it for changing.
        let watched = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE)? };
        Ok(Self(watched))
    }

    /// The address with the port that was taken.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.0.get_ref().local_addr()
    }

    /// From now on only this peer is heard.
    ///
    /// # Errors
    /// There is no way to it.
    pub fn connect(&self, peer: SocketAddr) -> io::Result<()> {
        self.0.get_ref().socket.connect(peer)
    }

    /// The next datagram, written to the start of `buffer`: its length and its sender. What does not fit is lost.
    ///
    /// # Errors
    /// Something that was sent did not arrive, where the socket has but one peer.
    pub fn poll_receive(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        loop {
            let mut readable = ready!(self.0.poll_read_ready(context))?;
            if let Ok(received) =
                readable.try_io(|socket| socket.get_ref().socket.recv_from(buffer))
            {
                return Poll::Ready(received);
            }
        }
    }

    /// Sends one datagram.
    ///
    /// # Errors
    /// The kernel has no room (`WouldBlock`) or no way.
    pub fn send_to(&self, datagram: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.0.get_ref().socket.send_to(datagram, to)
    }

    /// Sends one datagram to the peer that it is connected to.
    ///
    /// # Errors
    /// The kernel has no room (`WouldBlock`) or no way.
    pub fn send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.0.get_ref().socket.send(datagram)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn what_comes_is_read_one_by_one_and_what_leaves_is_not_waited_for() {
        let any = "127.0.0.1:0".parse().unwrap();
        let (here, there) = (Watched::bind(any).unwrap(), Watched::bind(any).unwrap());
        there.connect(here.local_addr()).unwrap();
        for text in [b"one", b"two"] {
            there.send(text).unwrap();
        }
        let mut buffer = [0; 16];
        for text in [b"one", b"two"] {
            let received = poll_fn(|context| here.poll_receive(context, &mut buffer)).await;
            let (length, from) = received.unwrap();
            assert_eq!(buffer[..length], *text);
            assert_eq!(from, there.local_addr());
        }
        here.send_to(b"back", there.local_addr()).unwrap();
        let received = poll_fn(|context| there.poll_receive(context, &mut buffer)).await;
        assert_eq!(buffer[..received.unwrap().0], *b"back");
    }
}
