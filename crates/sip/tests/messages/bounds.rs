//! Hostile bytes: each is refused with its reason, within its bound, in linear time, and never panics.

use std::time::Instant;

use causeway_sip::limits::{MAX_HEADER, MAX_HEADERS, MAX_MESSAGE, MAX_URI, MAX_VIAS};
use causeway_sip::{
    Error, Framing, Message, Method, NameAddr, Uri, Via, digest, refusal_to_unparsable, validate,
};
use proptest::prelude::*;

const HEAD: &str = "Via: SIP/2.0/WSS a.invalid;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\n\
                    Call-ID: c\r\nCSeq: 1 INVITE\r\n";

/// An INVITE with these further header lines (each with its line end) and body.
fn invite(more: &str, body: &str) -> Vec<u8> {
    format!("INVITE sip:b@x SIP/2.0\r\n{HEAD}{more}\r\n{body}").into_bytes()
}

/// The error, and the status of the response that is owed for it.
fn refused(bytes: Vec<u8>) -> (Error, Option<u16>) {
    let error = Message::parse_framed(bytes.clone(), Framing::Exact).unwrap_err();
    (
        error,
        refusal_to_unparsable(&bytes, error, "t").and_then(|answer| answer.status()),
    )
}

#[test]
fn content_length_is_read_checked_or_refused() {
    for value in [
        "4294967296",
        "4294967328",
        "18446744073709551617",
        "-1",
        "+4",
        "1 1",
        "0x4",
        "4,4",
        "",
        "4;a=b",
    ] {
        let bytes = invite(&format!("Content-Length: {value}\r\n"), "v=0\n");
        assert_eq!(
            refused(bytes),
            (Error::BadContentLength, Some(400)),
            "{value}"
        );
    }
    let two = invite("Content-Length: 4\r\nl: 5\r\n", "v=0\n ");
    assert_eq!(refused(two), (Error::ConflictingContentLength, Some(400)));
    assert_eq!(
        refused(invite("l: 9\r\n", "v=0\n")),
        (Error::BodyTooShort, Some(400))
    );
    assert_eq!(
        refused(invite("l: 4294967295\r\n", "v=0\n")),
        (Error::BodyTooShort, Some(400))
    );
    assert_eq!(
        refused(invite("l: 3\r\n", "v=0\n")),
        (Error::BodyTooLong, Some(400))
    );
    let twice = Message::parse(invite("l: 4\r\nContent-Length: 4\r\n", "v=0\n")).unwrap();
    assert_eq!(validate(&twice).unwrap_err().status, 400);
    assert_eq!(
        Message::parse(invite("l: 0004\r\n", "v=0\n"))
            .unwrap()
            .body(),
        b"v=0\n"
    );
}

#[test]
fn a_second_message_behind_the_first_is_never_sip() {
    let smuggled = [invite("l: 0\r\n", ""), invite("l: 0\r\n", "")].concat();
    assert_eq!(refused(smuggled.clone()).0, Error::BodyTooLong);
    let first = Message::parse(smuggled).unwrap();
    assert_eq!(first.as_bytes(), invite("l: 0\r\n", ""));
}

#[test]
fn every_size_is_bounded_at_its_limit() {
    let header = |length: usize| format!("X: {}\r\n", "a".repeat(length - 3));
    assert!(Message::parse(invite(&header(MAX_HEADER), "")).is_ok());
    assert_eq!(
        refused(invite(&header(MAX_HEADER + 1), "")),
        (Error::HeaderTooLarge, Some(513))
    );
    let folded = format!("X: {}\r\n", "a\r\n ".repeat(MAX_HEADER / 4));
    assert_eq!(
        refused(invite(&folded, "")),
        (Error::HeaderTooLarge, Some(513))
    );

    let spare = MAX_HEADERS - 5;
    assert!(Message::parse(invite(&"X: y\r\n".repeat(spare), "")).is_ok());
    assert_eq!(
        refused(invite(&"X: y\r\n".repeat(spare + 1), "")),
        (Error::TooManyHeaders, Some(513))
    );

    let uri = |length: usize| {
        let line = format!(
            "INVITE sip:{} SIP/2.0\r\n{HEAD}\r\n",
            "a".repeat(length - 4)
        );
        line.into_bytes()
    };
    assert!(Message::parse(uri(MAX_URI)).is_ok());
    assert_eq!(refused(uri(MAX_URI + 1)), (Error::UriTooLong, Some(414)));

    let vias = |count: usize| {
        format!(
            "Via: {}SIP/2.0/UDP h\r\n",
            "SIP/2.0/UDP h,".repeat(count - 1)
        )
    };
    assert!(Message::parse(invite(&vias(MAX_VIAS - 1), "")).is_ok());
    assert_eq!(
        refused(invite(&vias(MAX_VIAS), "")),
        (Error::TooManyVias, None)
    );

    let rest = MAX_MESSAGE - invite("", "").len();
    assert!(Message::parse(invite("", &"b".repeat(rest))).is_ok());
    assert_eq!(
        refused(invite("", &"b".repeat(rest + 1))),
        (Error::MessageTooLarge, Some(513))
    );
}

