//! The way that is open everywhere: a socket for each port, and one receive and one send for each packet. They stand
//! in a table, indexed by the numbers that the core gives them. A port whose peer is known has a second one
//! ([`port`]), as long as there are [`files`] to spare.

mod files;
mod port;
#[cfg(all(test, target_os = "linux"))]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use control_proto::MAX_DATAGRAM;
use net::poll::{Key, Poller, Waker};
use net::udp::UdpSocket;

use super::late::Patience;
use super::{Backend, Relay};
use crate::core::{HEADROOM, Ports, SocketId};
use crate::server::worker::Lost;
pub(super) use files::Files;
use port::{Port, Which};

/// Datagrams that are taken from a port with many peers before the others have their turn: as many as the others may
/// hold together.
const CROWD: usize = 256;

/// Bytes that wait there while we are busy.
const CROWD_BUFFER: usize = 8 << 20;

/// Late datagrams that are taken from a socket for one that is not, before the others have their turn.
const LATE: usize = 64;

/// Second sockets that are given back in one turn at most.
const GIVEN_BACK: usize = 64;

/// Marks the poller's key of a port's second socket.
const SECOND: Key = 1 << 31;

/// The sockets and what waits for them.
pub(in crate::server) struct Sockets {
    poller: Poller,
    table: Vec<Option<Port>>,
    /// The few that more comes to than one datagram at a time.
    crowded: Vec<Key>,
    /// The sockets that hold a datagram, as the last wait told.
    readable: Vec<Key>,
    buffer: Box<[u8]>,
    /// Whose peer has become known, or has moved, and whose second socket has not had its turn. Each is here once.
    known: VecDeque<SocketId>,
    files: Arc<Files>,
    /// How many ports have a second socket.
    seconds: usize,
    /// Where the search for one to give back goes on.
    next_back: usize,
    /// Sockets of ports that all shards share, until the core opens them.
    held: Vec<UdpSocket>,
    /// While there is more to do than time for it.
    pub(super) patience: Option<Patience>,
}

/// What a read found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    Late,
    Datagram,
}

impl Sockets {
    /// With its sockets of ports that other shards have too.
    pub(in crate::server) fn new(files: Arc<Files>, held: Vec<UdpSocket>) -> io::Result<Self> {
        Ok(Self {
            held,
            poller: Poller::new()?,
            table: Vec::new(),
            crowded: Vec::new(),
            readable: Vec::new(),
            buffer: vec![0; MAX_DATAGRAM + HEADROOM].into(),
            known: VecDeque::new(),
            files,
            seconds: 0,
            next_back: 0,
            patience: None,
        })
    }

    /// Takes one datagram from one socket. There is nearly always only one, and to ask for the next would cost a call
    /// for each packet; who has more is reported again, after all others had their turn.
    fn read<R: Relay>(&mut self, key: Key, relay: &mut R, lost: &mut Lost) -> Found {
        let (id, which) = named(key);
        let room = self.buffer.get_mut(..MAX_DATAGRAM).unwrap_or_default();
        let is_dated = self.patience.is_some();
        // A report may name a socket that has been closed since.
        let port = self.table.get_mut(index(id)).and_then(Option::as_mut);
        let received = port.map_or(Ok(None), |port| port.receive(which, room, is_dated));
        let (len, from, came) = match received {
            Ok(Some(received)) => received,
            Ok(None) => {
                self.poller.emptied(key);
                return Found::Nothing;
            }
            // The system's news about earlier datagrams; the next one is not affected.
            Err(_) => return Found::Datagram,
        };
        if self.patience.is_some_and(|patience| patience.is_over(came)) {
            relay.late(id, from, self.buffer.get(..len).unwrap_or_default());
            return Found::Late;
        }
        let Some(send) = relay.receive(id, from, &mut self.buffer, len) else {
            return Found::Datagram;
        };
        // Only what is passed on counts: a stranger's datagrams do not make him a peer.
        if let Some(Some(port)) = self.table.get_mut(index(id))
            && port.talked_with(from)
        {
            self.known.push_back(id);
        }
        if let (Some(Some(port)), Some(bytes)) = (
            self.table.get_mut(index(send.socket)),
            self.buffer.get(..send.len),
        ) {
            if let Err(error) = port.send(bytes, send.to) {
                lost.count(error);
            }
            if port.talked_with(send.to) {
                self.known.push_back(send.socket);
            }
        }
        Found::Datagram
    }

    /// Gives a port's second socket to its peer. What the peer sent before comes first.
    fn connect<R: Relay>(&mut self, id: SocketId, relay: &mut R, lost: &mut Lost) {
        let Some(Some(port)) = self.table.get_mut(index(id)) else {
            return;
        };
        let is_new = port.second().is_none();
        let Some(peer) = port.new_peer() else {
            return;
        };
        if is_new && !self.files.is_spare() {
            return;
        }
        if let Err(error) = port.connect(peer) {
            let at = port.first().local_addr();
            tracing::debug!(%at, %error, "no second socket for a media port");
            return;
        }
        let mut is_watched = Ok(());
        if is_new {
            self.files.opened();
            self.seconds = self.seconds.saturating_add(1);
            if self.patience.is_some() {
                is_watched = port.date(true);
            }
            if let Some(second) = port.second() {
                let watched = self.poller.watch(second.socket(), id.0 | SECOND);
                is_watched = is_watched.and(watched);
            }
        }
        self.empty(id.0, relay, lost);
        if let Err(error) = is_watched {
            tracing::error!(%error, "a media port's second socket cannot be watched");
            self.disconnect(id, relay, lost);
        }
    }

