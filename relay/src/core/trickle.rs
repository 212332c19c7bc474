//! Trickle ICE (RFC 8838, RFC 8840): candidates that come one by one, in fragments of SDP.
//!
//! A fragment travels apart from the body that it belongs to, and may overtake it. It waits then, for a while.

use std::time::{Duration, Instant};

use control_proto::{Request, Response};
use sdp::{Media, Session};

use super::Shard;
use super::call::Call;
use super::deadline::after;
use super::leg::Leg;
use super::refused::Refused;
use super::table::Key;

/// How long a fragment waits for its body: as long as a SIP transaction may take to be answered by a relay that is
/// slow, and no longer, since nobody asks for it again.
const MAX_AGE: Duration = Duration::from_secs(30);
/// Fragments that wait in one shard at most; a further one is in the place of the oldest.
const MAX_WAITING: usize = 256;

/// Candidates whose body has not come yet.
pub(super) struct Waiting {
    call_id: String,
    from_tag: String,
    media: Vec<Media>,
    until: Instant,
}

impl Shard {
    /// Takes the candidates of a fragment. There is nothing to give back.
    pub(super) fn fragment(
        &mut self,
        request: &Request,
        now: Instant,
    ) -> Result<Response, Refused> {
        let body = request.sdp.as_deref().ok_or(Refused::NoSdp)?;
        let call_id = request.call_id.as_deref().ok_or(Refused::NoCallId)?;
        let from_tag = request.from_tag.as_deref().ok_or(Refused::NoFromTag)?;
        let fragment = Session::parse_fragment(body).map_err(|_| Refused::Sdp)?;
        let waiting = Waiting {
            call_id: call_id.to_owned(),
            from_tag: from_tag.to_owned(),
            media: fragment.media,
            until: after(now, MAX_AGE),
        };
        if !self.take_candidates(&waiting, now) {
            while self.fragments.len() >= MAX_WAITING {
                self.fragments.pop_front();
            }
            self.fragments.push_back(waiting);
        }
        Ok(Response::ok())
    }

    /// Takes what has waited for the body that has just come.
    pub(super) fn take_waiting_fragments(&mut self, key: Key<Call>, now: Instant) {
        let Some(call) = self.calls.get(key) else {
            return;
        };
        let id = call.id.clone();
        let waiting = std::mem::take(&mut self.fragments);
        self.fragments = waiting
            .into_iter()
            .filter(|fragment| fragment.until > now)
            .filter(|fragment| fragment.call_id != id || !self.take_candidates(fragment, now))
            .collect();
    }

    /// `false` when its body is not here yet.
    fn take_candidates(&mut self, fragment: &Waiting, now: Instant) -> bool {
        let legs = || {
            let call = self.calls.get(*self.by_id.get(&fragment.call_id)?)?;
            let party = call.party(call.by_tag(&fragment.from_tag)?)?;
            Some(party.legs.clone())
        };
        let Some(legs) = legs() else {
            return false;
        };
        let mut found = false;
        for (index, media) in fragment.media.iter().enumerate() {
            let is_it = |key: &&Key<Leg>| {
                let leg = self.legs.get(**key);
                leg.is_some_and(|leg| media.mid.is_some() && leg.terms.mid == media.mid)
            };
            let key = legs.iter().find(is_it).or(legs.get(index)).copied();
            let Some(key) = key else { continue };
            if let Some(leg) = self.legs.get_mut(key)
                && leg.take_candidates(media, now)
            {
                found = true;
                self.drain(key, now);
            }
        }
        found
    }
}
