//! WebSocket framing (RFC 6455 section 5), the server's side: octets become what a client says, and what it is told becomes
//! frames. It reads nothing and waits for nothing, and between two messages it holds no memory: a client says something every
//! few minutes.

use super::MAX_MESSAGE;

/// What a client says.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// A message, put together.
    Message(Vec<u8>),
    /// Wants these octets back.
    Ping(Vec<u8>),
    /// An answer to a ping.
    Pong,
    /// Goodbye.
    Close,
}

/// Why a client cannot be listened to any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// Against RFC 6455.
    Protocol,
    /// Text that is not UTF-8.
    NotText,
    /// A message over [`MAX_MESSAGE`].
    TooLarge,
}

/// The status of a Close frame (RFC 6455 section 7.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// We end it, or answer a Close.
    GoingAway,
    /// There will be a server here again, or is elsewhere.
    Restart,
    /// The client cannot be listened to.
    Broken(Broken),
}

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The longest payload of a control frame.
const MAX_CONTROL: usize = 125;
/// What says that a frame is a message's last.
const FINAL: u8 = 0x80;
/// The bits that only extensions use, of which there are none here.
const RESERVED: u8 = 0x70;

/// Puts a client's messages together.
#[derive(Default)]
pub struct Frames {
    received: Vec<u8>,
    /// So many octets of that were taken.
    taken: usize,
    /// The message whose last frame has not come, and whether it is text.
    begun: Option<(bool, Vec<u8>)>,
}

impl Frames {
    /// Takes octets. Before more are read, all that they say has to be taken: so no more is held than one frame, and what
    /// came with its end.
    pub fn receive(&mut self, octets: &[u8]) {
        self.received.drain(..std::mem::take(&mut self.taken));
        self.received.extend_from_slice(octets);
    }

    /// How many octets it holds: of a frame that is not whole, and of a message whose last frame has not come.
    #[must_use]
    pub fn held(&self) -> usize {
        let begun = self.begun.as_ref().map_or(0, |(_, octets)| octets.len());
        let waiting = self.received.len().saturating_sub(self.taken);
        waiting.saturating_add(begun)
    }

    /// The next thing that the client says, if all of it is here.
    ///
    /// # Errors
    /// It says what nobody may; it cannot be listened to any more.
    pub fn take(&mut self) -> Result<Option<Said>, Broken> {
        loop {
            let left = self.received.get(self.taken..).unwrap_or_default();
            let Some(head) = Head::read(left)? else {
                return Ok(None);
            };
            let end = head.size.saturating_add(head.length);
            let Some(payload) = left.get(head.size..end) else {
                return Ok(None);
            };
            let mut payload = payload.to_vec();
            unmask(&mut payload, head.mask);
            self.taken = self.taken.saturating_add(end);
            if self.taken >= self.received.len() {
                (self.received, self.taken) = (Vec::new(), 0);
            }
            if let Some(said) = self.frame(&head, payload)? {
                return Ok(Some(said));
            }
        }
    }

    fn frame(&mut self, head: &Head, payload: Vec<u8>) -> Result<Option<Said>, Broken> {
        let (text, message) = match (head.opcode, self.begun.take()) {
            (CLOSE, _) => return is_farewell(&payload).map(|()| Some(Said::Close)),
            (PING, begun) => {
                self.begun = begun;
                return Ok(Some(Said::Ping(payload)));
            }
            (PONG, begun) => {
                self.begun = begun;
                return Ok(Some(Said::Pong));
            }
            (TEXT | BINARY, None) => (head.opcode == TEXT, payload),
            (CONTINUATION, Some((text, mut message))) => {
                if message.len().saturating_add(payload.len()) > MAX_MESSAGE {
                    return Err(Broken::TooLarge);
                }
                message.extend(payload);
                (text, message)
            }
            _ => return Err(Broken::Protocol),
        };
        if !head.last {
            self.begun = Some((text, message));
            return Ok(None);
        }
        match text && std::str::from_utf8(&message).is_err() {
            true => Err(Broken::NotText),
            false => Ok(Some(Said::Message(message))),
        }
    }
}

/// What stands before a frame's payload.
struct Head {
    opcode: u8,
    last: bool,
    length: usize,
    mask: [u8; 4],
    /// Octets of the head itself.
    size: usize,
}

