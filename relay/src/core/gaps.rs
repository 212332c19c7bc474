//! Packets of a stream that never came, told by the numbers of those that did and not by any clock.

/// A packet that is still missing when this many later ones are there is lost: the network seldom turns more around.
const PATIENCE: u32 = 8;
/// A step back of this many packets or more is a stream that begins anew.
const MAX_MISORDER: u16 = 100;

/// What is missing before the highest number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gaps {
    highest: u16,
    /// Bit n: the packet n numbers before the highest is awaited.
    awaited: u64,
}

impl Gaps {
    /// Begins with a stream's first packet.
    pub(super) fn new(sequence: u16) -> Self {
        Self {
            highest: sequence,
            awaited: 0,
        }
    }

    /// Notes a packet; whether by now another must be given up.
    pub(super) fn note(&mut self, sequence: u16) -> bool {
        let ahead = sequence.wrapping_sub(self.highest);
        let behind = self.highest.wrapping_sub(sequence);
        if ahead == 0 {
            return false;
        }
        if behind < MAX_MISORDER {
            let came = 1_u64.checked_shl(u32::from(behind)).unwrap_or(0);
            self.awaited &= !came;
            return false;
        }
        self.highest = sequence;
        if ahead >= u16::MAX / 2 {
            self.awaited = 0;
            return false;
        }
        let jump = u32::from(ahead).min(63);
        let between = (1_u64 << jump).wrapping_sub(2);
        let awaited = self.awaited.wrapping_shl(jump) | between;
        let patient = (1 << PATIENCE) - 1;
        self.awaited = awaited & patient;
        awaited & !patient != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers at which a packet was given up.
    fn given_up(numbers: &[u16]) -> Vec<u16> {
        let (first, rest) = numbers.split_first().unwrap();
        let mut gaps = Gaps::new(*first);
        let lost = rest.iter().filter(|number| gaps.note(**number));
        lost.copied().collect()
    }

    #[test]
    fn a_packet_is_given_up_once_when_enough_later_ones_are_there() {
        let mut numbers: Vec<u16> = (0..30).collect();
        numbers.remove(10);
        assert_eq!(given_up(&numbers), [18]);
        let wrapped: Vec<u16> = numbers.iter().map(|n| n.wrapping_sub(12)).collect();
        assert_eq!(given_up(&wrapped), [6]);
        assert_eq!(given_up(&[0, 40, 41, 50_000, 50_001]), [40, 41]);
    }

    #[test]
    fn what_comes_late_or_twice_is_not_lost() {
        assert!(given_up(&[0, 1, 3, 4, 5, 2, 2, 6, 7, 8, 9, 10, 11, 12]).is_empty());
    }

    #[test]
    fn a_stream_that_begins_anew_has_lost_nothing() {
        assert!(given_up(&[5000, 5001, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]).is_empty());
    }
}
