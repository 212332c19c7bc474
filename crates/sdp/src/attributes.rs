//! The attributes of one medium while it is being read.

use std::str::FromStr;

use crate::parse::{attribute, connection, payload_type, push, set};
use crate::{
    Candidate, Crypto, Direction, Encoding, ExtMap, Fingerprint, Formats, MAX_CANDIDATES,
    MAX_ICE_CREDENTIAL, MAX_SHARED, Media, MediaKind, Payload, Protocol, RemoteCandidate,
    RtcpAddress, Setup, Text, Token,
};

/// A medium not yet complete, or what the session part says for all of them.
pub(crate) struct Draft {
    pub(crate) media: Media,
    /// Apart from `media`, where nothing given reads as sendrecv.
    direction: Option<Direction>,
}

impl Draft {
    pub(crate) fn new(media: Media) -> Self {
        Self {
            media,
            direction: None,
        }
    }

    /// Whether this attribute, written at session level, speaks of each medium.
    pub(crate) fn is_shared(name: &str) -> bool {
        const SHARED: [&str; 7] = [
            "extmap",
            "fingerprint",
            "ice-options",
            "ice-pwd",
            "ice-ufrag",
            "setup",
            "tls-id",
        ];
        SHARED.contains(&name) || Direction::parse(name).is_some()
    }

    /// Reads what follows `a=`; says whether it could be read and kept.
    pub(crate) fn attribute(&mut self, line: &str) -> bool {
        let (name, argument) = match line.split_once(':') {
            Some((name, argument)) => (name, Some(argument)),
            None => (line.trim_end(), None),
        };
        let value = argument.unwrap_or_default();
        if let Some(direction) = Direction::parse(name) {
            self.direction = Some(direction);
            return true;
        }
        let media = &mut self.media;
        let ice = &mut media.ice;
        match name {
            "mid" => set(&mut media.mid, token(value)),
            "label" => set(&mut media.label, token(value)),
            "bundle-only" => flag(&mut media.bundle_only),
            "extmap" => push_shared(&mut media.extmaps, ExtMap::parse(value)),
            "rtcp" => set(&mut media.rtcp, rtcp(value)),
            "rtcp-mux" => flag(&mut media.rtcp_mux),
            "rtcp-mux-only" => flag(&mut media.rtcp_mux_only),
            "crypto" => push(&mut media.cryptos, Crypto::parse(value)),
            "setup" => set(&mut media.setup, Setup::parse(value.trim())),
            "fingerprint" => push_shared(&mut media.fingerprints, Fingerprint::parse(value)),
            "tls-id" => set(&mut media.tls_id, token(value)),
            "ptime" => set(&mut media.ptime, number(value)),
            "maxptime" => set(&mut media.maxptime, number(value)),
            "ice-ufrag" => set(&mut ice.ufrag, credential(value)),
            "ice-pwd" => set(&mut ice.pwd, credential(value)),
            "ice-options" => options(&mut ice.options, value),
            "candidate" => {
                ice.candidates.len() < MAX_CANDIDATES
                    && push(&mut ice.candidates, Candidate::parse(value))
            }
            "remote-candidates" => remote_candidates(&mut ice.remote_candidates, value),
            "end-of-candidates" => flag(&mut ice.end_of_candidates),
            "rtpmap" | "fmtp" | "rtcp-fb" if matches!(media.formats, Formats::Rtp(_)) => {
                self.of_payload(name, value)
            }
            _ => push(&mut media.attributes, attribute(name, argument)),
        }
    }

