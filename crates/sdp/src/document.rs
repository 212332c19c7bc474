//! A body as lines that can be taken out, changed and added, all others staying
//! byte for byte as they came: their order, their line ends, bytes that are not UTF-8.
//!
//! A document never judges: whatever has lines is one. For meaning see [`crate::Session`].

use std::borrow::Cow;

use crate::{Error, MAX_BODY, MAX_MEDIA, SdpLine, Token};

/// A body to be edited.
#[derive(Debug, Clone)]
pub struct Document<'a> {
    lines: Vec<Stored<'a>>,
    /// Something was taken out or put in: the last line must then be a whole one.
    edited: bool,
}

/// Which part of a body a line belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Before the first m-line.
    Session,
    /// The medium of that index, from 0; its m-line is its first line.
    Media(usize),
}

/// One line as it stands in the body, without its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a>(&'a [u8]);

#[derive(Debug, Clone)]
struct Stored<'a> {
    content: Cow<'a, [u8]>,
    end: &'a [u8],
}

const CRLF: &[u8] = b"\r\n";

impl<'a> Document<'a> {
    /// Finds the lines of a body. Refuses only what is too long or has too many media.
    pub fn parse(body: &'a [u8]) -> Result<Self, Error> {
        if body.len() > MAX_BODY {
            return Err(Error::TooLong { len: body.len() });
        }
        let lines: Vec<_> = body
            .split_inclusive(|b| *b == b'\n')
            .map(split_end)
            .collect();
        let document = Self {
            lines,
            edited: false,
        };
        if document.media_count() > MAX_MEDIA {
            return Err(Error::TooManyMedia);
        }
        Ok(document)
    }

    /// Number of m-lines.
    pub fn media_count(&self) -> usize {
        self.lines.iter().filter(|line| line.is_media()).count()
    }

    /// All lines with the part they belong to.
    pub fn lines(&self) -> impl Iterator<Item = (Scope, Line<'_>)> {
        scopes(&self.lines).map(|(scope, line)| (scope, line.view()))
    }

    /// The value of the first attribute of that name in that part; empty for `a=name`.
    pub fn attribute(&self, scope: Scope, name: &str) -> Option<&[u8]> {
        self.lines()
            .filter(|(at, _)| *at == scope)
            .find(|(_, line)| line.attribute_name() == Some(name.as_bytes()))
            .and_then(|(_, line)| line.attribute_value())
    }

