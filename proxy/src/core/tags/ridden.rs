//! What a browser's route says of the phone that answered in another's place: beside our token, bound to it and to the Call-ID by a
//! signature, the two tags and where that phone is reached. Only the browser is shown it, in the Record-Route of the 2xx, and gives it back
//! in each request.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sip::{Error, Message, NameAddr};
use subtle::ConstantTimeEq as _;

use super::Swap;
use crate::core::names::{MediaId, Names};
use crate::core::token::Token;

/// Our URI's parameter.
const NAME: &str = "answered";

/// Octets of tags and target; who has more is not remembered beyond this process.
const MAX_SIZE: usize = 512;

pub(super) struct Ridden {
    pub(super) swap: Swap,
    /// The Contact's URI of who answered; empty if he gave none.
    pub(super) target: String,
}

impl Ridden {
    /// Adds it to our entry of a 2xx that is the browser's: the one that was recorded first.
    pub(super) fn write(&self, response: &mut Message, names: &Names) -> Result<(), Error> {
        let Self { swap, target } = self;
        let contents = format!("{}\n{}\n{target}", swap.first, swap.answered);
        let entry = response.values("Record-Route").enumerate().last();
        let Some((at, entry)) = entry.map(|(at, entry)| (at, entry.into_owned())) else {
            return Ok(());
        };
        let ours = NameAddr::parse(entry.as_bytes()).ok();
        let ours = ours.filter(|it| Token::of(it, names).is_some());
        let token = ours.and_then(|it| it.uri().ok()?.user().map(str::to_owned));
        let call_id = response.call_id().unwrap_or_default().to_owned();
        let (Some(token), Some(head)) = (token, entry.strip_suffix('>')) else {
            return Ok(());
        };
        if contents.len() > MAX_SIZE {
            return Ok(());
        }
        let signature = names.beside_signature(&token, &call_id, &contents);
        let sealed = URL_SAFE_NO_PAD.encode([&signature, contents.as_bytes()].concat());
        response.set_value("Record-Route", at, format!("{head};{NAME}={sealed}>"))
    }

    /// What the route of a browser's request says, and of which call; `None` unless we signed it.
    pub(super) fn read(request: &Message, names: &Names) -> Option<(MediaId, Self)> {
        let first = str::from_utf8(request.raw_values("Route").next()?).ok()?;
        if !first.contains(NAME) || request.to_tag().is_none() {
            return None;
        }
        let route = request.routes().next()?.ok()?;
        let uri = route.uri().ok()?;
        let sealed = URL_SAFE_NO_PAD.decode(uri.param(NAME)?).ok()?;
        let (signature, contents) = sealed.split_at_checked(12)?;
        let contents = str::from_utf8(contents).ok()?;
        let expected = names.beside_signature(uri.user()?, request.call_id()?, contents);
        if !bool::from(expected.as_slice().ct_eq(signature)) {
            return None;
        }
        let media = Token::of(&route, names)?.media?;
        let mut parts = contents.splitn(3, '\n').map(str::to_owned);
        let (first, answered, target) = (parts.next()?, parts.next()?, parts.next()?);
        let swap = Swap { first, answered };
        Some((media, Self { swap, target }))
    }
}
