//! Many UDP ports, one socket: the kernel is told which addresses and ports are ours, and hands every datagram for
//! them to one socket, from which they are taken, and sent, many at a time.
//!
//! It is done by a BPF program at the point where the kernel looks for a datagram's socket (`sk_lookup`, Linux 5.9).
//! That needs `CAP_BPF` and `CAP_NET_ADMIN`, and the sending, from a raw socket, `CAP_NET_RAW`: whoever may not is told
//! by an error. What the program does not know, it leaves alone; it is gone when its [`Steering`] is dropped, or its
//! process ends. It knows nothing of other programs' ports: hold a bound socket for each port that is steered.

mod batch;
mod bpf;
mod packet;
mod program;
mod raw;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::fd::{AsRawFd, OwnedFd};

pub use batch::{Arrived, Batch, Refused, Way};
pub use raw::RawSocket;

use crate::option;
use crate::poll::{Key, Poller};
use crate::udp::{self, Options, UdpSocket};
use bpf::Map;

/// Addresses with ports that one program can know: every port of four addresses.
const MAX_PORTS: u32 = 1 << 18;

/// Sources at ports that threads share. Those beyond are told apart by nothing but their address, as before they were
/// known.
const MAX_SOURCES: u32 = 1 << 18;

/// A socket that steered datagrams come to, of one family.
#[derive(Debug)]
pub struct Inlet {
    socket: UdpSocket,
}

impl Inlet {
    /// For datagrams of the same family as `family`. `buffer` bytes of them wait while we are busy: those of every
    /// port wait together, so give it more than a port of its own would have.
    pub fn open(family: IpAddr, buffer: usize) -> io::Result<Self> {
        let mut group = Self::open_group(family, buffer, &[0])?;
        group.pop().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// One for each of several threads: what comes to a port that they [share](Steering::share) is told apart by these
    /// marks, as by [`udp::steer_checks`].
    pub fn open_group(family: IpAddr, buffer: usize, marks: &[u8]) -> io::Result<Vec<Self>> {
        // It has to be bound somewhere: where nobody but this machine could send to.
        let local = match family {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        };
        let local = SocketAddr::new(local, 0);
        let group = udp::bind_group(local, marks.len(), Options::default())
            .map_err(|error| error.source)?;
        if let [first, _, ..] = &*group {
            udp::steer_checks(first, marks)?;
        }
        let (level, name) = match family {
            IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_RECVORIGDSTADDR),
            IpAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_RECVORIGDSTADDR),
        };
        for socket in &group {
            option::set(socket, level, name, 1)?;
            socket.hold(buffer)?;
        }
        Ok(group.into_iter().map(|socket| Self { socket }).collect())
    }

    /// Has the kernel note with each datagram when it came; see [`UdpSocket::date`].
    pub fn date(&self, dated: bool) -> io::Result<()> {
        self.socket.date(dated)
    }

    /// Has the poller report it once for all that has come: read it until [`Batch::receive`] gives less than a
    /// [whole batch](Batch::SIZE).
    pub fn watch(&self, poller: &Poller, key: Key) -> io::Result<()> {
        poller.watch_once(&self.socket, key)
    }
}

/// The program in the kernel and the ports that it knows.
#[derive(Debug)]
pub struct Steering {
    ports: Map,
    sources: Map,
    _inlets: Map,
    _link: OwnedFd,
}

impl Steering {
    /// Steers nothing yet; later only what is in this range, to the inlets of its family. Each thread has its number,
    /// which is the place of its inlets here; there may be none for IPv6.
    pub fn new(range: RangeInclusive<u16>, four: &[Inlet], six: &[Inlet]) -> io::Result<Self> {
        let ports = Map::hash(program::KEY, program::VALUE, MAX_PORTS)?;
        let sources = Map::hash(program::KEY, program::VALUE, MAX_SOURCES)?;
        let count = four.len().saturating_mul(2);
        let inlets = Map::sockets(u32::try_from(count).map_err(io::Error::other)?)?;
        for (is_six, family) in [(false, four), (true, six)] {
            for (thread, inlet) in (0..).zip(family) {
                let socket = u64::try_from(inlet.socket.as_raw_fd()).map_err(io::Error::other)?;
                let index = program::inlet(thread, is_six);
                inlets.put(&index.to_ne_bytes(), &socket.to_ne_bytes())?;
            }
        }
        let program = bpf::load(&program::steer(&range, &ports, &sources, &inlets))?;
        let link = bpf::attach(&program)?;
        Ok(Self {
            ports,
            sources,
            _inlets: inlets,
            _link: link,
        })
    }

    /// Steers what comes to this address and port from now on to this thread.
    pub fn add(&self, at: SocketAddr, thread: u16) -> io::Result<()> {
        let inlet = program::inlet(thread, at.is_ipv6());
        self.ports.put(&program::key(at), &inlet.to_ne_bytes())
    }

    /// Steers it to any of them: what comes from a source that was [named](Self::bring) to that one's, a check as the
    /// inlets' marks say, everything else by its sender. The port has this number.
    pub fn share(&self, at: SocketAddr, number: u16) -> io::Result<()> {
        let shared = program::shared(number, at.is_ipv6());
        self.ports.put(&program::key(at), &shared.to_ne_bytes())
    }

    /// Leaves it alone again.
    pub fn remove(&self, at: SocketAddr) -> io::Result<()> {
        self.ports.remove(&program::key(at))
    }

    /// Brings what comes from this source to the shared port of this number to this thread, or as before.
    pub fn bring(&self, number: u16, source: SocketAddr, thread: Option<u16>) -> io::Result<()> {
        let is_six = source.is_ipv6();
        let key = program::source(number, source);
        match thread {
            Some(thread) => {
                let inlet = program::inlet(thread, is_six);
                self.sources.put(&key, &inlet.to_ne_bytes())
            }
            None => match self.sources.remove(&key) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                done => done,
            },
        }
    }
}