#[test]
fn a_header_of_65_kilobytes_is_answered_not_held() {
    let name = format!("{}: x\r\n", "N".repeat(65_000));
    assert_eq!(
        refused(invite(&name, "")),
        (Error::HeaderTooLarge, Some(513))
    );
}

#[test]
fn control_bytes_and_broken_lines_are_refused() {
    for line in [
        "X: a\rb\r\n",
        "X: a\nY: b\r\n",
        "X: a\0b\r\n",
        "X: a\x01\r\n",
        "X: a\\\r\r\n",
        "X: \\\n\r\n",
    ] {
        assert_eq!(
            refused(invite(line, "")),
            (Error::ControlByte, Some(400)),
            "{line:?}"
        );
    }
    for line in [
        "no colon\r\n",
        ": empty\r\n",
        "X Y: a\r\n",
        "X\u{e9}: a\r\n",
        "X\0: a\r\n",
    ] {
        let error = refused(invite(line, "")).0;
        assert!(
            matches!(error, Error::BadHeader | Error::ControlByte),
            "{line:?}: {error}"
        );
    }
    let folded = format!("SIP/2.0 200 OK\r\n more\r\n{HEAD}\r\n").into_bytes();
    assert_eq!(
        refused(folded).0,
        Error::BadHeader,
        "a start line has no folds"
    );
    let cut = HEAD.trim_end();
    assert_eq!(
        refused(format!("INVITE sip:b@x SIP/2.0\r\n{cut}").into_bytes()).0,
        Error::Incomplete
    );
}

#[test]
fn odd_spellings_of_a_name_are_one_header_for_whoever_strips_it() {
    let lines =
        "P-Asserted-Identity : a\r\np-asserted-IDENTITY\t: b\r\nP-Asserted-Identity:\r\n c\r\n";
    let mut message = Message::parse(invite(lines, "")).unwrap();
    assert_eq!(
        message.headers("P-Asserted-Identity").collect::<Vec<_>>(),
        ["a", "b", "c"]
    );
    assert_eq!(message.remove_all("P-Asserted-Identity"), Ok(3));
    assert_eq!(message.as_bytes(), invite("", ""));
}

#[test]
fn what_is_no_sip_is_owed_nothing() {
    for bytes in [&b""[..], b"\r\n", b"\r\n\r\n", b"\r\n\r\n\r\n"] {
        assert_eq!(refused(bytes.to_vec()), (Error::KeepAlive, None));
    }
    for text in [
        "GET / HTTP/1.1\r\n\r\n",
        "x\r\n\r\n",
        "SIP/2.0 99 x\r\n\r\n",
        "SIP/2.0 700 x\r\n\r\n",
        "SIP/2.0 2000 x\r\n\r\n",
    ] {
        assert_eq!(
            refused(text.as_bytes().to_vec()),
            (Error::NotSip, None),
            "{text}"
        );
    }
    let ack = String::from_utf8(invite("l: x\r\n", ""))
        .unwrap()
        .replace("INVITE", "ACK");
    assert_eq!(refused(ack.into_bytes()), (Error::BadContentLength, None));
    let response = format!("SIP/2.0 200 OK\r\n{HEAD}l: x\r\n\r\n");
    assert_eq!(
        refused(response.into_bytes()),
        (Error::BadContentLength, None)
    );
}

#[test]
fn an_unknown_method_and_bytes_not_utf8_pass_unchanged() {
    let head = HEAD.replace("INVITE", "FROBNICATE");
    let mut bytes = format!("FROBNICATE sip:b@x SIP/2.0\r\n{head}Subject: ").into_bytes();
    bytes.extend_from_slice(b"\xff\xfe caf\xe9\r\nContent-Length: 2\r\n\r\n\xc3\x28");
    let message = Message::parse(bytes.clone()).unwrap();
    assert_eq!(validate(&message), Ok(()));
    assert_eq!(message.method(), Some(&Method::Other("FROBNICATE".into())));
    assert_eq!(message.raw("Subject"), Some(&b"\xff\xfe caf\xe9"[..]));
    assert_eq!(
        message.header("Subject").unwrap(),
        "\u{fffd}\u{fffd} caf\u{fffd}"
    );
    assert_eq!(message.into_bytes(), bytes);
}

