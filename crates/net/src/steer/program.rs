//! The program that steers, instruction by instruction, and the shape of what it looks up.
//!
//! For each UDP datagram: is its destination among the ports? Then its socket is the inlet that stands there. If the port
//! is shared, it is the one that stands with its source; and if none does, any of its family, among which the kernel then
//! chooses by what `udp::steer_checks` gave them.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::fd::AsRawFd;

use super::bpf::{Instruction, Map};

/// Bytes of a key: the address (IPv4 in the first four bytes), the port with the family above it.
pub(super) const KEY: usize = 20;

/// Bytes of a value: the number of the inlet, or of a shared port.
pub(super) const VALUE: usize = 4;

/// Marks the number of a shared port; its lowest bit is the family, as an inlet's.
const SHARED: u32 = 1 << 16;

// Offsets in `struct bpf_sk_lookup`.
const FAMILY: i16 = 8;
const PROTOCOL: i16 = 12;
const REMOTE_IP4: i16 = 16;
const REMOTE_IP6: [i16; 4] = [20, 24, 28, 32];
const REMOTE_PORT: i16 = 36;
const LOCAL_IP4: i16 = 40;
const LOCAL_IP6: [i16; 4] = [44, 48, 52, 56];
const LOCAL_PORT: i16 = 60;

// Offsets on the program's stack, from its end.
const KEY_AT: i16 = -20;
const KEY_IP: [i16; 4] = [-20, -16, -12, -8];
const KEY_PORT: i16 = -4;
const INDEX_AT: i16 = -24;

// Functions of the kernel.
const MAP_LOOKUP_ELEM: i32 = 1;
const SK_RELEASE: i32 = 86;
const SK_ASSIGN: i32 = 124;

/// The socket that was assigned, and no other of its group.
const NO_REUSEPORT: i32 = 2;

/// "Go on": with the socket that was assigned, or as if we were not there.
const SK_PASS: i32 = 1;

/// What a destination is looked up by.
pub(super) fn key(at: SocketAddr) -> [u8; KEY] {
    let family = if at.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    key_of(at.ip(), family.cast_unsigned() << 16 | u32::from(at.port()))
}

/// What a source is looked up by: its address and port as they are on the wire, and above the port the number of the
/// shared port with its family.
pub(super) fn source(number: u16, source: SocketAddr) -> [u8; KEY] {
    let port = u32::from(source.port().to_be());
    key_of(source.ip(), shared(number, source.is_ipv6()) << 16 | port)
}

fn key_of(ip: IpAddr, word: u32) -> [u8; KEY] {
    let mut key = [0; KEY];
    let [octets @ .., p0, p1, p2, p3] = &mut key;
    let write = |octets: &mut [u8], ip: &[u8]| {
        octets.iter_mut().zip(ip).for_each(|(to, byte)| *to = *byte);
    };
    match ip {
        IpAddr::V4(v4) => write(octets, &v4.octets()),
        IpAddr::V6(v6) => write(octets, &v6.octets()),
    }
    [*p0, *p1, *p2, *p3] = word.to_ne_bytes();
    key
}

/// The number of a thread's inlet.
pub(super) fn inlet(thread: u16, is_six: bool) -> u32 {
    u32::from(thread) << 1 | u32::from(is_six)
}

/// What stands for a shared port of this number, less than 32,768.
pub(super) fn shared(number: u16, is_six: bool) -> u32 {
    SHARED | inlet(number & 0x7fff, is_six)
}

/// The program. Registers: r6 the datagram's description, r7 the socket, r8 whether that one or any of its group, r9 what
/// stands for the port.
pub(super) fn steer(
    range: &RangeInclusive<u16>,
    ports: &Map,
    sources: &Map,
    inlets: &Map,
) -> Vec<Instruction> {
    let mut code = Code::default();
    code.push(mov(6, 1));
    code.push(load(2, 6, PROTOCOL));
    code.pass_unless_equal(2, libc::IPPROTO_UDP);
    // Every datagram of this machine comes by: most leave here.
    code.push(load(4, 6, LOCAL_PORT));
    code.pass_if_less(4, (*range.start()).into());
    code.pass_if_greater(4, (*range.end()).into());
    // The port, with the family above it.
    code.push(load(2, 6, FAMILY));
    code.push(mov(3, 2));
    code.push(shift_left(3, 16));
    code.push(or(3, 4));
    code.push(store(10, KEY_PORT, 3));
    code.address(LOCAL_IP4, LOCAL_IP6);
    code.look_up(ports, KEY_AT);
    code.pass_if_zero(0);
    code.push(load(9, 0, 0));
    code.push(store(10, INDEX_AT, 9));
    code.push(set(8, NO_REUSEPORT));
    let is_one = code.jump_if_less(9, SHARED.cast_signed());
    // It is shared: the source, and above its port the number of ours.
    code.push(load(2, 6, FAMILY));
    code.push(load(4, 6, REMOTE_PORT));
    code.push(mov(3, 9));
    code.push(shift_left(3, 16));
    code.push(or(3, 4));
    code.push(store(10, KEY_PORT, 3));
    code.address(REMOTE_IP4, REMOTE_IP6);
    code.look_up(sources, KEY_AT);
    let is_unknown = code.jump_if_zero(0);
    code.push(load(2, 0, 0));
    code.push(store(10, INDEX_AT, 2));
    let is_known = code.jump();
    code.land(is_unknown);
    // Any inlet of this family.
    code.push(set(8, 0));
    code.push(and(9, 1));
    code.push(store(10, INDEX_AT, 9));
    code.land(is_one);
    code.land(is_known);
    // Its inlet.
    code.look_up(inlets, INDEX_AT);
    code.pass_if_zero(0);
    code.push(mov(7, 0));
    code.push(mov(1, 6));
    code.push(mov(2, 7));
    code.push(mov(3, 8));
    code.push(call(SK_ASSIGN));
    code.push(mov(1, 7));
    code.push(call(SK_RELEASE));
    code.end()
}

