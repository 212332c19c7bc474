//! Tags, branches, Call-IDs and nonces: unlike any other's, since they begin with randomness; no secrets.

/// Makes names out of a seed (Steele, Lea, Flood: SplitMix64, two of them).
#[derive(Debug, Clone)]
pub(crate) struct Names {
    states: [u64; 2],
}

impl Names {
    /// `seed` is 16 random bytes.
    pub(crate) fn new(seed: [u8; 16]) -> Self {
        let seed = u128::from_be_bytes(seed);
        Self {
            states: [(seed >> 64) as u64, seed as u64],
        }
    }

    /// Names out of the operating system's randomness.
    pub(crate) fn random() -> std::io::Result<Self> {
        let mut seed = [0; 16];
        getrandom::fill(&mut seed).map_err(std::io::Error::other)?;
        Ok(Self::new(seed))
    }

    /// 64 bits.
    pub(crate) fn number(&mut self) -> u64 {
        let [first, second] = &mut self.states;
        split_mix(first) ^ split_mix(second).rotate_left(32)
    }

    /// 32 hexadecimal digits.
    pub(crate) fn name(&mut self) -> String {
        let number = u128::from(self.number()) << 64 | u128::from(self.number());
        sip::digest::nonce(number.to_be_bytes())
    }

    /// A Via branch (RFC 3261 section 8.1.1.7).
    pub(crate) fn branch(&mut self) -> String {
        format!("z9hG4bK{}", self.name())
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}
