//! The elements of a header extension (RFC 8285), read where they lie.

use crate::Packet;

/// The profile of the one-byte form.
pub(crate) const ONE_BYTE: u16 = 0xbede;
/// The profile of the two-byte form; its last four bits are the application's.
pub(crate) const TWO_BYTE: u16 = 0x1000;
/// The highest number that the one-byte form can name. 15 ends the extension.
pub(crate) const MAX_ONE_BYTE: u8 = 14;
/// The longest value of the one-byte form.
pub(crate) const MAX_ONE_BYTE_LEN: usize = 16;

/// How elements are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    OneByte,
    TwoByte,
}

/// What stands at the beginning of some bytes of an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item {
    /// One byte that means nothing.
    Padding,
    /// An element; its value follows its header.
    Element { number: u8, len: usize },
    /// Nothing more that can be read.
    End,
}

/// The elements of one packet's header extension, in order: numbers and values.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    form: Form,
    rest: &'a [u8],
}

impl Form {
    /// `None` for an extension that has no elements: RFC 3550 leaves its contents to the profile.
    pub(crate) fn of(profile: u16) -> Option<Self> {
        match profile {
            ONE_BYTE => Some(Self::OneByte),
            _ if profile & 0xfff0 == TWO_BYTE => Some(Self::TwoByte),
            _ => None,
        }
    }

    /// Bytes before a value.
    pub(crate) const fn header_len(self) -> usize {
        match self {
            Self::OneByte => 1,
            Self::TwoByte => 2,
        }
    }

    /// What `bytes` begin with. An element that goes on beyond them is the end.
    pub(crate) fn item(self, bytes: &[u8]) -> Item {
        let (number, len) = match (self, bytes) {
            (_, []) => return Item::End,
            (_, [0, ..]) => return Item::Padding,
            (Self::OneByte, [first, ..]) => (first >> 4, usize::from(first & 0x0f) + 1),
            (Self::TwoByte, [number, len, ..]) => (*number, usize::from(*len)),
            (Self::TwoByte, [_]) => return Item::End,
        };
        let is_reserved = self == Self::OneByte && (number == 0 || number > MAX_ONE_BYTE);
        if is_reserved || bytes.len() < self.header_len().saturating_add(len) {
            return Item::End;
        }
        Item::Element { number, len }
    }
}

impl<'a> Packet<'a> {
    /// The elements of the header extension (RFC 8285), none of an extension of another kind.
    #[must_use]
    pub fn elements(&self) -> Elements<'a> {
        let extension = self.extension().and_then(|(profile, data)| {
            let form = Form::of(profile)?;
            Some(Elements { form, rest: data })
        });
        extension.unwrap_or(Elements {
            form: Form::OneByte,
            rest: &[],
        })
    }

    /// The value of the first element of that number.
    #[must_use]
    pub fn element(&self, number: u8) -> Option<&'a [u8]> {
        let mut elements = self.elements();
        elements.find_map(|(found, value)| (found == number).then_some(value))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.form.item(self.rest) {
                Item::Padding => self.rest = self.rest.get(1..)?,
                Item::Element { number, len } => {
                    let (_, after) = self.rest.split_at_checked(self.form.header_len())?;
                    let (value, after) = after.split_at_checked(len)?;
                    self.rest = after;
                    return Some((number, value));
                }
                Item::End => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(profile: u16, data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x90, 0, 0, 1, 0, 0, 0, 9, 1, 2, 3, 4];
        bytes.extend(profile.to_be_bytes());
        bytes.extend(((data.len() / 4) as u16).to_be_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn both_forms_are_read_between_their_padding() {
        let one = packet(0xbede, &[0x10, 7, 0, 0x41, b'a', b'b', 0, 0]);
        let one = Packet::parse(&one).unwrap();
        let read: Vec<_> = one.elements().collect();
        assert_eq!(read, [(1, &[7][..]), (4, &b"ab"[..])]);
        let two = packet(0x1003, &[1, 0, 0, 200, 2, b'a', b'b', 0]);
        let two = Packet::parse(&two).unwrap();
        let read: Vec<_> = two.elements().collect();
        assert_eq!(read, [(1, &[][..]), (200, &b"ab"[..])]);
        assert_eq!(two.element(200), Some(&b"ab"[..]));
        assert_eq!(two.element(2), None);
    }

    #[test]
    fn reading_ends_where_the_form_says_or_a_length_lies() {
        for data in [
            [0x10, 7, 0xf0, 1],
            [0x10, 7, 0x01, 0x20],
            [0x10, 7, 0x2f, 1],
        ] {
            let bytes = packet(0xbede, &data);
            let packet = Packet::parse(&bytes).unwrap();
            assert_eq!(packet.elements().count(), 1, "{data:?}");
        }
        let bytes = packet(0x1000, &[9, 200, 0, 5]);
        assert_eq!(Packet::parse(&bytes).unwrap().elements().count(), 0);
        let bytes = packet(0xabcd, &[0x10, 7, 0, 0]);
        assert_eq!(Packet::parse(&bytes).unwrap().elements().count(), 0);
    }
}
