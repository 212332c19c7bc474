//! How a shard's datagrams come in and go out. There is more than one way, since systems differ in what they
//! allow; which one is taken is decided once, at the start ([`open`]), and a shard's thread is made for it: no
//! packet chooses.
//!
//! Whatever the way, a port is bound as long as it is open, so that no other program has it, and a datagram's
//! source is the one that the system tells, never one that is assumed.

#[cfg(target_os = "linux")]
mod directory;
mod late;
mod sockets;
#[cfg(target_os = "linux")]
mod steered;
#[cfg(all(test, target_os = "linux"))]
mod tests;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use net::poll::Waker;
use net::udp::{Options, UdpSocket};

pub(super) use sockets::Sockets;
#[cfg(target_os = "linux")]
pub(super) use steered::Steered;

use super::sharing::Shared;
use super::worker::Lost;
use super::{Config, Error};
use crate::core::{Ports, Send, SocketId};

use sockets::Files;
#[cfg(target_os = "linux")]
use steered::Common;

/// Files that are open besides: programs, logs, control connections.
const OTHER_FILES: usize = 256;

/// What becomes of datagrams.
pub(super) trait Relay {
    /// What the datagram in `buffer[..len]` becomes, in the same place. There are
    /// [`HEADROOM`](crate::core::HEADROOM) bytes behind it.
    fn receive(
        &mut self,
        socket: SocketId,
        from: SocketAddr,
        buffer: &mut [u8],
        len: usize,
    ) -> Option<Send>;

    /// A datagram that has waited for so long that nobody has any use for it.
    fn late(&mut self, socket: SocketId, from: SocketAddr, datagram: &[u8]);
}

/// What a shard's thread needs of the system.
pub(super) trait Backend: Ports + Sized + std::marker::Send + 'static {
    /// Ends [`wait`](Self::wait) from another thread.
    fn waker(&self) -> Waker;

    /// Waits until a datagram has come, somebody wakes us, or the time is over.
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// Gives a bounded part of what has come to `relay`, one datagram after the other, and sends what each becomes.
    /// What is left is there after the next wait, which then does not wait.
    fn turn<R: Relay>(&mut self, relay: &mut R, lost: &mut Lost);

    /// Whether there is more to do than time for it: what has waited for too long is then [late](Relay::late).
    fn set_overloaded(&mut self, overloaded: bool);

    /// Many peers share this port: more comes to it than to any other.
    fn crowd(&mut self, socket: SocketId);

    /// What comes from `source` to this shared port is best brought to that shard, if the system can do so.
    fn bring(&mut self, socket: SocketId, source: SocketAddr, shard: Option<u8>);

    /// Sends one datagram that follows from no other.
    fn send(&mut self, socket: SocketId, to: SocketAddr, datagram: &[u8]) -> io::Result<()>;
}

/// Which way media takes through the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// The best that this process may have.
    #[default]
    Auto,
    /// A socket for each port: everywhere.
    Sockets,
    /// One socket for all ports, which the kernel steers to it: Linux, with `CAP_BPF`, `CAP_NET_ADMIN` and
    /// `CAP_NET_RAW`.
    Steered,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Sockets => "sockets",
            Self::Steered => "steered",
        })
    }
}

/// The way of one shard.
pub(super) enum Opened {
    Sockets(Box<Sockets>),
    #[cfg(target_os = "linux")]
    Steered(Box<Steered>),
}

impl Opened {
    /// What ends its [wait](Backend::wait).
    pub(super) fn waker(&self) -> Waker {
        match self {
            Self::Sockets(backend) => backend.waker(),
            #[cfg(target_os = "linux")]
            Self::Steered(backend) => backend.waker(),
        }
    }
}

/// Tries what is asked for, for every shard with its sockets of the port that all share; one line in the log says what
/// it came to. What is given is never [`Choice::Auto`].
pub(super) fn open(config: &Config, shared: Shared) -> Result<(Choice, Vec<Opened>), Error> {
    let shards = shared.sockets.len();
    let asked = config.backend;
    let files = open_files(config);
    let mut why_not = None;
    let steering = match asked {
        Choice::Sockets => None,
        Choice::Auto => steering(config, shared.port)
            .map_err(|error| why_not = Some(error))
            .ok(),
        Choice::Steered => Some(steering(config, shared.port).map_err(Error::Steered)?),
    };
    let (backend, opened) = match steering {
        Some(steering) => (Choice::Steered, steered(steering, shared)?),
        None => (Choice::Sockets, sockets(shared, files)?),
    };
    let not_steered = why_not.map(|error| error.to_string());
    tracing::info!(%backend, %asked, not_steered, shards, "media ports");
    Ok((backend, opened))
}

/// Every port is an open file, whichever way media takes. How many may be open.
fn open_files(config: &Config) -> usize {
    let ports = config.core.ports.len().saturating_add(OTHER_FILES);
    let limit = match net::limits::raise_open_files() {
        Ok(limit) => usize::try_from(limit).unwrap_or(usize::MAX),
        Err(error) => {
            tracing::warn!(%error, "the limit of open files cannot be read");
            return 0;
        }
    };
    if limit < ports {
        tracing::warn!(
            limit,
            ports,
            "the ports cannot all be open at once; raise the limit of open files (ulimit -n, LimitNOFILE=)"
        );
    }
    limit
}

fn sockets(shared: Shared, limit: usize) -> io::Result<Vec<Opened>> {
    let files = Arc::new(Files::new(limit.saturating_sub(OTHER_FILES)));
    let one = |held| {
        let one = Sockets::new(Arc::clone(&files), held)?;
        Ok(Opened::Sockets(Box::new(one)))
    };
    shared.sockets.into_iter().map(one).collect()
}

#[cfg(target_os = "linux")]
fn steering(config: &Config, shared: Option<u16>) -> io::Result<Common> {
    let (first, last) = (*config.core.ports.start(), *config.core.ports.end());
    let shared = shared.unwrap_or(first);
    let range = first.min(shared)..=last.max(shared);
    Common::new(range, super::sharing::marks(config))
}

#[cfg(target_os = "linux")]
fn steered(common: Common, shared: Shared) -> io::Result<Vec<Opened>> {
    let all = common.share(shared.sockets)?.into_iter();
    Ok(all.map(|one| Opened::Steered(Box::new(one))).collect())
}

/// The socket that is held at this address already, or one of its own.
fn take_or_bind(held: &mut Vec<UdpSocket>, at: SocketAddr) -> Option<UdpSocket> {
    let known = held.iter().position(|socket| socket.local_addr() == at);
    match known {
        Some(known) => Some(held.swap_remove(known)),
        None => UdpSocket::bind(at, Options::default()).ok(),
    }
}

/// What there is none of.
#[cfg(not(target_os = "linux"))]
enum Common {}

#[cfg(not(target_os = "linux"))]
fn steering(_: &Config, _: Option<u16>) -> io::Result<Common> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
fn steered(common: Common, _: Shared) -> io::Result<Vec<Opened>> {
    match common {}
}
