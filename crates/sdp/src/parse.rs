//! From bytes to a [`Session`].
//!
//! Lines that carry the structure (v=, o=, c=, m=) must be right, or the body is
//! refused. An attribute that is not known is kept; one that is known but
//! malformed is left out and counted, so that one bad candidate ends no call.

use crate::attributes::Draft;
use crate::{
    Address, Attribute, Bandwidth, Connection, Error, Family, Formats, Group, MAX_BODY, MAX_MEDIA,
    MAX_PAYLOADS, Media, MediaKind, Origin, Payload, Protocol, Session, Text, Token,
};

impl Session {
    /// Reads a body. LF alone ends a line too, and the last line needs no end. Bytes
    /// that are not UTF-8 are replaced; [`crate::Document`] keeps them.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        if body.len() > MAX_BODY {
            return Err(Error::TooLong { len: body.len() });
        }
        let body = String::from_utf8_lossy(body);
        let mut parser = Parser::default();
        for (index, line) in body.split('\n').enumerate() {
            let line = line.strip_suffix('\r').unwrap_or(line);
            parser.line(index.saturating_add(1), line)?;
        }
        parser.finish()
    }
}

impl Session {
    /// Reads a trickle ICE fragment (RFC 8840 section 9): lines of a body that has no head.
    pub fn parse_fragment(body: &[u8]) -> Result<Self, Error> {
        if body.starts_with(b"v=") {
            return Self::parse(body);
        }
        Self::parse(&[b"v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\n".as_slice(), body].concat())
    }
}

/// The state between two lines.
#[derive(Default)]
struct Parser {
    versioned: bool,
    /// Begins with o=.
    session: Option<Session>,
    /// What the session part says for each medium.
    shared: Draft,
    /// The medium being read.
    current: Option<Draft>,
}

impl Parser {
    fn line(&mut self, number: usize, line: &str) -> Result<(), Error> {
        if line.is_empty() {
            return Ok(());
        }
        if line.bytes().any(|b| matches!(b, b'\r' | 0)) {
            return Err(Error::ForbiddenByte { line: number });
        }
        if !self.versioned {
            self.versioned = line.trim_end() == "v=0";
            return self.versioned.then_some(()).ok_or(Error::NotSdp);
        }
        let (kind, value) = match line.split_once('=') {
            Some((kind, value)) if kind.len() == 1 => (kind, value),
            _ => return Err(Error::MalformedLine { line: number }),
        };
        let Some(session) = &mut self.session else {
            let origin = Some(kind)
                .filter(|kind| *kind == "o")
                .ok_or(Error::MissingOrigin)
                .and_then(|_| origin(value).ok_or(Error::Origin { line: number }))?;
            self.session = Some(Session::new(origin));
            return Ok(());
        };
        let read = match (kind, &mut self.current) {
            ("m", current) => {
                let finished = current.replace(Draft::new(medium(number, value)?));
                session
                    .media
                    .extend(finished.map(|it| it.finish(&self.shared)));
                if session.media.len() >= MAX_MEDIA {
                    return Err(Error::TooManyMedia);
                }
                true
            }
            ("c", current) => {
                let connection = connection(value).ok_or(Error::Connection { line: number })?;
                let draft = current.as_mut().unwrap_or(&mut self.shared);
                draft.media.connection.get_or_insert(connection);
                true
            }
            ("a", Some(draft)) => draft.attribute(value),
            ("a", None) => session_attribute(session, &mut self.shared, value),
            ("b", Some(draft)) => push(&mut draft.media.bandwidths, bandwidth(value)),
            ("b", None) => push(&mut session.bandwidths, bandwidth(value)),
            ("i", Some(draft)) => set(&mut draft.media.information, text(value)),
            ("i", None) => set(&mut session.information, text(value)),
            ("s", None) => text(value).is_some_and(|name| {
                session.name = name;
                true
            }),
            ("t", None) => text(value).is_some_and(|timing| {
                session.timing = timing;
                true
            }),
            _ => false,
        };
        session.ignored = session.ignored.saturating_add(u32::from(!read));
        Ok(())
    }

    fn finish(self) -> Result<Session, Error> {
        if !self.versioned {
            return Err(Error::NotSdp);
        }
        let mut session = self.session.ok_or(Error::MissingOrigin)?;
        let last = self.current.map(|draft| draft.finish(&self.shared));
        session.media.extend(last);
        Ok(session)
    }
}

