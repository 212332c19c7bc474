//! The response owed to a request that does not parse: built from the header lines that do.

use crate::build::ResponseBuilder;
use crate::error::Error;
use crate::index::{Field, Folds, StartLine, field, line, skip_line_ends, start_line};
use crate::limits::{MAX_HEADERS, MAX_MESSAGE};
use crate::message::Message;
use crate::method::Method;
use crate::name;
use crate::scan::Span;

/// The response to bytes that [`Message::parse`] refused with `error`; `None` when none is owed or can be made:
/// not a request, an ACK, too mutilated to say where a response goes.
pub fn refusal_to_unparsable(bytes: &[u8], error: Error, to_tag: &str) -> Option<Message> {
    let (status, reason) = owed(error)?;
    let seen = bytes.get(..bytes.len().min(MAX_MESSAGE))?;
    let request = salvage(seen)?;
    ResponseBuilder::new(&request, status, reason)
        .to_tag(to_tag)
        .build()
        .ok()
}

fn owed(error: Error) -> Option<(u16, &'static str)> {
    Some(match error {
        // A response would have to carry all those Vias back.
        Error::KeepAlive | Error::NotSip | Error::TooManyVias => return None,
        Error::MessageTooLarge | Error::HeaderTooLarge | Error::TooManyHeaders => {
            (513, "Message Too Large")
        }
        Error::UriTooLong => (414, "Request-URI Too Long"),
        Error::BadContentLength | Error::ConflictingContentLength => (400, "Bad Content-Length"),
        Error::BodyTooShort | Error::BodyTooLong => (400, "Content-Length Does Not Match"),
        Error::BadStartLine => (400, "Bad Request Line"),
        Error::BadHeader => (400, "Bad Header"),
        Error::ControlByte => (400, "Control Byte In Header"),
        _ => (400, "Bad Request"),
    })
}

/// The headers that a response copies, as far as they can be told; the body and the other lines are left behind.
fn salvage(bytes: &[u8]) -> Option<Message> {
    let from = skip_line_ends(bytes).ok()?;
    let (end, mut at) = line(bytes, from, Folds::No).ok()?;
    let method = request_method(bytes, from, end)?;
    let mut kept = format!("{method} sip:unknown.invalid SIP/2.0\r\n").into_bytes();
    for _ in 0..MAX_HEADERS {
        let Some((next, found)) = next_field(bytes, at) else {
            break;
        };
        if let Some(found) = found.filter(|found| is_copied(found.name.of(bytes))) {
            kept.extend_from_slice(found.line.of(bytes));
        }
        at = next;
    }
    kept.extend_from_slice(b"\r\n");
    let request = Message::parse(kept).ok()?;
    // Without them a response finds neither its way nor its transaction.
    (request.top_via().is_some() && request.cseq().is_some()).then_some(request)
}

/// The method of a request line, even where its URI is out of bounds or its version odd. ACK is owed nothing.
fn request_method(bytes: &[u8], from: usize, end: usize) -> Option<String> {
    let text = bytes.get(from..end)?;
    if let Ok(StartLine::Response { .. }) = start_line(bytes, Span::new(from, end)) {
        return None;
    }
    let method = text.split(|b| *b == b' ').next()?;
    let method = Method::parse(method).ok()?;
    (method != Method::Ack).then(|| method.to_string())
}

/// (where the next line begins, the field on this one if it is one). A line that is no field is skipped.
pub(crate) fn next_field(bytes: &[u8], at: usize) -> Option<(usize, Option<Field>)> {
    let rest = bytes.get(at..)?;
    if rest.is_empty() || rest.starts_with(b"\r\n") {
        return None;
    }
    if let Ok((end, next)) = line(bytes, at, Folds::Yes) {
        return Some((next, field(bytes, at, end, next).ok()));
    }
    let skip = rest.windows(2).position(|two| two == b"\r\n")?;
    Some((at.saturating_add(skip).saturating_add(2), None))
}

fn is_copied(header: &[u8]) -> bool {
    [&b"Via"[..], b"From", b"To", b"Call-ID", b"CSeq"]
        .iter()
        .any(|name| name::same(header, name))
}
