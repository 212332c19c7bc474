//! ng in a byte stream: what is found does not depend on how the stream is cut, and is never longer than a datagram.

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
