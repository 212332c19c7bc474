//! Messages cut out of a byte stream by their Content-Length (RFC 3261 section 18.3), and the keep-alives between them
//! (RFC 5626 section 3.5.1). It judges nothing else: a message with a bad header is still a message, and whether it may
//! be served is `validate`'s business. No octet is looked at twice, and no more than one message is held.

use crate::error::Error;
use crate::limits::{MAX_HEADERS, MAX_MESSAGE};
use crate::name;
use crate::scan;
use crate::unparsable::next_field;

/// What was cut out of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// One message with its body: for [`Framing::Stream`](crate::Framing::Stream).
    Message(Vec<u8>),
    /// CR LF CR LF between messages, to which CR LF is owed. That answer itself is skipped in silence.
    Ping,
    /// Nobody can tell where the next message begins: the stream is over. This is the head of the message that ended
    /// it, for the answer that may be owed; empty where there is none.
    Broken(Vec<u8>),
}

/// A stream's octets on their way to being messages.
#[derive(Debug, Default)]
pub struct Frames {
    /// The message under way.
    held: Vec<u8>,
    /// How long it will be; `None` while its head is not whole.
    whole: Option<usize>,
    /// How much of CR LF CR LF was seen since the last message.
    ends: u8,
}

impl Frames {
    /// The beginning of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes from the front of `input` up to the end of a frame, or all of it. After [`Frame::Broken`] it must not be
    /// called again.
    pub fn take(&mut self, input: &mut &[u8]) -> Option<Frame> {
        while !input.is_empty() {
            let frame = match (self.held.is_empty(), self.whole) {
                (true, _) => self.between(input),
                (false, None) => self.head(input),
                (false, Some(whole)) => self.body(input, whole),
            };
            if frame.is_some() {
                return frame;
            }
        }
        None
    }

    /// Whether a message has begun and is not whole.
    #[must_use]
    pub fn is_midway(&self) -> bool {
        !self.held.is_empty()
    }

    fn between(&mut self, input: &mut &[u8]) -> Option<Frame> {
        let (first, rest) = input.split_first()?;
        match (self.ends, first) {
            (0 | 2, b'\r') | (1, b'\n') => self.ends = self.ends.saturating_add(1),
            (3, b'\n') => {
                self.ends = 0;
                *input = rest;
                return Some(Frame::Ping);
            }
            (0 | 2, _) => {
                self.ends = 0;
                self.held.push(*first);
            }
            _ => return Some(self.broken()),
        }
        *input = rest;
        None
    }

    /// One line, or what of it is there.
    fn head(&mut self, input: &mut &[u8]) -> Option<Frame> {
        let line = input.iter().position(|byte| *byte == b'\n');
        let line = line.map_or(input.len(), |at| at.saturating_add(1));
        self.move_up_to(input, line);
        if self.held.ends_with(b"\r\n\r\n") {
            let whole = content_length(&self.held)
                .and_then(|length| {
                    self.held
                        .len()
                        .checked_add(length)
                        .ok_or(Error::BadContentLength)
                })
                .ok()
                .filter(|whole| *whole <= MAX_MESSAGE);
            self.whole = whole;
            return match whole {
                None => Some(self.broken()),
                Some(whole) => self.if_whole(whole),
            };
        }
        (self.held.len() >= MAX_MESSAGE).then(|| self.broken())
    }

    fn body(&mut self, input: &mut &[u8], whole: usize) -> Option<Frame> {
        self.move_up_to(input, whole.saturating_sub(self.held.len()));
        self.if_whole(whole)
    }

    fn if_whole(&mut self, whole: usize) -> Option<Frame> {
        if self.held.len() < whole {
            return None;
        }
        self.whole = None;
        Some(Frame::Message(std::mem::take(&mut self.held)))
    }

    fn broken(&mut self) -> Frame {
        Frame::Broken(std::mem::take(&mut self.held))
    }

    fn move_up_to(&mut self, input: &mut &[u8], count: usize) {
        let room = MAX_MESSAGE.saturating_sub(self.held.len());
        let (moved, rest) = input
            .split_at_checked(count.min(room))
            .unwrap_or((input, &[]));
        self.held.extend_from_slice(moved);
        *input = rest;
    }
}

