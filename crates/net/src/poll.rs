//! Waiting for many UDP sockets at once, on a thread of one's own.
//!
//! A socket is reported once when it becomes readable, and not again before it has been read until
//! it was empty: whoever stops earlier, for fairness, must come back by himself.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};

use crate::udp::UdpSocket;

/// Names a socket of a [`Poller`]; whatever number its owner likes.
pub type Key = u32;

/// The waker's own name, which no socket's [`Key`] can be.
const WAKER: Token = Token(usize::MAX);

/// How many sockets one wait reports at most; the others are reported by the next.
const EVENTS: usize = 256;

/// Watches sockets. A socket that is dropped is not watched any more.
#[derive(Debug)]
pub struct Poller {
    poll: Poll,
    events: Events,
    waker: Waker,
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
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        let tokens = self.events.iter().map(mio::event::Event::token);
        readable.extend(tokens.filter_map(|token| Key::try_from(token.0).ok()));
        Ok(())
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