    /// Keeps the lines for which `keep` says so. Taking out an m-line joins what
    /// stands below it to the part before: take it all out, or set the port to 0.
    pub fn retain(&mut self, mut keep: impl FnMut(Scope, Line<'_>) -> bool) {
        let kept: Vec<bool> = self
            .lines()
            .map(|(scope, line)| keep(scope, line))
            .collect();
        let before = self.lines.len();
        let mut kept = kept.into_iter();
        self.lines.retain(|_| kept.next().unwrap_or(true));
        self.edited |= self.lines.len() != before;
    }

    /// Removes every attribute of that name in that part; says how many there were.
    pub fn remove_attribute(&mut self, scope: Scope, name: &str) -> usize {
        let before = self.lines.len();
        self.retain(|at, line| at != scope || line.attribute_name() != Some(name.as_bytes()));
        before.saturating_sub(self.lines.len())
    }

    /// Puts `new` in the place of each line that `which` picks; says how many there were.
    pub fn replace(
        &mut self,
        mut which: impl FnMut(Scope, Line<'_>) -> bool,
        new: &SdpLine,
    ) -> usize {
        let picked: Vec<bool> = self
            .lines()
            .map(|(scope, line)| which(scope, line))
            .collect();
        let mut count = 0_usize;
        for (line, picked) in self.lines.iter_mut().zip(picked) {
            if picked {
                *line = Stored::new(new);
                count = count.saturating_add(1);
            }
        }
        self.edited |= count > 0;
        count
    }

    /// Adds a line at the end of a part. [`Error::NoSuchMedium`] when there is no such part.
    pub fn append(&mut self, scope: Scope, new: &SdpLine) -> Result<(), Error> {
        let at = match scope {
            Scope::Session => self.start_of_medium(0),
            Scope::Media(index) if index < self.media_count() => {
                self.start_of_medium(index.saturating_add(1))
            }
            Scope::Media(index) => return Err(Error::NoSuchMedium { index }),
        };
        if let Some(line) = at.checked_sub(1).and_then(|i| self.lines.get_mut(i)) {
            line.complete();
        }
        self.lines.insert(at, Stored::new(new));
        self.edited = true;
        Ok(())
    }

    /// Sets an attribute: in the place of the first of that name, further ones are
    /// taken out; at the end of the part when there was none.
    pub fn set_attribute(
        &mut self,
        scope: Scope,
        name: &Token,
        new: &SdpLine,
    ) -> Result<(), Error> {
        let is_it = |at: Scope, line: Line<'_>| {
            at == scope && line.attribute_name() == Some(name.as_bytes())
        };
        let mut seen = false;
        self.retain(|at, line| !is_it(at, line) || !std::mem::replace(&mut seen, true));
        if self.replace(is_it, new) == 0 {
            self.append(scope, new)?;
        }
        Ok(())
    }

    /// The body. Without an edit these are the very bytes that came; with one, the
    /// last line ends in a line end.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in &self.lines {
            bytes.extend_from_slice(&line.content);
            bytes.extend_from_slice(line.end);
        }
        if self.edited && !bytes.is_empty() && !bytes.ends_with(b"\n") {
            bytes.extend_from_slice(CRLF);
        }
        bytes
    }

    /// Index of the first line of a medium, or the end of the body.
    fn start_of_medium(&self, index: usize) -> usize {
        self.lines
            .iter()
            .enumerate()
            .filter(|(_, line)| line.is_media())
            .nth(index)
            .map_or(self.lines.len(), |(at, _)| at)
    }
}

impl<'a> Line<'a> {
    /// The whole line.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// The letter before `=`; `None` for a line of another form.
    pub fn kind(self) -> Option<u8> {
        match self.0 {
            [kind, b'=', ..] => Some(*kind),
            _ => None,
        }
    }

    /// What follows `=`.
    pub fn value(self) -> Option<&'a [u8]> {
        match self.0 {
            [_, b'=', value @ ..] => Some(value),
            _ => None,
        }
    }

    /// For an a-line, the name before the colon.
    pub fn attribute_name(self) -> Option<&'a [u8]> {
        let value = self.value().filter(|_| self.kind() == Some(b'a'))?;
        value.split(|b| *b == b':').next()
    }

    /// For an a-line, what follows the colon; empty without one.
    pub fn attribute_value(self) -> Option<&'a [u8]> {
        let name = self.attribute_name()?;
        let rest = self.value()?.get(name.len()..)?;
        Some(rest.strip_prefix(b":").unwrap_or(rest))
    }
}

impl<'a> Stored<'a> {
    fn new(line: &SdpLine) -> Self {
        Self {
            content: Cow::Owned(line.to_string().into_bytes()),
            end: CRLF,
        }
    }

    fn view(&self) -> Line<'_> {
        Line(&self.content)
    }

    fn is_media(&self) -> bool {
        self.content.starts_with(b"m=")
    }

    fn complete(&mut self) {
        if self.end.is_empty() {
            self.end = CRLF;
        }
    }
}

fn split_end(line: &[u8]) -> Stored<'_> {
    let content = line.strip_suffix(b"\n").unwrap_or(line);
    let content = content
        .strip_suffix(b"\r")
        .filter(|_| line.ends_with(b"\n"))
        .unwrap_or(content);
    Stored {
        content: Cow::Borrowed(content),
        end: line.get(content.len()..).unwrap_or_default(),
    }
}

