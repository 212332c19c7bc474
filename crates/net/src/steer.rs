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
use crate::udp::{Options, UdpSocket};
use bpf::Map;

/// Addresses with ports that one program can know: every port of four addresses.
const MAX_PORTS: u32 = 1 << 18;

/// A socket that steered datagrams come to, of one family.
#[derive(Debug)]
pub struct Inlet {
    socket: UdpSocket,
}

impl Inlet {
    /// For datagrams of the same family as `address`. `buffer` bytes of them wait while we are busy: those of every
    /// port wait together, so give it more than a port of its own would have.
    pub fn open(family: IpAddr, buffer: usize) -> io::Result<Self> {
        // It has to be bound somewhere: where nobody but this machine could send to.
        let local = match family {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        };
        let socket = UdpSocket::bind(SocketAddr::new(local, 0), Options::default())
            .map_err(|error| error.source)?;
        let (level, name) = match family {
            IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_RECVORIGDSTADDR),
            IpAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_RECVORIGDSTADDR),
        };
        option::set(&socket, level, name, 1)?;
        socket.hold(buffer)?;
        Ok(Self { socket })
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
    _inlets: Map,
    _link: OwnedFd,
}

impl Steering {
    /// Steers nothing yet; later only what is in this range, to the inlet of its family.
    pub fn new(range: RangeInclusive<u16>, four: &Inlet, six: Option<&Inlet>) -> io::Result<Self> {
        let ports = Map::hash(program::KEY, program::VALUE, MAX_PORTS)?;
        let inlets = Map::sockets(2)?;
        for (index, inlet) in [(0_u32, Some(four)), (1, six)] {
            if let Some(inlet) = inlet {
                let socket = u64::try_from(inlet.socket.as_raw_fd()).map_err(io::Error::other)?;
                inlets.put(&index.to_ne_bytes(), &socket.to_ne_bytes())?;
            }
        }
        let program = bpf::load(&program::steer(&range, &ports, &inlets))?;
        let link = bpf::attach(&program)?;
        Ok(Self {
            ports,
            _inlets: inlets,
            _link: link,
        })
    }

    /// Steers what comes to this address and port from now on.
    pub fn add(&self, at: SocketAddr) -> io::Result<()> {
        let index = u32::from(at.is_ipv6());
        self.ports.put(&program::key(at), &index.to_ne_bytes())
    }

    /// Leaves it alone again.
    pub fn remove(&self, at: SocketAddr) -> io::Result<()> {
        self.ports.remove(&program::key(at))
    }
}
