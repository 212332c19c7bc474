//! Edits change what they name and nothing else; builders write what they were given.

use causeway_sip::{
    Error, Framing, HeaderText, Message, Method, RequestBuilder, ResponseBuilder, validate,
};
use proptest::prelude::*;

type Header = (String, Vec<u8>);

fn headers(message: &Message) -> Vec<Header> {
    message
        .fields()
        .map(|(name, value)| (name.to_owned(), value.to_vec()))
        .collect()
}

fn invite() -> Message {
    Message::parse(
        b"\r\nINVITE sip:bob@example.com SIP/2.0\r\n\
          v : SIP/2.0/UDP p1;branch=z9hG4bK1 ,\r\n SIP/2.0/WS a.invalid;branch=z9hG4bK2\r\n\
          Route:  <sip:tok@edge;lr>,<sip:next;lr>\r\n\
          X-Odd\t:  caf\xe9;;,  \r\n\
          Route: <sip:last;lr>\r\n\
          From: \"A, B\" <sip:a@x>;tag=1\r\nt: <sip:bob@example.com>\r\ni: c1\r\nCSeq: 7 INVITE\r\n\
          Subject:\r\n\
          c: application/sdp\r\nl: 4\r\n\r\nv=0\n"
            .to_vec(),
    )
    .unwrap()
}

fn text(message: &Message) -> String {
    String::from_utf8_lossy(message.as_bytes()).into_owned()
}

#[test]
fn each_splice_keeps_every_other_byte() {
    let before = text(&invite());
    let edited = |edit: &dyn Fn(&mut Message) -> Result<(), Error>| {
        let mut message = invite();
        edit(&mut message).unwrap();
        text(&message)
    };
    let replaced = |from: &str, to: &str| before.replacen(from, to, 1);
    assert_eq!(edited(&|_| Ok(())), before);
    assert_eq!(
        edited(&|m| m.set_uri("sip:b@[::1]:5070")),
        replaced("sip:bob@example.com SIP", "sip:b@[::1]:5070 SIP")
    );
    assert_eq!(
        edited(&|m| m.prepend("Via", "SIP/2.0/UDP us")),
        replaced("v :", "Via: SIP/2.0/UDP us\r\nv :")
    );
    assert_eq!(
        edited(&|m| m.prepend("Record-Route", "<sip:us;lr>")),
        replaced("Route:  ", "Record-Route: <sip:us;lr>\r\nRoute:  ")
    );
    assert_eq!(
        edited(&|m| m.append("Path", "<sip:us;lr>")),
        replaced("l: 4\r\n", "l: 4\r\nPath: <sip:us;lr>\r\n")
    );
    assert_eq!(
        edited(&|m| m.set("Call-ID", "c2")),
        replaced("i: c1", "i: c2")
    );
    assert_eq!(
        edited(&|m| m.set("Subject", "s")),
        replaced("Subject:", "Subject: s")
    );
    assert_eq!(
        edited(&|m| m.set("Max-Forwards", 69_u32)),
        replaced("l: 4\r\n", "l: 4\r\nMax-Forwards: 69\r\n")
    );
    assert_eq!(
        edited(&|m| m.set("Route", "<sip:only;lr>")),
        replaced("<sip:tok@edge;lr>,<sip:next;lr>", "<sip:only;lr>").replacen(
            "Route: <sip:last;lr>\r\n",
            "",
            1
        )
    );
    assert_eq!(
        edited(&|m| m.remove_first_value("Via").map(drop)),
        replaced("SIP/2.0/UDP p1;branch=z9hG4bK1 ,\r\n SIP", "SIP")
    );
    assert_eq!(
        edited(&|m| m.remove_value("Route", 1).map(drop)),
        replaced(",<sip:next;lr>", "")
    );
    assert_eq!(
        edited(&|m| m.remove_value("Route", 2).map(drop)),
        replaced("Route: <sip:last;lr>\r\n", "")
    );
    assert_eq!(edited(&|m| m.remove_value("Route", 3).map(drop)), before);
    assert_eq!(
        edited(&|m| m.set_value("Via", 1, "SIP/2.0/WS b")),
        replaced("SIP/2.0/WS a.invalid;branch=z9hG4bK2", "SIP/2.0/WS b")
    );
    assert_eq!(
        edited(&|m| m.set_body("application/sdp", b"v=0\r\ns=-\r\n")),
        replaced("l: 4\r\n\r\nv=0\n", "l: 10\r\n\r\nv=0\r\ns=-\r\n")
    );
    assert_eq!(
        edited(&|m| m.remove_body()),
        replaced("c: application/sdp\r\nl: 4\r\n\r\nv=0\n", "l: 0\r\n\r\n")
    );
}