/// Instructions so far, and the jumps among them that lead to the end.
#[derive(Default)]
struct Code {
    instructions: Vec<Instruction>,
    to_the_end: Vec<usize>,
}

impl Code {
    fn push(&mut self, instruction: Instruction) {
        self.instructions.push(instruction);
    }

    fn pass_unless_equal(&mut self, register: u8, value: i32) {
        self.to_the_end.push(self.instructions.len());
        self.push(instruction(0x55, register, 0, 0, value));
    }

    fn pass_if_less(&mut self, register: u8, value: i32) {
        self.to_the_end.push(self.instructions.len());
        self.push(instruction(0xa5, register, 0, 0, value));
    }

    fn pass_if_greater(&mut self, register: u8, value: i32) {
        self.to_the_end.push(self.instructions.len());
        self.push(instruction(0x25, register, 0, 0, value));
    }

    fn pass_if_zero(&mut self, register: u8) {
        self.to_the_end.push(self.instructions.len());
        self.push(instruction(0x15, register, 0, 0, 0));
    }

    /// A jump that is still to be told where to; its place.
    fn jump(&mut self) -> usize {
        self.push(instruction(0x05, 0, 0, 0, 0));
        self.instructions.len().saturating_sub(1)
    }

    fn jump_if_zero(&mut self, register: u8) -> usize {
        self.push(instruction(0x15, register, 0, 0, 0));
        self.instructions.len().saturating_sub(1)
    }

    fn jump_if_less(&mut self, register: u8, value: i32) -> usize {
        self.push(instruction(0xa5, register, 0, 0, value));
        self.instructions.len().saturating_sub(1)
    }

    /// The jump of this place leads to what comes next.
    fn land(&mut self, at: usize) {
        let distance = self.instructions.len().saturating_sub(at).saturating_sub(1);
        let offset = i16::try_from(distance).unwrap_or(i16::MAX).to_ne_bytes();
        if let Some([_, _, a, b, ..]) = self.instructions.get_mut(at) {
            [*a, *b] = offset;
        }
    }

    /// Writes an address of the description into the key; the family is in r2.
    fn address(&mut self, four: i16, six: [i16; 4]) {
        self.push(instruction(0x15, 2, 0, 6, libc::AF_INET6));
        self.push(load(2, 6, four));
        self.push(store(10, KEY_AT, 2));
        for word in KEY_IP.iter().skip(1) {
            self.push(store_zero(10, *word));
        }
        self.push(instruction(0x05, 0, 0, 8, 0));
        for (word, place) in six.into_iter().zip(KEY_IP) {
            self.push(load(2, 6, word));
            self.push(store(10, place, 2));
        }
    }

    /// r0 = where the value of the key on the stack is, or zero.
    fn look_up(&mut self, map: &Map, key: i16) {
        const IMMEDIATE_IS_MAP: u8 = 1;
        self.push(instruction(0x18, 1, IMMEDIATE_IS_MAP, 0, map.as_raw_fd()));
        self.push([0; 8]);
        self.push(mov(2, 10));
        self.push(instruction(0x07, 2, 0, 0, key.into()));
        self.push(call(MAP_LOOKUP_ELEM));
    }

    fn end(mut self) -> Vec<Instruction> {
        for at in std::mem::take(&mut self.to_the_end) {
            self.land(at);
        }
        self.instructions.push(set(0, SK_PASS));
        self.instructions.push(instruction(0x95, 0, 0, 0, 0));
        self.instructions
    }
}

fn instruction(code: u8, to: u8, from: u8, offset: i16, immediate: i32) -> Instruction {
    let registers = if cfg!(target_endian = "little") {
        from << 4 | to
    } else {
        to << 4 | from
    };
    let ([a, b], [c, d, e, f]) = (offset.to_ne_bytes(), immediate.to_ne_bytes());
    [code, registers, a, b, c, d, e, f]
}

fn mov(to: u8, from: u8) -> Instruction {
    instruction(0xbf, to, from, 0, 0)
}

fn set(to: u8, value: i32) -> Instruction {
    instruction(0xb7, to, 0, 0, value)
}

fn load(to: u8, from: u8, offset: i16) -> Instruction {
    instruction(0x61, to, from, offset, 0)
}

fn store(to: u8, offset: i16, from: u8) -> Instruction {
    instruction(0x63, to, from, offset, 0)
}

fn store_zero(to: u8, offset: i16) -> Instruction {
    instruction(0x62, to, 0, offset, 0)
}

fn shift_left(register: u8, bits: i32) -> Instruction {
    instruction(0x67, register, 0, 0, bits)
}

fn or(to: u8, from: u8) -> Instruction {
    instruction(0x4f, to, from, 0, 0)
}

fn and(register: u8, mask: i32) -> Instruction {
    instruction(0x57, register, 0, 0, mask)
}

fn call(function: i32) -> Instruction {
    instruction(0x85, 0, 0, 0, function)
}
