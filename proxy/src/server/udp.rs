//! The UDP sockets of the SIP server's side.

use std::io;
use std::net::SocketAddr;
use std::task::Poll;

use net::udp::Watched;

use super::StartError;
use crate::core::Hop;

/// A SIP datagram cannot be larger.
pub(super) const MAX_DATAGRAM: usize = 65_535;

pub(super) struct Udp(Vec<(SocketAddr, Watched)>);

impl Udp {
    pub(super) fn bind(addresses: &[SocketAddr]) -> Result<Self, StartError> {
        let mut sockets = Vec::new();
        for &address in addresses {
            let wrong = |error| StartError::Udp { address, error };
            let bound = Watched::bind(address).map_err(wrong)?;
            sockets.push((bound.local_addr().map_err(wrong)?, bound));
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
                if let Poll::Ready(received) = socket.poll_receive(context, buffer) {
                    return Poll::Ready(received.map(|(length, from)| (length, Hop::udp(from))));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Sends from the first one of the destination's family.
    pub(super) fn send(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        let fits = |(own, _): &&(SocketAddr, Watched)| own.is_ipv4() == to.is_ipv4();
        match self.0.iter().find(fits) {
            Some((_, bound)) => bound.send_to(bytes, to),
            None => Err(io::Error::other(
                "no UDP address of that family; add one to [listen] udp",
            )),
        }
    }
}
