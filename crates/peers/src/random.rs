//! The system's randomness, in the shapes that a peer needs.

/// Random bytes.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    fill(&mut out);
    out
}

/// Fills `out`. A system without randomness has no TLS and no load test either: it is asked until it gives.
pub fn fill(out: &mut [u8]) {
    while getrandom::fill(out).is_err() {
        std::thread::yield_now();
    }
}

/// A random number.
pub fn number() -> u64 {
    u64::from_ne_bytes(bytes())
}

/// `len` letters and digits.
pub fn token(len: usize) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut random = vec![0; len];
    fill(&mut random);
    let letters = random.iter().map(|byte| {
        let at = usize::from(byte % 32);
        char::from(ALPHABET[at])
    });
    letters.collect()
}

/// A pseudo-random sequence that is the same in every run (xorshift).
pub struct Same(/** Where it begins; not 0. */ pub u64);

impl Same {
    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
