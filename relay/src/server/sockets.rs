//! The media sockets of one shard: a table, indexed by the numbers that the core gives them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use net::poll::{Key, Poller, Waker};
use net::udp::{Options, UdpSocket};

use crate::core::{Ports, SocketId};

/// The sockets and what waits for them.
pub(super) struct Sockets {
    poller: Poller,
    table: Vec<Option<UdpSocket>>,
}

impl Sockets {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            poller: Poller::new()?,
            table: Vec::new(),
        })
    }

    pub(super) fn waker(&self) -> Waker {
        self.poller.waker()
    }

    /// The socket of that number. A report may still name one that has been closed since.
    pub(super) fn get(&self, id: SocketId) -> Option<&UdpSocket> {
        self.table.get(usize::try_from(id.0).ok()?)?.as_ref()
    }

    /// See [`Poller::wait`].
    pub(super) fn wait(
        &mut self,
        timeout: Option<Duration>,
        readable: &mut Vec<Key>,
    ) -> io::Result<()> {
        self.poller.wait(timeout, readable)
    }

    fn slot(&mut self, id: SocketId) -> Option<&mut Option<UdpSocket>> {
        let index = usize::try_from(id.0).ok()?;
        if index >= self.table.len() {
            self.table.resize_with(index.checked_add(1)?, || None);
        }
        self.table.get_mut(index)
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
        match self.slot(id) {
            Some(slot) => {
                *slot = Some(socket);
                true
            }
            None => false,
        }
    }

    fn mark(&mut self, id: SocketId, tos: u8) {
        if let Some(socket) = self.get(id)
            && let Err(error) = socket.set_tos(tos)
        {
            tracing::warn!(tos, %error, "a media port cannot be given its TOS");
        }
    }

    fn close(&mut self, id: SocketId) {
        if let Some(slot) = self.slot(id) {
            *slot = None;
        }
    }
}
