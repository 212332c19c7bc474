//! How a shard's datagrams come in and go out. There is more than one way, since systems differ in what they
//! allow; which one is taken is decided once, at the start ([`open`]), and a shard's thread is made for it: no
//! packet chooses.
//!
//! Whatever the way, a port is bound as long as it is open, so that no other program has it, and a datagram's
//! source is the one that the system tells, never one that is assumed.

#[cfg(target_os = "linux")]
mod directory;
mod sockets;
#[cfg(target_os = "linux")]
mod steered;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use net::poll::Waker;

pub(super) use sockets::Sockets;
#[cfg(target_os = "linux")]
pub(super) use steered::Steered;

use super::worker::Lost;
use super::{Config, Error};
use crate::core::{Ports, Send, SharedPort, SocketId};

/// Files that are open besides: programs, logs, control connections.
const OTHER_FILES: usize = 256;

/// What a shard's thread needs of the system.
pub(super) trait Backend: Ports + Sized + std::marker::Send + 'static {
    /// Ends [`wait`](Self::wait) from another thread.
    fn waker(&self) -> Waker;

    /// Waits until a datagram has come, somebody wakes us, or the time is over.
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// Gives a bounded part of what has come to `relay`, one datagram after the other, and sends what each becomes.
    /// `relay` is told the socket, the source, a buffer with [`HEADROOM`](crate::core::HEADROOM) behind the datagram,
    /// and the datagram's length in it. What is left is there after the next wait, which then does not wait.
    fn turn<R>(&mut self, relay: R, lost: &mut Lost)
    where
        R: FnMut(SocketId, SocketAddr, &mut [u8], usize) -> Option<Send>;

    /// Many peers share this port: more comes to it than to any other.
    fn crowd(&mut self, socket: SocketId);

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
    Sockets(Sockets),
    #[cfg(target_os = "linux")]
    Steered(Box<Steered>),
}

/// Tries what is asked for, for every shard; one line in the log says what it came to. What is given is never
/// [`Choice::Auto`].
pub(super) fn open(config: &Config) -> Result<(Choice, Vec<Opened>), Error> {
    let shards = config.shards.max(1);
    let asked = config.backend;
    check_open_files(config);
    let mut why_not = None;
    let steered = match asked {
        Choice::Sockets => None,
        Choice::Auto => steered(config).map_err(|error| why_not = Some(error)).ok(),
        Choice::Steered => Some(steered(config).map_err(Error::Steered)?),
    };
    let (backend, opened) = match steered {
        Some(opened) => (Choice::Steered, opened),
        None => (Choice::Sockets, sockets(shards)?),
    };
    let not_steered = why_not.map(|error| error.to_string());
    tracing::info!(%backend, %asked, not_steered, shards, "media ports");
    Ok((backend, opened))
}

/// Every port is an open file, whichever way media takes.
fn check_open_files(config: &Config) {
    let ports = config.core.ports.len().saturating_add(OTHER_FILES);
    match net::limits::raise_open_files() {
        Ok(limit) if usize::try_from(limit).is_ok_and(|limit| limit < ports) => {
            tracing::warn!(
                limit,
                ports,
                "the ports cannot all be open at once; raise the limit of open files (ulimit -n, LimitNOFILE=)"
            );
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the limit of open files cannot be read"),
    }
}

fn sockets(shards: usize) -> io::Result<Vec<Opened>> {
    let one = |_| Ok(Opened::Sockets(Sockets::new()?));
    (0..shards).map(one).collect()
}

#[cfg(target_os = "linux")]
fn steered(config: &Config) -> io::Result<Vec<Opened>> {
    let (first, last) = (*config.core.ports.start(), *config.core.ports.end());
    let range = match config.core.shared_port {
        // One for each shard, from here on.
        SharedPort::At(port) => {
            let more = u16::try_from(config.shards).unwrap_or(u16::MAX);
            first.min(port)..=last.max(port.saturating_add(more))
        }
        SharedPort::None | SharedPort::First => first..=last,
    };
    let one = |_| Ok(Opened::Steered(Box::new(Steered::new(range.clone())?)));
    (0..config.shards.max(1)).map(one).collect()
}

#[cfg(not(target_os = "linux"))]
fn steered(_: &Config) -> io::Result<Vec<Opened>> {
    Err(io::ErrorKind::Unsupported.into())
}
