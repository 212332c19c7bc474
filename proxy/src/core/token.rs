//! The signed name in our Path, Contact and Record-Route URIs (RFC 5626 section 5.2): the only thing in a message
//! that decides where a request goes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sip::{Message, NameAddr};
use subtle::ConstantTimeEq as _;

use super::names::{ClientId, MediaId, Names, TargetId};
use super::numbers::MOST;

/// Raised when the contents change, so that an old token is refused and not misread.
const VERSION: u8 = 3;

/// Where the first octet says how the browser's requests are numbered.
const NUMBERED: u8 = 0b0001_1000;

/// In the place of the version: a call between two browsers without the SIP server between them.
const BESIDE: u8 = 103;

/// Characters of a token.
const LENGTH: usize = 50;

fn is_base64(text: &str) -> bool {
    text.bytes()
        .all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
}

/// What a token says. One exists only if we signed it: it is made here or its MAC was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    /// The client that it leads to.
    pub(super) client: ClientId,
    /// The dialog's other party is a browser of this edge, too: the next token names it, and no SIP server is between.
    pub(super) beside: bool,
    /// The dialog's media session; `None` in Path, and in dialogs without media.
    pub(super) media: Option<MediaId>,
    /// The SIP server's address that the dialog is at; `None` in Path, and where it is not in the list.
    pub(super) target: Option<TargetId>,
    /// How often the edge had proved the request that began the dialog, where the browser's requests are numbered for that
    /// (`numbers.rs`): at most twice.
    pub(super) numbered: Option<u8>,
}

impl Token {
    /// Of a client, outside of any dialog.
    pub(super) fn of_client(client: ClientId) -> Self {
        Self {
            client,
            beside: false,
            media: None,
            target: None,
            numbered: None,
        }
    }

