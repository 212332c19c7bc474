//! The RFCs' hexadecimal, for the tests of single parts.

/// Bytes from hexadecimal; anything else between the digits is skipped.
pub(crate) fn hex<const N: usize>(text: &str) -> [u8; N] {
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    assert_eq!(digits.len(), 2 * N, "{text}");
    std::array::from_fn(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
}
