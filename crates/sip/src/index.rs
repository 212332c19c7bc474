//! One pass over a message's bytes that finds where everything is. It copies nothing and judges little: what a value
//! means is its typed parser's business, whether a message may be served is `validate`'s.

use crate::error::Error;
use crate::limits::{MAX_HEADER, MAX_HEADERS, MAX_MESSAGE, MAX_URI, MAX_VIAS};
use crate::message::Framing;
use crate::method::Method;
use crate::name::{self, Key};
use crate::scan::{self, Span, TOKEN, find_control, trimmed};

/// Where the parts of one message are.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    pub(crate) start: StartLine,
    pub(crate) fields: Vec<Field>,
    /// First byte after the start line.
    pub(crate) headers_from: usize,
    /// The CR of the empty line that ends the header section.
    pub(crate) headers_to: usize,
    /// The body; its end is the end of the message.
    pub(crate) body: Span,
}

#[derive(Debug, Clone)]
pub(crate) enum StartLine {
    Request {
        method: Method,
        uri: Span,
        version: Span,
    },
    Response {
        version: Span,
        status: u16,
        reason: Span,
    },
}

/// One header field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    /// Name to line end, CR LF included.
    pub(crate) line: Span,
    pub(crate) name: Span,
    /// Without the white space around; folds inside.
    pub(crate) value: Span,
    pub(crate) key: Key,
}

impl Field {
    /// `key` is that of `name`.
    pub(crate) fn is(&self, bytes: &[u8], name: &[u8], key: Key) -> bool {
        self.key == key && name::same(self.name.of(bytes), name)
    }

    /// Each place moved.
    pub(crate) fn map(self, moved: impl Fn(u32) -> u32) -> Self {
        Self {
            line: self.line.map(&moved),
            name: self.name.map(&moved),
            value: self.value.map(&moved),
            key: self.key,
        }
    }
}

/// Those of this name.
pub(crate) fn named<'a>(
    fields: &'a [Field],
    bytes: &'a [u8],
    name: &'a str,
) -> impl Iterator<Item = &'a Field> {
    let key = Key::of(name.as_bytes());
    let is_named = move |field: &&Field| field.is(bytes, name.as_bytes(), key);
    fields.iter().filter(is_named)
}

/// Indexes `bytes`, which must hold one message and nothing else.
pub(crate) fn index(bytes: &[u8], framing: Framing) -> Result<Index, Error> {
    if bytes.len() > MAX_MESSAGE {
        return Err(Error::MessageTooLarge);
    }
    let start = skip_line_ends(bytes)?;
    let (end, headers_from) = line(bytes, start, Folds::No)?;
    let start = start_line(bytes, Span::new(start, end))?;
    let (fields, headers_to) = header_section(bytes, headers_from)?;
    if via_values(bytes, &fields) > MAX_VIAS {
        return Err(Error::TooManyVias);
    }
    let body = body(
        bytes,
        headers_to.saturating_add(2),
        content_length(bytes, &fields)?,
        framing,
    )?;
    Ok(Index {
        start,
        fields,
        headers_from,
        headers_to,
        body,
    })
}

