//! SIP messages: every byte is kept, values are read without harm, an edit changes what it names and can be undone,
//! and the response owed to what is refused is a message itself.

use sip::digest::{Challenge, Credentials};
use sip::{Error, Framing, Message, Method, ResponseBuilder, refusal_to_unparsable, validate};

use crate::Reached;

pub(super) fn run(input: &[u8]) -> Reached {
    let exact = Message::parse_framed(input.to_vec(), Framing::Exact);
    match Message::parse(input.to_vec()) {
        Err(error) => {
            assert!(exact.is_err(), "an exact message is a datagram, too");
            is_answered(input, error);
            Reached::Refused
        }
        Ok(message) => {
            assert!(input.starts_with(message.as_bytes()));
            assert!(exact.is_err() || message.as_bytes() == input);
            is_read(&message);
            is_edited(&message);
            is_judged(&message)
        }
    }
}

fn is_answered(input: &[u8], error: Error) {
    if let Some(response) = refusal_to_unparsable(input, error, "tag") {
        assert!(
            response
                .status()
                .is_some_and(|status| (400..700).contains(&status))
        );
        is_whole(&response);
    }
}

/// What was made is what a receiver parses.
fn is_whole(message: &Message) {
    let again = Message::parse_framed(message.as_bytes().to_vec(), Framing::Exact).unwrap();
    assert_eq!(again.as_bytes(), message.as_bytes());
    assert!(again.fields().eq(message.fields()));
    assert_eq!(again.body(), message.body());
}

fn is_read(message: &Message) {
    is_whole(message);
    assert_eq!(message.is_request(), message.status().is_none());
    if let Some(uri) = message.uri() {
        assert!(uri.equivalent(&uri));
        let _ = (
            uri.decoded_user(),
            uri.port(),
            uri.ip(),
            uri.headers(),
            uri.param("lr"),
        );
    }
    for via in message.vias().flatten() {
        let _ = (
            via.host(),
            via.port(),
            via.branch(),
            via.received(),
            via.rport(),
        );
    }
    for name in ["Contact", "Route", "Record-Route", "Path", "From", "To"] {
        for value in message.name_addrs(name).flatten() {
            let _ = (
                value.display_name(),
                value.uri().is_ok(),
                value.tag(),
                value.expires(),
            );
        }
    }
    for value in message.headers("WWW-Authenticate") {
        let _ = Challenge::parse(&value);
    }
    for value in message.headers("Authorization") {
        let _ = Credentials::parse(&value);
    }
    let _ = (
        message.cseq(),
        message.max_forwards(),
        message.expires(),
        message.call_id(),
    );
}

fn is_edited(message: &Message) {
    let before = message.count("X-Fuzz");
    let mut edited = message.clone();
    if edited.append("X-Fuzz", "1").is_ok() {
        is_whole(&edited);
        assert_eq!(edited.count("X-Fuzz"), before + 1);
        if before == 0 {
            assert_eq!(edited.remove_all("X-Fuzz"), Ok(1));
            assert_eq!(
                edited.as_bytes(),
                message.as_bytes(),
                "all else is as it was"
            );
        }
    }
    if edited
        .prepend("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKfuzz")
        .is_ok()
    {
        is_whole(&edited);
        assert_eq!(
            edited.top_via().and_then(|via| via.branch()),
            Some("z9hG4bKfuzz")
        );
    }
    for (name, value) in [
        ("To", "<sip:a@b>"),
        ("Max-Forwards", "69"),
        ("Contact", "*"),
    ] {
        if edited.set(name, value).is_ok() {
            is_whole(&edited);
            assert_eq!(edited.raw(name), Some(value.as_bytes()));
            assert_eq!(edited.count(name), 1);
        }
    }
    if edited.set_body("application/sdp", b"v=0\r\n").is_ok() {
        is_whole(&edited);
        assert_eq!(edited.body(), b"v=0\r\n");
    }
    while edited.remove_first_value("Route") == Ok(true) {
        is_whole(&edited);
    }
}

fn is_judged(message: &Message) -> Reached {
    let verdict = validate(message);
    let is_answerable = message.is_request() && !message.is(&Method::Ack);
    match verdict {
        Err(refusal) => {
            if let Ok(response) = refusal.response(message, "tag") {
                is_whole(&response);
            }
            Reached::Refused
        }
        Ok(()) => {
            assert!(message.call_id().is_some() && message.cseq().is_some());
            assert!(message.top_via().is_some() && message.from().is_some());
            if is_answerable {
                let response = ResponseBuilder::new(message, 200, "OK")
                    .to_tag("tag")
                    .build();
                is_whole(&response.unwrap());
            }
            Reached::Taken
        }
    }
}
