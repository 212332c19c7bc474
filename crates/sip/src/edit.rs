//! Edits by splice: each changes the bytes it names and leaves all others as they came. The lines that a splice touches
//! are indexed again, so that the message always is what a receiver will parse; an edit that would break a bound changes
//! nothing.

use crate::error::Error;
use crate::index::{Field, StartLine};
use crate::message::Message;
use crate::scan::{Span, is_token};
use crate::text::HeaderText;
use crate::uri::Uri;

impl Message {
    /// Replaces the Request-URI.
    pub fn set_uri(&mut self, uri: &str) -> Result<(), Error> {
        let StartLine::Request { uri: old, .. } = self.index.start else {
            return Err(Error::Missing);
        };
        Uri::parse(uri)?;
        self.splice(old, &[uri.as_bytes()])
    }

    /// Adds a header field before the first of that name; when there is none, below the Vias (a Via: at the top).
    pub fn prepend<V>(&mut self, name: &str, value: V) -> Result<(), Error>
    where
        V: TryInto<HeaderText>,
        Error: From<V::Error>,
    {
        let first = self
            .fields_named(name)
            .next()
            .map(|field| field.line.from as usize);
        let below_vias = || {
            self.fields_named("Via")
                .last()
                .map(|via| via.line.to as usize)
        };
        let at = first.or_else(below_vias).unwrap_or(self.index.headers_from);
        self.splice(Span::new(at, at), &field_line(name, &value.try_into()?)?)
    }

    /// Adds a header field after all others.
    pub fn append<V>(&mut self, name: &str, value: V) -> Result<(), Error>
    where
        V: TryInto<HeaderText>,
        Error: From<V::Error>,
    {
        let end = self.index.headers_to;
        self.splice(Span::new(end, end), &field_line(name, &value.try_into()?)?)
    }

    /// Makes `value` the whole value of the only header of that name: the first one keeps its place, others go.
    /// Content-Length is not for the caller to set: see [`Message::set_body`].
    pub fn set<V>(&mut self, name: &str, value: V) -> Result<(), Error>
    where
        V: TryInto<HeaderText>,
        Error: From<V::Error>,
    {
        let value = value.try_into()?;
        let Some(first) = self.fields_named(name).next().map(|field| field.value) else {
            return self.append::<&HeaderText>(name, &value);
        };
        let text = [padding(self, first), value.as_bytes()];
        let extras = self.fields_named(name).skip(1);
        let extras: Vec<Span> = extras.map(|field| field.line).collect();
        if extras.is_empty() {
            return self.splice(first, &text);
        }
        let mut edited = self.clone();
        for extra in extras.into_iter().rev() {
            edited.splice(extra, &[])?;
        }
        edited.splice(first, &text)?;
        *self = edited;
        Ok(())
    }

    /// Replaces one value of a comma-separated header, counted from 0 across all fields of that name.
    pub fn set_value<V>(&mut self, name: &str, position: usize, value: V) -> Result<(), Error>
    where
        V: TryInto<HeaderText>,
        Error: From<V::Error>,
    {
        let (_, span) = self.value_spans(name).nth(position).ok_or(Error::Missing)?;
        self.splice(span, &[value.try_into()?.as_bytes()])
    }

    /// Removes one value of a comma-separated header, counted from 0 across all fields of that name; the field itself
    /// when it held no other. Gives back whether the value was there.
    pub fn remove_value(&mut self, name: &str, position: usize) -> Result<bool, Error> {
        let all: Vec<(Field, Span)> = self
            .value_spans(name)
            .map(|(field, span)| (*field, span))
            .collect();
        let Some((field, value)) = all.get(position).copied() else {
            return Ok(false);
        };
        let beside = |at: Option<usize>| {
            let (neighbour, span) = all.get(at?)?;
            (neighbour.line == field.line).then_some(*span)
        };
        let gone = match (
            beside(position.checked_add(1)),
            beside(position.checked_sub(1)),
        ) {
            (Some(after), _) => Span {
                from: value.from,
                to: after.from,
            },
            (None, Some(before)) => Span {
                from: before.to,
                to: value.to,
            },
            (None, None) => field.line,
        };
        self.splice(gone, &[])?;
        Ok(true)
    }

