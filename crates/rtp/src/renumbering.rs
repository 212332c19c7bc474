//! Header extensions on their way from one side to another that knows them by other numbers, or does not know them
//! (RFC 8285): renumbered, taken out and written in place.

use std::ops::Range;

use crate::extension::{Form, Item, MAX_ONE_BYTE, MAX_ONE_BYTE_LEN, ONE_BYTE, TWO_BYTE};
use crate::{Error, Packet};

const FIXED: usize = 12;
/// Profile and length of an extension.
const HEAD: usize = 4;

/// What becomes of the elements of one side's packets. What nothing is said of is taken out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Renumbering {
    /// By the sender's number, the receiver's; 0 where there is none.
    numbers: Vec<u8>,
    own: Option<Own>,
    /// The one-byte form is not enough.
    wide: bool,
}

/// An element whose value is the receiver's and not the sender's.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Own {
    from: Option<u8>,
    to: u8,
    value: Vec<u8>,
    always: bool,
}

/// What a packet's extension will be.
#[derive(Debug, Default, PartialEq, Eq)]
struct Measure {
    /// Bytes of all elements as they will be written.
    len: usize,
    /// Bytes by which passing elements grow.
    growth: usize,
    /// Our own element is among them.
    own: bool,
}

impl Renumbering {
    /// Passes an element on under the receiver's number, with its value.
    pub fn pass(&mut self, from: u8, to: u8) {
        let at = usize::from(from);
        if self.numbers.len() <= at {
            self.numbers.resize(at.saturating_add(1), 0);
        }
        if let Some(number) = self.numbers.get_mut(at) {
            *number = to;
        }
        self.wide |= to > MAX_ONE_BYTE;
    }

    /// Writes `value`, of at most 255 bytes, in place of what the sender wrote under `from`; with `always`, into each
    /// packet.
    pub fn replace(&mut self, from: Option<u8>, to: u8, value: &[u8], always: bool) {
        let value = value.get(..255).unwrap_or(value).to_vec();
        self.wide |= to > MAX_ONE_BYTE || value.is_empty() || value.len() > MAX_ONE_BYTE_LEN;
        if let Some(number) = from.and_then(|from| self.numbers.get_mut(usize::from(from))) {
            *number = 0;
        }
        self.own = Some(Own {
            from,
            to,
            value,
            always,
        });
    }

    /// Rewrites the plain packet in the first `len` bytes of `buffer`; its new length. An extension of which nothing
    /// is left goes as a whole; one that has no elements stays as it is.
    ///
    /// # Errors
    /// As [`Packet::parse`]; [`Error::NoRoom`] when the packet grows beyond the buffer.
    pub fn apply(&self, buffer: &mut [u8], len: usize) -> Result<usize, Error> {
        let packet = Packet::parse(buffer.get(..len).ok_or(Error::TooShort)?)?;
        let start = FIXED.saturating_add(packet.csrcs().count().saturating_mul(4));
        let extension = packet.extension();
        let form = match extension.map(|(profile, _)| Form::of(profile)) {
            None => Form::OneByte,
            Some(Some(form)) => form,
            Some(None) => return Ok(len),
        };
        let written = if self.wide { Form::TwoByte } else { form };
        let measure = self.measure(form, written, extension.map_or(&[], |(_, data)| data));
        let old = extension.map_or(0, |(_, data)| HEAD.saturating_add(data.len()));
        let new = measure.block();
        let kept = extension.map(|(profile, _)| profile);

        // What is read must stay ahead of what is written.
        let ahead = measure.growth.max(new.saturating_sub(old));
        let end = len.saturating_add(ahead);
        let buffer = buffer.get_mut(..end).ok_or(Error::NoRoom)?;
        shift(buffer, start..len, start.saturating_add(ahead))?;
        let after = start.saturating_add(old).saturating_add(ahead);
        let full = start.saturating_add(new);
        if new > 0 {
            let body = start.saturating_add(HEAD);
            let read = body.saturating_add(ahead).min(after)..after;
            let filled = self.write(buffer, (form, read), (written, body), measure.own)?;
            let padding = buffer.get_mut(filled..full).ok_or(Error::NoRoom)?;
            padding.fill(0);
            let profile = match written {
                Form::OneByte => ONE_BYTE,
                Form::TwoByte => kept.filter(|_| form == written).unwrap_or(TWO_BYTE),
            };
            let words = u16::try_from(new / 4).map_err(|_| Error::NoRoom)?;
            put(buffer, start, &profile.to_be_bytes())?;
            let words = words.saturating_sub(1).to_be_bytes();
            put(buffer, start.saturating_add(2), &words)?;
        }
        shift(buffer, after..end, full)?;
        if let Some(first) = buffer.first_mut() {
            *first = *first & !0x10 | u8::from(new > 0) << 4;
        }
        Ok(len.saturating_sub(old).saturating_add(new))
    }

