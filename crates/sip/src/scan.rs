//! Byte scanning shared by all parsers: linear space folding (LWS), tokens, quoted strings, lists. Never allocates.

/// Half-open range of a message's bytes. `u32` is enough: messages are bounded by `MAX_MESSAGE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) from: u32,
    pub(crate) to: u32,
}

impl Span {
    pub(crate) fn new(from: usize, to: usize) -> Self {
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Span {
            from: narrow(from),
            to: narrow(to),
        }
    }

    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        bytes
            .get(self.from as usize..self.to as usize)
            .unwrap_or_default()
    }

    /// This span, moved `by` bytes on: from one within a value to one within the message.
    pub(crate) fn shifted(self, by: u32) -> Self {
        self.map(|n| n.saturating_add(by))
    }

    /// Both ends moved.
    pub(crate) fn map(self, moved: impl Fn(u32) -> u32) -> Self {
        Span {
            from: moved(self.from),
            to: moved(self.to),
        }
    }
}

/// Space, tab, or the CR LF of a fold: a received value may hold folds, which mean one space (RFC 3261 7.3.1).
pub(crate) fn is_lws(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Without the LWS at both ends.
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    trimmed(bytes, 0, bytes.len()).of(bytes)
}

/// RFC 3261 25.1 `token`.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && TOKEN.holds_all(bytes)
}

/// A kind of bytes.
pub(crate) struct Kind([bool; 256]);

impl Kind {
    /// Letters, digits, and these.
    const fn alphanumeric_and(others: &[u8]) -> Self {
        let mut table = [false; 256];
        let (mut byte, mut left) = (0_u8, table.as_mut_slice());
        while let [entry, rest @ ..] = left {
            *entry = byte.is_ascii_alphanumeric();
            let mut more = others;
            while let [other, others @ ..] = more {
                *entry = *entry || *other == byte;
                more = others;
            }
            byte = byte.wrapping_add(1);
            left = rest;
        }
        Kind(table)
    }

    pub(crate) fn holds(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte)) == Some(&true)
    }

    pub(crate) fn holds_all(&self, bytes: &[u8]) -> bool {
        bytes.iter().all(|byte| self.holds(*byte))
    }
}

pub(crate) static TOKEN: Kind = Kind::alphanumeric_and(b"-.!%*_+`'~");

/// What may stand in a URI: whatever can be seen, but for angle brackets and quotes.
pub(crate) static IN_URI: Kind = Kind::alphanumeric_and(b"!#$%&'()*+,-./:;=?@[\\]^_`{|}~");

/// What may stand in the name of a host, as far as anybody has such names.
pub(crate) static IN_HOST: Kind = Kind::alphanumeric_and(b"-._");

/// Position, at or after `from`, of the first byte under 0x20 (CR, LF, tab, NUL...), eight bytes at a time.
pub(crate) fn find_control(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*eight);
        // The lowest byte flagged is exact: a borrow can only spoil bytes above a true hit.
        let under_space = word.wrapping_sub(0x2020_2020_2020_2020) & !word & 0x8080_8080_8080_8080;
        if under_space != 0 {
            return Some(at.saturating_add((under_space.trailing_zeros() / 8) as usize));
        }
        at = at.saturating_add(8);
    }
    let rest = bytes.get(at..)?;
    rest.iter()
        .position(|&b| b < 0x20)
        .map(|i| at.saturating_add(i))
}

/// Position of the first byte, outside quoted strings, for which `found` holds. An unclosed quote hides all after it.
pub(crate) fn find_unquoted(bytes: &[u8], found: impl Fn(u8) -> bool) -> Option<usize> {
    let mut at = 0_usize;
    loop {
        let rest = bytes.get(at..)?;
        let next = rest.iter().position(|&b| b == b'"' || found(b))?;
        at = at.saturating_add(next);
        if bytes.get(at).is_some_and(|b| found(*b)) {
            return Some(at);
        }
        let quoted = bytes.get(at.saturating_add(1)..)?;
        at = at.saturating_add(closing_quote(quoted)?).saturating_add(2);
    }
}

/// Position of the quote that ends a quoted string, in what follows the one that begins it.
fn closing_quote(bytes: &[u8]) -> Option<usize> {
    let mut at = 0_usize;
    loop {
        let rest = bytes.get(at..)?;
        let next = rest.iter().position(|&b| matches!(b, b'"' | b'\\'))?;
        at = at.saturating_add(next);
        match bytes.get(at)? {
            b'"' => return Some(at),
            _ => at = at.saturating_add(2),
        }
    }
}

