//! JSON, with the order of keys kept and the depth bounded as in bencode.
//!
//! What the protocol has no value for is read as what it must mean: `true` and `false` as 1 and 0,
//! a fraction or an oversized number as its text, and `null` as if the key had not been given.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::error::Refusal;
use crate::value::{Dictionary, Value};

/// Decodes one object that fills `input` wholly.
pub(crate) fn decode(input: &[u8], max_depth: usize) -> Result<Dictionary, Refusal> {
    let mut deserializer = serde_json::Deserializer::from_slice(input);
    let value = Seed { depth: max_depth }
        .deserialize(&mut deserializer)
        .map_err(refusal)?;
    deserializer.end().map_err(refusal)?;
    match value {
        Some(Value::Dictionary(dictionary)) => Ok(dictionary),
        _ => Err(Refusal::JsonDictionary),
    }
}

/// Appends the dictionary as JSON. Strings that are not UTF-8 have what is not replaced by U+FFFD,
/// since JSON has no way to say them.
pub(crate) fn encode(dictionary: &Dictionary, out: &mut Vec<u8>) {
    let mut separator = b'{';
    for (key, value) in dictionary.iter() {
        out.push(separator);
        encode_text(key, out);
        out.push(b':');
        encode_value(value, out);
        separator = b',';
    }
    if dictionary.is_empty() {
        out.push(b'{');
    }
    out.push(b'}');
}

fn encode_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Bytes(bytes) => encode_text(bytes, out),
        Value::List(list) => {
            out.push(b'[');
            for (index, element) in list.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                encode_value(element, out);
            }
            out.push(b']');
        }
        Value::Dictionary(dictionary) => encode(dictionary, out),
    }
}

fn encode_text(bytes: &[u8], out: &mut Vec<u8>) {
    let text = serde_json::Value::String(String::from_utf8_lossy(bytes).into_owned());
    out.extend_from_slice(text.to_string().as_bytes());
}

fn refusal(error: serde_json::Error) -> Refusal {
    if error.is_data() {
        Refusal::JsonDictionary
    } else {
        Refusal::Json
    }
}

/// Reads one value; `depth` is how many containers may still be opened. `None` is `null`.
#[derive(Clone, Copy)]
struct Seed {
    depth: usize,
}

impl Seed {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth = self
            .depth
            .checked_sub(1)
            .ok_or_else(|| E::custom("nested too deeply"))?;
        Ok(Self { depth })
    }
}

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(Value::Integer(value.into())))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(Value::Integer(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(
            i64::try_from(value).map_or_else(|_| value.to_string().into(), Value::Integer),
        ))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Some(value.to_string().into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Some(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let inner = self.deeper::<A::Error>()?;
        let mut list = Vec::new();
        while let Some(element) = elements.next_element_seed(inner)? {
            list.extend(element);
        }
        Ok(Some(Value::List(list)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let inner = self.deeper::<A::Error>()?;
        let mut dictionary = Dictionary::new();
        while let Some(key) = entries.next_key::<String>()? {
            if let Some(value) = entries.next_value_seed(inner)? {
                dictionary.push(key, value);
            }
        }
        Ok(Some(Value::Dictionary(dictionary)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_survives_in_its_order() {
        let text = r#"{"z":-42,"a":[{"b":0},[]],"m":"","sdp":"v=0\r\no=\"x\"\u0001"}"#;
        let mut out = Vec::new();
        encode(&decode(text.as_bytes(), 8).unwrap(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), text);
        let mut out = Vec::new();
        encode(&Dictionary::new(), &mut out);
        assert_eq!(out, b"{}");
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
        assert!(decode(nested(8).as_bytes(), 8).is_ok());
        assert_eq!(
            decode(nested(9).as_bytes(), 8),
            Err(Refusal::JsonDictionary)
        );
        assert!(decode(r#"{"a":"#.repeat(10_000).as_bytes(), 8).is_err());
        assert!(decode(format!(r#"{{"a":{}"#, "[".repeat(60_000)).as_bytes(), 8).is_err());
    }

    #[test]
    fn what_is_not_json_is_told_from_what_is_not_a_dictionary() {
        assert_eq!(decode(br#"{"a":"#, 8), Err(Refusal::Json));
        assert_eq!(decode(br#"{"a":1}{"#, 8), Err(Refusal::Json));
        assert_eq!(decode(b"{\"a\":\"\xff\"}", 8), Err(Refusal::Json));
        assert_eq!(decode(b"[1]", 8), Err(Refusal::JsonDictionary));
    }

    #[test]
    fn values_that_the_protocol_lacks_are_read_as_what_they_mean() {
        let dictionary = decode(
            br#"{"a":true,"b":null,"c":1.5,"d":18446744073709551615}"#,
            8,
        )
        .unwrap();
        assert_eq!(dictionary.get("a"), Some(&Value::Integer(1)));
        assert_eq!(dictionary.get("b"), None);
        assert_eq!(dictionary.get("c"), Some(&Value::from("1.5")));
        assert_eq!(
            dictionary.get("d"),
            Some(&Value::from("18446744073709551615"))
        );
    }
}
