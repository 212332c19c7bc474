//! The IP and UDP headers before a datagram that leaves from a raw socket.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Bytes of both headers over IPv6, the longer ones.
pub(super) const HEADERS: usize = 40 + UDP;

const UDP: usize = 8;
const UDP_PROTOCOL: u8 = 17;
const HOP_LIMIT: u8 = 64;

/// Writes both headers at the end of the room before `datagram`; where the packet begins. `None` if the two addresses
/// are of different families, or there is no room, or the datagram is too long for a packet.
pub(super) fn write(
    before: &mut [u8],
    datagram: &[u8],
    [from, to]: [SocketAddr; 2],
    traffic_class: u8,
) -> Option<usize> {
    let length = u16::try_from(datagram.len().checked_add(UDP)?).ok()?;
    let begin = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => four(before, [from, to], length, traffic_class)?,
        (IpAddr::V6(from), IpAddr::V6(to)) => six(before, [from, to], length, traffic_class)?,
        _ => return None,
    };
    let udp: &mut [u8; UDP] = before.last_chunk_mut()?;
    let [l0, l1] = length.to_be_bytes();
    let ([f0, f1], [t0, t1]) = (from.port().to_be_bytes(), to.port().to_be_bytes());
    *udp = [f0, f1, t0, t1, l0, l1, 0, 0];
    let header = pseudo_header(from.ip(), to.ip(), length);
    let sum = total(&[header, words(udp), words(datagram)]);
    let [.., c0, c1] = udp;
    [*c0, *c1] = folded(sum);
    Some(begin)
}

/// Bytes of a packet that every host takes whole (RFC 791 section 3.1) and that paths do not fragment.
const NEVER_FRAGMENTED: u16 = 576;

/// The kernel fills in the header's checksum, and the identification where it may matter (raw(7)). A longer packet
/// may be fragmented on its way, for the reason that stands in `udp.rs`; a short one says that it is not, and then needs no
/// identification of its own (RFC 6864 section 4.1), which would cost more than the rest of the header.
fn four(before: &mut [u8], [from, to]: [Ipv4Addr; 2], length: u16, tos: u8) -> Option<usize> {
    let begin = before.len().checked_sub(20 + UDP)?;
    let header: &mut [u8; 20] = before.get_mut(begin..)?.first_chunk_mut()?;
    let length = length.checked_add(20)?;
    let dont_fragment = if length > NEVER_FRAGMENTED { 0 } else { 0x40 };
    let [l0, l1] = length.to_be_bytes();
    let ([a, b, c, d], [e, f, g, h]) = (from.octets(), to.octets());
    *header = [
        0x45,
        tos,
        l0,
        l1,
        0,
        0,
        dont_fragment,
        0,
        HOP_LIMIT,
        UDP_PROTOCOL,
        0,
        0,
        a,
        b,
        c,
        d,
        e,
        f,
        g,
        h,
    ];
    Some(begin)
}

fn six(before: &mut [u8], [from, to]: [Ipv6Addr; 2], length: u16, class: u8) -> Option<usize> {
    let begin = before.len().checked_sub(40 + UDP)?;
    let header: &mut [u8; 40] = before.get_mut(begin..)?.first_chunk_mut()?;
    let [l0, l1] = length.to_be_bytes();
    let (start, addresses) = header.split_first_chunk_mut::<8>()?;
    *start = [
        0x60 | class >> 4,
        class << 4,
        0,
        0,
        l0,
        l1,
        UDP_PROTOCOL,
        HOP_LIMIT,
    ];
    let (source, destination) = addresses.split_first_chunk_mut()?;
    (*source, *destination.first_chunk_mut()?) = (from.octets(), to.octets());
    Some(begin)
}

/// RFC 768 and RFC 8200 section 8.1: both sum up to the same.
fn pseudo_header(from: IpAddr, to: IpAddr, length: u16) -> u64 {
    let address = |ip: IpAddr| match ip {
        IpAddr::V4(v4) => words(&v4.octets()),
        IpAddr::V6(v6) => words(&v6.octets()),
    };
    total(&[
        address(from),
        address(to),
        words(&[0, UDP_PROTOCOL]),
        words(&length.to_be_bytes()),
    ])
}