    /// The receiver's number for an element, 0 for none.
    fn number(&self, from: u8) -> u8 {
        self.numbers.get(usize::from(from)).copied().unwrap_or(0)
    }

    fn measure(&self, form: Form, written: Form, data: &[u8]) -> Measure {
        let own = self.own.as_ref();
        let mut measure = Measure {
            own: own.is_some_and(|own| own.always),
            ..Measure::default()
        };
        let growth = written.header_len().saturating_sub(form.header_len());
        let mut rest = data;
        loop {
            let step = match form.item(rest) {
                Item::End => break,
                Item::Padding => 1,
                Item::Element { number, len } => {
                    measure.own |= own.is_some_and(|own| own.from == Some(number));
                    if self.number(number) != 0 {
                        measure.add(written, len);
                        measure.growth = measure.growth.saturating_add(growth);
                    }
                    form.header_len().saturating_add(len)
                }
            };
            rest = rest.get(step..).unwrap_or_default();
        }
        if let Some(own) = own.filter(|_| measure.own) {
            measure.add(written, own.value.len());
        }
        measure
    }

    /// Moves the elements that pass from where they are read to where they are written, and adds our own; where they
    /// end.
    fn write(
        &self,
        buffer: &mut [u8],
        (form, mut read): (Form, Range<usize>),
        (written, mut at): (Form, usize),
        with_own: bool,
    ) -> Result<usize, Error> {
        loop {
            match form.item(buffer.get(read.clone()).unwrap_or_default()) {
                Item::End => break,
                Item::Padding => read.start = read.start.saturating_add(1),
                Item::Element { number, len } => {
                    let value = read.start.saturating_add(form.header_len());
                    read.start = value.saturating_add(len);
                    let number = self.number(number);
                    if number != 0 {
                        let to = at.saturating_add(written.header_len());
                        shift(buffer, value..read.start, to)?;
                        head(buffer, written, at, number, len)?;
                        at = to.saturating_add(len);
                    }
                }
            }
        }
        if let Some(own) = self.own.as_ref().filter(|_| with_own) {
            head(buffer, written, at, own.to, own.value.len())?;
            at = at.saturating_add(written.header_len());
            put(buffer, at, &own.value)?;
            at = at.saturating_add(own.value.len());
        }
        Ok(at)
    }
}

impl Measure {
    fn add(&mut self, written: Form, len: usize) {
        let element = written.header_len().saturating_add(len);
        self.len = self.len.saturating_add(element);
    }

    /// Bytes of the whole extension, padded; none when it is empty.
    fn block(&self) -> usize {
        match self.len {
            0 => 0,
            len => HEAD.saturating_add(len.next_multiple_of(4)),
        }
    }
}

/// The header of an element.
fn head(buffer: &mut [u8], form: Form, at: usize, number: u8, len: usize) -> Result<(), Error> {
    let len = u8::try_from(len).map_err(|_| Error::NoRoom)?;
    match form {
        Form::OneByte => put(buffer, at, &[number << 4 | len.wrapping_sub(1) & 0x0f]),
        Form::TwoByte => put(buffer, at, &[number, len]),
    }
}

fn put(buffer: &mut [u8], at: usize, bytes: &[u8]) -> Result<(), Error> {
    let room = buffer.get_mut(at..at.saturating_add(bytes.len()));
    for (to, from) in room.ok_or(Error::NoRoom)?.iter_mut().zip(bytes) {
        *to = *from;
    }
    Ok(())
}

