//! `request picture`, a command of our own: a party is asked by RTCP for a picture that stands alone, as SIP's INFO with
//! `picture_fast_update` (RFC 5168) asks for one where there is no RTCP feedback.

use std::time::Instant;

use control_proto::{Request, Response};

use super::Shard;
use super::leg::Leg;
use super::refused::Refused;
use super::table::Key;

impl Shard {
    /// Asks each stream of pictures that the named party sends.
    pub(super) fn request_picture(
        &mut self,
        request: &Request,
        now: Instant,
    ) -> Result<Response, Refused> {
        let key = self.known_call(request)?;
        let party = self.party_named(key, request)?;
        let call = self.calls.get(key).ok_or(Refused::UnknownCallId)?;
        let legs: Vec<Key<Leg>> = call.party(party).ok_or(Refused::NoParty)?.legs.clone();
        let mut has_pictures = false;
        for leg in legs {
            let asked = self
                .legs
                .get_mut(leg)
                .and_then(|leg| leg.pictures_to_ask(now));
            has_pictures |= asked.is_some();
            for stream in asked.unwrap_or_default() {
                self.request_key_frame(leg, stream);
            }
        }
        match has_pictures {
            true => Ok(Response::ok()),
            false => Err(Refused::NoPictures),
        }
    }
}
