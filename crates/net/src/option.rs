//! Socket options that neither std nor socket2 has.

use std::io;
use std::os::fd::AsRawFd;

/// Sets an option whose value is one integer.
#[expect(unsafe_code, reason = "neither std nor socket2 has these options")]
pub(crate) fn set(
    socket: &impl AsRawFd,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of_val(&value)).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open for as long as `socket` is borrowed, and the kernel reads no
    // more than `length` bytes from `value`, which lives until the call returns.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            length,
        )
    };
    done(result)
}

/// Gives a program of classic BPF to a socket, by an option that takes one.
#[expect(unsafe_code, reason = "neither std nor socket2 has these options")]
pub(crate) fn attach(
    socket: &impl AsRawFd,
    name: libc::c_int,
    program: &[libc::sock_filter],
) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: program.len().try_into().map_err(io::Error::other)?,
        filter: program.as_ptr().cast_mut(),
    };
    let length = libc::socklen_t::try_from(size_of_val(&program)).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open for as long as `socket` is borrowed. The kernel reads `length` bytes, and the
    // instructions that they point to, as many as they say; all live until the call returns, and are not written to.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            name,
            (&raw const program).cast(),
            length,
        )
    };
    done(result)
}

fn done(result: libc::c_int) -> io::Result<()> {
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
