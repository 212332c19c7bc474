//! The values that both codecs carry: integers, byte strings, lists and dictionaries.
//!
//! A dictionary keeps the order in which its keys came. A key that comes twice is kept twice and
//! the last one counts, in both codecs alike, so that no two readers of one message disagree.

use std::fmt;

/// One value of the ng protocol.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// A whole number. JSON's `true` and `false` are read as 1 and 0.
    Integer(i64),
    /// A string. Bencode's are bytes; JSON's are UTF-8.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Value>),
    /// A dictionary.
    Dictionary(Dictionary),
}

impl Value {
    /// The bytes of a string; `None` for everything else.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A string that is UTF-8; `None` for everything else.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        self.as_bytes()
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// A number, also when it was sent as a decimal string, as the SIP modules do.
    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Value::Integer(number) => Some(*number),
            Value::Bytes(_) => self.as_str()?.trim().parse().ok(),
            _ => None,
        }
    }

    /// The elements of a list; `None` for everything else.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    /// A dictionary; `None` for everything else.
    #[must_use]
    pub fn as_dictionary(&self) -> Option<&Dictionary> {
        match self {
            Value::Dictionary(dictionary) => Some(dictionary),
            _ => None,
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Integer(number) => number.fmt(f),
            Value::Bytes(bytes) => String::from_utf8_lossy(bytes).fmt(f),
            Value::List(list) => list.fmt(f),
            Value::Dictionary(dictionary) => dictionary.fmt(f),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Bytes(text.as_bytes().to_vec())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Bytes(text.into_bytes())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Integer(number)
    }
}

impl From<Vec<Value>> for Value {
    fn from(list: Vec<Value>) -> Self {
        Value::List(list)
    }
}

impl From<Dictionary> for Value {
    fn from(dictionary: Dictionary) -> Self {
        Value::Dictionary(dictionary)
    }
}

/// Keys and values in the order in which they came.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Dictionary(Vec<(Vec<u8>, Value)>);

impl Dictionary {
    /// An empty dictionary.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key at the end. A key that is already there is not replaced, but no longer counts.
    pub fn push(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Value>) {
        self.0.push((key.into(), value.into()));
    }

    /// The same as [`push`](Self::push), for dictionaries built in one expression.
    #[must_use]
    pub fn with(mut self, key: impl Into<Vec<u8>>, value: impl Into<Value>) -> Self {
        self.push(key, value);
        self
    }

    /// The value of a key, by its exact spelling; the last one if there are several.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0
            .iter()
            .rev()
            .find(|(k, _)| k == key.as_bytes())
            .map(|(_, value)| value)
    }

    /// Keys and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Value)> {
        self.0.iter().map(|(key, value)| (key.as_slice(), value))
    }

    /// How many keys there are, duplicates included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no key at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoIterator for Dictionary {
    type Item = (Vec<u8>, Value);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(k, v)| (String::from_utf8_lossy(k), v)))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_two_equal_keys_counts() {
        let dictionary = Dictionary::new().with("a", "first").with("a", "second");
        assert_eq!(dictionary.get("a").and_then(Value::as_str), Some("second"));
    }

    #[test]
    fn a_number_may_come_as_a_string() {
        assert_eq!(Value::from("20").as_integer(), Some(20));
        assert_eq!(Value::from("20ms").as_integer(), None);
        assert_eq!(Value::from("99999999999999999999").as_integer(), None);
    }
}
