//! Up to 64 datagrams that come in by one system call and leave by another.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::SystemTime;

use super::packet::{self, HEADERS};
use super::{Inlet, RawSocket};
use crate::name::{self, Name};
use crate::note;

/// See [`Batch::SIZE`].
const SIZE: usize = 64;

/// The same, as the kernel counts.
const COUNT: libc::c_uint = 64;

/// Bytes of the kernel's notes about a datagram: where it went, and when it came if that was asked for.
const NOTES: usize = 96;

/// Buffers, each with room for headers before the datagram and for growth behind it.
#[derive(Debug)]
pub struct Batch {
    bytes: Box<[u8]>,
    /// Bytes of a datagram at most.
    datagram: usize,
    /// Bytes of each buffer.
    stride: usize,
    names: Box<[Name; SIZE]>,
    notes: Box<[Notes; SIZE]>,
    /// Of each datagram and of its notes.
    lengths: [(usize, usize); SIZE],
    /// By exit.
    leaving: Vec<Vec<Leaving>>,
}

#[derive(Debug, Clone, Copy)]
#[repr(C, align(8))]
struct Notes([u8; NOTES]);

/// A packet that is ready: where it begins, where its datagram does, and where both end.
#[derive(Debug, Clone, Copy)]
struct Leaving {
    begin: usize,
    datagram: usize,
    end: usize,
    way: Way,
}

/// A datagram that came in.
#[derive(Debug)]
pub struct Arrived<'a> {
    /// Who sent it.
    pub from: SocketAddr,
    /// Where to: an address of ours, and the port that is steered.
    pub to: SocketAddr,
    /// It stands at the start; the room behind it is free.
    pub buffer: &'a mut [u8],
    /// Its length.
    pub len: usize,
    /// When it came, if the inlet is [dated](Inlet::date).
    pub came: Option<SystemTime>,
}

impl Batch {
    /// Datagrams at most.
    pub const SIZE: usize = SIZE;

    /// For datagrams of at most `datagram` bytes that may grow by `growth`.
    #[must_use]
    pub fn new(datagram: usize, growth: usize) -> Self {
        // An odd number of cache lines, so that the buffers' starts do not compete for the same places in the cache.
        let used = HEADERS.saturating_add(datagram).saturating_add(growth);
        let stride = used.div_ceil(128).saturating_mul(128).saturating_add(64);
        Self {
            // Zeroed memory that was never written to takes no room: a buffer is as large as its datagrams were.
            bytes: vec![0; stride.saturating_mul(SIZE)].into(),
            datagram,
            stride,
            names: Box::new([Name::EMPTY; SIZE]),
            notes: Box::new([Notes([0; NOTES]); SIZE]),
            lengths: [(0, 0); SIZE],
            leaving: Vec::new(),
        }
    }

    /// Takes what has come, and forgets what there was; the number of datagrams. What does not fit
    /// into a buffer is cut off.
    #[expect(unsafe_code, reason = "neither std nor socket2 has recvmmsg")]
    pub fn receive(&mut self, inlet: &Inlet) -> io::Result<usize> {
        self.leaving.iter_mut().for_each(Vec::clear);
        let mut vectors = [EMPTY_VECTOR; SIZE];
        let mut messages = [EMPTY_MESSAGE; SIZE];
        let buffers = self.bytes.chunks_exact_mut(self.stride);
        let names = self.names.iter_mut().zip(self.notes.iter_mut());
        let places = vectors.iter_mut().zip(&mut messages);
        for ((buffer, (name, note)), (vector, message)) in buffers.zip(names).zip(places) {
            let room = buffer.get_mut(HEADERS..).unwrap_or_default();
            vector.iov_base = room.as_mut_ptr().cast();
            vector.iov_len = room.len().min(self.datagram);
            let header = &mut message.msg_hdr;
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            header.msg_name = (&raw mut name.0).cast();
            header.msg_namelen = name::SIX;
            header.msg_control = (&raw mut note.0).cast();
            header.msg_controllen = NOTES as _;
        }
        // SAFETY: the kernel writes at most SIZE messages: to buffers, names and notes of the lengths that stand
        // beside them, which are borrowed until the call returns.
        let result = unsafe {
            libc::recvmmsg(
                inlet.socket.as_raw_fd(),
                messages.as_mut_ptr(),
                COUNT,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        let Ok(count) = usize::try_from(result) else {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(0),
                _ => Err(error),
            };
        };
        for (length, message) in self.lengths.iter_mut().zip(&messages) {
            let datagram = usize::try_from(message.msg_len).unwrap_or(0);
            *length = (datagram, message.msg_hdr.msg_controllen as _);
        }
        Ok(count.min(SIZE))
    }

    /// The datagram of this number, less than what [`receive`](Self::receive) gave.
    pub fn get(&mut self, number: usize) -> Option<Arrived<'_>> {
        let from = self.names.get(number)?.address()?;
        let (len, notes) = *self.lengths.get(number)?;
        let notes = self.notes.get(number)?.0.get(..notes)?;
        let to = note::read(notes).find_map(|note| match (note.level, note.kind) {
            (libc::IPPROTO_IP, libc::IP_RECVORIGDSTADDR)
            | (libc::IPPROTO_IPV6, libc::IPV6_RECVORIGDSTADDR) => name::read(note.value),
            _ => None,
        })?;
        let came = note::time(notes);
        let buffer = self.bytes.chunks_exact_mut(self.stride).nth(number)?;
        Some(Arrived {
            from,
            to,
            buffer: buffer.get_mut(HEADERS..)?,
            len,
            came,
        })
    }

