//! A walk over the attributes of a message, within its bounds (RFC 8489 section 14).

use super::HEADER_LENGTH;

pub(super) const USERNAME: u16 = 0x0006;
pub(super) const MESSAGE_INTEGRITY: u16 = 0x0008;
pub(super) const ERROR_CODE: u16 = 0x0009;
pub(super) const XOR_MAPPED_ADDRESS: u16 = 0x0020;
pub(super) const PRIORITY: u16 = 0x0024;
pub(super) const USE_CANDIDATE: u16 = 0x0025;
pub(super) const FINGERPRINT: u16 = 0x8028;
pub(super) const ICE_CONTROLLED: u16 = 0x8029;
pub(super) const ICE_CONTROLLING: u16 = 0x802a;

/// One attribute, with the offset of its type in the datagram.
pub(super) struct Attribute<'a> {
    pub(super) typ: u16,
    pub(super) value: &'a [u8],
    pub(super) offset: usize,
}

pub(super) struct Attributes<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Attributes<'a> {
    pub(super) fn of(datagram: &'a [u8]) -> Self {
        Attributes {
            rest: datagram.get(HEADER_LENGTH..).unwrap_or_default(),
            offset: HEADER_LENGTH,
        }
    }

    /// The walk came to the very end, so no attribute was cut off.
    pub(super) fn is_whole(&self) -> bool {
        self.rest.is_empty()
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let (&[t0, t1, l0, l1], body) = self.rest.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let padded = length.next_multiple_of(4);
        let (value, rest) = body.split_at_checked(padded)?;
        let attribute = Attribute {
            typ: u16::from_be_bytes([t0, t1]),
            value: value.get(..length)?,
            offset: self.offset,
        };
        self.rest = rest;
        self.offset = self.offset.saturating_add(4).saturating_add(padded);
        Some(attribute)
    }
}
