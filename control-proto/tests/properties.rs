//! Whatever arrives, nothing panics; whatever is written, can be read again.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may stop on the first surprise

use std::time::{Duration, Instant};

use causeway_control_proto::{
    Client, Command, Dictionary, Envelope, Event, Format, Key, Request, Response, Value,
};
use proptest::prelude::*;

fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 =.:;\\[\\]/_\u{e9}\u{1F600}\"\\\\-]{0,20}"
}

/// Values that both formats can carry: JSON's strings are UTF-8.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::Integer),
        text().prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::vec((text(), inner), 0..4).prop_map(|entries| {
                let mut dictionary = Dictionary::new();
                entries
                    .into_iter()
                    .for_each(|(key, value)| dictionary.push(key, value));
                Value::Dictionary(dictionary)
            }),
        ]
    })
}

fn format() -> impl Strategy<Value = Format> {
    prop_oneof![Just(Format::Bencode), Just(Format::Json)]
}

/// Keys that mean something, so that values meet every reader.
fn key() -> impl Strategy<Value = String> {
    let known = [
        "sdp",
        "call-id",
        "from-tag",
        "ICE",
        "DTLS",
        "SDES",
        "rtcp-mux",
        "replace",
        "OSRTP",
        "supports",
        "from-tags",
        "direction",
        "address family",
        "media-address",
        "received_from",
        "delete delay",
        "codec",
        "flags",
        "rtpp_flags",
        "transport-protocol",
        "command",
        "label",
        "ptime",
    ];
    prop_oneof![
        prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        text()
    ]
}

/// What a script might make of a flag, and what nobody would.
fn flag() -> impl Strategy<Value = String> {
    let starts = [
        "",
        "SDES-",
        "codec-",
        "codec-strip-",
        "rtcp-mux-",
        "ICE-",
        "OSRTP-",
        "transcode-",
        "flags=",
        "a--",
        "..",
    ];
    (prop::sample::select(starts.to_vec()), text())
        .prop_map(|(start, rest)| format!("{start}{rest}"))
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Some(envelope) = Envelope::open(&bytes) {
            let _ = envelope.request();
        }
        let _ = Envelope::open(&[b"c ", &bytes[..]].concat()).unwrap().request();
        Client::new([0; 8]).receive(&bytes, Instant::now());
    }

    #[test]
    fn almost_bencode_never_panics(text in "c d[dlie0-9:a-f-]{0,200}") {
        let _ = Envelope::open(text.as_bytes()).unwrap().request();
    }

    #[test]
    fn almost_json_never_panics(text in "c \\{[\\{\\}\\[\\]\",:0-9eE.ntu\\\\a-f-]{0,200}") {
        let _ = Envelope::open(text.as_bytes()).unwrap().request();
    }

    #[test]
    fn any_value_under_any_key_is_read_and_written_again(
        entries in prop::collection::vec((key(), value()), 0..8),
        flags in prop::collection::vec(flag(), 0..6),
        format in format(),
    ) {
        let mut dictionary = Dictionary::new().with("command", "offer");
        entries.into_iter().for_each(|(key, value)| dictionary.push(key, value));
        dictionary.push("flags", flags.into_iter().map(Value::from).collect::<Vec<_>>());
        let Ok(request) = Request::decode(dictionary) else { return Ok(()) };
        let _ = request.encode(b"c", format);
    }

    #[test]
    fn replies_survive_both_formats(value in value(), sdp in text(), format in format()) {
        let mut client = Client::new([1; 8]);
        let now = Instant::now();
        let ticket = client.ask(&Request::new(Command::Query), now);
        let Some(Event::Send(datagram)) = client.poll() else { panic!("nothing sent") };
        let cookie = Envelope::open(&datagram).unwrap().cookie;
        let response = Response::ok().with_sdp(sdp).with("tags", value);
        prop_assert!(client.receive(&response.encode(cookie, format), now));
        prop_assert_eq!(client.poll(), Some(Event::Answered(ticket, response)));
    }

    #[test]
    fn only_what_was_signed_with_the_key_is_authentic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        tail in "[ -~]{0,40}",
        seconds in any::<u32>(),
    ) {
        let unix = Duration::from_secs(seconds.into());
        let [key, other] = [b'k', b'o'].map(|secret| Key::new(&[secret; 32]).unwrap());
        let message = [&bytes[..], tail.as_bytes()].concat();
        prop_assert!(key.check_request(&message, unix).is_err());
        prop_assert_eq!(key.open_reply(&message), None);
        if let Some(signed) = key.sign_request(&message, unix) {
            prop_assert_eq!(key.check_request(&signed, unix), Ok(()));
            prop_assert!(other.check_request(&signed, unix).is_err());
            prop_assert_eq!(key.open_reply(&key.sign_reply(&message)), Some(message));
        }
    }

    #[test]
    fn bencode_carries_any_bytes(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut request = Request::new(Command::Offer);
        request.sdp = Some(body);
        let datagram = request.encode(b"c", Format::Bencode);
        prop_assert_eq!(Envelope::open(&datagram).unwrap().request().unwrap(), request);
    }
}
