//! The UDP sockets of the SIP server's side.

use std::io;
use std::net::SocketAddr;
use std::task::Poll;

use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

use super::StartError;
use crate::core::Hop;

/// A SIP datagram cannot be larger.
pub(super) const MAX_DATAGRAM: usize = 65_535;

pub(super) struct Udp(Vec<(SocketAddr, UdpSocket)>);

impl Udp {
    pub(super) async fn bind(addresses: &[SocketAddr]) -> Result<Self, StartError> {
        let mut sockets = Vec::new();
        for &address in addresses {
            let wrong = |error| StartError::Udp { address, error };
            let socket = UdpSocket::bind(address).await.map_err(wrong)?;
            sockets.push((socket.local_addr().map_err(wrong)?, socket));
        }
        Ok(Self(sockets))
    }

    /// The addresses as bound, in the order in which they were given.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().map(|(address, _)| *address).collect()
    }

    /// The next datagram of any of them: written to `buffer`, its length and where it came from. Nothing is lost when the
    /// future is dropped.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Hop)> {
        std::future::poll_fn(|context| {
            for (_, socket) in &self.0 {
                let mut into = ReadBuf::new(buffer);
                if let Poll::Ready(received) = socket.poll_recv_from(context, &mut into) {
                    let length = into.filled().len();
                    return Poll::Ready(received.map(|from| (length, Hop::udp(from))));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Sends from the first one of the destination's family.
    pub(super) async fn send(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        let fits = |(own, _): &&(SocketAddr, UdpSocket)| own.is_ipv4() == to.is_ipv4();
        match self.0.iter().find(fits) {
            Some((_, socket)) => socket.send_to(bytes, to).await,
            None => Err(io::Error::other(
                "no UDP address of that family; add one to [listen] udp",
            )),
        }
    }
}