#[test]
fn mandatory_headers_are_owed_once_and_well_formed() {
    let status = |text: String| {
        validate(&Message::parse(text.into_bytes()).unwrap())
            .unwrap_err()
            .status
    };
    let good = String::from_utf8(invite("", "")).unwrap();
    for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
        let line = HEAD
            .split_inclusive("\r\n")
            .find(|line| line.starts_with(name))
            .unwrap();
        assert_eq!(status(good.replacen(line, "", 1)), 400, "without {name}");
        assert_eq!(
            status(good.replacen(line, &format!("{name}:\r\n"), 1)),
            400,
            "empty {name}"
        );
        if name != "Via" {
            assert_eq!(
                status(good.replacen(line, &line.repeat(2), 1)),
                400,
                "two of {name}"
            );
        }
    }
    for (from, to, owed) in [
        ("SIP/2.0\r\n", "SIP/3.0\r\n", 505),
        ("sip:b@x SIP", "http://x SIP", 416),
        ("sip:b@x SIP", "sip:b@x@y SIP", 400),
        ("1 INVITE", "1 BYE", 400),
        ("1 INVITE", "x INVITE", 400),
        ("Call-ID: c", "Call-ID: a b", 400),
        ("To:", "Max-Forwards: many\r\nTo:", 400),
        ("To:", "Max-Forwards: 256\r\nTo:", 400),
        ("To:", "Max-Forwards: -1\r\nTo:", 400),
        ("To:", "Route: <sip:a b>\r\nTo:", 400),
        ("To:", "Route: <sip:x;lr>,\r\nTo:", 400),
        ("To:", "Contact: <sip:x\r\nTo:", 400),
    ] {
        assert_eq!(status(good.replacen(from, to, 1)), owed, "{to}");
    }
    for uri in ["tel:+4930123", "sips:b@x", "urn:service:sos", "SIP:b@[::1]"] {
        let message = Message::parse(
            good.replacen("sip:b@x SIP", &format!("{uri} SIP"), 1)
                .into_bytes(),
        )
        .unwrap();
        assert_eq!(validate(&message), Ok(()), "{uri}");
    }
}

#[test]
fn time_grows_with_size_and_no_faster() {
    let hostile: [fn(usize) -> Vec<u8>; 5] = [
        |n| {
            invite(
                &"X: y\r\n".repeat(n.min(MAX_HEADERS - 5)),
                &"\r\n".repeat(n / 2),
            )
        },
        |n| {
            invite(
                &format!("Contact: {}\r\n", "\"<,".repeat(n.min(MAX_HEADER) / 3 - 4)),
                "",
            )
        },
        |n| "\r\n".repeat(n / 2).into_bytes(),
        |n| {
            invite(
                &"Contact: <sip:a>;;;;,,,\"\\\r\n".repeat((n / 27).min(100)),
                "",
            )
        },
        |n| "X".repeat(n).into_bytes(),
    ];
    for make in hostile {
        let bytes = make(MAX_MESSAGE - 1000);
        let begin = Instant::now();
        if let Ok(message) = Message::parse(bytes.clone()) {
            let _ = validate(&message);
            let _ = message.contacts().count();
        } else {
            let _ = refusal_to_unparsable(&bytes, Error::BadHeader, "t");
        }
        // A quadratic scan of 64 KiB takes seconds in this build; a linear one a few milliseconds.
        assert!(
            begin.elapsed().as_millis() < 500,
            "{:?} for {} bytes",
            begin.elapsed(),
            bytes.len()
        );
    }
}

/// Asks a message everything there is to ask.
fn exercise(message: &Message) {
    let _ = validate(message);
    let _ = (
        message.uri(),
        message.reason(),
        message.version(),
        message.call_id(),
        message.cseq(),
    );
    let _ = (
        message.from_tag(),
        message.to_tag(),
        message.top_via(),
        message.max_forwards(),
        message.expires(),
    );
    for (name, _) in message.fields() {
        let _ = (
            message.header(name),
            message.count(name),
            message.values(name).count(),
        );
        message.name_addrs(name).flatten().for_each(|addr| {
            let _ = (addr.uri(), addr.display_name(), addr.tag(), addr.expires());
        });
    }
    let mut edited = message.clone();
    let _ = edited.remove_first_value("Via");
    let _ = edited.set_body("application/sdp", b"v=0\r\n");
    let _ = edited.remove_all("To");
    Message::parse_framed(edited.into_bytes(), Framing::Exact)
        .expect("an edited message still parses");
    let _ = causeway_sip::Refusal {
        status: 400,
        reason: "x",
    }
    .response(message, "t");
    let _ = (
        Message::cancel(message),
        Message::ack_to_failure(message, message),
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(message) = Message::parse(bytes.clone()) {
            exercise(&message);
        }
        let _ = refusal_to_unparsable(&bytes, Error::BadHeader, "t");
        let _ = (NameAddr::parse(&bytes).is_ok(), Via::parse(&bytes).is_ok());
        let text = String::from_utf8_lossy(&bytes);
        let _ = (Uri::parse(&text).is_ok(), digest::Challenge::parse(&text), digest::Credentials::parse(&text));
    }

    #[test]
    fn a_damaged_message_never_panics(
        which in 0_usize..3,
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), "[\\x00-\\x7f]{0,3}"), 1..6),
    ) {
        let mut bytes = super::torture::bytes("torture", ["wsinv", "intmeth", "mpart01"][which]);
        for (at, text) in cuts {
            let at = at.index(bytes.len());
            bytes.splice(at..at + 1, text.bytes());
        }
        match Message::parse(bytes.clone()) {
            Ok(message) => exercise(&message),
            Err(error) => {
                let _ = refusal_to_unparsable(&bytes, error, "t");
            }
        }
    }
}