impl Head {
    /// `None` while it is not whole; refused as soon as it can be.
    fn read(octets: &[u8]) -> Result<Option<Self>, Broken> {
        let Some(([first, second], rest)) = octets.split_first_chunk() else {
            return Ok(None);
        };
        let (opcode, last) = (first & 0x0f, first & FINAL != 0);
        let is_control = matches!(opcode, CLOSE | PING | PONG);
        let is_known = is_control || matches!(opcode, CONTINUATION | TEXT | BINARY);
        let (is_masked, short) = (second & 0x80 != 0, usize::from(second & 0x7f));
        if first & RESERVED != 0 || !is_known || !is_masked {
            return Err(Broken::Protocol);
        }
        if is_control && (!last || short > MAX_CONTROL) {
            return Err(Broken::Protocol);
        }
        let (length, least, rest) = match short {
            126 => match rest.split_first_chunk() {
                Some((octets, rest)) => (usize::from(u16::from_be_bytes(*octets)), 126, rest),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk() {
                Some((octets, rest)) => {
                    let length = usize::try_from(u64::from_be_bytes(*octets));
                    (length.unwrap_or(usize::MAX), 1 << 16, rest)
                }
                None => return Ok(None),
            },
            short => (short, 0, rest),
        };
        // A length may be written in one way only.
        if length < least {
            return Err(Broken::Protocol);
        }
        if length > MAX_MESSAGE {
            return Err(Broken::TooLarge);
        }
        let Some((mask, payload)) = rest.split_first_chunk() else {
            return Ok(None);
        };
        Ok(Some(Self {
            opcode,
            last,
            length,
            mask: *mask,
            size: octets.len().saturating_sub(payload.len()),
        }))
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let key = u32::from_ne_bytes(mask);
    let (words, rest) = payload.as_chunks_mut();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ key).to_ne_bytes();
    }
    for (octet, key) in rest.iter_mut().zip(mask) {
        *octet ^= key;
    }
}

/// A Close has no payload, or a status that may be sent and a reason that is text (RFC 6455 sections 5.5.1 and 7.4).
fn is_farewell(payload: &[u8]) -> Result<(), Broken> {
    let Some((status, reason)) = payload.split_first_chunk() else {
        return match payload.is_empty() {
            true => Ok(()),
            false => Err(Broken::Protocol),
        };
    };
    let may_be_sent =
        matches!(u16::from_be_bytes(*status), 1000..=1003 | 1007..=1014 | 3000..=4999);
    if !may_be_sent {
        return Err(Broken::Protocol);
    }
    match std::str::from_utf8(reason) {
        Ok(_) => Ok(()),
        Err(_) => Err(Broken::NotText),
    }
}

/// Writes a message for a client behind `out`: text when it is UTF-8, binary otherwise (RFC 7118 section 4).
pub fn write_message(message: &[u8], out: &mut Vec<u8>) {
    let opcode = match std::str::from_utf8(message) {
        Ok(_) => TEXT,
        Err(_) => BINARY,
    };
    write(opcode, message, out);
}

/// A ping without octets.
pub(super) fn ping() -> Vec<u8> {
    control(PING, b"")
}

/// The answer to a ping.
pub(super) fn pong(payload: &[u8]) -> Vec<u8> {
    control(PONG, payload)
}

/// Goodbye.
pub(super) fn close(status: Status) -> Vec<u8> {
    let status: u16 = match status {
        Status::GoingAway => 1001,
        Status::Restart => 1012,
        Status::Broken(Broken::Protocol) => 1002,
        Status::Broken(Broken::NotText) => 1007,
        Status::Broken(Broken::TooLarge) => 1009,
    };
    control(CLOSE, &status.to_be_bytes())
}

fn control(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    write(opcode, payload, &mut frame);
    frame
}

