//! A capture file (libpcap's format 2.4, link type RAW): each packet under IP and UDP headers that say where it came from and
//! where it came to.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};

use crate::core::RecordedPacket;

const MAGIC: u32 = 0xa1b2_c3d4;
/// LINKTYPE_RAW: the first byte tells IPv4 from IPv6.
const RAW: u32 = 101;
const UDP: u8 = 17;
const UDP_HEADER: usize = 8;

/// A file that packets are put to.
pub(super) struct Capture<W: Write>(W);

impl<W: Write> Capture<W> {
    pub(super) fn new(mut file: W) -> io::Result<Self> {
        file.write_all(&MAGIC.to_le_bytes())?;
        file.write_all(&[2, 0, 4, 0])?;
        for word in [0, 0, u32::from(u16::MAX), RAW] {
            file.write_all(&word.to_le_bytes())?;
        }
        Ok(Self(file))
    }

    pub(super) fn packet(&mut self, packet: &RecordedPacket) -> io::Result<()> {
        let headers = headers(packet.from, packet.to, packet.bytes.len());
        let len = headers.len().saturating_add(packet.bytes.len());
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        // The format counts seconds in 32 bits.
        for word in [
            (packet.at.as_secs() & 0xffff_ffff) as u32,
            packet.at.subsec_micros(),
            len,
            len,
        ] {
            self.0.write_all(&word.to_le_bytes())?;
        }
        self.0.write_all(&headers)?;
        self.0.write_all(&packet.bytes)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// IP and UDP. The UDP checksum is left out.
fn headers(from: SocketAddr, to: SocketAddr, payload: usize) -> Vec<u8> {
    let length = |headers: usize| {
        u16::try_from(payload.saturating_add(headers))
            .unwrap_or(u16::MAX)
            .to_be_bytes()
    };
    let mut out = Vec::with_capacity(48);
    match (from.ip().to_canonical(), to.ip().to_canonical()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            out.extend([0x45, 0]);
            out.extend(length(20 + UDP_HEADER));
            out.extend([0, 0, 0x40, 0, 64, UDP, 0, 0]);
            out.extend(from.octets());
            out.extend(to.octets());
            let sum = checksum(&out);
            out.splice(10..12, sum.to_be_bytes());
        }
        (from, to) => {
            out.extend([0x60, 0, 0, 0]);
            out.extend(length(UDP_HEADER));
            out.extend([UDP, 64]);
            for ip in [from, to] {
                let ip = match ip {
                    IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                    IpAddr::V6(v6) => v6,
                };
                out.extend(ip.octets());
            }
        }
    }
    out.extend(from.port().to_be_bytes());
    out.extend(to.port().to_be_bytes());
    out.extend(length(UDP_HEADER));
    out.extend([0, 0]);
    out
}

fn checksum(header: &[u8]) -> u16 {
    let (words, _) = header.as_chunks::<2>();
    let mut sum: u32 = words
        .iter()
        .map(|word| u32::from(u16::from_be_bytes(*word)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff).saturating_add(sum >> 16);
    }
    !((sum & 0xffff) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_say_where_a_packet_came_from_and_to() {
        let headers = headers(
            "192.0.2.1:5000".parse().unwrap(),
            "10.0.0.4:30000".parse().unwrap(),
            12,
        );
        assert_eq!(headers.len(), 28);
        assert_eq!(headers[..4], [0x45, 0, 0, 40]);
        assert_eq!(headers[12..20], [192, 0, 2, 1, 10, 0, 0, 4]);
        assert_eq!(headers[20..], [0x13, 0x88, 0x75, 0x30, 0, 20, 0, 0]);
        assert_eq!(checksum(&headers[..20]), 0, "the sum over all is right");
    }
}
