//! Messages made from nothing: responses to a request, new requests, and the two requests that are made from another
//! (ACK to a failure, CANCEL). A builder keeps its first error and gives it at `build`.

use crate::cseq::CSeq;
use crate::edit::field_line;
use crate::error::Error;
use crate::index::Field;
use crate::message::{Framing, Message};
use crate::method::Method;
use crate::name;
use crate::text::HeaderText;
use crate::uri::Uri;

impl Message {
    /// The response to `request` without tag, further headers or body: [`ResponseBuilder`] for more.
    pub fn response(request: &Message, status: u16, reason: &str) -> Result<Message, Error> {
        ResponseBuilder::new(request, status, reason).build()
    }

    /// The ACK that the client transaction owes to a final response of 300 to 699 (RFC 3261 17.1.1.3).
    pub fn ack_to_failure(invite: &Message, response: &Message) -> Result<Message, Error> {
        let mut builder = RequestBuilder::hop_by_hop(Method::Ack, invite)?;
        builder.lines.copy_first(response, "To");
        builder.build()
    }

    /// The CANCEL of a request that had a provisional response (RFC 3261 9.1).
    pub fn cancel(request: &Message) -> Result<Message, Error> {
        let mut builder = RequestBuilder::hop_by_hop(Method::Cancel, request)?;
        builder.lines.copy_first(request, "To");
        builder.build()
    }
}

/// Octets of the headers that a response repeats, but for long ones.
const USUAL_LENGTH: usize = 512;

/// Makes a response. Via, From, To, Call-ID and CSeq are the request's, byte for byte (RFC 3261 8.2.6.2), and
/// Record-Route where the response makes a dialog (12.1.1).
#[derive(Debug)]
pub struct ResponseBuilder<'a> {
    request: &'a Message,
    status: u16,
    lines: Lines,
    to_tag: Option<HeaderText>,
    body: Vec<u8>,
}

impl<'a> ResponseBuilder<'a> {
    /// Begins the response; `status` is 100 to 699.
    pub fn new(request: &'a Message, status: u16, reason: &str) -> Self {
        let mut lines = Lines::default();
        if !request.is_request() || !(100..700).contains(&status) {
            lines.fail(Error::Missing);
        }
        lines.start(format!("SIP/2.0 {status} "), reason);
        ResponseBuilder {
            request,
            status,
            lines,
            to_tag: None,
            body: Vec::new(),
        }
    }

    /// The tag to put on To, if the request's has none. A 100 needs none; every other response does (8.2.6.2).
    pub fn to_tag(mut self, tag: &str) -> Self {
        match HeaderText::new(tag) {
            Ok(tag) => self.to_tag = Some(tag),
            Err(error) => self.lines.fail(error),
        }
        self
    }

    /// Adds a header after those copied.
    pub fn header<V>(mut self, name: &str, value: V) -> Self
    where
        V: TryInto<HeaderText>,
        Error: From<V::Error>,
    {
        self.lines.push(name, value);
        self
    }

    /// Sets body and Content-Type.
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.lines.push("Content-Type", content_type);
        self.body = body.into();
        self
    }

    /// The finished response.
    pub fn build(self) -> Result<Message, Error> {
        let mut copied = Lines::default();
        copied.fields.reserve(USUAL_LENGTH);
        copied.copy_all(self.request, "Via");
        if self.status > 100
            && self.status < 300
            && self.request.method().is_some_and(Method::forms_dialog)
        {
            copied.copy_all(self.request, "Record-Route");
        }
        copied.copy_first(self.request, "From");
        copied.copy_to(self.request, self.to_tag.filter(|_| self.status > 100));
        for name in ["Call-ID", "CSeq"] {
            copied.copy_first(self.request, name);
        }
        if self.status == 100 {
            copied.copy_first(self.request, "Timestamp");
        }
        self.lines.after(copied).finish(&self.body)
    }
}

/// Makes a request. The caller gives Via, From, To, Call-ID and what else it needs; CSeq by [`RequestBuilder::cseq`];
/// `Max-Forwards: 70` and Content-Length come by themselves.
#[derive(Debug)]
pub struct RequestBuilder {
    method: Method,
    lines: Lines,
    body: Vec<u8>,
}

impl RequestBuilder {
    /// Begins a request to that Request-URI.
    pub fn new(method: Method, uri: &str) -> Self {
        let mut lines = Lines::default();
        if let Err(error) = Uri::parse(uri) {
            lines.fail(error);
        }
        lines.start(format!("{method} "), &format!("{uri} SIP/2.0"));
        RequestBuilder {
            method,
            lines,
            body: Vec::new(),
        }
    }

