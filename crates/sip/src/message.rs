//! A SIP message that keeps every byte it came with, and an index of where things are in it.
//! Values are parsed when asked for; what nobody asks about is passed on untouched.

use std::borrow::Cow;
use std::fmt;

use crate::cseq::CSeq;
use crate::error::Error;
use crate::index::{Field, Index, StartLine, index, named};
use crate::method::Method;
use crate::name_addr::NameAddr;
use crate::scan::{self, Span};
use crate::uri::Uri;
use crate::via::Via;

/// What bounds a message besides its Content-Length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// A UDP datagram: bytes after the body are cut off (RFC 3261 18.3).
    Datagram,
    /// A message that [`Frames`](crate::Frames) cut out of a stream: it must say how long its body is.
    Stream,
    /// A WebSocket message (RFC 7118), or a message already cut to size: bytes after the body are refused.
    Exact,
}

/// One SIP request or response. See [`crate::validate`] for whether it may be served.
///
/// Accessors take header names in any case and find compact forms. Typed accessors give `None` both for what is
/// absent and for what is malformed; after `validate` the mandatory ones are present and well-formed.
#[derive(Clone)]
pub struct Message {
    pub(crate) bytes: Vec<u8>,
    pub(crate) index: Index,
}

impl Message {
    /// Parses one UDP datagram.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, Error> {
        Message::parse_framed(bytes, Framing::Datagram)
    }

    /// Parses one datagram or WebSocket message.
    pub fn parse_framed(bytes: Vec<u8>, framing: Framing) -> Result<Self, Error> {
        Message::read(bytes, framing).map_err(|(error, _)| error)
    }

    /// The same, which gives back what is no message.
    pub fn read(mut bytes: Vec<u8>, framing: Framing) -> Result<Self, (Error, Vec<u8>)> {
        match index(&bytes, framing) {
            Ok(index) => {
                bytes.truncate(index.body.to as usize);
                Ok(Message { bytes, index })
            }
            Err(error) => Err((error, bytes)),
        }
    }

    /// The whole message as it goes on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The whole message as it goes on the wire.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Whether this is a request; otherwise it is a response.
    pub fn is_request(&self) -> bool {
        matches!(self.index.start, StartLine::Request { .. })
    }

    /// The method of a request.
    pub fn method(&self) -> Option<&Method> {
        match &self.index.start {
            StartLine::Request { method, .. } => Some(method),
            StartLine::Response { .. } => None,
        }
    }

    /// Whether this is a request of that method.
    pub fn is(&self, method: &Method) -> bool {
        self.method() == Some(method)
    }

    /// The Request-URI as it stands, malformed or not; `None` in a response or when it is not UTF-8.
    pub fn uri_text(&self) -> Option<&str> {
        match &self.index.start {
            StartLine::Request { uri, .. } => std::str::from_utf8(uri.of(&self.bytes)).ok(),
            StartLine::Response { .. } => None,
        }
    }

    /// The Request-URI.
    pub fn uri(&self) -> Option<Uri<'_>> {
        Uri::parse(self.uri_text()?).ok()
    }

    /// The status code of a response, 100 to 699.
    pub fn status(&self) -> Option<u16> {
        match self.index.start {
            StartLine::Response { status, .. } => Some(status),
            StartLine::Request { .. } => None,
        }
    }

    /// The reason phrase of a response; `None` in a request. Bytes that are not UTF-8 are replaced.
    pub fn reason(&self) -> Option<Cow<'_, str>> {
        match &self.index.start {
            StartLine::Response { reason, .. } => {
                Some(String::from_utf8_lossy(reason.of(&self.bytes)))
            }
            StartLine::Request { .. } => None,
        }
    }

    /// The SIP version, `SIP/2.0` in all messages that `validate` lets pass.
    pub fn version(&self) -> &str {
        let (StartLine::Request { version, .. } | StartLine::Response { version, .. }) =
            &self.index.start;
        std::str::from_utf8(version.of(&self.bytes)).unwrap_or_default()
    }

    /// All header fields in order: name as written and raw value.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.index.fields.iter().map(|field| {
            (
                std::str::from_utf8(field.name.of(&self.bytes)).unwrap_or_default(),
                field.value.of(&self.bytes),
            )
        })
    }

    /// The raw value of the first header of that name: no white space around it, folds left in, any bytes.
    pub fn raw(&self, name: &str) -> Option<&[u8]> {
        self.fields_named(name)
            .next()
            .map(|field| field.value.of(&self.bytes))
    }

    /// The value of the first header of that name, unfolded; bytes that are not UTF-8 are replaced.
    /// For reading: to carry a value into another message use [`Message::raw`].
    pub fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.raw(name).map(readable)
    }

    /// The values of every header of that name, one for each header field (use for Authorization and the like).
    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
        self.fields_named(name)
            .map(|field| readable(field.value.of(&self.bytes)))
    }

    /// The values of a comma-separated header, across all fields of that name (Via, Route, Contact, Supported...).
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
        self.raw_values(name).map(readable)
    }

    /// As [`Message::values`], but the bytes as they stand.
    pub fn raw_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields_named(name).flat_map(|field| {
            let value = field.value.of(&self.bytes);
            scan::list(value).map(move |span| span.of(value))
        })
    }

    /// Whether there is a header of that name.
    pub fn has(&self, name: &str) -> bool {
        self.fields_named(name).next().is_some()
    }

    /// How many header fields of that name there are.
    pub fn count(&self, name: &str) -> usize {
        self.fields_named(name).count()
    }

    /// Whether a list of option tags or methods (Supported, Require, Allow...) holds that token, in any case.
    pub fn lists(&self, name: &str, token: &str) -> bool {
        self.raw_values(name)
            .any(|value| value.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// The Call-ID.
    pub fn call_id(&self) -> Option<&str> {
        std::str::from_utf8(self.raw("Call-ID")?)
            .ok()
            .filter(|id| !id.is_empty())
    }

    /// The CSeq.
    pub fn cseq(&self) -> Option<CSeq> {
        CSeq::parse(self.raw("CSeq")?).ok()
    }

    /// The From value.
    pub fn from(&self) -> Option<NameAddr<'_>> {
        NameAddr::parse(self.raw("From")?).ok()
    }

    /// The To value.
    pub fn to(&self) -> Option<NameAddr<'_>> {
        NameAddr::parse(self.raw("To")?).ok()
    }

    /// The tag of From.
    pub fn from_tag(&self) -> Option<&str> {
        self.from()?.tag()
    }

    /// The tag of To.
    pub fn to_tag(&self) -> Option<&str> {
        self.to()?.tag()
    }

    /// The first Via value: the hop that sent a request, or that a response is for.
    pub fn top_via(&self) -> Option<Via<'_>> {
        self.vias().next()?.ok()
    }

    /// The Via values, top first.
    pub fn vias(&self) -> impl Iterator<Item = Result<Via<'_>, Error>> {
        self.raw_values("Via").map(Via::parse)
    }

    /// The values of a header made of name-addrs: Contact, Route, Record-Route, Path, Service-Route...
    pub fn name_addrs<'a>(
        &'a self,
        name: &'a str,
    ) -> impl Iterator<Item = Result<NameAddr<'a>, Error>> {
        self.raw_values(name).map(NameAddr::parse)
    }

    /// The Contact values; `*` is one whose [`NameAddr::is_star`] holds.
    pub fn contacts(&self) -> impl Iterator<Item = Result<NameAddr<'_>, Error>> {
        self.name_addrs("Contact")
    }

    /// The Route values, next hop first.
    pub fn routes(&self) -> impl Iterator<Item = Result<NameAddr<'_>, Error>> {
        self.name_addrs("Route")
    }

    /// The Record-Route values, last recorded hop first.
    pub fn record_routes(&self) -> impl Iterator<Item = Result<NameAddr<'_>, Error>> {
        self.name_addrs("Record-Route")
    }

    /// Max-Forwards.
    pub fn max_forwards(&self) -> Option<u32> {
        scan::number(self.raw("Max-Forwards")?)
    }

    /// Expires in seconds; a number past `u32` counts as its maximum (RFC 3261 20.19).
    pub fn expires(&self) -> Option<u32> {
        seconds(self.raw("Expires")?)
    }

    /// Whether the body's type is `mime` (`application/sdp`), whatever the case and the parameters.
    pub fn is_content_type(&self, mime: &str) -> bool {
        let value = self.raw("Content-Type").unwrap_or_default();
        let end = value.iter().position(|b| *b == b';').unwrap_or(value.len());
        scan::trim(value.get(..end).unwrap_or_default()).eq_ignore_ascii_case(mime.as_bytes())
    }

    /// The body; empty when there is none.
    pub fn body(&self) -> &[u8] {
        self.index.body.of(&self.bytes)
    }

    pub(crate) fn fields_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Field> {
        named(&self.index.fields, &self.bytes, name)
    }

    /// Where each value of a comma-separated header stands in the message, with its field.
    pub(crate) fn value_spans<'a>(
        &'a self,
        name: &'a str,
    ) -> impl Iterator<Item = (&'a Field, Span)> {
        self.fields_named(name).flat_map(|field| {
            let values = scan::list(field.value.of(&self.bytes));
            values.map(move |span| (field, span.shifted(field.value.from)))
        })
    }
}

/// Which message it is, without what it carries: what is printed for debugging ends in logs.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Message");
        match &self.index.start {
            StartLine::Request { method, .. } => debug.field("method", &method.as_str()),
            StartLine::Response { status, .. } => debug.field("status", status),
        };
        debug
            .field("call_id", &self.call_id())
            .field("length", &self.bytes.len())
            .finish()
    }
}

/// A count of seconds: digits only; more than fits is the greatest.
pub(crate) fn seconds(value: &[u8]) -> Option<u32> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(scan::number(value).unwrap_or(u32::MAX))
}

/// For people and comparisons: folds become one space, bytes that are not UTF-8 the replacement character.
fn readable(value: &[u8]) -> Cow<'_, str> {
    let text = match std::str::from_utf8(value) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(value),
    };
    if !value.contains(&b'\n') {
        return text;
    }
    Cow::Owned(
        text.split("\r\n")
            .map(|part| part.trim_matches([' ', '\t']))
            .collect::<Vec<_>>()
            .join(" "),
    )
}