/// Moves bytes within the buffer.
fn shift(buffer: &mut [u8], from: Range<usize>, to: usize) -> Result<(), Error> {
    let fits = from.end <= buffer.len() && to.saturating_add(from.len()) <= buffer.len();
    if !fits {
        return Err(Error::NoRoom);
    }
    if from.start != to && from.start < from.end {
        buffer.copy_within(from, to);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOAD: &[u8] = b"meow, and padding";

    /// A packet with two CSRCs and this extension, and room behind it.
    fn packet(profile: u16, data: &[u8]) -> (Vec<u8>, usize) {
        let mut bytes = vec![0xb2, 0x80 | 111, 0x12, 0x34, 0, 0, 0, 9, 1, 2, 3, 4];
        bytes.extend([0, 0, 0, 5, 0, 0, 0, 6]);
        bytes.extend(profile.to_be_bytes());
        bytes.extend(((data.len() / 4) as u16).to_be_bytes());
        bytes.extend(data);
        with_room(bytes)
    }

    fn with_room(mut bytes: Vec<u8>) -> (Vec<u8>, usize) {
        bytes.extend(PAYLOAD);
        let len = bytes.len();
        bytes.resize(len + 64, 0xaa);
        (bytes, len)
    }

    fn bare() -> (Vec<u8>, usize) {
        with_room(vec![0xa0, 0, 0, 1, 0, 0, 0, 9, 1, 2, 3, 4])
    }

    /// What the extension is after `table`; everything else must have stayed.
    fn after(table: &Renumbering, (mut buffer, len): (Vec<u8>, usize)) -> Option<(u16, Vec<u8>)> {
        let before = buffer.clone();
        let before = Packet::parse(&before[..len]).unwrap();
        let len = table.apply(&mut buffer, len).unwrap();
        let packet = Packet::parse(&buffer[..len]).unwrap();
        assert_eq!(packet.payload(), before.payload());
        assert_eq!(packet.padding(), before.padding());
        assert!(packet.csrcs().eq(before.csrcs()));
        assert_eq!(
            (packet.ssrc(), packet.sequence(), packet.marker()),
            (before.ssrc(), before.sequence(), before.marker())
        );
        packet
            .extension()
            .map(|(profile, data)| (profile, data.to_vec()))
    }

    fn table(passes: &[(u8, u8)]) -> Renumbering {
        let mut table = Renumbering::default();
        passes.iter().for_each(|(from, to)| table.pass(*from, *to));
        table
    }

    #[test]
    fn elements_are_renumbered_and_those_unknown_go() {
        let two = [0x10, 7, 0, 0x42, b'a', b'b', b'c', 0];
        let got = after(&table(&[(4, 9)]), packet(0xbede, &two));
        assert_eq!(got, Some((0xbede, vec![0x92, b'a', b'b', b'c'])));
        let got = after(&table(&[(1, 4), (4, 1)]), packet(0xbede, &two));
        let swapped = vec![0x40, 7, 0x12, b'a', b'b', b'c', 0, 0];
        assert_eq!(got, Some((0xbede, swapped)));
        let wide = [200, 1, 7, 0, 4, 2, b'a', b'b'];
        let got = after(&table(&[(200, 4), (4, 5)]), packet(0x1003, &wide));
        assert_eq!(got, Some((0x1003, vec![4, 1, 7, 5, 2, b'a', b'b', 0])));
    }

    #[test]
    fn an_extension_goes_as_a_whole_when_nothing_is_left() {
        let data = [0x10, 7, 0, 0];
        assert_eq!(after(&table(&[]), packet(0xbede, &data)), None);
        assert_eq!(
            after(&table(&[(2, 2)]), packet(0x1000, &[1, 0, 0, 0])),
            None
        );
        assert_eq!(after(&table(&[(1, 1)]), packet(0xbede, &[])), None);
    }

    #[test]
    fn what_is_no_list_of_elements_stays() {
        let data = [0x10, 7, 0, 0];
        let got = after(&table(&[]), packet(0xabcd, &data));
        assert_eq!(got, Some((0xabcd, data.to_vec())));
        assert_eq!(after(&table(&[(1, 2)]), bare()), None);
    }

    #[test]
    fn a_number_beyond_the_one_byte_form_makes_the_other_of_it() {
        let data = [0x10, 7, 0x20, 8, 0x30, 9, 0x40, 1];
        let got = after(
            &table(&[(1, 1), (2, 16), (3, 3), (4, 4)]),
            packet(0xbede, &data),
        );
        let wide = vec![1, 1, 7, 16, 1, 8, 3, 1, 9, 4, 1, 1];
        assert_eq!(got, Some((0x1000, wide)));
    }

    #[test]
    fn a_value_of_the_receivers_replaces_the_senders_whatever_its_length() {
        let data = [0x10, 7, 0x40, b'0'];
        let mut table = table(&[(1, 1), (4, 4)]);
        table.replace(Some(4), 3, b"video", false);
        let got = after(&table, packet(0xbede, &data));
        let mut expected = vec![0x10, 7, 0x34];
        expected.extend(b"video");
        assert_eq!(got, Some((0xbede, expected)));
        assert_eq!(after(&table, bare()), None, "nothing was to be replaced");
        table.replace(Some(4), 3, b"x", false);
        let long = [0x43, b'l', b'o', b'n', b'g', 0x10, 7, 0];
        let got = after(&table, packet(0xbede, &long));
        assert_eq!(got, Some((0xbede, vec![0x10, 7, 0x30, b'x'])));
        table.replace(Some(4), 3, b"seventeen letters", false);
        let got = after(&table, packet(0xbede, &data));
        let mut expected = vec![1, 1, 7, 3, 17];
        expected.extend(b"seventeen letters\0\0");
        assert_eq!(got, Some((0x1000, expected)));
    }

    #[test]
    fn a_value_for_each_packet_is_written_where_there_was_no_extension() {
        let mut table = Renumbering::default();
        table.replace(None, 3, b"1", true);
        assert_eq!(
            after(&table, bare()),
            Some((0xbede, vec![0x30, b'1', 0, 0]))
        );
        let got = after(&table, packet(0xbede, &[0x10, 7, 0, 0]));
        assert_eq!(got, Some((0xbede, vec![0x30, b'1', 0, 0])));
    }

    #[test]
    fn a_packet_that_would_outgrow_its_buffer_is_refused() {
        let mut table = Renumbering::default();
        table.replace(None, 3, b"1", true);
        let (mut buffer, len) = bare();
        assert_eq!(table.apply(&mut buffer[..len + 7], len), Err(Error::NoRoom));
        assert_eq!(table.apply(&mut buffer, len), Ok(len + 8));
        assert_eq!(table.apply(&mut [0x80; 4], 12), Err(Error::TooShort));
    }

    #[test]
    fn junk_keeps_its_payload_and_its_numbers_are_those_of_the_table() {
        let mut dice = testkit::Dice::new(7);
        for round in 0..20_000 {
            let words = dice.below(24) as usize;
            let data = dice.bytes(words * 4);
            let profile = [0xbede, 0x1000, 0x100f][round % 3];
            let mut table = Renumbering::default();
            for from in 1..=255 {
                if dice.below(3) == 0 {
                    table.pass(from, dice.below(256) as u8);
                }
            }
            if dice.below(2) == 0 {
                let (len, always) = (dice.below(20) as usize, dice.below(2) == 0);
                let value = dice.bytes(len);
                table.replace(Some(4), 4, &value, always);
            }
            let (mut buffer, len) = packet(profile, &data);
            buffer.resize(len + 400, 0);
            let before = buffer.clone();
            let before = Packet::parse(&before[..len]).unwrap();
            let expected: Vec<(u8, &[u8])> = before
                .elements()
                .map(|(number, value)| (table.number(number), value))
                .filter(|(number, _)| *number != 0)
                .collect();
            let len = table.apply(&mut buffer, len).unwrap();
            let packet = Packet::parse(&buffer[..len]).unwrap();
            let got: Vec<_> = packet.elements().take(expected.len()).collect();
            assert_eq!(got, expected);
            assert_eq!(packet.payload(), before.payload());
            assert_eq!(packet.padding(), before.padding());
        }
    }
}