fn write(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.reserve(payload.len().saturating_add(10));
    out.push(FINAL | opcode);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ 0..126), _) => out.push(short),
        (_, Ok(length)) => {
            out.push(126);
            out.extend(length.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend((payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        write(first, payload, &mut frame);
        frame[0] = first;
        frame[1] |= 0x80;
        let at = frame.len() - payload.len();
        let mut rest = frame.split_off(at);
        unmask(&mut rest, MASK);
        [frame, MASK.to_vec(), rest].concat()
    }

    /// What is heard of these octets, and how it ends.
    fn heard(octets: &[u8], piece: usize) -> (Vec<Said>, Result<(), Broken>) {
        let (mut frames, mut all) = (Frames::default(), Vec::new());
        for piece in octets.chunks(piece) {
            frames.receive(piece);
            loop {
                match frames.take() {
                    Ok(Some(said)) => all.push(said),
                    Ok(None) => break,
                    Err(broken) => return (all, Err(broken)),
                }
            }
        }
        assert_eq!(frames.received.capacity(), 0, "nothing is held");
        (all, Ok(()))
    }

    #[test]
    fn messages_are_heard_whatever_the_pieces_and_fragments() {
        // RFC 6455 section 5.7: "Hello", masked.
        let hello = [
            0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
        ];
        assert_eq!(masked(FINAL | TEXT, b"Hello"), hello);
        let long = vec![b'x'; 60_000];
        let octets = [
            masked(FINAL | TEXT, b"Hello"),
            masked(TEXT, b"one "),
            masked(FINAL | PING, b"in between"),
            masked(CONTINUATION, b"and \xc3"),
            masked(FINAL | CONTINUATION, b"\xa4"),
            masked(FINAL | PONG, b""),
            masked(FINAL | BINARY, b"\xff"),
            masked(FINAL | TEXT, &long),
            masked(FINAL | CLOSE, &1001_u16.to_be_bytes()),
        ]
        .concat();
        let said = || {
            let message = |octets: &[u8]| Said::Message(octets.to_vec());
            vec![
                message(b"Hello"),
                Said::Ping(b"in between".to_vec()),
                message("one and ä".as_bytes()),
                Said::Pong,
                message(b"\xff"),
                message(&long),
                Said::Close,
            ]
        };
        for piece in [1, 2, 3, 7, 1000, octets.len()] {
            assert_eq!(heard(&octets, piece), (said(), Ok(())), "{piece}");
        }
    }

    #[test]
    fn what_rfc_6455_forbids_ends_it_at_once() {
        let large = |first: u8, length: u64| {
            let length = length.to_be_bytes();
            [&[first, 0xff][..], &length].concat()
        };
        for (octets, broken) in [
            (vec![FINAL | TEXT, 5], Broken::Protocol),
            (vec![FINAL | 0x40 | TEXT, 0x85], Broken::Protocol),
            (vec![FINAL | 3, 0x85], Broken::Protocol),
            (vec![PING, 0x80], Broken::Protocol),
            (vec![FINAL | PING, 0xfe], Broken::Protocol),
            (vec![FINAL | TEXT, 0xfe, 0, 125], Broken::Protocol),
            (large(FINAL | TEXT, 65_535), Broken::Protocol),
            (large(FINAL | TEXT, 65_537), Broken::TooLarge),
            (large(FINAL | TEXT, u64::MAX), Broken::TooLarge),
            (masked(FINAL | CONTINUATION, b"x"), Broken::Protocol),
            (
                [masked(TEXT, b"x"), masked(FINAL | TEXT, b"y")].concat(),
                Broken::Protocol,
            ),
            (masked(FINAL | TEXT, b"\xff"), Broken::NotText),
            (masked(FINAL | CLOSE, b"x"), Broken::Protocol),
            (
                masked(FINAL | CLOSE, &1005_u16.to_be_bytes()),
                Broken::Protocol,
            ),
            (masked(FINAL | CLOSE, b"\x03\xe8\xff"), Broken::NotText),
        ] {
            assert_eq!(heard(&octets, 1), (vec![], Err(broken)), "{octets:x?}");
        }
        let half = vec![b'x'; MAX_MESSAGE / 2 + 1];
        let halves = [masked(BINARY, &half), masked(FINAL, &half)].concat();
        assert_eq!(heard(&halves, 5000), (vec![], Err(Broken::TooLarge)));
    }

    #[test]
    fn octets_of_any_kind_are_heard_or_refused_and_no_more_is_held_than_a_message() {
        let mut seed = 7_u64;
        let mut octet = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 56) as u8
        };
        for round in 0..20_000 {
            let mut frames = Frames::default();
            // Half of them begin as frames do, so that some go further.
            let mut octets: Vec<u8> = (0..round % 300).map(|_| octet()).collect();
            if round % 2 == 0 && octets.len() > 1 {
                octets[0] &= !RESERVED;
                octets[1] = 0x80 | octets[1] & 0x3f;
            }
            for piece in octets.chunks(usize::from(octet() % 40) + 1) {
                frames.receive(piece);
                while let Ok(Some(said)) = frames.take() {
                    assert!(!matches!(said, Said::Message(said) if said.len() > MAX_MESSAGE));
                }
                assert!(frames.held() <= octets.len());
            }
        }
    }

    #[test]
    fn what_is_written_has_its_length_in_the_shortest_way() {
        for (length, head) in [
            (0, vec![0x81, 0]),
            (125, vec![0x81, 125]),
            (126, vec![0x81, 126, 0, 126]),
            (65_535, vec![0x81, 126, 0xff, 0xff]),
            (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut out = b"before".to_vec();
            write_message(&vec![b'x'; length], &mut out);
            assert_eq!(out[6..6 + head.len()], head);
            assert_eq!(out.len(), 6 + head.len() + length);
        }
        assert_eq!(
            close(Status::Broken(Broken::TooLarge)),
            [0x88, 2, 0x03, 0xf1]
        );
        assert_eq!((ping(), pong(b"x")), (vec![0x89, 0], vec![0x8a, 1, b'x']));
    }
}
