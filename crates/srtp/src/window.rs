//! Which packet indices were seen: the replay window of RFC 3711 section 3.3.2, and the guess of the roll-over counter
//! (section 3.3.1, appendix A). An index is 48 bits for RTP (counter, then sequence number) and 31 for RTCP.

/// How many indices behind the highest one are told apart; older ones are refused unseen. At least 64 (RFC 3711); 128
/// is 2.5 s of audio and 0.1 s of the densest video.
pub const WINDOW: u64 = u128::BITS as u64;

/// The last index that RTP has: 2^48 packets under one key (RFC 3711 section 9.2).
pub(crate) const LAST_RTP_INDEX: u64 = (1 << 48) - 1;

/// The highest index seen, and which of the 128 up to it were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    highest: u64,
    /// Bit n is set when `highest - n` was seen.
    seen: u128,
}

/// What the window says about an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Fresh,
    Seen,
    /// So old that nobody knows any more.
    Stale,
}

impl Window {
    /// A window that has seen `index` and nothing else.
    pub(crate) const fn starting_at(index: u64) -> Self {
        Self {
            highest: index,
            seen: 1,
        }
    }

    /// A window that takes nothing up to `highest`, whatever was seen before: what a restored context begins with.
    pub(crate) const fn closed_up_to(highest: u64) -> Self {
        Self {
            highest,
            seen: u128::MAX,
        }
    }

    pub(crate) const fn highest(&self) -> u64 {
        self.highest
    }

    /// Whether the index may be taken. Changes nothing: the tag is checked after this.
    #[inline]
    pub(crate) fn verdict(&self, index: u64) -> Verdict {
        let Some(behind) = self.highest.checked_sub(index) else {
            return Verdict::Fresh;
        };
        if behind >= WINDOW {
            return Verdict::Stale;
        }
        if self.seen >> behind & 1 == 1 {
            Verdict::Seen
        } else {
            Verdict::Fresh
        }
    }

    /// Takes the index as seen, once its tag held.
    #[inline]
    pub(crate) fn commit(&mut self, index: u64) {
        if let Some(ahead) = index.checked_sub(self.highest).filter(|ahead| *ahead > 0) {
            self.seen = if ahead < WINDOW {
                self.seen << ahead | 1
            } else {
                1
            };
            self.highest = index;
        } else if let Some(behind) = self.highest.checked_sub(index).filter(|n| *n < WINDOW) {
            self.seen |= 1 << behind;
        }
    }

    /// The index that a sequence number most likely stands for: the one nearest to the highest seen. A number that
    /// would lie before index zero is taken as ahead instead, as libsrtp and the browsers do; one beyond the last index
    /// comes out above [`LAST_RTP_INDEX`].
    #[inline]
    pub(crate) fn nearest(&self, sequence: u16) -> u64 {
        const CYCLE: u64 = 1 << 16;
        // An index has 48 bits, so that none of these sums comes near the 64th.
        let same = self.highest & !0xffff | u64::from(sequence);
        if same.wrapping_add(CYCLE / 2) < self.highest {
            same.wrapping_add(CYCLE)
        } else if same > self.highest.wrapping_add(CYCLE / 2) && same >= CYCLE {
            same.wrapping_sub(CYCLE)
        } else {
            same
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_guess_goes_to_the_nearest_cycle() {
        let at = |highest| Window::starting_at(highest);
        assert_eq!(at(0x1_fff0).nearest(0x0003), 0x2_0003);
        assert_eq!(at(0x2_0003).nearest(0xfff0), 0x1_fff0);
        assert_eq!(at(0x1_8000).nearest(0x8001), 0x1_8001);
        assert_eq!(at(0x1_0000).nearest(0x7fff), 0x1_7fff);
        // No index lies before zero, so a jump of more than half a cycle is one ahead.
        assert_eq!(at(0x0005).nearest(0xfff0), 0xfff0);
        assert!(at(LAST_RTP_INDEX).nearest(0) > LAST_RTP_INDEX);
    }

    #[test]
    fn a_closed_window_takes_only_what_is_ahead() {
        let window = Window::closed_up_to(1000);
        assert_eq!(window.verdict(1000), Verdict::Seen);
        assert_eq!(window.verdict(1000 - WINDOW + 1), Verdict::Seen);
        assert_eq!(window.verdict(1000 - WINDOW), Verdict::Stale);
        assert_eq!(window.verdict(1001), Verdict::Fresh);
    }

    proptest! {
        #[test]
        fn no_index_is_ever_fresh_twice(steps in prop::collection::vec(-200_i64..200, 1..400)) {
            let mut window = Window::starting_at(10_000);
            let mut taken = std::collections::HashSet::from([10_000]);
            let mut at = 10_000_i64;
            for step in steps {
                at = (at + step).max(0);
                let index = at as u64;
                match window.verdict(index) {
                    Verdict::Fresh => {
                        prop_assert!(taken.insert(index));
                        window.commit(index);
                    }
                    Verdict::Seen => prop_assert!(taken.contains(&index)),
                    Verdict::Stale => prop_assert!(index + WINDOW <= window.highest()),
                }
            }
        }
    }
}
