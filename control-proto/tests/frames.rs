//! Messages in a stream: however it is cut into pieces, and whatever stands in it.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may stop on the first surprise

use causeway_control_proto::{
    Command, Envelope, Format, Frame, Frames, MAX_DATAGRAM, Refusal, Request, Value,
};
use proptest::prelude::*;

/// The messages of a stream that comes in pieces of these sizes, over and over, until it breaks.
fn frames(stream: &[u8], pieces: &[usize]) -> Vec<Frame> {
    let (mut frames, mut found, mut rest) = (Frames::new(), Vec::new(), stream);
    for size in pieces.iter().cycle() {
        let (mut piece, later) = rest.split_at_checked(*size).unwrap_or((rest, &[]));
        rest = later;
        while let Some(frame) = frames.take(&mut piece) {
            let broken = matches!(frame, Frame::Broken(_));
            found.push(frame);
            if broken {
                return found;
            }
        }
        if rest.is_empty() {
            break;
        }
    }
    found
}

fn request() -> impl Strategy<Value = (Vec<u8>, Format)> {
    let sdp = prop::collection::vec(any::<u8>(), 0..200);
    let text = "[a-z{}\\[\\]\"\\\\: 0-9e]{0,30}";
    let format = prop_oneof![Just(Format::Bencode), Just(Format::Json)];
    ("[0-9a-f_.]{1,40}", sdp, text, any::<i64>(), format).prop_map(
        |(cookie, sdp, text, number, format)| {
            let mut request = Request::new(Command::Offer);
            request.sdp = Some(sdp);
            request
                .other
                .push("x", vec![Value::from(text), number.into()]);
            (request.encode(cookie.as_bytes(), format), format)
        },
    )
}

fn pieces() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1_usize..400, 1..20)
}

/// Bytes that look like the protocol, and do not always keep to it.
fn almost() -> impl Strategy<Value = Vec<u8>> {
    let token = prop::sample::select(vec![
        "c ",
        "d",
        "e",
        "l",
        "i5e",
        "i",
        "1:x",
        "3:",
        "0:",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        ":",
        ",",
        "7:command4:ping",
        "\"command\":\"ping\"",
        "\n",
        " ",
        "99999:",
        "5",
        "-",
    ]);
    prop::collection::vec(token, 0..60).prop_map(|tokens| tokens.concat().into_bytes())
}

proptest! {
    #[test]
    fn every_message_is_found_however_the_stream_is_cut(
        requests in prop::collection::vec((request(), "[\r\n]{0,2}"), 0..6),
        pieces in pieces(),
    ) {
        let stream = requests.iter()
            .flat_map(|((message, _), end)| [message, end.as_bytes()].concat())
            .collect::<Vec<u8>>();
        let expected: Vec<Frame> = requests.into_iter()
            .map(|((message, _), _)| Frame::Message(message))
            .collect();
        prop_assert_eq!(frames(&stream, &pieces), expected);
    }

    #[test]
    fn what_stands_in_a_stream_does_not_depend_on_how_it_is_cut(
        stream in prop_oneof![almost(), prop::collection::vec(any::<u8>(), 0..300)],
        pieces in pieces(),
    ) {
        let whole = frames(&stream, &[stream.len().max(1)]);
        prop_assert_eq!(&frames(&stream, &pieces), &whole);
        prop_assert_eq!(frames(&stream, &[1]), whole);
    }

    #[test]
    fn what_a_datagram_could_have_carried_a_stream_carries(payload in almost()) {
        let message = [b"cookie ", &payload[..]].concat();
        let unsound = [Refusal::Bencode, Refusal::Json, Refusal::JsonDictionary, Refusal::Format, Refusal::NoPayload];
        let carried = match Envelope::open(&message).unwrap().request() {
            Ok(_) => true,
            Err(refusal) => !unsound.contains(&refusal),
        };
        if carried {
            let Some(Frame::Message(found)) = frames(&message, &[7]).into_iter().next() else {
                panic!("not found: {}", String::from_utf8_lossy(&message));
            };
            prop_assert_eq!(Envelope::open(&found).unwrap().request(), Envelope::open(&message).unwrap().request());
        }
    }

    #[test]
    fn what_breaks_a_stream_is_never_taken_for_a_request(payload in almost()) {
        let message = [b"cookie ", &payload[..]].concat();
        for frame in frames(&message, &[64]) {
            if let Frame::Broken(bytes) = frame
                && let Some(envelope) = Envelope::open(&bytes)
            {
                prop_assert!(envelope.request().is_err(), "{}", String::from_utf8_lossy(&bytes));
            }
        }
    }

    #[test]
    fn no_stream_makes_a_message_longer_than_a_datagram(
        unit in prop::sample::select(vec!["c d3:key", "c {\"", "l", "d1:a", "[", "65000:", "x"]),
        pieces in pieces(),
    ) {
        let stream = unit.repeat(3 * MAX_DATAGRAM / unit.len());
        for frame in frames(stream.as_bytes(), &pieces) {
            let (Frame::Message(bytes) | Frame::Broken(bytes)) = frame;
            prop_assert!(bytes.len() <= MAX_DATAGRAM);
        }
    }
}