    /// The user part of the URI: 50 characters.
    pub(super) fn encode(&self, names: &Names) -> String {
        let media = self.media.map_or([0; 12], |media| media.0);
        let target = self.target.map_or([0; 4], |target| target.0);
        let kind = if self.beside { BESIDE } else { VERSION };
        let proofs = self
            .numbered
            .map_or(0, |proofs| proofs.min(MOST).saturating_add(1));
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.push(kind | (proofs << NUMBERED.trailing_zeros()));
        bytes.extend(self.client.0);
        bytes.extend(media);
        bytes.extend(target);
        bytes.extend(names.signature(&bytes));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a user part; `None` unless we signed it.
    pub(super) fn decode(text: &str, names: &Names) -> Option<Self> {
        if text.len() != LENGTH {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (contents, signature) = bytes.split_at_checked(25)?;
        if !bool::from(names.signature(contents).ct_eq(signature)) {
            return None;
        }
        let (version, ids) = contents.split_first()?;
        let (client, rest) = ids.split_at_checked(8)?;
        let (media, target) = rest.split_at_checked(12)?;
        let media: [u8; 12] = media.try_into().ok()?;
        let target: [u8; 4] = target.try_into().ok()?;
        let (kind, proofs) = (version & !NUMBERED, version & NUMBERED);
        [VERSION, BESIDE].contains(&kind).then_some(Self {
            client: ClientId(client.try_into().ok()?),
            beside: kind == BESIDE,
            media: (media != [0; 12]).then_some(MediaId(media)),
            target: (target != [0; 4]).then_some(TargetId(target)),
            numbered: (proofs >> NUMBERED.trailing_zeros()).checked_sub(1),
        })
    }

    /// The token of a URI of ours, whatever its host and parameters say (`transport=wss` included): the
    /// MAC is what counts.
    pub(super) fn of(value: &NameAddr<'_>, names: &Names) -> Option<Self> {
        Self::decode(value.uri().ok()?.user()?, names)
    }

    /// The token in the request's first Route.
    pub(super) fn next(request: &Message, names: &Names) -> Option<Self> {
        Self::decode(next_user(request)?, names)
    }

    /// The token in the Request-URI: the registrar took it from the Contact that we registered.
    pub(super) fn addressed(request: &Message, names: &Names) -> Option<Self> {
        Self::decode(request.uri()?.user()?, names)
    }

    /// Whether the request names, as its next hop or its destination, what has the shape of a token and is none of ours.
    pub(super) fn is_forged(request: &Message, names: &Names) -> bool {
        let addressed = request.uri().and_then(|uri| uri.user());
        let mut users = next_user(request).into_iter().chain(addressed);
        users.any(|user| {
            user.len() == LENGTH && is_base64(user) && Self::decode(user, names).is_none()
        })
    }

    /// Takes our own entries off the top of Route: both of a double Record-Route, but no others, since a call
    /// from one of our browsers to another has four.
    pub(super) fn take(request: &mut Message, names: &Names) -> Option<Self> {
        let text = next_user(request)?.to_owned();
        let token = Self::decode(&text, names)?;
        // What we signed is written in one way.
        while next_user(request) == Some(&text) {
            if request.remove_first_value("Route") != Ok(true) {
                break;
            }
        }
        Some(token)
    }

    /// Whether a Record-Route value is ours, from the pass of a call that has this session.
    pub(super) fn is_of_pass(value: &NameAddr<'_>, names: &Names, media: Option<MediaId>) -> bool {
        Self::of(value, names).is_some_and(|token| token.media == media)
    }
}

/// The user part of the request's first Route.
fn next_user(request: &Message) -> Option<&str> {
    request.routes().next()?.ok()?.uri().ok()?.user()
}

#[cfg(test)]
mod tests {
    use super::super::config::Secrets;
    use super::*;

    fn names(key: u8) -> Names {
        Names::new(&Secrets {
            token_key: [key; 32],
            seed: [2; 32],
        })
    }

    fn token() -> Token {
        Token {
            client: ClientId([7; 8]),
            beside: false,
            media: Some(MediaId([9; 12])),
            target: Some(TargetId([5; 4])),
            numbered: None,
        }
    }

    #[test]
    fn only_what_we_signed_is_a_token() {
        let names = names(1);
        let text = token().encode(&names);
        assert_eq!(text.len(), LENGTH);
        assert_eq!(Token::decode(&text, &names), Some(token()));
        assert_eq!(
            Token::decode(&text, &self::names(3)),
            None,
            "another edge's key"
        );
        for at in 0..text.len() {
            let mut bent: Vec<char> = text.chars().collect();
            bent[at] = if bent[at] == 'A' { 'B' } else { 'A' };
            let bent: String = bent.into_iter().collect();
            assert_eq!(Token::decode(&bent, &names), None, "{bent}");
        }
        for bad in ["", "alice", "AAAA", &text[1..], &format!("{text}AAAA")] {
            assert_eq!(Token::decode(bad, &names), None, "{bad}");
        }
    }

    #[test]
    fn a_token_says_how_requests_are_numbered() {
        let names = names(1);
        for beside in [false, true] {
            for numbered in [None, Some(0), Some(1), Some(MOST)] {
                let token = Token {
                    beside,
                    numbered,
                    ..token()
                };
                assert_eq!(Token::decode(&token.encode(&names), &names), Some(token));
            }
        }
    }

    #[test]
    fn taking_stops_at_another_calls_entries() {
        let names = names(1);
        let (mine, other) = (token(), Token::of_client(ClientId([8; 8])));
        let route = |token: Token, rest: &str| format!("<sip:{}@{rest}>", token.encode(&names));
        let text = format!(
            "BYE sip:b@y.invalid SIP/2.0\r\nRoute: {}, {}\r\nRoute: {}\r\n\r\n",
            route(mine, "edge:443;transport=wss;lr"),
            route(mine, "192.0.2.1:5060;lr"),
            route(other, "192.0.2.1:5060;lr")
        );
        let mut request = Message::parse(text.into_bytes()).unwrap();
        assert_eq!(Token::take(&mut request, &names), Some(mine));
        assert_eq!(request.routes().count(), 1);
        assert_eq!(Token::take(&mut request, &names), Some(other));
        assert_eq!(Token::take(&mut request, &names), None);
    }
}
