//! Datagrams with the time at which they came: how long they waited for us. The kernel's note of it costs it, and us,
//! something, so it is asked for by who needs it, for as long as he does.

use std::io;
use std::net::SocketAddr;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::time::SystemTime;

use super::UdpSocket;
#[cfg(target_os = "linux")]
use crate::{
    name::{self, Name},
    note, option,
};

/// A datagram's length, its sender, and when it came by the clock of the system, if that is noted.
pub type Dated = (usize, SocketAddr, Option<SystemTime>);

/// Bytes of the kernel's note of the time: a header and two integers.
#[cfg(target_os = "linux")]
const NOTES: usize = 64;

#[cfg(target_os = "linux")]
#[repr(C, align(8))]
struct Notes([u8; NOTES]);

#[cfg(target_os = "linux")]
impl UdpSocket {
    /// Whether the kernel notes from now on when a datagram comes. One that came before counts as if it came when it
    /// is read.
    pub fn date(&self, dated: bool) -> io::Result<()> {
        let value = libc::c_int::from(dated);
        option::set(self, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, value)
    }

    /// As [`receive`](Self::receive), and when it came if that is [noted](Self::date).
    #[expect(unsafe_code, reason = "neither std nor socket2 gives notes as bytes")]
    pub fn receive_dated(&self, buffer: &mut [u8]) -> io::Result<Option<Dated>> {
        let mut name = Name::EMPTY;
        let mut notes = Notes([0; NOTES]);
        let mut vector = libc::iovec {
            iov_base: buffer.as_mut_ptr().cast(),
            iov_len: buffer.len(),
        };
        // SAFETY: it is made of integers and pointers, which zero is fine for.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_iov = &raw mut vector;
        header.msg_iovlen = 1;
        header.msg_name = (&raw mut name.0).cast();
        header.msg_control = (&raw mut notes.0).cast();
        let length = loop {
            header.msg_namelen = name::SIX;
            header.msg_controllen = NOTES as _;
            // SAFETY: the kernel writes to the buffer, the name and the notes, no more than the lengths beside them say;
            // they are borrowed, or live, until the call returns.
            let result = unsafe { libc::recvmsg(self.as_raw_fd(), &raw mut header, 0) };
            if let Ok(length) = usize::try_from(result) {
                break length;
            }
            let error = io::Error::last_os_error();
            match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock => return Ok(None),
                _ => return Err(error),
            }
        };
        let from = name.address().ok_or(io::ErrorKind::InvalidData)?;
        let noted = notes.0.get(..header.msg_controllen as _);
        Ok(Some((length, from, note::time(noted.unwrap_or_default()))))
    }
}

#[cfg(not(target_os = "linux"))]
impl UdpSocket {
    /// No other system is asked for it.
    pub fn date(&self, _: bool) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// As [`receive`](Self::receive); the time is not known.
    pub fn receive_dated(&self, buffer: &mut [u8]) -> io::Result<Option<Dated>> {
        let received = self.receive(buffer)?;
        Ok(received.map(|(length, from)| (length, from, None)))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::udp::Options;

    #[test]
    fn a_datagram_tells_when_it_came_while_that_is_asked_for() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let socket = UdpSocket::bind(address.parse().unwrap(), Options::default()).unwrap();
            let receive = || {
                socket.send(b"hello", socket.local_addr()).unwrap();
                let mut buffer = [0; 10];
                // On loopback it is there when the call that sends it returns.
                let (length, from, came) = socket.receive_dated(&mut buffer).unwrap().unwrap();
                assert_eq!(
                    (&buffer[..length], from),
                    (&b"hello"[..], socket.local_addr())
                );
                came
            };
            assert_eq!(receive(), None);
            socket.date(true).unwrap();
            let before = SystemTime::now();
            let came = receive().unwrap();
            assert!(before <= came && came <= SystemTime::now(), "{came:?}");
            socket.date(false).unwrap();
            assert_eq!(receive(), None);
            assert_eq!(socket.receive_dated(&mut [0; 10]).unwrap(), None);
        }
    }
}
