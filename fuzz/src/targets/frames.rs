//! ng and SIP in a byte stream: what is found does not depend on how the stream is cut, and is never longer than a datagram.

use control_proto::{Envelope, Frame, Frames, MAX_DATAGRAM};

use crate::Reached;

/// The first byte says into pieces of which size the others are cut.
pub(super) fn run(input: &[u8]) -> Reached {
    let Some((&size, stream)) = input.split_first() else {
        return Reached::Refused;
    };
    let whole = frames(stream, stream.len().max(1));
    assert_eq!(frames(stream, usize::from(size).max(1)), whole);
    whole.iter().for_each(is_sound);
    Reached::taken(whole.iter().any(|frame| matches!(frame, Frame::Message(_))))
}

fn frames(stream: &[u8], size: usize) -> Vec<Frame> {
    let (mut frames, mut found) = (Frames::new(), Vec::new());
    for mut piece in stream.chunks(size) {
        while let Some(frame) = frames.take(&mut piece) {
            found.push(frame);
            if matches!(found.last(), Some(Frame::Broken(_))) {
                return found;
            }
        }
    }
    found
}

fn is_sound(frame: &Frame) {
    match frame {
        Frame::Message(bytes) => {
            assert!(bytes.len() <= MAX_DATAGRAM);
            assert!(Envelope::open(bytes).is_some(), "it has a cookie");
        }
        Frame::Broken(bytes) => {
            assert!(bytes.len() <= MAX_DATAGRAM);
            let request = Envelope::open(bytes).map(|envelope| envelope.request());
            assert!(
                !matches!(request, Some(Ok(_))),
                "what is broken asks nothing"
            );
        }
    }
}

/// SIP: the same, and the parser sees each message as long as it was cut.
pub(super) fn sip(input: &[u8]) -> Reached {
    let Some((&size, stream)) = input.split_first() else {
        return Reached::Refused;
    };
    let whole = sip_frames(stream, stream.len().max(1));
    assert_eq!(sip_frames(stream, usize::from(size).max(1)), whole);
    for frame in &whole {
        let (sip::Frame::Message(bytes) | sip::Frame::Broken(bytes)) = frame else {
            continue;
        };
        let parsed = sip::Message::parse_framed(bytes.clone(), sip::Framing::Stream);
        match (frame, parsed) {
            (sip::Frame::Broken(_), parsed) => assert!(parsed.is_err(), "broken is no message"),
            (_, Err(sip::Error::BodyTooShort | sip::Error::BodyTooLong)) => {
                panic!("cut otherwise than it is read")
            }
            (_, Ok(message)) => assert_eq!(message.as_bytes(), bytes),
            _ => {}
        }
    }
    Reached::taken(whole.iter().any(|f| matches!(f, sip::Frame::Message(_))))
}

fn sip_frames(stream: &[u8], size: usize) -> Vec<sip::Frame> {
    let (mut frames, mut found) = (sip::Frames::new(), Vec::new());
    for mut piece in stream.chunks(size) {
        while let Some(frame) = frames.take(&mut piece) {
            found.push(frame);
            if matches!(found.last(), Some(sip::Frame::Broken(_))) {
                return found;
            }
        }
    }
    found
}