#[test]
fn a_body_brings_its_length_where_there_was_none_or_two() {
    let mut message = Message::parse(b"OPTIONS sip:a SIP/2.0\r\nX: y\r\n\r\n".to_vec()).unwrap();
    message.set_body("text/plain", b"hello").unwrap();
    assert_eq!(
        text(&message),
        "OPTIONS sip:a SIP/2.0\r\nX: y\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello"
    );
    let mut message =
        Message::parse(b"OPTIONS sip:a SIP/2.0\r\nl: 1\r\nContent-Length: 1\r\n\r\nx".to_vec())
            .unwrap();
    message.set_body("text/plain", b"hello").unwrap();
    assert_eq!(
        (message.count("Content-Length"), message.body()),
        (1, &b"hello"[..])
    );
}

#[test]
fn edits_add_up_to_a_bound_and_not_beyond() {
    let long = "y".repeat(8000);
    for (name, value, over) in [
        (
            "Via",
            "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
            Error::TooManyVias,
        ),
        ("X", "y", Error::TooManyHeaders),
        ("X", long.as_str(), Error::MessageTooLarge),
    ] {
        let mut message = invite();
        let refused = loop {
            let before = message.as_bytes().to_vec();
            if let Err(error) = message.prepend(name, value) {
                assert_eq!(message.as_bytes(), before);
                break error;
            }
        };
        assert_eq!(refused, over);
        let again = Message::parse_framed(message.into_bytes(), Framing::Exact).unwrap();
        let line = format!("{name}: {value}\r\n");
        let text = String::from_utf8_lossy(again.as_bytes());
        let more = text.replacen(" SIP/2.0\r\n", &format!(" SIP/2.0\r\n{line}"), 1);
        let parsed = Message::parse_framed(more.into_bytes(), Framing::Exact);
        assert_eq!(parsed.unwrap_err(), over, "no sooner than a receiver");
    }
}

#[test]
fn unsafe_text_and_what_breaks_a_bound_change_nothing() {
    let mut message = invite();
    let before = message.as_bytes().to_vec();
    for bad in ["x\r\nEvil: y", "x\ry", "x\ny", "x\0y"] {
        assert_eq!(message.set("Call-ID", bad), Err(Error::UnsafeText));
        assert_eq!(message.prepend("Via", bad), Err(Error::UnsafeText));
        assert_eq!(message.append("X", bad), Err(Error::UnsafeText));
        assert_eq!(message.set_value("Route", 0, bad), Err(Error::UnsafeText));
        assert_eq!(message.set_body(bad, b""), Err(Error::UnsafeText));
        assert_eq!(message.set_uri(bad), Err(Error::BadUri));
        assert_eq!(
            ResponseBuilder::new(&message, 200, bad)
                .build()
                .unwrap_err(),
            Error::UnsafeText
        );
        assert_eq!(
            ResponseBuilder::new(&message, 200, "OK")
                .to_tag(bad)
                .build()
                .unwrap_err(),
            Error::UnsafeText
        );
        assert_eq!(
            RequestBuilder::new(Method::Bye, "sip:a")
                .header("X", bad)
                .build()
                .unwrap_err(),
            Error::UnsafeText
        );
        assert_eq!(
            RequestBuilder::new(Method::Bye, bad).build().unwrap_err(),
            Error::BadUri
        );
    }
    for bad in ["", "A B", "A:", "A\r\nB", "Ä"] {
        assert_eq!(message.append(bad, "x"), Err(Error::NotAToken));
    }
    assert_eq!(
        message.append("X", "y".repeat(9000)),
        Err(Error::HeaderTooLarge)
    );
    assert_eq!(
        message.set_body("x/y", &[b'x'; 65536]),
        Err(Error::MessageTooLarge)
    );
    assert_eq!(
        message.set_uri(&format!("sip:{}", "a".repeat(1021))),
        Err(Error::UriTooLong)
    );
    assert_eq!(message.set_value("Path", 0, "x"), Err(Error::Missing));
    assert_eq!(
        message.set("Content-Length", 5_u32),
        Err(Error::BodyTooShort)
    );
    assert_eq!(message.as_bytes(), before);
}

