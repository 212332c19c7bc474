//! One shard: it owns calls and legs outright and is driven by one thread.

use std::net::SocketAddr;
use std::time::Instant;

use control_proto::{Request, Response};

use super::{Config, Output, Ports, Random, Send, SocketId};

/// The relay core of one thread. See the [module](super) for how it is driven.
pub struct Shard {
    config: Config,
    random: Random,
}

impl Shard {
    /// An empty shard.
    #[must_use]
    pub fn new(config: Config, random: Random) -> Self {
        Self { config, random }
    }

    /// Executes one ng command and gives the reply it is owed. Commands repeated by a client must be caught before
    /// (by [`control_proto::Replay`]); an `offer` repeated under a new cookie gives the same SDP again.
    pub fn command(&mut self, request: &Request, now: Instant, ports: &mut dyn Ports) -> Response {
        let _ = (request, now, ports, &self.config, &self.random);
        Response::pong()
    }

    /// Takes the datagram in `buffer[..len]` that came to `socket` from `from`. What it becomes, if it is sent on at
    /// once, stands in the same buffer afterwards: leave at least [`HEADROOM`](super::HEADROOM) bytes behind `len`.
    pub fn receive(
        &mut self,
        socket: SocketId,
        from: SocketAddr,
        buffer: &mut [u8],
        len: usize,
        now: Instant,
    ) -> Option<Send> {
        let _ = (socket, from, buffer, len, now);
        None
    }

    /// The next datagram or event, until there is none.
    pub fn poll(&mut self) -> Option<Output> {
        None
    }

    /// When [`timeout`](Self::timeout) wants to be called next.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Does what is due at `now`: ICE and DTLS timers, the freeing of unanswered, silent and deleted calls, the end of
    /// port quarantines.
    pub fn timeout(&mut self, now: Instant, ports: &mut dyn Ports) {
        let _ = (now, ports);
    }

    /// How many calls this shard holds.
    #[must_use]
    pub fn calls(&self) -> usize {
        0
    }
}
