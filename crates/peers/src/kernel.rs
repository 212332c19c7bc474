//! Batched UDP on one socket that stands for many endpoints. Each endpoint has an address of its own (all of
//! 127.0.0.0/8, where the device is loopback), chosen for each datagram that leaves and told for each that comes
//! (`IP_PKTINFO`), so a relay sees as many peers as there are legs, and two system calls move 64 datagrams. The socket is
//! tied to one device.
//!
//! The only `unsafe` here is what has no safe form: `sendmmsg`, `recvmmsg`, their ancillary data, namespaces, the scheduler, and
//! three options that socket2 does not know. Pointers are kept in the message headers between calls; they point into boxed slices
//! of the same struct, which are never replaced and do not move when the struct does.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::mem::{self, size_of};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd;
use std::ptr;

use libc::{c_int, cmsghdr, iovec, mmsghdr, sockaddr_in};
use socket2::{Domain, Protocol, Socket, Type};

/// Datagrams that one call receives at most.
pub const BATCH: usize = 64;
/// Bytes for one datagram.
pub const ROOM: usize = 2048;
/// Bytes that the kernel may hold for us: the test is not to lose what the relay delivered.
const BUFFERS: c_int = 64 << 20;

/// A socket for all endpoints with this port that are reached by a device, such as `lo`.
///
/// # Errors
/// The system's: no such device, the port is taken.
pub fn endpoints(device: &str, port: u16) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port).into())?;
    socket.bind_device(Some(device.as_bytes()))?;
    option(&socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
    option(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
    for (forced, usual) in [
        (libc::SO_RCVBUFFORCE, libc::SO_RCVBUF),
        (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF),
    ] {
        // Without CAP_NET_ADMIN the system's limit holds.
        option(&socket, libc::SOL_SOCKET, forced, BUFFERS)
            .or_else(|_| option(&socket, libc::SOL_SOCKET, usual, BUFFERS))?;
    }
    Ok(socket)
}

/// Lets sleeps of this thread end when they should: without it the kernel may add 50 us.
pub fn wake_on_time() {
    // SAFETY: takes numbers only; a failure changes nothing.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1u64, 0, 0, 0) };
}

/// Until it is dropped, this thread runs only where no core has other work: as if it were on a machine of its own.
#[derive(Debug)]
pub struct GivingWay(());

impl GivingWay {
    /// `None` where the thread has been given a priority, which stays.
    pub fn new() -> Option<Self> {
        schedule(libc::SCHED_OTHER, libc::SCHED_IDLE).then_some(Self(()))
    }
}

impl Drop for GivingWay {
    fn drop(&mut self) {
        schedule(libc::SCHED_IDLE, libc::SCHED_OTHER);
    }
}

/// Gives this thread another policy, if it has the one that is expected.
fn schedule(from: c_int, to: c_int) -> bool {
    // SAFETY: numbers only, and a plain struct that the kernel reads.
    unsafe {
        let none: libc::sched_param = mem::zeroed();
        libc::sched_getscheduler(0) == from && libc::sched_setscheduler(0, to, &raw const none) == 0
    }
}

/// Takes this thread to a network namespace: the sockets that it opens from now on are of that.
///
/// # Errors
/// The system's: it wants root.
pub fn enter_namespace(namespace: &File) -> io::Result<()> {
    // SAFETY: takes numbers only, of which the descriptor lives through the call.
    match unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Waits until something can be received, `milliseconds` at most.
pub fn wait_readable(socket: &Socket, milliseconds: c_int) {
    let mut wait = libc::pollfd {
        fd: socket.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one pollfd, which lives through the call.
    unsafe { libc::poll(&raw mut wait, 1, milliseconds) };
}

fn option(socket: &Socket, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    let len = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: `value` lives through the call, and `len` is its size.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            ptr::from_ref(&value).cast(),
            len,
        )
    };
    if done < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Room for the address and the time stamp of one datagram, aligned as control messages are.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Ancillary([u8; 128]);

/// What the headers of a batch point to.
struct Rooms {
    bytes: Box<[[u8; ROOM]]>,
    slices: Box<[iovec]>,
    peers: Box<[sockaddr_in]>,
    ancillary: Box<[Ancillary]>,
    heads: Box<[mmsghdr]>,
}

// SAFETY: its pointers lead to boxes of the same struct and go with them.
unsafe impl Send for Rooms {}

impl Rooms {
    fn new(count: usize) -> Self {
        // SAFETY: these are plain C structs, for which all zero is a value.
        let (slice, peer, head) = unsafe { (mem::zeroed(), mem::zeroed(), mem::zeroed()) };
        let mut rooms = Self {
            bytes: vec![[0; ROOM]; count].into(),
            slices: vec![slice; count].into(),
            peers: vec![peer; count].into(),
            ancillary: vec![Ancillary([0; 128]); count].into(),
            heads: vec![head; count].into(),
        };
        for k in 0..count {
            rooms.slices[k].iov_base = rooms.bytes[k].as_mut_ptr().cast();
            rooms.slices[k].iov_len = ROOM;
            let head = &mut rooms.heads[k].msg_hdr;
            head.msg_iov = &raw mut rooms.slices[k];
            head.msg_iovlen = 1;
            head.msg_name = (&raw mut rooms.peers[k]).cast();
            head.msg_namelen = size_of::<sockaddr_in>() as u32;
            head.msg_control = rooms.ancillary[k].0.as_mut_ptr().cast();
            head.msg_controllen = size_of::<Ancillary>() as _;
        }
        rooms
    }
}

/// Whence a datagram came, which endpoint it is for, and when the kernel had it.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Who sent it.
    pub from: SocketAddrV4,
    /// Which of our addresses it came to.
    pub to: Ipv4Addr,
    /// Nanoseconds since 1970.
    pub at: u64,
}

/// The datagrams of one `recvmmsg`.
pub struct Inbox(Rooms);

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Inbox {
    /// An empty one.
    pub fn new() -> Self {
        Self(Rooms::new(BATCH))
    }

    /// Takes what is waiting, up to [`BATCH`]; how many there are now.
    pub fn fill(&mut self, socket: &Socket) -> usize {
        for head in &mut self.0.heads {
            head.msg_hdr.msg_namelen = size_of::<sockaddr_in>() as u32;
            head.msg_hdr.msg_controllen = size_of::<Ancillary>() as _;
        }
        // SAFETY: every header points to rooms that this struct holds, with their sizes (see the module's text).
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.0.heads.as_mut_ptr(),
                BATCH as u32,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        usize::try_from(count).unwrap_or(0)
    }

    /// Datagram `k` of the last batch, with its length and room behind it.
    pub fn datagram(&mut self, k: usize) -> (Arrival, &mut [u8], usize) {
        let peer = &self.0.peers[k];
        let from = SocketAddrV4::new(
            u32::from_be(peer.sin_addr.s_addr).into(),
            u16::from_be(peer.sin_port),
        );
        let mut arrival = Arrival {
            from,
            to: Ipv4Addr::UNSPECIFIED,
            at: 0,
        };
        let head = &self.0.heads[k];
        // SAFETY: the kernel has written `msg_controllen` bytes of control messages, which these macros walk.
        let mut next = unsafe { libc::CMSG_FIRSTHDR(&head.msg_hdr) };
        while !next.is_null() {
            // SAFETY: not null, so within the ancillary room.
            unsafe { read_ancillary(next, &mut arrival) };
            // SAFETY: as above.
            next = unsafe { libc::CMSG_NXTHDR(&head.msg_hdr, next) };
        }
        let len = (head.msg_len as usize).min(ROOM);
        (arrival, &mut self.0.bytes[k], len)
    }
}

/// # Safety
/// `message` is a control message that the kernel has written.
unsafe fn read_ancillary(message: *const cmsghdr, arrival: &mut Arrival) {
    // SAFETY: the kernel gives these two kinds with exactly these structs; nothing is said about their alignment.
    unsafe {
        let data = libc::CMSG_DATA(message);
        match ((*message).cmsg_level, (*message).cmsg_type) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                let info: libc::in_pktinfo = ptr::read_unaligned(data.cast());
                arrival.to = u32::from_be(info.ipi_addr.s_addr).into();
            }
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                let stamp: libc::timespec = ptr::read_unaligned(data.cast());
                arrival.at = stamp.tv_sec as u64 * 1_000_000_000 + stamp.tv_nsec as u64;
            }
            _ => {}
        }
    }
}

