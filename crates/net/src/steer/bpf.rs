//! bpf(2), as far as it is needed here.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

const MAP_CREATE: libc::c_int = 0;
const MAP_UPDATE_ELEM: libc::c_int = 2;
const MAP_DELETE_ELEM: libc::c_int = 3;
const PROG_LOAD: libc::c_int = 5;
const LINK_CREATE: libc::c_int = 28;

const MAP_TYPE_HASH: u32 = 1;
const MAP_TYPE_SOCKMAP: u32 = 15;
/// Entries are allocated when they are made.
const NO_PREALLOC: u32 = 1;
const PROG_TYPE_SK_LOOKUP: u32 = 30;
const ATTACH_SK_LOOKUP: u32 = 36;

/// Of the program; every function that it calls is open to any.
const LICENCE: &CStr = c"MIT";

/// One instruction: opcode, registers (destination low, source high), offset, immediate.
pub(super) type Instruction = [u8; 8];

/// `union bpf_attr`: what a command reads stands at offsets of its own, and the rest is zero.
#[repr(C, align(8))]
struct Attributes([u8; 128]);

impl Attributes {
    fn new() -> Self {
        Self([0; 128])
    }

    /// Puts one field where the kernel's header says.
    fn with<const N: usize>(mut self, at: usize, field: [u8; N]) -> Self {
        if let Some(place) = self.0.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            *place = field;
        }
        self
    }

    fn with_fd(self, at: usize, fd: RawFd) -> Self {
        self.with(at, fd.to_ne_bytes())
    }

    fn with_pointer<T>(self, at: usize, pointer: *const T) -> Self {
        self.with(at, (pointer.expose_provenance() as u64).to_ne_bytes())
    }
}

/// A map in the kernel.
#[derive(Debug)]
pub(super) struct Map {
    fd: OwnedFd,
    key: usize,
    value: usize,
}

impl Map {
    /// From `key` bytes to `value` bytes.
    pub(super) fn hash(key: usize, value: usize, entries: u32) -> io::Result<Self> {
        Self::new(MAP_TYPE_HASH, key, value, entries, NO_PREALLOC)
    }

    /// From a number to a socket.
    pub(super) fn sockets(entries: u32) -> io::Result<Self> {
        Self::new(
            MAP_TYPE_SOCKMAP,
            size_of::<u32>(),
            size_of::<u64>(),
            entries,
            0,
        )
    }

    fn new(kind: u32, key: usize, value: usize, entries: u32, flags: u32) -> io::Result<Self> {
        let size = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_ne_bytes();
        let attributes = Attributes::new()
            .with(0, kind.to_ne_bytes())
            .with(4, size(key))
            .with(8, size(value))
            .with(12, entries.to_ne_bytes())
            .with(16, flags.to_ne_bytes());
        // SAFETY: the command reads numbers only.
        #[expect(unsafe_code, reason = "no crate that we have knows bpf(2)")]
        let fd = unsafe { new_descriptor(MAP_CREATE, &attributes)? };
        Ok(Self { fd, key, value })
    }

    /// Makes an entry, or changes it.
    pub(super) fn put(&self, key: &[u8], value: &[u8]) -> io::Result<()> {
        if (key.len(), value.len()) != (self.key, self.value) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let attributes = Attributes::new()
            .with_fd(0, self.fd.as_raw_fd())
            .with_pointer(8, key.as_ptr())
            .with_pointer(16, value.as_ptr());
        // SAFETY: the kernel reads as many bytes as the map was made for; that so many are there was checked.
        #[expect(unsafe_code, reason = "no crate that we have knows bpf(2)")]
        let done = unsafe { call(MAP_UPDATE_ELEM, &attributes) };
        done.map(drop)
    }

    /// Removes an entry.
    pub(super) fn remove(&self, key: &[u8]) -> io::Result<()> {
        if key.len() != self.key {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let attributes = Attributes::new()
            .with_fd(0, self.fd.as_raw_fd())
            .with_pointer(8, key.as_ptr());
        // SAFETY: the kernel reads as many bytes as the map was made for; that so many are there was checked.
        #[expect(unsafe_code, reason = "no crate that we have knows bpf(2)")]
        let done = unsafe { call(MAP_DELETE_ELEM, &attributes) };
        done.map(drop)
    }
}

impl AsRawFd for Map {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// Has the kernel verify a program that chooses sockets.
pub(super) fn load(program: &[Instruction]) -> io::Result<OwnedFd> {
    let count = u32::try_from(program.len()).map_err(io::Error::other)?;
    let attributes = Attributes::new()
        .with(0, PROG_TYPE_SK_LOOKUP.to_ne_bytes())
        .with(4, count.to_ne_bytes())
        .with_pointer(8, program.as_ptr())
        .with_pointer(16, LICENCE.as_ptr())
        .with(68, ATTACH_SK_LOOKUP.to_ne_bytes());
    // SAFETY: the kernel reads `count` instructions of eight bytes, and a string with its end.
    #[expect(unsafe_code, reason = "no crate that we have knows bpf(2)")]
    unsafe {
        new_descriptor(PROG_LOAD, &attributes)
    }
}

/// Has it run for every datagram of this network namespace, until what is returned is dropped.
pub(super) fn attach(program: &OwnedFd) -> io::Result<OwnedFd> {
    let namespace = File::open("/proc/thread-self/ns/net")?;
    let attributes = Attributes::new()
        .with_fd(0, program.as_raw_fd())
        .with_fd(4, namespace.as_raw_fd())
        .with(8, ATTACH_SK_LOOKUP.to_ne_bytes());
    // SAFETY: the command reads numbers only.
    #[expect(unsafe_code, reason = "no crate that we have knows bpf(2)")]
    unsafe {
        new_descriptor(LINK_CREATE, &attributes)
    }
}

/// # Safety
/// The command must return a new descriptor; and as for [`call`].
#[expect(unsafe_code, reason = "no crate that we have knows bpf(2)")]
unsafe fn new_descriptor(command: libc::c_int, attributes: &Attributes) -> io::Result<OwnedFd> {
    // SAFETY: as the caller promises.
    let result = unsafe { call(command, attributes)? };
    let fd = RawFd::try_from(result).map_err(io::Error::other)?;
    // SAFETY: it is open and new, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// # Safety
/// What the command takes for pointers in `attributes` must point to as much as it reads there.
#[expect(unsafe_code, reason = "no crate that we have knows bpf(2)")]
unsafe fn call(command: libc::c_int, attributes: &Attributes) -> io::Result<libc::c_long> {
    // SAFETY: the attributes are as long as we say; as for what they point to, the caller promises.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            &raw const *attributes,
            size_of::<Attributes>(),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}