    /// Adds a header after those already given.
    pub fn header<V>(mut self, name: &str, value: V) -> Self
    where
        V: TryInto<HeaderText>,
        Error: From<V::Error>,
    {
        self.lines.push(name, value);
        self
    }

    /// Adds CSeq with this number and the request's method.
    pub fn cseq(self, number: u32) -> Self {
        let value = CSeq {
            number,
            method: self.method.clone(),
        }
        .to_string();
        self.header("CSeq", value)
    }

    /// Sets body and Content-Type.
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.lines.push("Content-Type", content_type);
        self.body = body.into();
        self
    }

    /// The finished request.
    pub fn build(mut self) -> Result<Message, Error> {
        if !self.lines.names("Max-Forwards") {
            self.lines.push("Max-Forwards", 70_u32);
        }
        self.lines.finish(&self.body)
    }

    /// What ACK and CANCEL share with the request they are about: URI, the top Via alone, Route, From, Call-ID, number.
    fn hop_by_hop(method: Method, about: &Message) -> Result<Self, Error> {
        let number = about.cseq().ok_or(Error::BadCSeq)?.number;
        let mut builder = RequestBuilder::new(method, about.uri_text().ok_or(Error::Missing)?);
        let via = about.raw_values("Via").next().ok_or(Error::Missing)?;
        builder.lines.line(b"Via", via);
        builder.lines.copy_all(about, "Route");
        for name in ["From", "Call-ID"] {
            builder.lines.copy_first(about, name);
        }
        Ok(builder.cseq(number))
    }
}

/// Start line and header lines under construction, with the first error.
#[derive(Debug, Default)]
struct Lines {
    start: Vec<u8>,
    fields: Vec<u8>,
    names: Vec<String>,
    error: Option<Error>,
}

impl Lines {
    fn fail(&mut self, error: Error) {
        self.error.get_or_insert(error);
    }

    fn start(&mut self, begin: String, rest: &str) {
        match HeaderText::new(rest) {
            Ok(rest) => self.start = [begin.as_bytes(), rest.as_bytes(), b"\r\n"].concat(),
            Err(error) => self.fail(error),
        }
    }

    fn push<V>(&mut self, name: &str, value: V)
    where
        V: TryInto<HeaderText>,
        Error: From<V::Error>,
    {
        let value = value.try_into().map_err(Error::from);
        let line = value.as_ref().map_err(|error| *error);
        match line.and_then(|value| field_line(name, value)) {
            Ok(line) => {
                self.fields.extend(line.concat());
                self.names.push(name.to_owned());
            }
            Err(error) => self.fail(error),
        }
    }

    /// A line of bytes that came out of a parsed message, folds and all.
    fn line(&mut self, name: &[u8], value: &[u8]) {
        for part in [name, b": ", value, b"\r\n"] {
            self.fields.extend_from_slice(part);
        }
    }

    fn copy(&mut self, from: &Message, field: &Field, name: &str) {
        self.line(name.as_bytes(), field.value.of(&from.bytes));
    }

    fn copy_all(&mut self, from: &Message, name: &str) {
        from.fields_named(name)
            .for_each(|field| self.copy(from, field, name));
    }

    fn copy_first(&mut self, from: &Message, name: &str) {
        from.fields_named(name)
            .take(1)
            .for_each(|field| self.copy(from, field, name));
    }

    fn copy_to(&mut self, request: &Message, tag: Option<HeaderText>) {
        let Some(to) = request.raw("To") else { return };
        match tag.filter(|_| request.to().is_some_and(|to| to.tag().is_none())) {
            Some(tag) => self.line(b"To", &[to, b";tag=", tag.as_bytes()].concat()),
            None => self.line(b"To", to),
        }
    }

    fn names(&self, name: &str) -> bool {
        self.names
            .iter()
            .any(|given| name::same(given.as_bytes(), name.as_bytes()))
    }

    /// These lines, below those of `first`.
    fn after(mut self, first: Lines) -> Self {
        self.fields = [first.fields, self.fields].concat();
        self
    }

    fn finish(self, body: &[u8]) -> Result<Message, Error> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let length = format!("Content-Length: {}\r\n\r\n", body.len());
        Message::parse_framed(
            [&self.start, &self.fields, length.as_bytes(), body].concat(),
            Framing::Exact,
        )
    }
}