    /// Closes a port's second socket, if it has one; what came to it comes first.
    fn disconnect<R: Relay>(&mut self, id: SocketId, relay: &mut R, lost: &mut Lost) {
        self.empty(id.0 | SECOND, relay, lost);
        if let Some(Some(port)) = self.table.get_mut(index(id))
            && port.disconnect()
        {
            self.seconds = self.seconds.saturating_sub(1);
            self.files.closed(1);
        }
    }

    /// Takes all that lies in a socket now; what comes meanwhile may be left.
    fn empty<R: Relay>(&mut self, key: Key, relay: &mut R, lost: &mut Lost) {
        let (id, _) = named(key);
        let port = self.table.get(index(id)).and_then(Option::as_ref);
        let capacity = port.map_or(Ok(0), |port| port.first().capacity());
        for _ in 0..capacity.unwrap_or(CROWD) {
            if self.read(key, relay, lost) == Found::Nothing {
                break;
            }
        }
    }

    /// Some second sockets are closed, so that calls find descriptors.
    fn give_back<R: Relay>(&mut self, relay: &mut R, lost: &mut Lost) {
        for _ in 0..GIVEN_BACK.min(self.seconds) {
            let has_second =
                |port: &mut Option<Port>| port.as_mut().is_some_and(|port| port.second().is_some());
            let (before, after) = self
                .table
                .split_at_mut_checked(self.next_back)
                .unwrap_or_default();
            let found = match after.iter_mut().position(has_second) {
                Some(at) => self.next_back.saturating_add(at),
                None => before.iter_mut().position(has_second).unwrap_or(0),
            };
            self.next_back = found;
            if let Ok(id) = u32::try_from(found) {
                self.disconnect(SocketId(id), relay, lost);
            }
        }
    }
}

impl Backend for Sockets {
    fn waker(&self) -> Waker {
        self.poller.waker()
    }

    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.readable.clear();
        self.poller.wait(timeout, &mut self.readable)
    }

    fn turn<R: Relay>(&mut self, relay: &mut R, lost: &mut Lost) {
        if let Some(patience) = &mut self.patience {
            *patience = patience.at(SystemTime::now());
        }
        if self.seconds > 0 && self.files.is_short() {
            self.give_back(relay, lost);
        }
        let readable = std::mem::take(&mut self.readable);
        for &key in &readable {
            if self.crowded.contains(&key) {
                // It is read until it was empty, if that is ever.
                _ = (0..CROWD).all(|_| self.read(key, relay, lost) != Found::Nothing);
            } else {
                _ = (0..LATE).all(|_| self.read(key, relay, lost) == Found::Late);
            }
        }
        self.readable = readable;
        // One at a time: when many calls begin at once their packets come first.
        if let Some(id) = self.known.pop_front() {
            self.connect(id, relay, lost);
        }
    }

    fn set_overloaded(&mut self, overloaded: bool) {
        if overloaded != self.patience.is_some() {
            self.patience = overloaded.then(|| Patience::new(SystemTime::now()));
            for port in self.table.iter_mut().flatten() {
                if let Err(error) = port.date(overloaded) {
                    tracing::warn!(%error, "a media port does not tell when a datagram came");
                    break;
                }
            }
        }
    }

    fn crowd(&mut self, socket: SocketId) {
        if let Some(Some(port)) = self.table.get_mut(index(socket)) {
            port.stay_alone();
            if let Err(error) = port.first().hold(CROWD_BUFFER) {
                tracing::warn!(%error, "the port that browsers share has a small buffer");
            }
        }
        self.crowded.push(socket.0);
    }

    fn bring(&mut self, _: SocketId, _: SocketAddr, _: Option<u8>) {
        // Without privilege that takes a connected socket for each source. All of them would stand in one list, which
        // the kernel goes through for each datagram of a stranger: with 5,000 it took thirteen times as long.
    }

    fn send(&mut self, socket: SocketId, to: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        match self.table.get(index(socket)) {
            Some(Some(port)) => port.send(datagram, to),
            // Closed since: there is nobody to hear it.
            _ => Ok(()),
        }
    }
}

impl Ports for Sockets {
    fn open(&mut self, id: SocketId, at: SocketAddr) -> bool {
        let Some(mut socket) = super::take_or_bind(&mut self.held, at) else {
            return false;
        };
        if let Err(error) = self.poller.watch(&mut socket, id.0) {
            tracing::error!(%at, %error, "a media port cannot be watched");
            return false;
        }
        if index(id) >= self.table.len() {
            self.table.resize_with(index(id).saturating_add(1), || None);
        }
        let Some(slot) = self.table.get_mut(index(id)) else {
            return false;
        };
        let port = slot.insert(Port::new(socket));
        if self.patience.is_some()
            && let Err(error) = port.date(true)
        {
            tracing::warn!(%error, "a media port does not tell when a datagram came");
        }
        self.files.opened();
        true
    }

    fn mark(&mut self, id: SocketId, tos: u8) {
        if let Some(Some(port)) = self.table.get_mut(index(id))
            && let Err(error) = port.set_tos(tos)
        {
            tracing::warn!(tos, %error, "a media port cannot be given its TOS");
        }
    }

    fn close(&mut self, id: SocketId) {
        let slot = self.table.get_mut(index(id));
        let Some(mut port) = slot.and_then(Option::take) else {
            return;
        };
        self.files.closed(1);
        if port.disconnect() {
            self.seconds = self.seconds.saturating_sub(1);
            self.files.closed(1);
        }
    }
}

/// What a poller's key stands for.
fn named(key: Key) -> (SocketId, Which) {
    match key & SECOND {
        0 => (SocketId(key), Which::First),
        _ => (SocketId(key & !SECOND), Which::Second),
    }
}

fn index(id: SocketId) -> usize {
    usize::try_from(id.0).unwrap_or(usize::MAX)
}