/// Splits off a quoted string at the start: (what is between the quotes, still escaped; what follows).
pub(crate) fn quoted_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let inner = bytes.strip_prefix(b"\"")?;
    let (text, rest) = inner.split_at_checked(closing_quote(inner)?)?;
    Some((text, rest.get(1..)?))
}

/// What stands before the first byte of that kind, and what follows it.
pub(crate) fn cut(text: &str, at: u8) -> Option<(&str, &str)> {
    debug_assert!(at.is_ascii());
    let (before, after) = text.split_at_checked(text.bytes().position(|b| b == at)?)?;
    Some((before, after.get(1..)?))
}

/// The values of a comma-separated list, trimmed; commas in quoted strings and in `<...>` do not count.
/// An empty list has no values; `a,,b` has an empty one in the middle, for the value's parser to refuse.
pub(crate) fn list(bytes: &[u8]) -> List<'_> {
    let next = if trim(bytes).is_empty() {
        None
    } else {
        Some(0)
    };
    List { bytes, next }
}

/// Iterator over the spans of a list's values, relative to the bytes given to [`list`].
#[derive(Debug, Clone)]
pub(crate) struct List<'a> {
    bytes: &'a [u8],
    next: Option<usize>,
}

impl Iterator for List<'_> {
    type Item = Span;

    fn next(&mut self) -> Option<Span> {
        let start = self.next?;
        let rest = self.bytes.get(start..)?;
        let end = match list_comma(rest) {
            Some(comma) => {
                let end = start.saturating_add(comma);
                self.next = Some(end.saturating_add(1));
                end
            }
            None => {
                self.next = None;
                self.bytes.len()
            }
        };
        Some(trimmed(self.bytes, start, end))
    }
}

fn list_comma(bytes: &[u8]) -> Option<usize> {
    if !bytes.contains(&b',') {
        return None;
    }
    let (mut quoted, mut escaped, mut in_uri) = (false, false, false);
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if !in_uri => quoted = !quoted,
            _ if quoted => {}
            b'<' => in_uri = true,
            b'>' => in_uri = false,
            b',' if !in_uri => return Some(at),
            _ => {}
        }
    }
    None
}

pub(crate) fn trimmed(bytes: &[u8], mut from: usize, mut to: usize) -> Span {
    while from < to && bytes.get(from).copied().is_some_and(is_lws) {
        from = from.saturating_add(1);
    }
    while let Some([.., last]) = bytes.get(from..to)
        && is_lws(*last)
    {
        to = to.saturating_sub(1);
    }
    Span::new(from, to)
}

/// A plain decimal number: digits only, within `u32`.
pub(crate) fn number(bytes: &[u8]) -> Option<u32> {
    if bytes.is_empty() || bytes.len() > 20 {
        return None;
    }
    bytes.iter().try_fold(0_u32, |sum, &byte| {
        let digit = char::from(byte).to_digit(10)?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<&str> {
        list(text.as_bytes())
            .map(|s| &text[s.from as usize..s.to as usize])
            .collect()
    }

    #[test]
    fn commas_in_quotes_and_angle_brackets_do_not_split() {
        assert_eq!(
            values(r#""a, \"b" <sip:x,y@z>;p="1,2" , <sip:c>"#),
            [r#""a, \"b" <sip:x,y@z>;p="1,2""#, "<sip:c>"]
        );
        assert_eq!(values("  "), [""; 0]);
        assert_eq!(values("a,,b"), ["a", "", "b"]);
    }

    #[test]
    fn control_bytes_are_found_at_every_offset() {
        for at in 0..40 {
            for control in [0_u8, 9, 10, 13, 31] {
                let mut bytes = vec![0xff_u8; 40];
                bytes[at] = control;
                assert_eq!(find_control(&bytes, 0), Some(at));
                assert_eq!(find_control(&bytes, at + 1), None);
            }
        }
        assert_eq!(find_control(b" \x7f\x80 abcdefgh", 0), None);
    }

    #[test]
    fn a_uri_holds_what_can_be_seen_and_neither_quotes_nor_angle_brackets() {
        for byte in 0..=u8::MAX {
            let may = byte.is_ascii_graphic() && !b"<>\"".contains(&byte);
            assert_eq!(IN_URI.holds(byte), may, "{byte}");
        }
    }

    #[test]
    fn numbers_are_digits_within_32_bits() {
        assert_eq!(number(b"0042"), Some(42));
        assert_eq!(number(b"4294967295"), Some(u32::MAX));
        for bad in ["", "4294967296", "4294967328", "-1", "+1", "1 1", "1a"] {
            assert_eq!(number(bad.as_bytes()), None, "{bad}");
        }
    }
}
