//! Header names: case-insensitive, and equal to their compact forms (RFC 3261 7.3.3 and the IANA registry).

/// Whether two header names mean the same header.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    full(a).eq_ignore_ascii_case(full(b))
}

/// What is compared before the names themselves: the same for names that mean the same header, another for most others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key([u8; 4]);

impl Key {
    pub(crate) fn of(name: &[u8]) -> Self {
        let name = full(name);
        // The bit in which letters differ by case.
        let letter = |at: Option<&u8>| at.copied().unwrap_or_default() | 0x20;
        Key([
            u8::try_from(name.len()).unwrap_or(u8::MAX),
            letter(name.first()),
            letter(name.get(name.len() / 2)),
            letter(name.last()),
        ])
    }
}

/// The full name that a compact form stands for; any other name as it is.
fn full(name: &[u8]) -> &[u8] {
    let [letter] = name else { return name };
    match letter.to_ascii_lowercase() {
        b'a' => b"Accept-Contact",
        b'b' => b"Referred-By",
        b'c' => b"Content-Type",
        b'd' => b"Request-Disposition",
        b'e' => b"Content-Encoding",
        b'f' => b"From",
        b'i' => b"Call-ID",
        b'j' => b"Reject-Contact",
        b'k' => b"Supported",
        b'l' => b"Content-Length",
        b'm' => b"Contact",
        b'n' => b"Identity-Info",
        b'o' => b"Event",
        b'r' => b"Refer-To",
        b's' => b"Subject",
        b't' => b"To",
        b'u' => b"Allow-Events",
        b'v' => b"Via",
        b'x' => b"Session-Expires",
        b'y' => b"Identity",
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, same};

    #[test]
    fn compact_and_full_names_are_one() {
        assert!(same(b"i", b"CALL-id"));
        assert!(same(b"Via", b"V"));
        assert!(!same(b"m", b"From"));
        assert!(!same(b"z", b"y"));
        assert_eq!(Key::of(b"i"), Key::of(b"CALL-id"));
        assert_ne!(Key::of(b"To"), Key::of(b"From"));
    }
}
