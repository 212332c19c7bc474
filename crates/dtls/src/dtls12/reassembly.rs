//! Handshake messages out of their fragments (RFC 6347 section 4.2.3): in any order, doubled, overlapping; in bounded
//! memory whatever comes.

use std::collections::BTreeMap;

use super::wire::{Reader, put_u24};

/// A chain of long certificates fits; nothing else is as long.
const LONGEST: usize = 16 * 1024;
/// Messages that may have begun to come at once: a flight has at most five.
const AHEAD: u16 = 6;

/// One piece of a handshake message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fragment<'a> {
    /// The handshake type.
    pub(crate) kind: u8,
    /// Of the whole message.
    pub(crate) length: usize,
    pub(crate) sequence: u16,
    pub(crate) offset: usize,
    pub(crate) bytes: &'a [u8],
}

impl Fragment<'_> {
    pub(crate) fn is_whole(&self) -> bool {
        self.offset == 0 && self.bytes.len() == self.length
    }

    pub(crate) fn is_last(&self) -> bool {
        self.offset.saturating_add(self.bytes.len()) == self.length
    }
}

/// The fragments in the body of a record; ends at the first that is none.
pub(crate) fn fragments(body: &[u8]) -> impl Iterator<Item = Fragment<'_>> {
    let mut reader = Reader::new(body);
    std::iter::from_fn(move || fragment(&mut reader))
}

fn fragment<'a>(reader: &mut Reader<'a>) -> Option<Fragment<'a>> {
    let kind = reader.u8()?;
    let length = reader.u24()?;
    let sequence = reader.u16()?;
    let offset = reader.u24()?;
    let bytes = reader.vector24()?;
    let is_inside = length <= LONGEST && offset.saturating_add(bytes.len()) <= length;
    is_inside.then_some(Fragment {
        kind,
        length,
        sequence,
        offset,
        bytes,
    })
}

/// A whole handshake message.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) kind: u8,
    pub(crate) sequence: u16,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// As the transcript has it: as though it had come in one piece.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        self.write_fragment(out, 0, &self.body);
    }

    pub(crate) fn write_fragment(&self, out: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
        out.push(self.kind);
        put_u24(out, self.body.len());
        out.extend(self.sequence.to_be_bytes());
        put_u24(out, offset);
        put_u24(out, bytes.len());
        out.extend(bytes);
    }
}

/// Gives out messages in the order of their numbers.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    /// The first message of the flight that is being waited for.
    base: u16,
    /// The next message to be given out.
    next: u16,
    partial: BTreeMap<u16, Partial>,
}

#[derive(Debug)]
struct Partial {
    kind: u8,
    bytes: Vec<u8>,
    have: Vec<bool>,
    missing: usize,
}

impl Reassembly {
    /// The number of the next message.
    pub(crate) fn next(&self) -> u16 {
        self.next
    }

    /// The fragment ends the flight before the one that is waited for: its sender has not seen our answer.
    pub(crate) fn is_repetition(&self, fragment: &Fragment<'_>) -> bool {
        fragment.sequence.checked_add(1) == Some(self.base) && fragment.is_last()
    }

    /// Keeps a fragment of a message that is still to come.
    pub(crate) fn take(&mut self, fragment: &Fragment<'_>) {
        let Some(distance) = fragment.sequence.checked_sub(self.next) else {
            return;
        };
        if distance >= AHEAD {
            return;
        }
        let partial = self
            .partial
            .entry(fragment.sequence)
            .or_insert_with(|| Partial::new(fragment));
        if partial.kind != fragment.kind || partial.bytes.len() != fragment.length {
            // One of the two is forged; if this is the true one, it must not be kept out for ever.
            *partial = Partial::new(fragment);
        }
        partial.fill(fragment);
    }

    /// The next message, if it is whole.
    pub(crate) fn pop(&mut self) -> Option<Message> {
        let first = self.partial.first_entry()?;
        if *first.key() != self.next || first.get().missing > 0 {
            return None;
        }
        let (sequence, partial) = first.remove_entry();
        self.next = self.next.checked_add(1)?;
        Some(Message {
            kind: partial.kind,
            sequence,
            body: partial.bytes,
        })
    }

