//! Messages in a byte stream: over TCP one `cookie SP dictionary` follows the next with nothing between
//! them, so where a message ends is said by its dictionary alone.
//!
//! Only looks for the end: whether the dictionary is sound is [`Envelope`](crate::Envelope)'s to say.
//! Each byte is looked at once, however it comes in, and no more than one message is held.

use std::mem;

use crate::envelope::{MAX_COOKIE, MAX_DATAGRAM};

/// What was found in the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A whole message, for [`Envelope::open`](crate::Envelope::open).
    Message(Vec<u8>),
    /// Here the stream can be read no further: nobody can tell where the next message would begin.
    /// What had come of this message is for `Envelope::open` all the same, which has the error that
    /// its sender is owed (or drops it). The connection is to be closed after that.
    Broken(Vec<u8>),
}

/// Finds the messages of one stream.
#[derive(Debug, Default)]
pub struct Frames {
    /// The message under way, from its cookie on.
    message: Vec<u8>,
    place: Place,
    /// Containers that are open.
    depth: usize,
}

/// Where in a message the next byte stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    /// Before the cookie, where line ends mean nothing: some clients end each message with one.
    #[default]
    Between,
    Cookie,
    /// After the space.
    Payload,
    /// In a bencode container.
    Value,
    Integer,
    /// In the length of a string, of which this much was read.
    Length(usize),
    /// In a string, with this many bytes to come.
    Bytes(usize),
    /// In a JSON object.
    Json,
    JsonText,
    /// After a backslash.
    JsonEscape,
    End,
    Broken,
}

impl Frames {
    /// The start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes from the front of `input` until a message is whole, or all are taken. To be called
    /// until it returns `None`.
    pub fn take(&mut self, input: &mut &[u8]) -> Option<Frame> {
        while let Some((&byte, rest)) = input.split_first() {
            if let Place::Bytes(left) = self.place {
                self.skip(input, left);
            } else {
                *input = rest;
                self.step(byte);
            }
            if self.message.len() > MAX_DATAGRAM {
                // Not a byte more is held; cut short, it is not taken for a message.
                self.message.truncate(MAX_DATAGRAM);
                self.place = Place::Broken;
            }
            match self.place {
                Place::End => return Some(Frame::Message(self.start_anew())),
                Place::Broken => {
                    *input = &[];
                    return Some(Frame::Broken(self.start_anew()));
                }
                _ => {}
            }
        }
        None
    }

    /// Whether a message has begun and not ended.
    #[must_use]
    pub fn is_midway(&self) -> bool {
        self.place != Place::Between
    }

    fn start_anew(&mut self) -> Vec<u8> {
        mem::take(self).message
    }

    /// Takes what there is of a string.
    fn skip(&mut self, input: &mut &[u8], left: usize) {
        let (taken, rest) = input.split_at_checked(left).unwrap_or((input, &[]));
        self.message.extend_from_slice(taken);
        *input = rest;
        self.place = string(left.saturating_sub(taken.len()));
    }

    fn step(&mut self, byte: u8) {
        if self.place == Place::Between && matches!(byte, b'\r' | b'\n' | b' ' | 0) {
            return;
        }
        self.message.push(byte);
        self.place = match self.place {
            Place::Between | Place::Cookie => self.cookie(byte),
            Place::Payload => match byte {
                b'd' => self.opened(Place::Value),
                b'{' => self.opened(Place::Json),
                _ => Place::Broken,
            },
            Place::Value => match byte {
                b'd' | b'l' => self.opened(Place::Value),
                b'e' => self.closed(Place::Value),
                b'i' => Place::Integer,
                b'0'..=b'9' => length(0, byte),
                _ => Place::Broken,
            },
            Place::Integer => match byte {
                b'e' => Place::Value,
                b'-' | b'0'..=b'9' => Place::Integer,
                _ => Place::Broken,
            },
            Place::Length(read) => match byte {
                b':' => string(read),
                b'0'..=b'9' => length(read, byte),
                _ => Place::Broken,
            },
            Place::Json => match byte {
                b'"' => Place::JsonText,
                b'{' | b'[' => self.opened(Place::Json),
                b'}' | b']' => self.closed(Place::Json),
                _ => Place::Json,
            },
            Place::JsonText => match byte {
                b'"' => Place::Json,
                b'\\' => Place::JsonEscape,
                _ => Place::JsonText,
            },
            Place::JsonEscape => Place::JsonText,
            // Strings are skipped, and what has ended has no next byte.
            Place::Bytes(_) | Place::End | Place::Broken => Place::Broken,
        };
    }

