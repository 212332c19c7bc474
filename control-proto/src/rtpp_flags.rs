//! The flag string that a script may leave to the relay to read: `key=value`, bare words, and
//! lists and dictionaries in brackets, as in `codec=[strip=[PCMA PCMU]] trust-address`.

use crate::apply::Reading;
use crate::request::Request;
use crate::value::{Dictionary, Value};

/// How deep brackets may nest, as in a request's own dictionary.
const MAX_DEPTH: usize = 8;

/// Applies each word of the line to the request.
pub(crate) fn apply(reading: &mut Reading, line: &str) {
    for word in words(line) {
        match word.split_once('=') {
            Some((key, text)) if text.starts_with('[') => match bracketed(text, MAX_DEPTH) {
                Some(value) => reading.apply(key.as_bytes(), value),
                None => reading.request.unknown.push(word.to_owned()),
            },
            _ if transport(&mut reading.request, word) => {}
            _ => reading.apply_flag(word),
        }
    }
}

/// In this string alone the transport may be a bare word.
fn transport(request: &mut Request, word: &str) -> bool {
    let protocol = match word {
        "RTP" | "AVP" | "SRTP" | "AVPF" | "SAVP" | "SAVPF" | "DTLS" => {
            crate::TransportProtocol::from_word(word)
        }
        _ => None,
    };
    request.transport_protocol = protocol.or(request.transport_protocol);
    protocol.is_some()
}

/// `[a b]` is a list, `[a=b c=[d]]` a dictionary.
fn bracketed(text: &str, depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    let value = |text: &str| {
        if text.starts_with('[') {
            bracketed(text, depth)
        } else {
            Some(text.into())
        }
    };
    let mut list = Vec::new();
    let mut dictionary = Dictionary::new();
    for word in words(inner) {
        match word.split_once('=').filter(|_| !word.starts_with('[')) {
            Some((key, text)) => dictionary.push(key, value(text)?),
            None => list.push(value(word)?),
        }
    }
    Some(if dictionary.is_empty() {
        list.into()
    } else {
        dictionary.into()
    })
}

/// Splits at spaces that stand outside of brackets.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let mut open = 0_usize;
    line.split(move |c: char| {
        match c {
            '[' => open = open.saturating_add(1),
            ']' => open = open.saturating_sub(1),
            _ => {}
        }
        open == 0 && (c.is_whitespace() || c == ',')
    })
    .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, Ice, TransportProtocol};

    fn read(line: &str) -> Request {
        let mut reading = Reading::new(Command::Offer);
        apply(&mut reading, line);
        reading.request
    }

    #[test]
    fn a_line_is_read_word_by_word() {
        let request = read(
            "trust-address ICE=force  replace-origin SRTP direction=[pub priv] via-branch=z9hG4bK1",
        );
        assert!(request.flags.has("trust-address") && request.replace.origin);
        assert_eq!(request.ice, Some(Ice::Force));
        assert_eq!(request.transport_protocol, Some(TransportProtocol::RtpSavp));
        assert_eq!(request.direction, Some(["pub".into(), "priv".into()]));
        assert_eq!(request.via_branch.as_deref(), Some("z9hG4bK1"));
    }

    #[test]
    fn brackets_nest() {
        let request = read("codec=[strip=[PCMA PCMU] transcode=[opus]] from-tags=[a b]");
        assert_eq!(request.codec.strip, ["PCMA", "PCMU"]);
        assert_eq!(request.codec.transcode, ["opus"]);
        assert_eq!(request.from_tags, ["a", "b"]);
    }

    #[test]
    fn brackets_that_nest_too_deeply_or_never_end_are_unknown() {
        for line in [
            format!("x={}{}", "[".repeat(20_000), "]".repeat(20_000)),
            "codec=[strip=[PCMA".into(),
        ] {
            assert_eq!(read(&line).unknown.len(), 1);
        }
    }
}
