//! Bencode: `i<n>e`, `<length>:<bytes>`, `l...e`, `d...e`.
//!
//! Never trusts a length: each is checked against the bytes that are there before anything is
//! taken, so that a message cannot make us allocate more than a small multiple of its own size.
//! Keys may come in any order.

use crate::value::{Dictionary, Value};

/// Decodes one dictionary that fills `input` wholly; `None` if it is anything else.
pub(crate) fn decode(input: &[u8], max_depth: usize) -> Option<Dictionary> {
    let mut reader = Reader { rest: input };
    let Value::Dictionary(dictionary) = reader.value(max_depth)? else {
        return None;
    };
    // Some clients end a datagram with a line feed or a NUL.
    reader
        .rest
        .iter()
        .all(|byte| matches!(byte, b'\r' | b'\n' | b' ' | 0))
        .then_some(dictionary)
}

/// Appends the dictionary's bencode to `out`, keys in their own order.
pub(crate) fn encode(dictionary: &Dictionary, out: &mut Vec<u8>) {
    out.push(b'd');
    for (key, value) in dictionary.iter() {
        encode_bytes(key, out);
        encode_value(value, out);
    }
    out.push(b'e');
}

fn encode_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Integer(number) => out.extend_from_slice(format!("i{number}e").as_bytes()),
        Value::Bytes(bytes) => encode_bytes(bytes, out),
        Value::List(list) => {
            out.push(b'l');
            list.iter().for_each(|element| encode_value(element, out));
            out.push(b'e');
        }
        Value::Dictionary(dictionary) => encode(dictionary, out),
    }
}

fn encode_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{}:", bytes.len()).as_bytes());
    out.extend_from_slice(bytes);
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// One value; `depth` is how many containers may still be opened.
    fn value(&mut self, depth: usize) -> Option<Value> {
        match self.rest.first()? {
            b'i' => {
                self.skip();
                self.number_until(b'e').map(Value::Integer)
            }
            b'0'..=b'9' => self.bytes().map(|bytes| Value::Bytes(bytes.to_vec())),
            b'l' => {
                let depth = depth.checked_sub(1)?;
                self.skip();
                let mut list = Vec::new();
                while !self.ended()? {
                    list.push(self.value(depth)?);
                }
                Some(Value::List(list))
            }
            b'd' => {
                let depth = depth.checked_sub(1)?;
                self.skip();
                let mut dictionary = Dictionary::new();
                while !self.ended()? {
                    let key = self.bytes()?.to_vec();
                    dictionary.push(key, self.value(depth)?);
                }
                Some(Value::Dictionary(dictionary))
            }
            _ => None,
        }
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        // A sign is no part of a length.
        if !self.rest.first()?.is_ascii_digit() {
            return None;
        }
        let length = usize::try_from(self.number_until(b':')?).ok()?;
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(bytes)
    }

    fn number_until(&mut self, end: u8) -> Option<i64> {
        // An i64 has at most 19 digits and a sign.
        let at = self.rest.iter().take(21).position(|&byte| byte == end)?;
        let (digits, rest) = self.rest.split_at_checked(at)?;
        self.rest = rest;
        self.skip();
        if digits.first() == Some(&b'+') {
            return None;
        }
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    /// Whether the container ends here, in which case its `e` is taken.
    fn ended(&mut self) -> Option<bool> {
        let ended = *self.rest.first()? == b'e';
        if ended {
            self.skip();
        }
        Some(ended)
    }

    fn skip(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(text: &str) -> String {
        let mut out = Vec::new();
        encode(&decode(text.as_bytes(), 8).unwrap(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_kind_of_value_survives_in_its_order() {
        let text = "d1:zi-42e1:ald1:bi0eee1:m0:e";
        assert_eq!(round_trip(text), text);
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| {
            format!(
                "{}{}",
                "d1:a".repeat(depth - 1),
                "de".to_owned() + &"e".repeat(depth - 1)
            )
        };
        assert!(decode(nested(8).as_bytes(), 8).is_some());
        assert!(decode(nested(9).as_bytes(), 8).is_none());
        assert!(decode("d1:a".repeat(16_000).as_bytes(), 8).is_none());
        assert!(decode(format!("d1:a{}", "l".repeat(60_000)).as_bytes(), 8).is_none());
    }

    #[test]
    fn a_length_beyond_the_message_is_refused() {
        for length in [
            "5",
            "4294967295",
            "4294967297",
            "9223372036854775807",
            "18446744073709551617",
            "-1",
            "+3",
            "",
        ] {
            assert!(
                decode(format!("d{length}:abce").as_bytes(), 8).is_none(),
                "{length}"
            );
            assert!(
                decode(format!("d1:a{length}:abce").as_bytes(), 8).is_none(),
                "{length}"
            );
        }
        assert!(decode(b"d3:abc3:defe", 8).is_some());
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        assert!(decode(b"d1:ai9223372036854775807ee", 8).is_some());
        for number in ["9223372036854775808", "", "-", "+1", "1.5", "1x"] {
            assert!(
                decode(format!("d1:ai{number}ee").as_bytes(), 8).is_none(),
                "{number}"
            );
        }
    }

    #[test]
    fn something_after_the_dictionary_is_refused_unless_it_is_a_line_end() {
        assert!(decode(b"de\r\n", 8).is_some());
        assert!(decode(b"dede", 8).is_none());
        assert!(decode(b"le", 8).is_none());
    }
}