/// Line ends before the start line are to be ignored (RFC 3261 7.5).
pub(crate) fn skip_line_ends(bytes: &[u8]) -> Result<usize, Error> {
    let mut at = 0_usize;
    while bytes
        .get(at..)
        .is_some_and(|rest| rest.starts_with(b"\r\n"))
    {
        at = at.saturating_add(2);
    }
    if at == bytes.len() {
        Err(Error::KeepAlive)
    } else {
        Ok(at)
    }
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Folds {
    Yes,
    No,
}

/// The logical line at `from`: (end of its content, start of the next).
pub(crate) fn line(bytes: &[u8], from: usize, folds: Folds) -> Result<(usize, usize), Error> {
    let mut at = from;
    loop {
        let control = find_control(bytes, at).ok_or(Error::Incomplete)?;
        if control.saturating_sub(from) > MAX_HEADER {
            return Err(Error::HeaderTooLarge);
        }
        at = control.saturating_add(1);
        match bytes.get(control) {
            Some(b'\t') => {}
            Some(b'\r') => {
                if bytes.get(at) != Some(&b'\n') {
                    return Err(Error::ControlByte);
                }
                at = at.saturating_add(1);
                let folded = matches!(bytes.get(at), Some(b' ' | b'\t'));
                if folds == Folds::No || !folded {
                    return Ok((control, at));
                }
            }
            Some(b'\n') => return Err(Error::ControlByte),
            // A quoted pair may hold any byte but CR and LF, even NUL (RFC 3261 25.1; RFC 4475 3.1.1.2).
            _ if bytes
                .get(from..control)
                .is_some_and(|before| before.ends_with(b"\\")) => {}
            _ => return Err(Error::ControlByte),
        }
    }
}

pub(crate) fn start_line(bytes: &[u8], span: Span) -> Result<StartLine, Error> {
    let text = span.of(bytes);
    if starts_with_sip(text) {
        status_line(bytes, span)
    } else {
        request_line(bytes, span)
    }
}

/// `Method SP Request-URI SP SIP-Version`. The URI is what stands between the first and the last space, so that one
/// with spaces inside is still found, and answered, by `validate`.
fn request_line(bytes: &[u8], span: Span) -> Result<StartLine, Error> {
    let text = span.of(bytes);
    let is_space = |b: &u8| *b == b' ';
    let (first, last) = text
        .iter()
        .position(is_space)
        .zip(text.iter().rposition(is_space))
        .ok_or(Error::NotSip)?;
    let method = Method::parse(text.get(..first).unwrap_or_default()).map_err(|_| Error::NotSip)?;
    let part = |from, to| Span::new(from, to).shifted(span.from);
    let version = part(last.saturating_add(1), text.len());
    if first >= last || !starts_with_sip(version.of(bytes)) {
        let meant = text
            .windows(5)
            .any(|five| five.eq_ignore_ascii_case(b" SIP/"));
        return Err(if meant {
            Error::BadStartLine
        } else {
            Error::NotSip
        });
    }
    let uri = part(first.saturating_add(1), last);
    if uri.of(bytes).len() > MAX_URI {
        return Err(Error::UriTooLong);
    }
    Ok(StartLine::Request {
        method,
        uri,
        version,
    })
}

/// `SIP-Version SP Status-Code [SP Reason-Phrase]`. The grammar wants the second space; its lack harms nobody.
fn status_line(bytes: &[u8], span: Span) -> Result<StartLine, Error> {
    let text = span.of(bytes);
    let space = text.iter().position(|b| *b == b' ').ok_or(Error::NotSip)?;
    let (code, after) = text
        .get(space.saturating_add(1)..)
        .and_then(|rest| rest.split_at_checked(3))
        .ok_or(Error::NotSip)?;
    let status = scan::number(code)
        .and_then(|n| u16::try_from(n).ok())
        .ok_or(Error::NotSip)?;
    if !(100..700).contains(&status) || !(after.is_empty() || after.starts_with(b" ")) {
        return Err(Error::NotSip);
    }
    let part = |from: usize, to| Span::new(from.min(to), to).shifted(span.from);
    Ok(StartLine::Response {
        version: part(0, space),
        status,
        reason: part(space.saturating_add(5), text.len()),
    })
}

fn starts_with_sip(text: &[u8]) -> bool {
    text.get(..4)
        .is_some_and(|four| four.eq_ignore_ascii_case(b"SIP/"))
}

fn header_section(bytes: &[u8], from: usize) -> Result<(Vec<Field>, usize), Error> {
    let mut fields = Vec::with_capacity(24);
    let mut at = from;
    while !bytes
        .get(at..)
        .is_some_and(|rest| rest.starts_with(b"\r\n"))
    {
        if fields.len() == MAX_HEADERS {
            return Err(Error::TooManyHeaders);
        }
        let (end, next) = line(bytes, at, Folds::Yes)?;
        fields.push(field(bytes, at, end, next)?);
        at = next;
    }
    Ok((fields, at))
}

/// The fields of some header lines that are there from the first byte to the last.
pub(crate) fn header_lines(bytes: &[u8]) -> Result<Vec<Field>, Error> {
    let mut fields = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let (end, next) = line(bytes, at, Folds::Yes)?;
        fields.push(field(bytes, at, end, next)?);
        at = next;
    }
    Ok(fields)
}

/// `name *(SP / HTAB) ":" value` within one logical line.
pub(crate) fn field(bytes: &[u8], from: usize, end: usize, next: usize) -> Result<Field, Error> {
    let text = bytes.get(from..end).unwrap_or_default();
    let name_end = text.iter().position(|b| !TOKEN.holds(*b)).unwrap_or(0);
    let (name, rest) = text.split_at_checked(name_end).unwrap_or_default();
    let blanks = rest.iter().position(|b| !matches!(b, b' ' | b'\t'));
    let colon = name_end.saturating_add(blanks.unwrap_or(0));
    if name.is_empty() || text.get(colon) != Some(&b':') {
        return Err(Error::BadHeader);
    }
    let value_from = from.saturating_add(colon).saturating_add(1);
    Ok(Field {
        line: Span::new(from, next),
        name: Span::new(from, from.saturating_add(name.len())),
        value: trimmed(bytes, value_from, end),
        key: Key::of(name),
    })
}

/// How many Via values there are; more than may be is not counted to the end.
pub(crate) fn via_values(bytes: &[u8], fields: &[Field]) -> usize {
    named(fields, bytes, "Via")
        .map(|via| {
            let values = scan::list(via.value.of(bytes));
            values.take(MAX_VIAS.saturating_add(1)).count()
        })
        .sum()
}

fn content_length(bytes: &[u8], fields: &[Field]) -> Result<Option<usize>, Error> {
    let mut length = None;
    for field in named(fields, bytes, "Content-Length") {
        let value = scan::number(field.value.of(bytes)).ok_or(Error::BadContentLength)?;
        if length.is_some_and(|earlier| earlier != value) {
            return Err(Error::ConflictingContentLength);
        }
        length = Some(value);
    }
    Ok(length.map(|n| n as usize))
}

fn body(bytes: &[u8], from: usize, length: Option<usize>, framing: Framing) -> Result<Span, Error> {
    let came = bytes.len().saturating_sub(from);
    if framing == Framing::Stream {
        let length = length.ok_or(Error::BadContentLength)?;
        if length > MAX_MESSAGE.saturating_sub(from) {
            return Err(Error::MessageTooLarge);
        }
    }
    let length = length.unwrap_or(came);
    if length > came {
        return Err(Error::BodyTooShort);
    }
    if length < came && framing != Framing::Datagram {
        return Err(Error::BodyTooLong);
    }
    Ok(Span::new(from, from.saturating_add(length)))
}