#[test]
fn a_response_carries_back_what_finds_its_way_and_its_dialog() {
    let mut request = invite();
    request.prepend("Record-Route", "<sip:us;lr>").unwrap();
    let ringing = ResponseBuilder::new(&request, 180, "Ringing")
        .to_tag("t1")
        .header("Contact", "<sip:b@h>")
        .build()
        .unwrap();
    assert_eq!(validate(&ringing), Ok(()));
    assert_eq!(text(&ringing).lines().next(), Some("SIP/2.0 180 Ringing"));
    assert_eq!(ringing.raw("Via"), request.raw("Via"));
    assert_eq!(ringing.raw("From"), request.raw("From"));
    assert_eq!(
        (ringing.to_tag(), ringing.call_id()),
        (Some("t1"), Some("c1"))
    );
    assert_eq!(ringing.header("Record-Route").unwrap(), "<sip:us;lr>");
    assert_eq!(ringing.header("Content-Length").unwrap(), "0");
    let trying = ResponseBuilder::new(&request, 100, "Trying")
        .to_tag("t0")
        .build()
        .unwrap();
    assert!(trying.to_tag().is_none() && !trying.has("Record-Route"));
    let busy = ResponseBuilder::new(&request, 486, "Busy Here")
        .to_tag("t2")
        .build()
        .unwrap();
    assert!(!busy.has("Record-Route"));
    let in_dialog = {
        let mut bye = invite();
        bye.set("To", "<sip:bob@example.com>;tag=kept").unwrap();
        ResponseBuilder::new(&bye, 200, "OK")
            .to_tag("other")
            .build()
            .unwrap()
    };
    assert_eq!(in_dialog.to_tag(), Some("kept"));
}

#[test]
fn ack_and_cancel_are_made_of_the_request_they_are_about() {
    let request = invite();
    let failure = ResponseBuilder::new(&request, 486, "Busy Here")
        .to_tag("t2")
        .build()
        .unwrap();
    let ack = Message::ack_to_failure(&request, &failure).unwrap();
    assert_eq!(ack.uri_text(), request.uri_text());
    assert_eq!(ack.cseq().unwrap().to_string(), "7 ACK");
    assert_eq!(
        (ack.to_tag(), ack.from_tag(), ack.call_id()),
        (Some("t2"), Some("1"), Some("c1"))
    );
    assert_eq!(
        ack.vias()
            .map(|via| via.unwrap().host().to_owned())
            .collect::<Vec<_>>(),
        ["p1"]
    );
    assert_eq!(ack.routes().count(), 3);
    let cancel = Message::cancel(&request).unwrap();
    assert_eq!(
        (cancel.cseq().unwrap().to_string().as_str(), cancel.to_tag()),
        ("7 CANCEL", None)
    );
    assert_eq!(cancel.top_via().unwrap().branch(), Some("z9hG4bK1"));
    for made in [&ack, &cancel] {
        assert_eq!(validate(made), Ok(()));
        assert_eq!(made.max_forwards(), Some(70));
    }
}