fn scopes<'s, 'a>(lines: &'s [Stored<'a>]) -> impl Iterator<Item = (Scope, &'s Stored<'a>)> {
    let mut scope = Scope::Session;
    lines.iter().map(move |line| {
        if line.is_media() {
            scope = match scope {
                Scope::Session => Scope::Media(0),
                Scope::Media(index) => Scope::Media(index.saturating_add(1)),
            };
        }
        (scope, line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"v=0\r\ns=-\r\na=group:BUNDLE 0\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\n\
        a=ptime:20\r\na=ptime:30\r\nm=video 0 RTP/AVP 31\r\na=x\xff\xfe";

    fn line(text: &str) -> SdpLine {
        SdpLine::new('a', text).unwrap()
    }

    #[test]
    fn a_body_that_nobody_edits_stays_as_it_came() {
        for body in [BODY, b"", b"\n", b"\r", b"\r\r\n", b"v=0", b"v=0\n\n\nx"] {
            assert_eq!(Document::parse(body).unwrap().to_bytes(), body);
        }
    }

    #[test]
    fn removing_a_line_leaves_all_other_bytes() {
        let mut document = Document::parse(BODY).unwrap();
        assert_eq!(document.remove_attribute(Scope::Media(0), "mid"), 1);
        assert_eq!(document.remove_attribute(Scope::Media(1), "ptime"), 0);
        assert_eq!(
            document.to_bytes(),
            b"v=0\r\ns=-\r\na=group:BUNDLE 0\r\nm=audio 9 RTP/AVP 0\r\n\
              a=ptime:20\r\na=ptime:30\r\nm=video 0 RTP/AVP 31\r\na=x\xff\xfe\r\n"
        );
    }

    #[test]
    fn a_line_is_added_at_the_end_of_its_part() {
        let mut document = Document::parse(BODY).unwrap();
        document.append(Scope::Session, &line("s")).unwrap();
        document.append(Scope::Media(0), &line("m0")).unwrap();
        document.append(Scope::Media(1), &line("m1")).unwrap();
        let no_such = document.append(Scope::Media(2), &line("m2"));
        assert_eq!(no_such, Err(Error::NoSuchMedium { index: 2 }));
        assert_eq!(
            document.to_bytes(),
            b"v=0\r\ns=-\r\na=group:BUNDLE 0\r\na=s\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\n\
              a=ptime:20\r\na=ptime:30\r\na=m0\r\nm=video 0 RTP/AVP 31\r\na=x\xff\xfe\r\na=m1\r\n"
        );
    }

    #[test]
    fn setting_an_attribute_takes_the_first_ones_place_and_drops_the_others() {
        let mut document = Document::parse(BODY).unwrap();
        let name = Token::from_static("ptime");
        document
            .set_attribute(Scope::Media(0), &name, &line("ptime:60"))
            .unwrap();
        document
            .set_attribute(Scope::Session, &name, &line("ptime:5"))
            .unwrap();
        assert_eq!(
            document.attribute(Scope::Media(0), "ptime"),
            Some(&b"60"[..])
        );
        assert_eq!(document.attribute(Scope::Session, "ptime"), Some(&b"5"[..]));
        assert_eq!(document.attribute(Scope::Media(1), "ptime"), None);
        assert_eq!(
            document.to_bytes(),
            b"v=0\r\ns=-\r\na=group:BUNDLE 0\r\na=ptime:5\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\n\
              a=ptime:60\r\nm=video 0 RTP/AVP 31\r\na=x\xff\xfe\r\n"
        );
    }

    #[test]
    fn bodies_beyond_the_bounds_are_refused() {
        let long = vec![b'x'; MAX_BODY + 1];
        assert_eq!(
            Document::parse(&long).unwrap_err(),
            Error::TooLong { len: MAX_BODY + 1 }
        );
        let many = "m=a\n".repeat(MAX_MEDIA + 1);
        assert_eq!(
            Document::parse(many.as_bytes()).unwrap_err(),
            Error::TooManyMedia
        );
    }
}
