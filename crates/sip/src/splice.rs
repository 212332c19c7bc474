//! One splice: some bytes are replaced, and the index follows. Of the headers only the lines that it touches are read
//! again; those behind them have moved.

use crate::error::Error;
use crate::index::{Field, header_lines, index, named, via_values};
use crate::limits::{MAX_HEADERS, MAX_MESSAGE, MAX_VIAS};
use crate::message::{Framing, Message};
use crate::scan::Span;

impl Message {
    /// Puts `text`, which is in parts, where `at` is; on an error nothing has changed.
    pub(crate) fn splice(&mut self, at: Span, text: &[&[u8]]) -> Result<(), Error> {
        let edited = self.with(at, text);
        let headers = Span::new(self.index.headers_from, self.index.headers_to);
        if at.from < headers.from || at.to < at.from || headers.to < at.to {
            return self.take(edited);
        }
        let added = Span::new(0, length(text)).to;
        let moved = |n: u32| {
            let to_end = n.saturating_sub(at.to);
            at.from.saturating_add(added).saturating_add(to_end)
        };
        // The lines that `at` lies in; none where it stands between two.
        let fields = &self.index.fields;
        let first = fields.partition_point(|field| field.line.to <= at.from);
        let after = fields.partition_point(|field| field.line.from < at.to);
        let after = after.max(first);
        let old = fields.get(first..after).unwrap_or_default();
        let from = old.first().map_or(at.from, |field| field.line.from);
        let to = moved(old.last().map_or(at.to, |field| field.line.to));
        let lines = Span { from, to }.of(&edited);
        let new = header_lines(lines)?;
        if measures_body(&self.bytes, old) || measures_body(lines, &new) {
            return self.take(edited);
        }

        let rest = |bytes, fields| via_values(bytes, fields).saturating_sub(via_values(bytes, old));
        let vias = match via_values(lines, &new) {
            0 => 0,
            new => new.saturating_add(rest(&self.bytes, fields)),
        };
        let count = fields.len().saturating_sub(old.len());
        if moved(self.index.body.to) as usize > MAX_MESSAGE {
            return Err(Error::MessageTooLarge);
        } else if count.saturating_add(new.len()) > MAX_HEADERS {
            return Err(Error::TooManyHeaders);
        } else if vias > MAX_VIAS {
            return Err(Error::TooManyVias);
        }

        for field in self.index.fields.iter_mut().skip(after) {
            *field = field.map(moved);
        }
        let new = new
            .into_iter()
            .map(|field| field.map(|n| n.saturating_add(from)));
        self.index.fields.splice(first..after, new);
        self.index.headers_to = moved(headers.to) as usize;
        self.index.body = self.index.body.map(moved);
        self.bytes = edited;
        Ok(())
    }

    /// The bytes with `text` where `at` is.
    fn with(&self, at: Span, text: &[&[u8]]) -> Vec<u8> {
        let before = self.bytes.get(..at.from as usize).unwrap_or_default();
        let after = self.bytes.get(at.to as usize..).unwrap_or_default();
        let length = before.len().saturating_add(after.len());
        let mut edited = Vec::with_capacity(length.saturating_add(self::length(text)));
        edited.extend_from_slice(before);
        for part in text {
            edited.extend_from_slice(part);
        }
        edited.extend_from_slice(after);
        edited
    }

    /// Becomes another message, if it is one.
    pub(crate) fn take(&mut self, bytes: Vec<u8>) -> Result<(), Error> {
        self.index = index(&bytes, Framing::Exact)?;
        self.bytes = bytes;
        Ok(())
    }
}

fn length(text: &[&[u8]]) -> usize {
    let lengths = text.iter().map(|part| part.len());
    lengths.fold(0, usize::saturating_add)
}

/// Whether one of them says how long the body is.
fn measures_body(bytes: &[u8], fields: &[Field]) -> bool {
    named(fields, bytes, "Content-Length").next().is_some()
}