    /// Sees to it that there are at least so many exits: sockets that datagrams can leave by, named by numbers.
    pub fn make_exits(&mut self, count: usize) {
        let count = count.max(self.leaving.len());
        self.leaving.resize_with(count, || Vec::with_capacity(SIZE));
    }

    /// Makes a packet of the first `len` bytes of a datagram's buffer, to leave by this exit with the next
    /// [`flush`](Self::flush) of it; whether that can be done.
    pub fn answer(&mut self, number: usize, len: usize, way: Way) -> bool {
        let at = number.saturating_mul(self.stride);
        let Some(leaving) = self.leaving.get_mut(way.exit) else {
            return false;
        };
        let buffer = self.bytes.get_mut(at..).unwrap_or_default();
        let Some((before, rest)) = buffer.split_at_mut_checked(HEADERS) else {
            return false;
        };
        let Some(datagram) = rest.get(..len) else {
            return false;
        };
        let Some(begin) = packet::write(before, datagram, [way.from, way.to], way.class) else {
            return false;
        };
        let start = at.saturating_add(HEADERS);
        leaving.push(Leaving {
            begin: at.saturating_add(begin),
            datagram: start,
            end: start.saturating_add(len),
            way,
        });
        true
    }
}

/// Which way a datagram goes.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    /// The socket it leaves by.
    pub exit: usize,
    /// Its sender: an address and a port of ours.
    pub from: SocketAddr,
    /// Its receiver, of the same family.
    pub to: SocketAddr,
    /// The octet for differentiated services (RFC 2474) and congestion notification.
    pub class: u8,
}

/// What the kernel did not take.
#[derive(Debug)]
pub struct Refused<'a> {
    /// The datagram, without the headers.
    pub datagram: &'a [u8],
    /// Which way it was to go.
    pub way: Way,
    /// Why it did not.
    pub error: io::Error,
}

impl Refused<'_> {
    /// It has no other fault than to need more than one packet: a socket that makes its own headers can send it.
    #[must_use]
    pub fn is_too_long(&self) -> bool {
        self.error.raw_os_error() == Some(libc::EMSGSIZE)
    }
}

impl Batch {
    /// Sends what was [answered](Self::answer) by this exit, as many packets by one system call as the kernel takes.
    /// What it does not take is given to `refused`, and the next is tried.
    pub fn flush(&mut self, exit: usize, socket: &RawSocket, mut refused: impl FnMut(Refused<'_>)) {
        let Some(leaving) = self.leaving.get_mut(exit) else {
            return;
        };
        let mut rest = leaving.as_slice();
        while !rest.is_empty() {
            match send(socket, &self.bytes, rest) {
                // It took none and gave no reason; whatever comes next would have the same fate.
                Ok(0) => break,
                Ok(sent) => rest = rest.get(sent..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let Some((packet, others)) = rest.split_first() else {
                        break;
                    };
                    refused(Refused {
                        datagram: self
                            .bytes
                            .get(packet.datagram..packet.end)
                            .unwrap_or_default(),
                        way: packet.way,
                        error,
                    });
                    rest = others;
                }
            }
        }
        leaving.clear();
    }
}

/// Hands packets to the kernel; how many it took, or why it did not take the first.
#[expect(unsafe_code, reason = "neither std nor socket2 has sendmmsg")]
fn send(socket: &RawSocket, bytes: &[u8], packets: &[Leaving]) -> io::Result<usize> {
    let mut names = [Name::EMPTY; SIZE];
    let mut vectors = [EMPTY_VECTOR; SIZE];
    let mut messages = [EMPTY_MESSAGE; SIZE];
    let mut count: libc::c_uint = 0;
    let places = names.iter_mut().zip(&mut vectors).zip(&mut messages);
    for (packet, ((name, vector), message)) in packets.iter().zip(places) {
        let to = packet.way.to;
        let packet = bytes.get(packet.begin..packet.end).unwrap_or_default();
        // The kernel does not write to what it sends.
        vector.iov_base = packet.as_ptr().cast_mut().cast();
        vector.iov_len = packet.len();
        let length;
        (*name, length) = Name::of_host(to);
        let header = &mut message.msg_hdr;
        header.msg_name = (&raw mut name.0).cast();
        header.msg_namelen = length;
        header.msg_iov = vector;
        header.msg_iovlen = 1;
        count = count.wrapping_add(1);
    }
    // SAFETY: the kernel reads the first `count` messages, and of each the name and the packet whose lengths stand
    // beside them; all live until the call returns.
    let result = unsafe {
        libc::sendmmsg(
            socket.as_raw_fd(),
            messages.as_mut_ptr(),
            count,
            libc::MSG_DONTWAIT as _,
        )
    };
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

const EMPTY_VECTOR: libc::iovec = libc::iovec {
    iov_base: std::ptr::null_mut(),
    iov_len: 0,
};

/// All zero: no name, no vector, no note.
#[expect(unsafe_code, reason = "its padding has private fields on some systems")]
// SAFETY: it is made of integers and pointers, which zero is fine for.
const EMPTY_MESSAGE: libc::mmsghdr = unsafe { std::mem::zeroed() };
