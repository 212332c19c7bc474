//! The way for many calls: the kernel hands what comes to any of our ports to one socket, from which up to 64
//! datagrams are taken by one call, and as many leave by another. Needs the capabilities that [`net::steer`] names.
//!
//! Each port has a socket of its own still. It holds the port against other programs, sends what is too long for one
//! packet, and hears nothing.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use control_proto::MAX_DATAGRAM;
use net::poll::{Key, Poller, Waker};
use net::steer::{Batch, Inlet, RawSocket, Refused, Steering, Way};
use net::udp::UdpSocket;

use super::directory::Directory;
use super::late::Patience;
use super::{Backend, Relay};
use crate::core::{HEADROOM, Ports, SocketId};
use crate::server::worker::Lost;

/// Bytes that wait while we are busy: a tenth of a second of two thousand calls.
const BUFFER: usize = 16 << 20;

/// The ports and what is steered from them.
pub(in crate::server) struct Steered {
    poller: Poller,
    steering: Arc<Steering>,
    /// Ours among the threads that it knows.
    thread: u16,
    /// Sockets of ports that all shards share, until the core opens them.
    held: Vec<UdpSocket>,
    /// One of each family; there may be no IPv6.
    inlets: Vec<Inlet>,
    /// By [`SocketId`].
    table: Vec<Option<Port>>,
    /// Each address has a socket that packets leave by.
    directory: Directory<RawSocket>,
    /// The families that may hold datagrams.
    readable: Vec<Key>,
    batch: Batch,
    /// While there is more to do than time for it.
    pub(super) patience: Option<Patience>,
}

/// An open port.
struct Port {
    socket: UdpSocket,
    /// The number of its address in the directory.
    exit: usize,
    tos: u8,
}

/// What all shards have in common, before they have it.
pub(super) struct Common {
    steering: Steering,
    four: Vec<Inlet>,
    six: Vec<Inlet>,
}

impl Common {
    /// An error means that this process may not, or that this system cannot. Each shard has its mark.
    pub(super) fn new(range: RangeInclusive<u16>, marks: &[u8]) -> io::Result<Self> {
        let four = Inlet::open_group(Ipv4Addr::LOCALHOST.into(), BUFFER, marks)?;
        let six = Inlet::open_group(Ipv6Addr::LOCALHOST.into(), BUFFER, marks).unwrap_or_default();
        // Whether it may, which is asked now and not at the first call.
        RawSocket::open(Ipv4Addr::LOCALHOST.into())?;
        let steering = Steering::new(range, &four, &six)?;
        Ok(Self {
            steering,
            four,
            six,
        })
    }

    /// Each shard's part, with its sockets of ports that others have too.
    pub(super) fn share(self, held: Vec<Vec<UdpSocket>>) -> io::Result<Vec<Steered>> {
        let steering = Arc::new(self.steering);
        let mut six = self.six.into_iter();
        let inlets = self.four.into_iter().map(|four| (four, six.next()));
        let parts = (0..).zip(inlets.zip(held));
        let one = |(thread, ((four, six), held))| {
            let inlets = [four].into_iter().chain(six).collect();
            Steered::new(Arc::clone(&steering), thread, inlets, held)
        };
        parts.map(one).collect()
    }
}

impl Steered {
    fn new(
        steering: Arc<Steering>,
        thread: u16,
        inlets: Vec<Inlet>,
        held: Vec<UdpSocket>,
    ) -> io::Result<Self> {
        let poller = Poller::new()?;
        for (key, inlet) in (0..).zip(&inlets) {
            inlet.watch(&poller, key)?;
        }
        Ok(Self {
            poller,
            steering,
            thread,
            held,
            inlets,
            table: Vec::new(),
            directory: Directory::new(),
            readable: Vec::new(),
            batch: Batch::new(MAX_DATAGRAM, HEADROOM),
            patience: None,
        })
    }

    /// Takes a batch of one family; whether there may be more.
    fn read<R: Relay>(&mut self, key: Key, relay: &mut R, lost: &mut Lost) -> bool {
        let Some(inlet) = self.inlets.get(position(key)) else {
            return false;
        };
        let Ok(count) = self.batch.receive(inlet) else {
            // The system's news about something earlier; what comes next is not affected.
            return true;
        };
        for number in 0..count {
            let Some(arrived) = self.batch.get(number) else {
                continue;
            };
            let Some(id) = self.directory.find(arrived.to) else {
                continue;
            };
            let (from, buffer, len) = (arrived.from, arrived.buffer, arrived.len);
            if self
                .patience
                .is_some_and(|patience| patience.is_over(arrived.came))
            {
                relay.late(id, from, buffer.get(..len).unwrap_or_default());
                continue;
            }
            let Some(send) = relay.receive(id, from, buffer, len) else {
                continue;
            };
            let Some(Some(port)) = self.table.get(position(send.socket.0)) else {
                continue;
            };
            let way = Way {
                exit: port.exit,
                from: port.socket.local_addr(),
                to: send.to,
                class: port.tos,
            };
            if !self.batch.answer(number, send.len, way) {
                lost.count(io::ErrorKind::InvalidInput.into());
            }
        }
        for (exit, raw) in self.directory.addresses() {
            self.batch.flush(exit, raw, |refused| {
                if let Err(error) = send_whole(&self.directory, &self.table, refused) {
                    lost.count(error);
                }
            });
        }
        count == Batch::SIZE
    }
}

