//! Reading: a compound packet is checked as a whole, then handed out packet by packet.

use super::{ReportBlock, SenderInfo, packet_type};
use crate::{Error, NtpTime};

const BLOCK: usize = 24;

/// A compound packet whose lengths all hold. One packet alone (RFC 5506) is one, too.
#[derive(Debug, Clone, Copy)]
pub struct Compound<'a> {
    rest: &'a [u8],
}

impl<'a> Compound<'a> {
    /// Checks every header and length of a plain (decrypted) compound packet.
    ///
    /// # Errors
    /// [`Error::TooShort`], [`Error::Version`], [`Error::Length`] or [`Error::Padding`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        if bytes.len() < 4 {
            return Err(Error::TooShort);
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            (_, rest) = split(rest)?;
        }
        Ok(Self { rest: bytes })
    }
}

impl<'a> Iterator for Compound<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Packet<'a>> {
        let (packet, rest) = split(self.rest).ok()?;
        self.rest = rest;
        Some(packet)
    }
}

/// One RTCP packet of a compound one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// See [`packet_type`].
    pub packet_type: u8,
    /// Report count, source count or feedback format: 5 bits.
    pub count: u8,
    /// What comes after the four bytes of header, without padding.
    pub body: &'a [u8],
}

/// A sender or receiver report.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// Who reports.
    pub ssrc: u32,
    /// What it sends; `None` in a receiver report.
    pub sender: Option<SenderInfo>,
    blocks: &'a [[u8; BLOCK]],
}

/// Feedback (RFC 4585 section 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feedback<'a> {
    /// Whether it is about the payload (206) and not the transport (205).
    pub payload: bool,
    /// The feedback message type, 5 bits.
    pub format: u8,
    /// Who tells.
    pub sender: u32,
    /// About whom; zero where the information names it.
    pub media: u32,
    /// The feedback control information.
    pub information: &'a [u8],
}

impl<'a> Packet<'a> {
    /// As a report; `None` when it is another packet or too short for what it counts.
    #[must_use]
    pub fn report(&self) -> Option<Report<'a>> {
        let (ssrc, rest) = word(self.body)?;
        let (sender, rest) = match self.packet_type {
            packet_type::SENDER_REPORT => {
                let (high, rest) = word(rest)?;
                let (low, rest) = word(rest)?;
                let (timestamp, rest) = word(rest)?;
                let (packets, rest) = word(rest)?;
                let (octets, rest) = word(rest)?;
                let info = SenderInfo {
                    ntp: NtpTime(u64::from(high) << 32 | u64::from(low)),
                    timestamp,
                    packets,
                    octets,
                };
                (Some(info), rest)
            }
            packet_type::RECEIVER_REPORT => (None, rest),
            _ => return None,
        };
        let (blocks, _profile_specific) = rest.as_chunks();
        Some(Report {
            ssrc,
            sender,
            blocks: blocks.get(..usize::from(self.count))?,
        })
    }

    /// The sources that leave; nothing when it is no BYE or shorter than it counts.
    pub fn bye(&self) -> impl Iterator<Item = u32> + 'a {
        let (words, _reason) = self.body.as_chunks();
        let leaving = if self.packet_type == packet_type::BYE {
            words.get(..usize::from(self.count)).unwrap_or_default()
        } else {
            &[]
        };
        leaving.iter().map(|word| u32::from_be_bytes(*word))
    }

    /// As feedback; `None` when it is another packet.
    #[must_use]
    pub fn feedback(&self) -> Option<Feedback<'a>> {
        let payload = match self.packet_type {
            packet_type::TRANSPORT_FEEDBACK => false,
            packet_type::PAYLOAD_FEEDBACK => true,
            _ => return None,
        };
        let (sender, rest) = word(self.body)?;
        let (media, information) = word(rest)?;
        Some(Feedback {
            payload,
            format: self.count,
            sender,
            media,
            information,
        })
    }
}

impl<'a> Report<'a> {
    /// What is told of each source.
    pub fn blocks(&self) -> impl Iterator<Item = ReportBlock> + use<'a> {
        self.blocks.iter().map(block)
    }
}

impl Feedback<'_> {
    /// The sequence numbers that a generic NACK asks for again; nothing when it is another format.
    pub fn lost(&self) -> impl Iterator<Item = u16> + '_ {
        let (items, _) = self.information.as_chunks::<4>();
        let is_nack = !self.payload && self.format == super::format::NACK;
        let items = if is_nack { items } else { &[] };
        items.iter().flat_map(|&[p0, p1, b0, b1]| {
            let first = u16::from_be_bytes([p0, p1]);
            let bits = u16::from_be_bytes([b0, b1]);
            let following = (0..16_u16).filter(move |bit| bits >> bit & 1 == 1);
            std::iter::once(first)
                .chain(following.map(move |bit| first.wrapping_add(bit).wrapping_add(1)))
        })
    }
}

fn split(bytes: &[u8]) -> Result<(Packet<'_>, &[u8]), Error> {
    let (&[first, packet_type, l0, l1], rest) = bytes.split_first_chunk().ok_or(Error::Length)?;
    if first >> 6 != 2 {
        return Err(Error::Version);
    }
    let len = 4 * usize::from(u16::from_be_bytes([l0, l1]));
    let (body, rest) = rest.split_at_checked(len).ok_or(Error::Length)?;
    let padding = match body.last() {
        _ if first & 0x20 == 0 => 0,
        Some(&padding) if padding != 0 => usize::from(padding),
        _ => return Err(Error::Padding),
    };
    let len = body.len().checked_sub(padding).ok_or(Error::Padding)?;
    let packet = Packet {
        packet_type,
        count: first & 0x1f,
        body: body.get(..len).ok_or(Error::Padding)?,
    };
    Ok((packet, rest))
}

fn word(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (word, rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*word), rest))
}

fn block(bytes: &[u8; BLOCK]) -> ReportBlock {
    let (words, _) = bytes.as_chunks::<4>();
    let at = |n: usize| words.get(n).map_or(0, |word| u32::from_be_bytes(*word));
    ReportBlock {
        ssrc: at(0),
        fraction_lost: (at(1) >> 24) as u8,
        // 24 bits with sign: up and down again spreads the sign.
        lost: (at(1) << 8).cast_signed() >> 8,
        extended_highest: at(2),
        jitter: at(3),
        last_sr: at(4),
        delay_since_last_sr: at(5),
    }
}
