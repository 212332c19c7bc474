//! The UDP sockets of the SIP server's side.
//!
//! Where the SIP server has one address, a socket beside ours is connected to it: the kernel then looks up the way there once
//! and not for each datagram.

use std::io;
use std::net::SocketAddr;
use std::task::Poll;

use net::udp::Watched;

use super::StartError;
use crate::core::{Hop, Target, Transport};

/// A SIP datagram cannot be larger.
pub(super) const MAX_DATAGRAM: usize = 65_535;

pub(super) struct Udp(Vec<Bound>);

struct Bound {
    address: SocketAddr,
    socket: Watched,
    /// The one peer that there is, and the socket for it.
    peer: Option<(SocketAddr, Watched)>,
}

impl Udp {
    pub(super) fn bind(addresses: &[SocketAddr]) -> Result<Self, StartError> {
        let mut sockets = Vec::new();
        for &address in addresses {
            let socket = Watched::bind(address);
            let socket = socket.map_err(|error| StartError::Udp { address, error })?;
            let (address, peer) = (socket.local_addr(), None);
            sockets.push(Bound {
                address,
                socket,
                peer,
            });
        }
        Ok(Self(sockets))
    }

    /// The addresses as bound, in the order in which they were given.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().map(|bound| bound.address).collect()
    }

    /// The SIP server is there.
    pub(super) fn serve(&mut self, targets: &[Target]) {
        let is_udp = |target: &&Target| target.hop.transport == Transport::Udp;
        let mut targets = targets.iter().filter(is_udp).map(|it| it.hop.address);
        let only = targets.next().filter(|_| targets.next().is_none());
        for bound in &mut self.0 {
            let peer = only.filter(|peer| bound.sends_to(*peer));
            if bound.peer.as_ref().map(|(peer, _)| *peer) != peer {
                // Two sockets for one peer would each have some of what it sends.
                bound.peer = None;
                bound.peer = peer.and_then(|peer| bound.beside(peer));
            }
        }
    }

    /// The next datagram of any of them: written to `buffer`, its length and where it came from. Nothing is lost when the
    /// future is dropped.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Hop)> {
        std::future::poll_fn(|context| {
            for socket in self.0.iter().flat_map(Bound::sockets) {
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
        match self.0.iter().find(|bound| bound.sends_to(to)) {
            Some(bound) => bound.send(bytes, to),
            None => Err(io::Error::other(
                "no UDP address of that family; add one to [listen] udp",
            )),
        }
    }
}

impl Bound {
    fn sends_to(&self, to: SocketAddr) -> bool {
        self.address.is_ipv4() == to.is_ipv4()
    }

    fn beside(&self, peer: SocketAddr) -> Option<(SocketAddr, Watched)> {
        match self.socket.beside(peer) {
            Ok(second) => Some((peer, second)),
            Err(error) => {
                tracing::debug!(%peer, %error, "no socket for the SIP server alone");
                None
            }
        }
    }

    /// What the peer sent before it had a socket of its own lies in the first, so that is read first.
    fn sockets(&self) -> impl Iterator<Item = &Watched> {
        let second = self.peer.iter().map(|(_, socket)| socket);
        std::iter::once(&self.socket).chain(second)
    }

    fn send(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        if let Some((_, socket)) = self.peer.as_ref().filter(|(peer, _)| *peer == to)
            && let Ok(sent) = socket.send(bytes)
        {
            return Ok(sent);
        }
        self.socket.send_to(bytes, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any() -> SocketAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    fn local() -> Watched {
        Watched::bind(any()).unwrap()
    }

    fn server(socket: &Watched) -> Target {
        Target {
            hop: Hop::udp(socket.local_addr()),
            priority: 0,
            weight: 1,
        }
    }

    async fn heard(socket: &Watched) -> (Vec<u8>, SocketAddr) {
        let mut buffer = [0; 16];
        let received = std::future::poll_fn(|context| socket.poll_receive(context, &mut buffer));
        let (length, from) = received.await.unwrap();
        (buffer[..length].to_vec(), from)
    }

    #[tokio::test]
    async fn the_sip_server_and_strangers_are_heard_and_answered_from_one_address() {
        let (mut udp, one, other) = (Udp::bind(&[any()]).unwrap(), local(), local());
        let address = udp.addresses()[0];
        for targets in [
            vec![],
            vec![server(&one)],
            vec![server(&one), server(&other)],
        ] {
            udp.serve(&targets);
            for socket in [&one, &other] {
                socket.send_to(b"hello", address).unwrap();
                let mut buffer = [0; 16];
                let (length, from) = udp.receive(&mut buffer).await.unwrap();
                assert_eq!(
                    (&buffer[..length], from.address),
                    (&b"hello"[..], socket.local_addr())
                );
                udp.send(b"and back", from.address).unwrap();
                assert_eq!(heard(socket).await, (b"and back".to_vec(), address));
            }
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn what_is_sent_to_a_sip_server_that_comes_back_reaches_it_at_once() {
        let (mut udp, one) = (Udp::bind(&[any()]).unwrap(), local());
        udp.serve(&[server(&one)]);
        let there = one.local_addr();
        drop(one);
        udp.send(b"to nobody", there).unwrap();
        let one = Watched::bind(there).unwrap();
        // The kernel has heard that nobody was there, and would keep this one back to say so.
        udp.send(b"to somebody", there).unwrap();
        assert_eq!(heard(&one).await.0, b"to somebody");
        assert!(
            udp.0[0].peer.is_some(),
            "nothing of this is put to the test"
        );
        let mut buffer = [0; 16];
        one.send_to(b"hello", udp.addresses()[0]).unwrap();
        assert_eq!(udp.receive(&mut buffer).await.unwrap().0, 5);
    }
}