    /// The flight was good: the next begins.
    pub(crate) fn commit(&mut self) {
        self.base = self.next;
    }

    /// The flight was not good: its sender will repeat it, if it was not forged by somebody else.
    pub(crate) fn restart(&mut self) {
        self.next = self.base;
        self.partial.clear();
    }
}

impl Partial {
    fn new(fragment: &Fragment<'_>) -> Self {
        Partial {
            kind: fragment.kind,
            bytes: vec![0; fragment.length],
            have: vec![false; fragment.length],
            missing: fragment.length,
        }
    }

    fn fill(&mut self, fragment: &Fragment<'_>) {
        let places = self.bytes.iter_mut().zip(&mut self.have);
        for ((place, have), byte) in places.skip(fragment.offset).zip(fragment.bytes) {
            if !std::mem::replace(have, true) {
                *place = *byte;
                self.missing = self.missing.saturating_sub(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(sequence: u16) -> Message {
        Message {
            kind: 11,
            sequence,
            body: (0..=250).collect(),
        }
    }

    /// Takes the pieces of a message at these offsets, each of this length.
    fn take(reassembly: &mut Reassembly, message: &Message, pieces: &[(usize, usize)]) {
        for &(offset, length) in pieces {
            let mut record = Vec::new();
            message.write_fragment(&mut record, offset, &message.body[offset..offset + length]);
            fragments(&record).for_each(|fragment| reassembly.take(&fragment));
        }
    }

    #[test]
    fn pieces_in_any_order_doubled_and_overlapping_make_the_message() {
        let mut reassembly = Reassembly::default();
        let (first, second) = (message(0), message(1));
        take(&mut reassembly, &second, &[(0, 251)]);
        assert!(reassembly.pop().is_none(), "the first has not come");
        take(&mut reassembly, &first, &[(100, 151), (0, 60), (0, 60)]);
        assert!(reassembly.pop().is_none(), "a piece is missing");
        take(&mut reassembly, &first, &[(50, 80)]);
        assert_eq!(reassembly.pop().unwrap().body, first.body);
        assert_eq!(reassembly.pop().unwrap().sequence, 1);
        assert!(reassembly.pop().is_none());
    }

    #[test]
    fn memory_is_bounded_whatever_is_claimed() {
        let mut reassembly = Reassembly::default();
        for sequence in 0..1000 {
            let mut record = vec![11];
            put_u24(&mut record, LONGEST);
            record.extend(u16::to_be_bytes(sequence));
            record.extend([0, 0, 0, 0, 0, 1, 7]);
            fragments(&record).for_each(|fragment| reassembly.take(&fragment));
        }
        assert_eq!(reassembly.partial.len(), usize::from(AHEAD));
        let mut record = vec![11];
        put_u24(&mut record, LONGEST + 1);
        record.extend([0, 0, 0, 0, 0, 0, 0, 0]);
        assert!(fragments(&record).next().is_none(), "too long");
        let beyond = [11, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0, 2, 1, 2];
        assert!(fragments(&beyond).next().is_none(), "past its own end");
    }

    #[test]
    fn a_forged_beginning_does_not_keep_the_true_message_out() {
        let mut reassembly = Reassembly::default();
        let (mut forged, real) = (message(0), message(0));
        forged.body.push(0);
        take(&mut reassembly, &forged, &[(0, 10)]);
        take(&mut reassembly, &real, &[(0, 251)]);
        assert_eq!(reassembly.pop().unwrap().body, real.body);
        reassembly.restart();
        take(&mut reassembly, &real, &[(0, 251)]);
        assert_eq!(reassembly.pop().unwrap().sequence, 0, "begun anew");
        reassembly.commit();
        let mut record = Vec::new();
        real.write(&mut record);
        let fragment = fragments(&record).next().unwrap();
        assert!(reassembly.is_repetition(&fragment));
    }
}
