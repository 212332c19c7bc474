//! Which packets of a stream have come, and in what order.

use crate::packet::Stream;

/// Which packets of a stream have come, by number.
#[derive(Default)]
pub struct Seen {
    words: Vec<u64>,
    greatest: Option<u64>,
}

/// How a packet stands to those before it.
#[derive(Debug, PartialEq, Eq)]
pub enum Order {
    /// It is later than all before.
    Next,
    /// A later one was here first.
    Late,
    /// It was here before.
    Duplicate,
    /// No stream has this many.
    Absurd,
}

impl Seen {
    /// Takes note of a packet.
    #[inline]
    pub fn note(&mut self, number: u64) -> Order {
        let (word, bit) = ((number / 64) as usize, 1 << (number % 64));
        if word >= self.words.len() {
            if word > self.words.len() + 100_000 {
                return Order::Absurd;
            }
            self.words.resize(word + 64, 0);
        }
        if self.words[word] & bit != 0 {
            return Order::Duplicate;
        }
        self.words[word] |= bit;
        if self.greatest > Some(number) {
            return Order::Late;
        }
        self.greatest = Some(number);
        Order::Next
    }

    /// Whether that packet has come.
    pub fn has(&self, number: u64) -> bool {
        let word = self.words.get((number / 64) as usize);
        word.is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    /// The number of a packet of which only the sequence number is known.
    pub fn number(&self, stream: &Stream, sequence: u16) -> u64 {
        let greatest = self.greatest.unwrap_or(0);
        let ahead = sequence.wrapping_sub(stream.sequence(greatest));
        greatest.saturating_add_signed(i64::from(ahead.cast_signed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_and_double_packets_are_told_apart() {
        let mut seen = Seen::default();
        let orders = [0, 1, 3, 2, 2, 4, 10_000_000].map(|number| seen.note(number));
        use Order::{Absurd, Duplicate, Late, Next};
        assert_eq!(orders, [Next, Next, Next, Late, Duplicate, Next, Absurd]);
        assert!(seen.has(4) && !seen.has(5) && !seen.has(1 << 40));
        let stream = Stream {
            leg: 0,
            ssrc: 1,
            first_sequence: 65_533,
            first_timestamp: 0,
        };
        assert_eq!([65_533, 1, 3].map(|s| seen.number(&stream, s)), [0, 4, 6]);
    }
}