/// What the head says about its body. Lines that are no header fields are passed over: they are a reason to refuse the
/// message, not to give up the stream. A head without the field tells nothing (RFC 3261 section 20.14).
fn content_length(head: &[u8]) -> Result<usize, Error> {
    let mut at = head
        .windows(2)
        .position(|two| two == b"\r\n")
        .unwrap_or_default()
        .saturating_add(2);
    let mut length = None;
    for _ in 0..=MAX_HEADERS {
        let Some((next, field)) = next_field(head, at) else {
            break;
        };
        let named = field.filter(|field| name::same(field.name.of(head), b"Content-Length"));
        if let Some(field) = named {
            let said = scan::number(field.value.of(head)).ok_or(Error::BadContentLength)?;
            if length.is_some_and(|earlier| earlier != said) {
                return Err(Error::ConflictingContentLength);
            }
            length = Some(said);
        }
        at = next;
    }
    length
        .and_then(|length| usize::try_from(length).ok())
        .ok_or(Error::BadContentLength)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Framing, Message};

    const HEAD: &str = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\n\
                        From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n";

    fn message(headers: &str, body: &str) -> String {
        format!("{HEAD}{headers}\r\n{body}")
    }

    /// Everything in a stream that comes in pieces of this size.
    fn frames(stream: &str, piece: usize) -> Vec<Frame> {
        let mut frames = Frames::new();
        let mut found = Vec::new();
        for mut piece in stream.as_bytes().chunks(piece) {
            while let Some(frame) = frames.take(&mut piece) {
                let broken = matches!(frame, Frame::Broken(_));
                found.push(frame);
                if broken {
                    return found;
                }
            }
        }
        found
    }

    fn whole(text: &str) -> Frame {
        Frame::Message(text.as_bytes().to_vec())
    }

    #[test]
    fn messages_are_found_however_the_stream_is_cut() {
        let with = message("Content-Length: 5\r\n", "a\r\n\r\n");
        let without = message("l : 0\r\n", "");
        let folded = message("Content-Length:\r\n 2\r\nContent-Length: 2\r\n", "xy");
        let stream = format!("\r\n{with}\r\n{without}\r\n\r\n{folded}\r\n\r\n\r\n\r\n{with}");
        let expected = [
            whole(&with),
            whole(&without),
            Frame::Ping,
            whole(&folded),
            Frame::Ping,
            Frame::Ping,
            whole(&with),
        ];
        for piece in 1..stream.len() {
            assert_eq!(frames(&stream, piece), expected, "{piece}");
        }
    }

    #[test]
    fn a_body_that_nobody_can_measure_ends_the_stream_with_the_head_that_is_to_be_answered() {
        for (length, error) in [
            ("", Error::BadContentLength),
            ("Content-Length: -1\r\n", Error::BadContentLength),
            ("Content-Length: 1 1\r\n", Error::BadContentLength),
            ("Content-Length: 4294967296\r\n", Error::BadContentLength),
            ("Content-Length: 4294967295\r\n", Error::MessageTooLarge),
            ("Content-Length: 65536\r\n", Error::MessageTooLarge),
            (
                "Content-Length: 1\r\nl: 2\r\n",
                Error::ConflictingContentLength,
            ),
        ] {
            let head = message(length, "");
            let found = frames(&(head.clone() + "OPTIONS"), 7);
            assert_eq!(
                found,
                [Frame::Broken(head.clone().into_bytes())],
                "{length}"
            );
            let parsed = Message::parse_framed(head.into_bytes(), Framing::Stream);
            assert_eq!(parsed.err(), Some(error), "{length}");
        }
    }

    #[test]
    fn a_bad_header_costs_its_message_and_not_the_stream() {
        let bad = message("no field at all\r\nX: \x01\r\nContent-Length: 2\r\n", "ab");
        let good = message("Content-Length: 0\r\n", "");
        let found = frames(&format!("{bad}{good}"), 50);
        assert_eq!(found, [whole(&bad), whole(&good)]);
        assert!(Message::parse_framed(bad.into_bytes(), Framing::Stream).is_err());
    }

    #[test]
    fn an_endless_head_and_a_bent_line_end_are_the_end() {
        let endless = message(&"X: y\r\n".repeat(20_000), "");
        let found = frames(&endless, 1000);
        assert!(matches!(&found[..], [Frame::Broken(head)] if head.len() == MAX_MESSAGE));
        assert_eq!(frames("\rOPTIONS", 1), [Frame::Broken(Vec::new())]);
        assert_eq!(frames("\r\n\r\rx", 9), [Frame::Broken(Vec::new())]);
    }

    #[test]
    fn half_a_message_is_midway_and_a_keep_alive_is_not() {
        let mut frames = Frames::new();
        assert_eq!(frames.take(&mut &b"\r\n"[..]), None);
        assert!(!frames.is_midway());
        assert_eq!(frames.take(&mut &b"OPTIONS sip"[..]), None);
        assert!(frames.is_midway());
    }
}
