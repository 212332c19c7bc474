//! Linux: epoll, level-triggered.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use super::{EVENTS, Key};
use crate::udp::UdpSocket;

/// The waker's own name, which no socket's [`Key`] can be.
const WAKER: u64 = u64::MAX;

const NOTHING: libc::epoll_event = libc::epoll_event { events: 0, u64: 0 };

/// Watches sockets. A socket that is dropped is not watched any more.
#[derive(Debug)]
pub struct Poller {
    epoll: OwnedFd,
    events: Box<[libc::epoll_event]>,
    waker: Waker,
}

impl Poller {
    /// A poller that watches nothing yet.
    #[expect(unsafe_code, reason = "neither std nor socket2 has epoll")]
    pub fn new() -> io::Result<Self> {
        // SAFETY: the call takes no pointer; what it returns is checked and is nobody else's.
        let epoll = unsafe { owned(libc::epoll_create1(libc::EPOLL_CLOEXEC))? };
        let waker = Waker::new()?;
        // Edge-triggered: each wake is one report, and nobody has to read it.
        let interest = libc::EPOLLIN | libc::EPOLLET;
        add(&epoll, waker.0.as_raw_fd(), interest, WAKER)?;
        Ok(Self {
            epoll,
            events: vec![NOTHING; EVENTS].into(),
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
        add(&self.epoll, socket.as_raw_fd(), libc::EPOLLIN, key.into())
    }

    /// The same for one that is always read until it was empty: it is reported once for what has come, and again
    /// when more comes.
    pub(crate) fn watch_once(&self, socket: &UdpSocket, key: Key) -> io::Result<()> {
        let interest = libc::EPOLLIN | libc::EPOLLET;
        add(&self.epoll, socket.as_raw_fd(), interest, key.into())
    }

    /// Waits until a socket can be read, somebody [wakes](Waker::wake) us, or the time is over, and
    /// adds the keys of the readable sockets to `readable`. `None` waits without end.
    #[expect(unsafe_code, reason = "neither std nor socket2 has epoll")]
    pub fn wait(&mut self, timeout: Option<Duration>, readable: &mut Vec<Key>) -> io::Result<()> {
        let room = libc::c_int::try_from(self.events.len()).unwrap_or(0);
        // SAFETY: the kernel writes at most `room` events, and so many are borrowed until it returns.
        let result = unsafe {
            libc::epoll_wait(
                self.epoll.as_raw_fd(),
                self.events.as_mut_ptr(),
                room,
                milliseconds(timeout),
            )
        };
        let Ok(count) = usize::try_from(result) else {
            let error = io::Error::last_os_error();
            let interrupted = error.kind() == io::ErrorKind::Interrupted;
            return if interrupted { Ok(()) } else { Err(error) };
        };
        let keys = self.events.iter().take(count).map(|event| event.u64);
        readable.extend(keys.filter_map(|key| Key::try_from(key).ok()));
        Ok(())
    }

    /// The socket of this key had no datagram left. Only other systems need to be told.
    pub fn emptied(&mut self, _: Key) {}
}

/// Ends a [`Poller`]'s wait from another thread. A wake while nobody waits ends the next wait.
#[derive(Debug, Clone)]
pub struct Waker(Arc<OwnedFd>);

impl Waker {
    #[expect(unsafe_code, reason = "neither std nor socket2 has eventfd")]
    fn new() -> io::Result<Self> {
        // SAFETY: the call takes no pointer; what it returns is checked and is nobody else's.
        let event = unsafe { owned(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK))? };
        Ok(Self(Arc::new(event)))
    }

    /// Ends the wait.
    #[expect(unsafe_code, reason = "neither std nor socket2 has eventfd")]
    pub fn wake(&self) -> io::Result<()> {
        let one = 1_u64;
        // SAFETY: the descriptor is open for as long as we are borrowed, and the kernel reads the eight bytes of
        // `one`, which lives until the call returns.
        let written = unsafe {
            libc::write(
                self.0.as_raw_fd(),
                (&raw const one).cast(),
                size_of_val(&one),
            )
        };
        // A counter that is full has not been looked at since 2^64 wakes: a report is due anyway.
        if written < 0 && io::Error::last_os_error().kind() != io::ErrorKind::WouldBlock {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

/// Takes a new descriptor from the result of a system call.
///
/// # Safety
/// A `result` that is not negative is an open descriptor that nobody else owns.
#[expect(
    unsafe_code,
    reason = "a descriptor that came from libc has no owner yet"
)]
unsafe fn owned(result: RawFd) -> io::Result<OwnedFd> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: as the caller promises.
    Ok(unsafe { OwnedFd::from_raw_fd(result) })
}

#[expect(unsafe_code, reason = "neither std nor socket2 has epoll")]
fn add(epoll: &OwnedFd, watched: RawFd, interest: libc::c_int, name: u64) -> io::Result<()> {
    let mut event = libc::epoll_event {
        events: interest.cast_unsigned(),
        u64: name,
    };
    // SAFETY: the kernel reads one event, which lives until the call returns; a `watched` that is not open is an
    // error and nothing worse.
    let result = unsafe {
        libc::epoll_ctl(
            epoll.as_raw_fd(),
            libc::EPOLL_CTL_ADD,
            watched,
            &raw mut event,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Rounded up: whoever is woken before his time would only wait again.
fn milliseconds(timeout: Option<Duration>) -> libc::c_int {
    let Some(timeout) = timeout else { return -1 };
    let rounded = timeout.saturating_add(Duration::from_nanos(999_999));
    libc::c_int::try_from(rounded.as_millis()).unwrap_or(libc::c_int::MAX)
}
