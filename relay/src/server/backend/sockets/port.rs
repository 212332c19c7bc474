//! An open port: the socket that holds it, and, once it is known with whom it talks, a second one that is connected to
//! that peer, which costs the kernel less for each packet. Who the peer is decides nothing here but that: each datagram
//! brings its sender along, and one from anybody else comes by the first socket.

use std::io;
use std::net::SocketAddr;

use net::udp::{Connected, Dated, UdpSocket};

/// Datagrams from and to one address without another between them, after which it is the peer's.
const UNTIL_KNOWN: u8 = 25;

/// Where none is told: never an address of anybody.
const NOBODY: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

pub(super) struct Port {
    first: UdpSocket,
    second: Option<Box<Connected>>,
    /// Whom it talked with last, and how often in a row; not counted while that is the second socket's peer.
    last: SocketAddr,
    times: u8,
    /// It was said that it is time, and nobody has [asked](Self::new_peer) since.
    is_told: bool,
    /// It stays with one socket: many peers share it, or the system gives it no second.
    is_alone: bool,
}

/// Which of a port's sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    First,
    Second,
}

impl Port {
    pub(super) fn new(first: UdpSocket) -> Self {
        Self {
            first,
            second: None,
            last: NOBODY,
            times: 0,
            is_told: false,
            is_alone: false,
        }
    }

    /// The socket that holds the port.
    pub(super) fn first(&self) -> &UdpSocket {
        &self.first
    }

    pub(super) fn second(&mut self) -> Option<&mut Connected> {
        self.second.as_deref_mut()
    }

    /// It gets no second socket.
    pub(super) fn stay_alone(&mut self) {
        self.is_alone = true;
    }

    /// The next datagram of a socket, `None` if there is none.
    pub(super) fn receive(
        &mut self,
        which: Which,
        buffer: &mut [u8],
        dated: bool,
    ) -> io::Result<Option<Dated>> {
        let socket = match (which, &mut self.second) {
            (Which::First, _) => &mut self.first,
            (Which::Second, Some(second)) => second.socket(),
            // Closed since.
            (Which::Second, None) => return Ok(None),
        };
        if dated {
            return socket.receive_dated(buffer);
        }
        let received = socket.receive(buffer)?;
        Ok(received.map(|(len, from)| (len, from, None)))
    }

    /// Sends by the peer's socket if it goes to the peer, else by the first.
    pub(super) fn send(&self, datagram: &[u8], to: SocketAddr) -> io::Result<()> {
        if let Some(second) = &self.second
            && second.peer() == to
        {
            match second.send(datagram) {
                // News of an earlier datagram, most likely, which must not be the end of this one.
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {}
                sent => return sent,
            }
        }
        self.first.send(datagram, to)
    }

    /// A datagram came from there, or left for there; whether it is time for a second socket, or for another peer. That
    /// is said once, until somebody [asks](Self::new_peer).
    pub(super) fn talked_with(&mut self, address: SocketAddr) -> bool {
        if self
            .second
            .as_ref()
            .is_some_and(|second| second.peer() == address)
        {
            self.times = 0;
            return false;
        }
        if self.last == address {
            self.times = self.times.saturating_add(1);
        } else {
            (self.last, self.times) = (address, 1);
        }
        let is_time = self.times >= UNTIL_KNOWN && !self.is_alone;
        is_time && !std::mem::replace(&mut self.is_told, true)
    }

    /// Who is to have the second socket, if it still is time for that. Asked once, the count begins anew.
    pub(super) fn new_peer(&mut self) -> Option<SocketAddr> {
        self.is_told = false;
        (std::mem::take(&mut self.times) >= UNTIL_KNOWN).then_some(self.last)
    }

    /// Gives its second socket to this peer; it is opened if there is none. What came before is in the first: read that
    /// until it is empty.
    pub(super) fn connect(&mut self, peer: SocketAddr) -> io::Result<()> {
        if let Some(second) = &mut self.second {
            return second.connect(peer);
        }
        let second = Connected::beside(&self.first, peer);
        // What was refused once would be refused each time.
        self.is_alone = second.is_err();
        self.second = Some(second?.into());
        Ok(())
    }

    /// Closes the second socket; whether there was one. Read it until it is empty before.
    pub(super) fn disconnect(&mut self) -> bool {
        self.second.take().is_some()
    }

    pub(super) fn set_tos(&mut self, tos: u8) -> io::Result<()> {
        self.each(|socket| socket.set_tos(tos))
    }

    /// Whether the kernel notes when a datagram comes.
    pub(super) fn date(&mut self, dated: bool) -> io::Result<()> {
        self.each(|socket| socket.date(dated))
    }

    fn each(&mut self, mut change: impl FnMut(&UdpSocket) -> io::Result<()>) -> io::Result<()> {
        change(&self.first)?;
        self.second
            .as_mut()
            .map_or(Ok(()), |second| change(second.socket()))
    }
}