    /// The medium, with what the session part says and it does not say itself.
    pub(crate) fn finish(self, shared: &Self) -> Media {
        let Self {
            mut media,
            direction,
        } = self;
        let session = &shared.media;
        media.direction = direction.or(shared.direction).unwrap_or_default();
        inherit(&mut media.connection, &session.connection);
        inherit(&mut media.setup, &session.setup);
        inherit(&mut media.tls_id, &session.tls_id);
        inherit_list(&mut media.fingerprints, &session.fingerprints);
        inherit_list(&mut media.extmaps, &session.extmaps);
        inherit_list(&mut media.ice.options, &session.ice.options);
        // The two are one credential: never one of each (RFC 8839 5.4).
        if media.ice.ufrag.is_none() && media.ice.pwd.is_none() {
            media.ice.ufrag.clone_from(&session.ice.ufrag);
            media.ice.pwd.clone_from(&session.ice.pwd);
        }
        media
    }

    /// rtpmap, fmtp and rtcp-fb: a payload type, a blank, and what is said of it.
    fn of_payload(&mut self, name: &str, value: &str) -> bool {
        let Some((number, text)) = value.split_once(' ') else {
            return false;
        };
        if (name, number) == ("rtcp-fb", "*") {
            return push(&mut self.media.rtcp_fb_all, Text::new(text).ok());
        }
        let Some(payload) = self.payload(number) else {
            return false;
        };
        match name {
            "rtpmap" => match Encoding::parse(text) {
                Some(encoding) => {
                    payload.encoding = Some(encoding);
                    true
                }
                None => false,
            },
            "fmtp" => push(&mut payload.fmtp, Text::new(text).ok()),
            _ => push(&mut payload.rtcp_fb, Text::new(text).ok()),
        }
    }

    fn payload(&mut self, number: &str) -> Option<&mut Payload> {
        let number = payload_type(number)?;
        match &mut self.media.formats {
            Formats::Rtp(payloads) => payloads.iter_mut().find(|p| p.number == number),
            Formats::Other(_) => None,
        }
    }
}

impl Default for Draft {
    /// For the session part. Its m-line is never read.
    fn default() -> Self {
        Self::new(Media::new(
            MediaKind::Audio,
            0,
            Protocol::RtpAvp,
            Formats::Rtp(Vec::new()),
        ))
    }
}

fn inherit<T: Clone>(own: &mut Option<T>, shared: &Option<T>) {
    if own.is_none() {
        own.clone_from(shared);
    }
}

fn inherit_list<T: Clone>(own: &mut Vec<T>, shared: &[T]) {
    if own.is_empty() {
        own.extend_from_slice(shared);
    }
}

fn flag(slot: &mut bool) -> bool {
    *slot = true;
    true
}

/// For lists that each medium takes over from the session part.
fn push_shared<T>(list: &mut Vec<T>, item: Option<T>) -> bool {
    list.len() < MAX_SHARED && push(list, item)
}

fn credential(value: &str) -> Option<Token> {
    token(value).filter(|token| token.len() <= MAX_ICE_CREDENTIAL)
}

fn token(value: &str) -> Option<Token> {
    Token::new(value.trim()).ok()
}

fn number<T: FromStr>(value: &str) -> Option<T> {
    value.trim().parse().ok()
}

fn options(list: &mut Vec<Token>, value: &str) -> bool {
    for option in value.split_ascii_whitespace().filter_map(token) {
        if list.len() >= MAX_SHARED {
            return false;
        }
        if !list.contains(&option) {
            list.push(option);
        }
    }
    true
}

fn remote_candidates(list: &mut Vec<RemoteCandidate>, value: &str) -> bool {
    match RemoteCandidate::parse_list(value) {
        Some(read) if list.is_empty() && read.len() <= MAX_CANDIDATES => {
            *list = read;
            true
        }
        _ => false,
    }
}

/// `53020` or `53020 IN IP4 192.0.2.1`.
fn rtcp(value: &str) -> Option<RtcpAddress> {
    let (port, address) = match value.trim().split_once(' ') {
        Some((port, address)) => (port, Some(address)),
        None => (value.trim(), None),
    };
    let connection = match address {
        Some(address) => Some(connection(address)?),
        None => None,
    };
    Some(RtcpAddress {
        port: port.parse().ok()?,
        connection,
    })
}
