//! The envelope of every datagram: cookie, one space, dictionary.

use crate::error::Refusal;
use crate::request::Request;
use crate::value::Dictionary;
use crate::{bencode, json};

/// No datagram is longer, since UDP's length field has 16 bits.
pub const MAX_DATAGRAM: usize = 65_535;

/// The longest cookie that is listened to: the SIP servers' have about 30 bytes, and each is stored
/// for up to a minute.
pub const MAX_COOKIE: usize = 255;

/// How deep a request may nest. The deepest that exists is `codec` -> `transcode` -> list.
const REQUEST_DEPTH: usize = 8;

/// How deep a reply may nest. Statistics go to `tags`/tag/`medias`/n/`streams`/n/`SSRC`/n.
const REPLY_DEPTH: usize = 16;

/// How the dictionary is written. A reply has the format of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Bencode, as Kamailio and OpenSIPS speak it.
    Bencode,
    /// JSON.
    Json,
}

/// A datagram whose cookie has been taken off, its payload not yet decoded: a retransmission is
/// recognised before any work is done for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// What pairs a reply with its request.
    pub cookie: &'a [u8],
    /// The format that the reply is to have; bencode if the payload is in neither.
    pub format: Format,
    payload: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Takes a datagram apart. `None` means that it has no cookie that could be answered (no space,
    /// or nothing or too much before it) and is to be dropped in silence.
    #[must_use]
    pub fn open(datagram: &'a [u8]) -> Option<Self> {
        let space = datagram
            .iter()
            .take(MAX_COOKIE + 1)
            .position(|&byte| byte == b' ')?;
        let (cookie, rest) = datagram.split_at_checked(space)?;
        if cookie.is_empty() || datagram.len() > MAX_DATAGRAM {
            return None;
        }
        let payload = rest.get(1..).unwrap_or_default();
        let format = if payload.first() == Some(&b'{') {
            Format::Json
        } else {
            Format::Bencode
        };
        Some(Self {
            cookie,
            format,
            payload,
        })
    }

    /// The request inside, or the error that its sender is owed.
    pub fn request(&self) -> Result<Request, Refusal> {
        Request::decode(self.dictionary(REQUEST_DEPTH)?)
    }

    /// The dictionary of a reply.
    pub(crate) fn reply(&self) -> Result<Dictionary, Refusal> {
        self.dictionary(REPLY_DEPTH)
    }

    fn dictionary(&self, max_depth: usize) -> Result<Dictionary, Refusal> {
        match self.payload.first() {
            None => Err(Refusal::NoPayload),
            Some(b'd') => bencode::decode(self.payload, max_depth).ok_or(Refusal::Bencode),
            Some(b'{') => json::decode(self.payload, max_depth),
            Some(_) => Err(Refusal::Format),
        }
    }
}

/// Writes a whole datagram.
pub(crate) fn seal(cookie: &[u8], format: Format, dictionary: &Dictionary) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(cookie);
    out.push(b' ');
    match format {
        Format::Bencode => bencode::encode(dictionary, &mut out),
        Format::Json => json::encode(dictionary, &mut out),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_answered_is_dropped() {
        assert_eq!(Envelope::open(b""), None);
        assert_eq!(Envelope::open(b"cookie"), None);
        assert_eq!(Envelope::open(b" d7:command4:pinge"), None);
        assert_eq!(
            Envelope::open(&[vec![b'x'; 256], b" de".to_vec()].concat()),
            None
        );
        assert!(Envelope::open(&[vec![b'x'; 255], b" de".to_vec()].concat()).is_some());
    }

    #[test]
    fn each_fault_of_the_payload_has_its_own_reason() {
        let refused = |datagram: &[u8]| Envelope::open(datagram).unwrap().request().unwrap_err();
        assert_eq!(refused(b"c ").to_string(), "Invalid data (no payload)");
        assert_eq!(
            refused(b"c d7:command").to_string(),
            "Could not decode bencode dictionary"
        );
        assert_eq!(
            refused(b"c {\"command\"").to_string(),
            "Failed to parse JSON document"
        );
        assert_eq!(refused(b"c xyz").to_string(), "Invalid NG data format");
        assert_eq!(
            refused(b"c de").to_string(),
            "Dictionary contains no key \"command\""
        );
        assert_eq!(
            refused(b"c d7:command4:pongee").to_string(),
            "Could not decode bencode dictionary"
        );
        assert_eq!(
            refused(b"c d7:command4:ponge").to_string(),
            "Unrecognized command"
        );
    }

    #[test]
    fn the_format_of_the_reply_is_that_of_the_request() {
        assert_eq!(Envelope::open(b"c {}").unwrap().format, Format::Json);
        assert_eq!(Envelope::open(b"c de").unwrap().format, Format::Bencode);
        assert_eq!(Envelope::open(b"c ???").unwrap().format, Format::Bencode);
    }
}