fn total(sums: &[u64]) -> u64 {
    sums.iter().fold(0, |total, sum| total.wrapping_add(*sum))
}

/// The sum of the bytes in the machine's own order, which the checksum does not mind (RFC 1071 section 2). 64 KiB
/// add up to less than 2^46.
fn words(bytes: &[u8]) -> u64 {
    let (quads, rest) = bytes.as_chunks::<4>();
    let mut last = [0; 4];
    last.iter_mut().zip(rest).for_each(|(to, byte)| *to = *byte);
    let sum = |sum: u64, quad: &[u8; 4]| sum.wrapping_add(u32::from_ne_bytes(*quad).into());
    quads.iter().fold(u32::from_ne_bytes(last).into(), sum)
}

/// The checksum of a sum; never zero, which would mean that there is none.
fn folded(mut sum: u64) -> [u8; 2] {
    while sum >> 16 != 0 {
        sum = (sum & 0xffff).wrapping_add(sum >> 16);
    }
    match u16::try_from(sum).map_or(0, |sum| !sum) {
        0 => [0xff, 0xff],
        checksum => checksum.to_ne_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a receiver checks it: everything, with the checksum, sums up to all ones.
    fn is_sound(from: SocketAddr, to: SocketAddr, udp: &[u8]) -> bool {
        let length = u16::try_from(udp.len()).unwrap();
        let mut sum = pseudo_header(from.ip(), to.ip(), length) + words(udp);
        while sum >> 16 != 0 {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum == 0xffff
    }

    #[test]
    fn the_checksum_holds_for_every_length_and_family() {
        for (from, to) in [
            ("192.0.2.1:5004", "198.51.100.200:65535"),
            ("[2001:db8::1]:5004", "[2001:db8:ffff::2]:1024"),
        ] {
            let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
            for len in 0..300_u16 {
                let datagram: Vec<u8> = (0..len).map(|i| (i * 37 + len) as u8).collect();
                let mut before = [0xaa; 60];
                let begin = write(&mut before, &datagram, [from, to], 0xb8).unwrap();
                let udp = [&before[52..], &datagram].concat();
                assert!(is_sound(from, to, &udp), "{len}");
                assert_ne!(udp[6..8], [0, 0]);
                assert_eq!(begin, if from.is_ipv4() { 32 } else { 12 });
            }
        }
    }

    /// The example of RFC 1071 section 3 by hand: 0x0001 + 0xf203 + 0xf4f5 + 0xf6f7 = 0xddf2.
    #[test]
    fn the_sum_is_that_of_rfc_1071() {
        let sum = words(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(folded(sum), [!0xdd, !0xf2]);
        assert_eq!(folded(0xffff), [0xff, 0xff], "none is not the same as zero");
    }

    #[test]
    fn headers_say_what_they_should() {
        let mut before = [0; HEADERS];
        let (from, to) = (
            "192.0.2.1:258".parse().unwrap(),
            "192.0.2.2:772".parse().unwrap(),
        );
        assert_eq!(write(&mut before, &[7; 4], [from, to], 0xb8), Some(20));
        let ip = [
            0x45, 0xb8, 0, 32, 0, 0, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2,
        ];
        assert_eq!(before[20..40], ip);
        assert_eq!(before[40..46], [1, 2, 3, 4, 0, 12]);
        write(&mut before, &[7; 1000], [from, to], 0).unwrap();
        assert_eq!(before[26], 0, "a long packet may be fragmented");
        let six = "[2001:db8::2]:1".parse().unwrap();
        assert_eq!(write(&mut before, &[], [from, six], 0), None, "families");
        assert_eq!(write(&mut [0; 27], &[], [from, to], 0), None, "room");
        assert_eq!(
            write(&mut before, &[0; 65_520], [from, to], 0),
            None,
            "length"
        );
    }
}
