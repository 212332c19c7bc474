//! Which of several equals a key goes to: weighted rendezvous hashing. Each key has its own order of all, the first places
//! are shared in proportion to the weights (RFC 2782), and when one leaves only its own keys move.

/// What a weight of 0 is beside one of 1: used when no other is there.
const HARDLY: f64 = 1e-9;

/// The place of one that has this name in a key's order: the least is the first.
pub(super) fn place(key: u64, name: [u8; 4], weight: u32) -> f64 {
    let weight = match weight {
        0 => HARDLY,
        weight => f64::from(weight),
    };
    -(share(key, name).ln()) / weight
}

/// A number above 0 and up to 1, the same for the same key and name and otherwise by chance.
fn share(key: u64, name: [u8; 4]) -> f64 {
    // 2^53 steps: as many as the fraction has.
    let name = u64::from(u32::from_be_bytes(name));
    let steps = mixed(key ^ mixed(name)) >> 11;
    (steps as f64 + 1.0) / (1_u64 << 53) as f64
}

/// The finish of splitmix64: every bit of the outcome depends on every bit of what came in.
fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
