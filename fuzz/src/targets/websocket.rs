//! What comes on a browser's WebSocket: the same is heard however the octets are cut, no more of them is held than came, what
//! was heard reads the same under another mask, and what it is told has the form of RFC 6455 section 5.2.

use net::ws::MAX_MESSAGE;
use net::ws::frames::{Broken, Frames, Said, write_message};

use crate::Reached;

/// The longest payload of a ping (RFC 6455 section 5.5).
const MAX_CONTROL: usize = 125;

/// All that was said until goodbye, or until it broke.
type Heard = (Vec<Said>, Option<Broken>);

/// The first octet says into pieces of which size the others are cut.
pub(super) fn run(input: &[u8]) -> Reached {
    let Some((&size, stream)) = input.split_first() else {
        return Reached::Refused;
    };
    let pieces = usize::from(size).max(1);
    let whole = heard(stream, stream.len().max(1));
    assert_eq!(heard(stream, pieces), whole);
    assert_eq!(heard(stream, 1), whole);
    let (said, _) = whole;
    let mask = [size, !size, size.rotate_left(3), 0x5a];
    let again: Vec<u8> = said.iter().flat_map(|it| frame(it, Some(mask))).collect();
    let (again, broken) = heard(&again, pieces);
    assert_eq!((&again, broken), (&said, None));
    for it in &said {
        match it {
            Said::Message(message) => {
                assert!(message.len() <= MAX_MESSAGE, "longer than allowed");
                let mut told = Vec::new();
                write_message(message, &mut told);
                assert_eq!(told, frame(it, None));
            }
            Said::Ping(payload) => assert!(payload.len() <= MAX_CONTROL),
            Said::Pong | Said::Close => {}
        }
    }
    Reached::taken(!said.is_empty())
}

fn heard(stream: &[u8], size: usize) -> Heard {
    let (mut frames, mut all) = (Frames::default(), Vec::new());
    let mut came = 0;
    for piece in stream.chunks(size) {
        frames.receive(piece);
        came += piece.len();
        loop {
            match frames.take() {
                Ok(Some(Said::Close)) => {
                    all.push(Said::Close);
                    return (all, None);
                }
                Ok(Some(said)) => all.push(said),
                Ok(None) => break,
                Err(broken) => return (all, Some(broken)),
            }
        }
        assert!(frames.held() <= came, "more is held than came");
    }
    (all, None)
}

/// One frame as RFC 6455 section 5.2 draws it; a client's has a mask.
fn frame(said: &Said, mask: Option<[u8; 4]>) -> Vec<u8> {
    let (opcode, payload) = match said {
        Said::Message(message) if str::from_utf8(message).is_ok() => (1, message.as_slice()),
        Said::Message(message) => (2, message.as_slice()),
        Said::Close => (8, &[][..]),
        Said::Ping(payload) => (9, payload.as_slice()),
        Said::Pong => (10, &[][..]),
    };
    let masked = if mask.is_some() { 0x80 } else { 0 };
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        short @ 0..126 => frame.push(masked | u8::try_from(short).unwrap()),
        length => match u16::try_from(length) {
            Ok(length) => {
                frame.push(masked | 126);
                frame.extend(length.to_be_bytes());
            }
            Err(_) => {
                frame.push(masked | 127);
                frame.extend(u64::try_from(length).unwrap().to_be_bytes());
            }
        },
    }
    frame.extend(mask.iter().flatten());
    let key = mask.unwrap_or_default().into_iter().cycle();
    frame.extend(payload.iter().zip(key).map(|(octet, key)| octet ^ key));
    frame
}
