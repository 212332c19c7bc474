//! The way that is open everywhere: a socket for each port, and one receive and one send for each packet. They stand
//! in a table, indexed by the numbers that the core gives them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use control_proto::MAX_DATAGRAM;
use net::poll::{Key, Poller, Waker};
use net::udp::{Options, UdpSocket};

use super::Backend;
use crate::core::{HEADROOM, Ports, Send, SocketId};
use crate::server::worker::Lost;

/// Datagrams that are taken from a port with many peers before the others have their turn: as many as the others may
/// hold together.
const CROWD: usize = 256;

/// Bytes that wait there while we are busy.
const CROWD_BUFFER: usize = 8 << 20;

/// The sockets and what waits for them.
pub(in crate::server) struct Sockets {
    poller: Poller,
    table: Vec<Option<UdpSocket>>,
    /// The few that more comes to than one datagram at a time.
    crowded: Vec<Key>,
    /// The sockets that hold a datagram, as the last wait told.
    readable: Vec<Key>,
    buffer: Box<[u8]>,
}

impl Sockets {
    pub(in crate::server) fn new() -> io::Result<Self> {
        Ok(Self {
            poller: Poller::new()?,
            table: Vec::new(),
            crowded: Vec::new(),
            readable: Vec::new(),
            buffer: vec![0; MAX_DATAGRAM + HEADROOM].into(),
        })
    }

    /// Takes one datagram from one socket; whether there was one. There is nearly always only one, and to ask for the
    /// next would cost a call for each packet; who has more is reported again, after all others had their turn.
    fn read<R>(&mut self, key: Key, relay: &mut R, lost: &mut Lost) -> bool
    where
        R: FnMut(SocketId, SocketAddr, &mut [u8], usize) -> Option<Send>,
    {
        let id = SocketId(key);
        // A report may name a socket that has been closed since.
        let Some(socket) = self.table.get(index(id)).and_then(Option::as_ref) else {
            self.poller.emptied(key);
            return false;
        };
        let room = self.buffer.get_mut(..MAX_DATAGRAM).unwrap_or_default();
        let (len, from) = match socket.receive(room) {
            Ok(Some(received)) => received,
            Ok(None) => {
                self.poller.emptied(key);
                return false;
            }
            // The system's news about earlier datagrams; the next one is not affected.
            Err(_) => return true,
        };
        let Some(send) = relay(id, from, &mut self.buffer, len) else {
            return true;
        };
        if let (Some(Some(socket)), Some(bytes)) = (
            self.table.get(index(send.socket)),
            self.buffer.get(..send.len),
        ) && let Err(error) = socket.send(bytes, send.to)
        {
            lost.count(error);
        }
        true
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

    fn turn<R>(&mut self, mut relay: R, lost: &mut Lost)
    where
        R: FnMut(SocketId, SocketAddr, &mut [u8], usize) -> Option<Send>,
    {
        let readable = std::mem::take(&mut self.readable);
        for &key in &readable {
            let turn = if self.crowded.contains(&key) {
                CROWD
            } else {
                1
            };
            // A crowd's port is read until it was empty, if that is ever.
            _ = (0..turn).all(|_| self.read(key, &mut relay, lost));
        }
        self.readable = readable;
    }

    fn crowd(&mut self, socket: SocketId) {
        if let Some(Some(port)) = self.table.get(index(socket))
            && let Err(error) = port.hold(CROWD_BUFFER)
        {
            tracing::warn!(%error, "the port that browsers share has a small buffer");
        }
        self.crowded.push(socket.0);
    }

    fn send(&mut self, socket: SocketId, to: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        match self.table.get(index(socket)) {
            Some(Some(socket)) => socket.send(datagram, to),
            // Closed since: there is nobody to hear it.
            _ => Ok(()),
        }
    }
}

impl Ports for Sockets {
    fn open(&mut self, id: SocketId, at: SocketAddr) -> bool {
        let Ok(mut socket) = UdpSocket::bind(at, Options::default()) else {
            return false;
        };
        if let Err(error) = self.poller.watch(&mut socket, id.0) {
            tracing::error!(%at, %error, "a media port cannot be watched");
            return false;
        }
        if index(id) >= self.table.len() {
            self.table.resize_with(index(id).saturating_add(1), || None);
        }
        match self.table.get_mut(index(id)) {
            Some(slot) => {
                *slot = Some(socket);
                true
            }
            None => false,
        }
    }

    fn mark(&mut self, id: SocketId, tos: u8) {
        if let Some(Some(socket)) = self.table.get(index(id))
            && let Err(error) = socket.set_tos(tos)
        {
            tracing::warn!(tos, %error, "a media port cannot be given its TOS");
        }
    }

    fn close(&mut self, id: SocketId) {
        if let Some(slot) = self.table.get_mut(index(id)) {
            *slot = None;
        }
    }
}

fn index(id: SocketId) -> usize {
    usize::try_from(id.0).unwrap_or(usize::MAX)
}