/// A value without white space at its ends (which no parser keeps apart from the line's own).
fn value() -> impl Strategy<Value = String> {
    "([!-+\\--~\u{e9}]([ -+\\--~]{0,12}[!-+\\--~])?)?"
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["Via", "Route", "Subject", "X-New", "Path", "Call-ID"])
}

fn same(a: &str, b: &str) -> bool {
    let full = |name: &str| match name {
        "v" => "via".to_owned(),
        "i" => "call-id".to_owned(),
        other => other.to_ascii_lowercase(),
    };
    full(a) == full(b)
}

#[derive(Debug, Clone)]
enum Edit {
    Prepend(&'static str, String),
    Append(&'static str, String),
    Set(&'static str, String),
    RemoveAll(&'static str),
    Body(Vec<u8>),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        (name(), value()).prop_map(|(n, v)| Edit::Prepend(n, v)),
        (name(), value()).prop_map(|(n, v)| Edit::Append(n, v)),
        (name(), value()).prop_map(|(n, v)| Edit::Set(n, v)),
        name().prop_map(Edit::RemoveAll),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Edit::Body),
    ]
}

/// What the header list must be after the edit.
fn intend(list: &mut Vec<Header>, edit: &Edit) {
    let new = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    match edit {
        Edit::Prepend(name, value) => {
            let below_vias = list
                .iter()
                .rposition(|h| same(&h.0, "Via"))
                .map_or(0, |at| at + 1);
            let at = list
                .iter()
                .position(|h| same(&h.0, name))
                .unwrap_or(below_vias);
            list.insert(at, new(name, value));
        }
        Edit::Append(name, value) => list.push(new(name, value)),
        Edit::Set(name, value) => match list.iter().position(|h| same(&h.0, name)) {
            None => list.push(new(name, value)),
            Some(first) => {
                list[first].1 = value.as_bytes().to_vec();
                let mut at = 0;
                list.retain(|h| {
                    at += 1;
                    at - 1 <= first || !same(&h.0, name)
                });
            }
        },
        Edit::RemoveAll(name) => list.retain(|h| !same(&h.0, name)),
        Edit::Body(body) => {
            for header in list.iter_mut().filter(|h| h.0 == "l") {
                header.1 = body.len().to_string().into_bytes();
            }
            for header in list.iter_mut().filter(|h| h.0 == "c") {
                header.1 = b"a/b".to_vec();
            }
        }
    }
}

proptest! {
    #[test]
    fn after_any_edits_a_receiver_parses_exactly_the_intended_headers(edits in proptest::collection::vec(edit(), 1..8)) {
        let mut message = invite();
        let mut intended = headers(&message);
        let mut body = message.body().to_vec();
        for edit in &edits {
            match edit {
                Edit::Prepend(name, value) => message.prepend(name, value)?,
                Edit::Append(name, value) => message.append(name, value)?,
                Edit::Set(name, value) => message.set(name, value)?,
                Edit::RemoveAll(name) => drop(message.remove_all(name)?),
                Edit::Body(new) => {
                    message.set_body("a/b", new)?;
                    body.clone_from(new);
                }
            }
            intend(&mut intended, edit);
        }
        let received = Message::parse_framed(message.into_bytes(), Framing::Exact)?;
        prop_assert_eq!(headers(&received), intended);
        prop_assert_eq!(received.body(), body);
        prop_assert_eq!(received.uri_text(), Some("sip:bob@example.com"));
    }

    #[test]
    fn no_text_can_make_a_header_of_its_own(bytes in proptest::collection::vec(any::<u8>(), 0..30)) {
        let mut message = invite();
        let mut intended = headers(&message);
        if let Ok(text) = HeaderText::new(bytes.clone()) {
            // A value may still be refused for other control bytes; then nothing has changed.
            if message.append("X", &text).is_ok() {
                let trimmed = bytes.trim_ascii_end();
                let trimmed = &trimmed[trimmed.iter().position(|b| !b" \t".contains(b)).unwrap_or(trimmed.len())..];
                intended.push(("X".to_owned(), trimmed.to_vec()));
            }
        }
        prop_assert_eq!(headers(&message), intended);
    }
}