fn session_attribute(session: &mut Session, shared: &mut Draft, value: &str) -> bool {
    let (name, argument) = match value.split_once(':') {
        Some((name, argument)) => (name, Some(argument)),
        None => (value.trim_end(), None),
    };
    match name {
        "ice-lite" => {
            session.ice_lite = true;
            true
        }
        "group" => push(&mut session.groups, argument.and_then(group)),
        _ if Draft::is_shared(name) => shared.attribute(value),
        _ => push(&mut session.attributes, attribute(name, argument)),
    }
}

/// An attribute to be kept as it is.
pub(crate) fn attribute(name: &str, argument: Option<&str>) -> Option<Attribute> {
    let value = match argument {
        Some(argument) => Some(Text::new(argument).ok()?),
        None => None,
    };
    Some(Attribute {
        name: Token::new(name).ok()?,
        value,
    })
}

/// Appends what could be read; says whether it could.
pub(crate) fn push<T>(list: &mut Vec<T>, item: Option<T>) -> bool {
    let read = item.is_some();
    list.extend(item);
    read
}

/// Sets what could be read, unless it was set before; says whether it could.
pub(crate) fn set<T>(slot: &mut Option<T>, item: Option<T>) -> bool {
    let read = item.is_some() && slot.is_none();
    if read {
        *slot = item;
    }
    read
}

/// Reads `IN IP4 192.0.2.1`. The family follows the address when the two differ;
/// a multicast TTL is cut off.
pub(crate) fn connection(value: &str) -> Option<Connection> {
    let mut words = value.split_ascii_whitespace();
    let internet = words.next()?.eq_ignore_ascii_case("IN");
    let family = match words.next()? {
        "IP4" => Family::Ip4,
        "IP6" => Family::Ip6,
        _ => return None,
    };
    let address = words.next()?.split('/').next()?;
    if !internet || words.next().is_some() {
        return None;
    }
    Some(match Address::parse(address)? {
        Address::Ip(ip) => Connection::from(ip),
        address => Connection { family, address },
    })
}

/// The user name may contain blanks (it must not, but some do), so fields count from the end.
fn origin(value: &str) -> Option<Origin> {
    let mut fields = value.trim_end().rsplitn(6, ' ');
    let address = fields.next()?;
    let family = fields.next()?;
    let network = fields.next()?;
    let version = Token::new(fields.next()?).ok()?;
    let session_id = Token::new(fields.next()?).ok()?;
    Some(Origin {
        username: text(fields.next()?)?,
        session_id,
        version,
        connection: connection(&format!("{network} {family} {address}"))?,
    })
}

fn medium(line: usize, value: &str) -> Result<Media, Error> {
    let malformed = || Error::Media { line };
    let mut fields = value.splitn(4, ' ');
    let mut word = || fields.next().ok_or_else(malformed);
    let kind = Token::new(word()?).map_err(|_| malformed())?;
    let port = word()?;
    let port = port.split('/').next().unwrap_or(port);
    let port = port.parse().map_err(|_| Error::Port { line })?;
    let protocol = Token::new(word()?.trim_end()).map_err(|_| malformed())?;
    let protocol = Protocol::from_token(protocol);
    let list = fields.next().unwrap_or_default().trim_end();
    if list.is_empty() && port != 0 {
        return Err(malformed());
    }
    let formats = if protocol.is_rtp() {
        Formats::Rtp(payloads(line, list)?)
    } else {
        Formats::Other(Text::new(list)?)
    };
    Ok(Media::new(
        MediaKind::from_token(kind),
        port,
        protocol,
        formats,
    ))
}

fn payloads(line: usize, list: &str) -> Result<Vec<Payload>, Error> {
    let mut payloads: Vec<Payload> = Vec::new();
    for (index, word) in list.split_ascii_whitespace().enumerate() {
        if index >= MAX_PAYLOADS {
            return Err(Error::TooManyPayloads { line });
        }
        let number = payload_type(word).ok_or(Error::PayloadType { line })?;
        if payloads.iter().all(|known| known.number != number) {
            payloads.push(Payload::new(number));
        }
    }
    Ok(payloads)
}

/// A payload type: 0 to 127.
pub(crate) fn payload_type(word: &str) -> Option<u8> {
    word.parse().ok().filter(|number| *number <= 127)
}

fn bandwidth(value: &str) -> Option<Bandwidth> {
    let (kind, number) = value.trim_end().split_once(':')?;
    Some(Bandwidth {
        kind: Token::new(kind).ok()?,
        value: number.parse().ok()?,
    })
}

fn group(value: &str) -> Option<Group> {
    let mut words = value.split_ascii_whitespace();
    let semantics = Token::new(words.next()?).ok()?;
    let mids = words
        .map(|mid| Token::new(mid).ok())
        .collect::<Option<_>>()?;
    Some(Group { semantics, mids })
}

fn text(value: &str) -> Option<Text> {
    Text::new(value).ok()
}
