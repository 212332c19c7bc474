//! Chance that is the same in every run: xorshift64, which is enough to lose packets and far from enough for a key.

/// Numbers that look random and follow from their seed.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice that fall as this seed says. Every seed gives others.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // Small seeds differ in few bits, and zero would stay zero for ever: spread them first (splitmix64).
        let mut state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((state ^ (state >> 31)).max(1))
    }

    /// Any number.
    pub fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Any byte.
    pub fn byte(&mut self) -> u8 {
        self.roll().to_be_bytes()[0]
    }

    /// A number below `end`; 0 when there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        (self.roll() >> 16).checked_rem(end).unwrap_or(0)
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < u64::from(percent)
    }

    /// Fills a buffer, as a stand-in for the system's randomness.
    pub fn fill(&mut self, buffer: &mut [u8]) {
        buffer.fill_with(|| self.byte());
    }

    /// So many bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.fill(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn the_same_seed_falls_the_same_way_and_another_does_not() {
        assert_eq!(Dice::new(7).bytes(64), Dice::new(7).bytes(64));
        let first: std::collections::HashSet<u64> =
            (0..1000).map(|seed| Dice::new(seed).roll()).collect();
        assert_eq!(first.len(), 1000);
    }

    #[test]
    fn chances_come_true_as_often_as_said() {
        let mut dice = Dice::new(1);
        for percent in [0, 20, 50, 100] {
            let hits = (0..10_000).filter(|_| dice.chance(percent)).count();
            assert!(
                hits.abs_diff(percent as usize * 100) < 200,
                "{percent}: {hits}"
            );
        }
        assert!((0..1000).all(|_| dice.below(3) < 3));
        assert_eq!(dice.below(0), 0);
    }
}