/// Datagrams that leave with one `sendmmsg`.
pub struct Outbox {
    rooms: Rooms,
    used: usize,
    /// Datagrams of one length from one address to another that follow each other go through the system as one, and
    /// are cut apart where they arrive (UDP GSO): as a network card brings several at once.
    trains: bool,
    train: Train,
}

/// What was pushed last.
#[derive(Clone, Copy)]
struct Train {
    from: Ipv4Addr,
    to: SocketAddrV4,
    /// Of each datagram, and of all.
    len: usize,
    bytes: usize,
}

impl Outbox {
    /// `batch` is from 1 to 256: the fewer, the smaller the error of the time at which a packet says it was sent.
    pub fn new(batch: usize) -> Self {
        let mut rooms = Rooms::new(batch.clamp(1, 256));
        let info = size_of::<libc::in_pktinfo>() as u32;
        for head in &mut rooms.heads {
            let head = &mut head.msg_hdr;
            // SAFETY: the ancillary room is larger than one such message.
            unsafe {
                head.msg_controllen = libc::CMSG_SPACE(info) as _;
                let message = libc::CMSG_FIRSTHDR(head);
                (*message).cmsg_level = libc::IPPROTO_IP;
                (*message).cmsg_type = libc::IP_PKTINFO;
                (*message).cmsg_len = libc::CMSG_LEN(info) as _;
            }
        }
        Self {
            rooms,
            used: 0,
            trains: false,
            train: Train {
                from: Ipv4Addr::UNSPECIFIED,
                to: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0),
                len: 0,
                bytes: 0,
            },
        }
    }

    /// The same for floods: those to one place that follow each other leave together.
    pub fn in_trains(mut self) -> Self {
        self.trains = true;
        self
    }

    /// Where the next datagram is to be written.
    pub fn room(&mut self) -> &mut [u8; ROOM] {
        &mut self.rooms.bytes[self.used]
    }

    /// The datagram in the room goes out with the next flush; true when that is due.
    pub fn push(&mut self, len: usize, from: Ipv4Addr, to: SocketAddrV4) -> bool {
        let k = self.used;
        if self.lengthens(len, from, to) {
            return false;
        }
        self.train = Train {
            from,
            to,
            len,
            bytes: len.min(ROOM),
        };
        let info = size_of::<libc::in_pktinfo>() as u32;
        // SAFETY: takes a number.
        self.rooms.heads[k].msg_hdr.msg_controllen = unsafe { libc::CMSG_SPACE(info) } as _;
        self.rooms.slices[k].iov_len = len.min(ROOM);
        let peer = &mut self.rooms.peers[k];
        peer.sin_family = libc::AF_INET as libc::sa_family_t;
        peer.sin_port = to.port().to_be();
        peer.sin_addr.s_addr = u32::from(*to.ip()).to_be();
        let info = libc::in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: libc::in_addr {
                s_addr: u32::from(from).to_be(),
            },
            ipi_addr: libc::in_addr { s_addr: 0 },
        };
        // SAFETY: `new` has made room for exactly this in the ancillary data.
        unsafe {
            let message = libc::CMSG_FIRSTHDR(&self.rooms.heads[k].msg_hdr);
            ptr::write_unaligned(libc::CMSG_DATA(message).cast(), info);
        }
        self.used += 1;
        self.used == self.rooms.heads.len()
    }

    /// Whether the datagram in the room could be hung onto the one before.
    fn lengthens(&mut self, len: usize, from: Ipv4Addr, to: SocketAddrV4) -> bool {
        let train = &mut self.train;
        let end = train.bytes + len;
        if !self.trains
            || self.used == 0
            || len == 0
            || end > ROOM
            || (train.len, train.from, train.to) != (len, from, to)
        {
            return false;
        }
        let last = self.used - 1;
        let (before, room) = self.rooms.bytes.split_at_mut(self.used);
        before[last][train.bytes..end].copy_from_slice(&room[0][..len]);
        if train.bytes == len {
            // SAFETY: the ancillary room is larger than both messages, and zero where nothing was written.
            unsafe {
                let head = &mut self.rooms.heads[last].msg_hdr;
                let info = libc::CMSG_SPACE(size_of::<libc::in_pktinfo>() as u32);
                head.msg_controllen = (info + libc::CMSG_SPACE(size_of::<u16>() as u32)) as _;
                let segment = libc::CMSG_NXTHDR(head, libc::CMSG_FIRSTHDR(head));
                (*segment).cmsg_level = libc::SOL_UDP;
                (*segment).cmsg_type = libc::UDP_SEGMENT;
                (*segment).cmsg_len = libc::CMSG_LEN(size_of::<u16>() as u32) as _;
                ptr::write_unaligned(libc::CMSG_DATA(segment).cast(), len as u16);
            }
        }
        train.bytes = end;
        self.rooms.slices[last].iov_len = end;
        true
    }

    /// Sends what is queued; how many messages the kernel refused.
    pub fn flush(&mut self, socket: &Socket) -> u64 {
        let (mut at, mut refused) = (0, 0);
        while at < self.used {
            let rest = &mut self.rooms.heads[at..self.used];
            // SAFETY: as in `Inbox::fill`; `rest` is as long as is said.
            let sent = unsafe {
                libc::sendmmsg(socket.as_raw_fd(), rest.as_mut_ptr(), rest.len() as u32, 0)
            };
            match usize::try_from(sent) {
                Ok(sent) if sent > 0 => at += sent,
                _ => {
                    refused += 1;
                    at += 1;
                }
            }
        }
        self.used = 0;
        refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_leaves_from_one_endpoint_and_comes_to_another() {
        // Any free port, for both ends alike.
        let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let socket = endpoints("lo", port).unwrap();
        let (here, there) = (Ipv4Addr::new(127, 1, 0, 1), Ipv4Addr::new(127, 2, 0, 9));
        let (mut inbox, mut outbox) = (Inbox::new(), Outbox::new(4));
        outbox.room()[..5].copy_from_slice(b"hello");
        assert!(!outbox.push(5, here, SocketAddrV4::new(there, port)));
        let before = crate::clock::now();
        assert_eq!(outbox.flush(&socket), 0);
        while inbox.fill(&socket) == 0 {
            std::thread::yield_now();
        }
        let (arrival, bytes, len) = inbox.datagram(0);
        assert_eq!(
            (arrival.from, arrival.to, &bytes[..len]),
            (SocketAddrV4::new(here, port), there, b"hello".as_slice())
        );
        assert!((before..=crate::clock::now()).contains(&arrival.at));
    }

    #[test]
    fn datagrams_of_a_train_come_one_by_one() {
        let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let socket = endpoints("lo", port).unwrap();
        let (here, there) = (Ipv4Addr::new(127, 1, 0, 1), Ipv4Addr::new(127, 2, 0, 9));
        let to = SocketAddrV4::new(there, port);
        let (mut inbox, mut outbox) = (Inbox::new(), Outbox::new(8).in_trains());
        // Two rounds: what the first wrote beside must not be found in the second.
        for texts in [["one", "two", "six", "seven"], ["five", "a", "b", "c"]] {
            for text in texts {
                outbox.room()[..text.len()].copy_from_slice(text.as_bytes());
                outbox.push(text.len(), here, to);
            }
            assert_eq!(outbox.used, 2);
            assert_eq!(outbox.flush(&socket), 0);
            let mut heard = Vec::new();
            while heard.len() < texts.len() {
                for k in 0..inbox.fill(&socket) {
                    let (_, bytes, len) = inbox.datagram(k);
                    heard.push(String::from_utf8_lossy(&bytes[..len]).into_owned());
                }
            }
            assert_eq!(heard, texts);
        }
    }
}
