//! Two other parsers as oracles: where rsip or sipx-sip understands a message, ours says the same.

use causeway_sip::Message;
use rsip::headers::{ToTypedHeader, UntypedHeader};
use rsip::message::HeadersExt;
use sipx_sip::{HeaderName, Limits};

fn corpus() -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for folder in ["torture", "ipv6"] {
        for entry in std::fs::read_dir(super::torture::folder(folder)).unwrap() {
            let path = entry.unwrap().path();
            all.push((
                path.file_name().unwrap().to_string_lossy().into_owned(),
                std::fs::read(&path).unwrap(),
            ));
        }
    }
    all.sort();
    all
}

/// Messages that the oracle and we both parse: how many.
fn agreeing(compare: impl Fn(&str, &Message, &[u8]) -> bool) -> usize {
    let both = |(name, bytes): &(String, Vec<u8>)| {
        Message::parse(bytes.clone()).is_ok_and(|ours| compare(name, &ours, bytes))
    };
    corpus().iter().filter(|entry| both(entry)).count()
}

#[test]
fn sipx_reads_the_same_start_line_headers_and_body() {
    let count = agreeing(|name, ours, bytes| {
        let Ok(theirs) = sipx_sip::parse_datagram(bytes.to_vec().into(), &Limits::default()) else {
            return false;
        };
        let (headers, body) = match &theirs {
            sipx_sip::Message::Request(request) => {
                assert_eq!(
                    ours.method().unwrap().as_str().as_bytes(),
                    request.method.as_bytes(),
                    "{name}"
                );
                assert_eq!(
                    ours.uri_text().unwrap().as_bytes(),
                    request.uri.to_bytes(),
                    "{name}"
                );
                (&request.headers, request.body())
            }
            sipx_sip::Message::Response(response) => {
                assert_eq!(ours.status(), Some(response.status.code()), "{name}");
                assert_eq!(ours.reason().unwrap().as_bytes(), response.reason, "{name}");
                (&response.headers, response.body())
            }
        };
        assert_eq!(ours.body(), &body[..], "{name}");
        let flat = |value: &[u8]| {
            value
                .split(|b| b.is_ascii_whitespace())
                .filter(|word| !word.is_empty())
                .collect::<Vec<_>>()
                .join(&b' ')
        };
        let theirs: Vec<_> = headers
            .iter()
            .map(|header| flat(header.raw_value()))
            .collect();
        let ours: Vec<_> = ours.fields().map(|(_, value)| flat(value)).collect();
        assert_eq!(ours, theirs, "{name}");
        true
    });
    assert!(count >= 45, "sipx-sip parsed only {count}");
}

#[test]
fn sipx_finds_the_same_call_id_and_user() {
    let count = agreeing(|name, ours, bytes| {
        let Ok(sipx_sip::Message::Request(theirs)) =
            sipx_sip::parse_datagram(bytes.to_vec().into(), &Limits::default())
        else {
            return false;
        };
        let call_id = theirs
            .headers
            .get(&HeaderName::parse(&b"Call-ID".to_vec().into()))
            .map(|id| id.value().into_owned());
        assert_eq!(
            ours.call_id().map(|id| id.as_bytes().to_vec()),
            call_id,
            "{name}"
        );
        if let Some(uri) = ours.uri() {
            assert_eq!(uri.user().map(str::as_bytes), theirs.uri.user(), "{name}");
            assert_eq!(uri.port(), theirs.uri.port(), "{name}");
        }
        true
    });
    assert!(count >= 40, "sipx-sip parsed only {count}");
}

#[test]
fn rsip_reads_the_same_where_it_reads_at_all() {
    let count = agreeing(|name, ours, bytes| {
        let Ok(rsip::SipMessage::Request(theirs)) = rsip::SipMessage::try_from(bytes.to_vec())
        else {
            return false;
        };
        assert_eq!(
            ours.method().unwrap().as_str(),
            theirs.method.to_string(),
            "{name}"
        );
        if let Ok(id) = theirs.call_id_header() {
            assert_eq!(ours.call_id(), Some(id.value()), "{name}");
        }
        let theirs_cseq = theirs.cseq_header().ok().and_then(|cseq| cseq.typed().ok());
        if let Some((cseq, ours)) = theirs_cseq.zip(ours.cseq()) {
            assert_eq!(ours.number, cseq.seq, "{name}");
            assert_eq!(ours.method.as_str(), cseq.method.to_string(), "{name}");
        }
        if let (Ok(Ok(Some(tag))), Some(from)) =
            (theirs.from_header().map(|from| from.tag()), ours.from())
        {
            assert_eq!(from.tag(), Some(tag.value()), "{name}");
        }
        true
    });
    assert!(count >= 20, "rsip parsed only {count}");
}
