//! Several sockets at one address, for several threads. The kernel gives each datagram to one of them: an ICE check
//! to the one that it names, as far as that can be told from where it stands, and everything else by its sender and
//! always to the same.

use std::io;
use std::net::SocketAddr;

use socket2::SockRef;

use super::{BindError, Options, Transport, UdpSocket, open, unbound};
#[cfg(target_os = "linux")]
use crate::option;

/// Binds `count` sockets to exactly this address, or to the same free port of it. No other program has the port, as with
/// [`UdpSocket::bind`]; one of the same user that asks to share it could come in later.
pub fn bind_group(
    address: SocketAddr,
    count: usize,
    options: Options,
) -> Result<Vec<UdpSocket>, BindError> {
    let failed = |source| BindError {
        transport: Transport::Udp,
        address,
        source,
    };
    // It does not ask to share, so it gets nothing that somebody else has.
    let first = UdpSocket::bind(address, options)?;
    let mut group = vec![first];
    for _ in 1..count {
        let next = join(&group, options).map_err(failed)?;
        group.push(next);
    }
    Ok(group)
}

fn join(group: &[UdpSocket], options: Options) -> io::Result<UdpSocket> {
    let Some(first) = group.first() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    #[cfg(unix)]
    {
        SockRef::from(&first.socket).set_reuse_port(true)?;
        let next = unbound(first.address, options)?;
        next.set_reuse_port(true)?;
        open(next, first.address)
    }
    #[cfg(not(unix))]
    {
        _ = (first, options);
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// From now on a check (RFC 8445) whose USERNAME begins with one of these octets comes to the socket of that place
/// in the group of this one. Attributes may stand before it, but not many.
#[cfg(target_os = "linux")]
pub fn steer_checks(member: &UdpSocket, marks: &[u8]) -> io::Result<()> {
    let program = checks::program(marks);
    option::attach(member, libc::SO_ATTACH_REUSEPORT_CBPF, &program)
}

/// No other system can.
#[cfg(not(target_os = "linux"))]
pub fn steer_checks(_: &UdpSocket, _: &[u8]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A program of classic BPF, which any process may attach: it reads a datagram and gives a number, that of a socket; if
/// there is none of that number, the kernel chooses by the sender.
#[cfg(target_os = "linux")]
mod checks {
    use libc::sock_filter;

    /// Attributes that are looked at: more than any browser puts before USERNAME, which is its first.
    const ATTRIBUTES: usize = 8;

    const BINDING_REQUEST: u32 = 0x0001;
    const COOKIE: u32 = 0x2112_a442;
    const HEADER: u32 = 20;
    const USERNAME: u32 = 0x0006;

    /// No socket has it.
    const BY_SENDER: u32 = u32::MAX;

    // A load beyond the end would end the program with zero, so each is preceded by a look at the length.
    const LOAD_LENGTH: u16 = 0x80;
    const LOAD_WORD: u16 = 0x20;
    const LOAD_HALF: u16 = 0x28;
    const LOAD_HALF_AT_X: u16 = 0x48;
    const LOAD_BYTE_AT_X: u16 = 0x50;
    const LOAD_X: u16 = 0x01;
    const SUBTRACT_X: u16 = 0x1c;
    const ADD_X: u16 = 0x0c;
    const ADD: u16 = 0x04;
    const AND: u16 = 0x54;
    const TO_X: u16 = 0x07;
    const IF_EQUAL: u16 = 0x15;
    const IF_AT_LEAST: u16 = 0x35;
    const IF_AT_LEAST_X: u16 = 0x3d;
    const RETURN: u16 = 0x06;

    pub(super) fn program(marks: &[u8]) -> Vec<sock_filter> {
        let mut program = vec![
            step(LOAD_LENGTH, 0),
            jump(IF_AT_LEAST, HEADER, 1, 0),
            step(RETURN, BY_SENDER),
            step(LOAD_HALF, 0),
            jump(IF_EQUAL, BINDING_REQUEST, 1, 0),
            step(RETURN, BY_SENDER),
            step(LOAD_WORD, 4),
            jump(IF_EQUAL, COOKIE, 1, 0),
            step(RETURN, BY_SENDER),
            step(LOAD_X, HEADER),
        ];
        for _ in 0..ATTRIBUTES {
            program.extend([
                // Is there an attribute with an octet in it?
                step(LOAD_LENGTH, 0),
                jump(IF_AT_LEAST_X, 0, 1, 0),
                step(RETURN, BY_SENDER),
                step(SUBTRACT_X, 0),
                jump(IF_AT_LEAST, 5, 1, 0),
                step(RETURN, BY_SENDER),
                step(LOAD_HALF_AT_X, 0),
            ]);
            let found = found(marks);
            // A jump on a condition is too short for that.
            let over = u32::try_from(found.len()).unwrap_or(u32::MAX);
            program.extend([jump(IF_EQUAL, USERNAME, 1, 0), step(JUMP, over)]);
            program.extend(found);
            program.extend([
                // On to the next: four octets and the value, which is filled up to a multiple of four.
                step(LOAD_HALF_AT_X, 2),
                step(ADD, 7),
                step(AND, !3),
                step(ADD_X, 0),
                step(TO_X, 0),
            ]);
        }
        program.push(step(RETURN, BY_SENDER));
        program
    }

    const JUMP: u16 = 0x05;

    /// At the USERNAME: whose mark does it begin with?
    fn found(marks: &[u8]) -> Vec<sock_filter> {
        let mut steps = vec![step(LOAD_BYTE_AT_X, 4)];
        for (number, mark) in (0..).zip(marks) {
            steps.push(jump(IF_EQUAL, (*mark).into(), 0, 1));
            steps.push(step(RETURN, number));
        }
        steps.push(step(RETURN, BY_SENDER));
        steps
    }

    fn step(code: u16, k: u32) -> sock_filter {
        jump(code, k, 0, 0)
    }

    fn jump(code: u16, k: u32, jt: u8, jf: u8) -> sock_filter {
        sock_filter { code, jt, jf, k }
    }
}