    /// Removes the first value of a comma-separated header: the top Via, the next Route.
    pub fn remove_first_value(&mut self, name: &str) -> Result<bool, Error> {
        self.remove_value(name, 0)
    }

    /// Removes every header field of that name; gives back how many there were.
    pub fn remove_all(&mut self, name: &str) -> Result<usize, Error> {
        let lines = self.lines_named(name);
        match lines.as_slice() {
            [] => {}
            [line] => self.splice(*line, &[])?,
            lines => {
                let mut edited = self.clone();
                for line in lines.iter().rev() {
                    edited.splice(*line, &[])?;
                }
                *self = edited;
            }
        }
        Ok(lines.len())
    }

    /// Replaces the body, its Content-Type and its Content-Length.
    pub fn set_body(&mut self, content_type: &str, body: &[u8]) -> Result<(), Error> {
        let mut edited = self.clone();
        edited.replace_body(body)?;
        // It would be read again.
        let is_of_type = edited.count("Content-Type") == 1
            && edited.raw("Content-Type") == Some(content_type.as_bytes());
        if !is_of_type {
            edited.set("Content-Type", content_type)?;
        }
        *self = edited;
        Ok(())
    }

    /// Removes the body and the headers that describe it; Content-Length becomes 0.
    pub fn remove_body(&mut self) -> Result<(), Error> {
        let mut edited = self.clone();
        edited.replace_body(b"")?;
        for name in [
            "Content-Type",
            "Content-Encoding",
            "Content-Disposition",
            "Content-Language",
        ] {
            edited.remove_all(name)?;
        }
        *self = edited;
        Ok(())
    }

    /// The steps in between would not parse (length and body disagree), so this goes over the bytes at once.
    fn replace_body(&mut self, body: &[u8]) -> Result<(), Error> {
        self.remove_surplus_lengths()?;
        let length = u32::try_from(body.len()).map_err(|_| Error::MessageTooLarge)?;
        let text = length.to_string().into_bytes();
        let (at, text) = match self.fields_named("Content-Length").next() {
            Some(field) => (field.value, text),
            None => {
                let end = self.index.headers_to;
                (
                    Span::new(end, end),
                    field_line("Content-Length", &HeaderText::from(length))?.concat(),
                )
            }
        };
        let old = Span {
            from: self.index.body.from,
            to: self.index.body.to,
        };
        let head = Span {
            from: 0,
            to: at.from,
        };
        let between = Span {
            from: at.to,
            to: old.from,
        };
        let parts = [head.of(&self.bytes), &text, between.of(&self.bytes), body];
        self.take(parts.concat())
    }

    fn remove_surplus_lengths(&mut self) -> Result<(), Error> {
        for extra in self.lines_named("Content-Length").into_iter().skip(1).rev() {
            self.splice(extra, &[])?;
        }
        Ok(())
    }

    fn lines_named(&self, name: &str) -> Vec<Span> {
        self.fields_named(name).map(|field| field.line).collect()
    }
}

/// The parts of `Name: value CR LF`, the name checked to be a token.
pub(crate) fn field_line<'a>(name: &'a str, value: &'a HeaderText) -> Result<[&'a [u8]; 4], Error> {
    if !is_token(name.as_bytes()) {
        return Err(Error::NotAToken);
    }
    Ok([name.as_bytes(), b": ", value.as_bytes(), b"\r\n"])
}

/// An empty value leaves no space behind its colon; whoever fills it in puts one there.
fn padding(message: &Message, at: Span) -> &'static [u8] {
    let before = at.from.checked_sub(1);
    match before.and_then(|at| message.bytes.get(at as usize)) {
        Some(b':') => b" ",
        _ => b"",
    }
}