    fn cookie(&self, byte: u8) -> Place {
        match byte {
            b' ' => Place::Payload,
            _ if self.message.len() > MAX_COOKIE => Place::Broken,
            _ => Place::Cookie,
        }
    }

    fn opened(&mut self, inside: Place) -> Place {
        self.depth = self.depth.saturating_add(1);
        inside
    }

    fn closed(&mut self, outside: Place) -> Place {
        self.depth = self.depth.saturating_sub(1);
        if self.depth == 0 { Place::End } else { outside }
    }
}

/// One more digit of a length. One that no message can have ends the stream at once.
fn length(read: usize, digit: u8) -> Place {
    let digit = usize::from(digit.saturating_sub(b'0'));
    match read.saturating_mul(10).saturating_add(digit) {
        length if length <= MAX_DATAGRAM => Place::Length(length),
        _ => Place::Broken,
    }
}

fn string(left: usize) -> Place {
    match left {
        0 => Place::Value,
        left => Place::Bytes(left),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages of a stream that comes in pieces of this size.
    fn frames(stream: &[u8], piece: usize) -> Vec<Frame> {
        let mut frames = Frames::new();
        let mut found = Vec::new();
        for mut input in stream.chunks(piece) {
            while let Some(frame) = frames.take(&mut input) {
                found.push(frame);
            }
        }
        found
    }

    fn message(text: &str) -> Frame {
        Frame::Message(text.as_bytes().to_vec())
    }

    #[test]
    fn messages_follow_one_another_without_anything_between_them() {
        let (one, two) = (
            "a_1 d1:x4:e}e\"1:yli-5e0:dee1:z0:e",
            "a_2 {\"}\":[{\"\\\"}\":1}]}",
        );
        let stream = format!("{one}{two}{one}\r\n\0 {two}\n");
        for piece in 1..stream.len() {
            assert_eq!(
                frames(stream.as_bytes(), piece),
                [message(one), message(two), message(one), message(two)],
                "in pieces of {piece}"
            );
        }
    }

    #[test]
    fn a_message_that_has_not_ended_is_awaited() {
        let mut frames = Frames::new();
        for mut piece in [&b"c"[..], b" ", b"d", b"3:", b"key", b"1:", b"v"] {
            assert_eq!(frames.take(&mut piece), None);
            assert!(frames.is_midway());
        }
        assert_eq!(frames.take(&mut &b"e"[..]), Some(message("c d3:key1:ve")));
        assert!(!frames.is_midway());
    }

    #[test]
    fn where_the_next_message_begins_cannot_be_told_after_nonsense() {
        let endless = "x".repeat(MAX_COOKIE + 1);
        for (stream, kept) in [
            ("c xyz", "c x"),
            ("c d1:ax", "c d1:ax"),
            ("c di1xe", "c di1x"),
            ("c d99999:", "c d99999"),
            ("c d-1:", "c d-"),
            ("GET / HTTP/1.1\r\n", "GET /"),
            (endless.as_str(), endless.as_str()),
        ] {
            let found = frames(stream.as_bytes(), stream.len());
            assert_eq!(found, [Frame::Broken(kept.as_bytes().to_vec())], "{stream}");
        }
    }

    #[test]
    fn the_longest_message_is_taken_and_a_longer_one_ends_the_stream() {
        let padded = |length: usize| {
            let head = format!("c {{\"x\":\"{}", "y".repeat(length));
            head.get(..length - 2).unwrap().to_owned() + "\"}"
        };
        let longest = padded(MAX_DATAGRAM);
        assert_eq!(frames(longest.as_bytes(), 1000), [message(&longest)]);
        let longer = padded(MAX_DATAGRAM + 1);
        let found = frames(longer.as_bytes(), longer.len());
        let kept = longer.as_bytes().get(..MAX_DATAGRAM).unwrap().to_vec();
        assert_eq!(found, [Frame::Broken(kept)]);
    }
}