/// Sends what was refused from the port's own socket, if it was only too long for one packet.
fn send_whole(
    directory: &Directory<RawSocket>,
    table: &[Option<Port>],
    refused: Refused<'_>,
) -> io::Result<()> {
    let id = directory.find(refused.way.from);
    match id.and_then(|id| table.get(position(id.0))) {
        Some(Some(port)) if refused.is_too_long() => {
            port.socket.send(refused.datagram, refused.way.to)
        }
        _ => Err(refused.error),
    }
}

impl Backend for Steered {
    fn waker(&self) -> Waker {
        self.poller.waker()
    }

    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let left = self.readable.len();
        let timeout = if left == 0 {
            timeout
        } else {
            Some(Duration::ZERO)
        };
        self.poller.wait(timeout, &mut self.readable)?;
        // What was left may have been reported again.
        if left > 0 {
            self.readable.sort_unstable();
            self.readable.dedup();
        }
        Ok(())
    }

    fn turn<R: Relay>(&mut self, relay: &mut R, lost: &mut Lost) {
        if let Some(patience) = &mut self.patience {
            *patience = patience.at(SystemTime::now());
        }
        let mut readable = std::mem::take(&mut self.readable);
        readable.retain(|key| self.read(*key, relay, lost));
        self.readable = readable;
    }

    fn set_overloaded(&mut self, overloaded: bool) {
        if overloaded != self.patience.is_some() {
            self.patience = overloaded.then(|| Patience::new(SystemTime::now()));
            for inlet in &self.inlets {
                if let Err(error) = inlet.date(overloaded) {
                    tracing::warn!(%error, "media ports do not tell when a datagram came");
                }
            }
        }
    }

    fn crowd(&mut self, _: SocketId) {
        // As all ports here do.
    }

    fn bring(&mut self, socket: SocketId, source: SocketAddr, shard: Option<u8>) {
        let Some(number) = number(socket) else {
            return;
        };
        // Where that cannot be, what comes from there is handed over from shard to shard.
        if let Err(error) = self.steering.bring(number, source, shard.map(u16::from)) {
            tracing::debug!(%source, %error, "a browser is not steered to its media thread");
        }
    }

    fn send(&mut self, socket: SocketId, to: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        match self.table.get(position(socket.0)) {
            Some(Some(port)) => port.socket.send(datagram, to),
            // Closed since: there is nobody to hear it.
            _ => Ok(()),
        }
    }
}

impl Ports for Steered {
    fn open(&mut self, id: SocketId, at: SocketAddr) -> bool {
        if at.is_ipv6() && self.inlets.len() < 2 {
            return false;
        }
        let is_shared = self.held.iter().any(|held| held.local_addr() == at);
        let Some(socket) = super::take_or_bind(&mut self.held, at) else {
            return false;
        };
        let raw = || RawSocket::open(at.ip());
        let steered = self.directory.address(at.ip(), raw).and_then(|exit| {
            match number(id).filter(|_| is_shared) {
                Some(number) => self.steering.share(at, number)?,
                None => self.steering.add(at, self.thread)?,
            }
            Ok(exit)
        });
        let exit = match steered {
            Ok(exit) => exit,
            Err(error) => {
                tracing::error!(%at, %error, "a media port cannot be steered");
                return false;
            }
        };
        self.batch.make_exits(exit.saturating_add(1));
        let index = position(id.0);
        if index >= self.table.len() {
            self.table.resize_with(index.saturating_add(1), || None);
        }
        if let Some(slot) = self.table.get_mut(index) {
            *slot = Some(Port {
                socket,
                exit,
                tos: 0,
            });
        }
        self.directory.enter(at, id);
        true
    }

    fn mark(&mut self, id: SocketId, tos: u8) {
        let Some(Some(port)) = self.table.get_mut(position(id.0)) else {
            return;
        };
        port.tos = tos;
        if let Err(error) = port.socket.set_tos(tos) {
            tracing::warn!(tos, %error, "a media port cannot be given its TOS");
        }
    }

    fn close(&mut self, id: SocketId) {
        let slot = self.table.get_mut(position(id.0));
        let Some(port) = slot.and_then(Option::take) else {
            return;
        };
        let at = port.socket.local_addr();
        self.directory.remove(at);
        if let Err(error) = self.steering.remove(at) {
            tracing::error!(%at, %error, "a media port is still steered");
        }
    }
}

/// The number of a port that all share: they are opened first, in every shard in the same order.
fn number(id: SocketId) -> Option<u16> {
    u16::try_from(id.0).ok()
}

fn position(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
