//! Other systems: mio, which reports a socket once and not again before it has been read until it was empty. What
//! was reported is therefore remembered until its reader has said so.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};

use super::{EVENTS, Key};
use crate::udp::UdpSocket;

/// The waker's own name, which no socket's [`Key`] can be.
const WAKER: Token = Token(usize::MAX);

/// Watches sockets. A socket that is dropped is not watched any more.
#[derive(Debug)]
pub struct Poller {
    poll: Poll,
    events: Events,
    waker: Waker,
    /// May hold datagrams still.
    unread: BTreeSet<Key>,
}

impl Poller {
    /// A poller that watches nothing yet.
    pub fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker(Arc::new(mio::Waker::new(poll.registry(), WAKER)?));
        Ok(Self {
            poll,
            events: Events::with_capacity(EVENTS),
            waker,
            unread: BTreeSet::new(),
        })
    }

    /// What ends a wait from another thread.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Watches a socket from now on, also for what has come already.
    pub fn watch(&self, socket: &mut UdpSocket, key: Key) -> io::Result<()> {
        let token = Token(usize::try_from(key).map_err(io::Error::other)?);
        self.poll
            .registry()
            .register(socket.source(), token, Interest::READABLE)
    }

    /// Waits until a socket can be read, somebody [wakes](Waker::wake) us, or the time is over, and
    /// adds the keys of the readable sockets to `readable`. `None` waits without end.
    pub fn wait(&mut self, timeout: Option<Duration>, readable: &mut Vec<Key>) -> io::Result<()> {
        let timeout = if self.unread.is_empty() {
            timeout
        } else {
            Some(Duration::ZERO)
        };
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        let tokens = self.events.iter().map(mio::event::Event::token);
        self.unread
            .extend(tokens.filter_map(|token| Key::try_from(token.0).ok()));
        readable.extend(&self.unread);
        Ok(())
    }

    /// The socket of this key had no datagram left, or is closed.
    pub fn emptied(&mut self, key: Key) {
        self.unread.remove(&key);
    }
}

/// Ends a [`Poller`]'s wait from another thread. A wake while nobody waits ends the next wait.
#[derive(Debug, Clone)]
pub struct Waker(Arc<mio::Waker>);

impl Waker {
    /// Ends the wait.
    pub fn wake(&self) -> io::Result<()> {
        self.0.wake()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::udp::Options;

    #[test]
    fn a_socket_is_reported_until_its_reader_found_it_empty() {
        let mut poller = Poller::new().unwrap();
        let at = "127.0.0.1:0".parse().unwrap();
        let mut socket = UdpSocket::bind(at, Options::default()).unwrap();
        poller.watch(&mut socket, 7).unwrap();
        for datagram in [b"a", b"b"] {
            socket.send(datagram, socket.local_addr()).unwrap();
        }
        let long = Some(Duration::from_secs(10));
        for _ in 0..2 {
            let mut keys = Vec::new();
            poller.wait(long, &mut keys).unwrap();
            assert_eq!(keys, [7]);
            assert!(socket.receive(&mut [0; 10]).unwrap().is_some());
        }
        poller.emptied(7);
        let mut keys = Vec::new();
        poller.waker().wake().unwrap();
        poller.wait(long, &mut keys).unwrap();
        assert!(keys.is_empty());
    }
}
