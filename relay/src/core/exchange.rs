//! `offer` and `answer`: a body comes from one party and goes to the other, with our own face in place of its sender's.

mod body;
mod medium;

use std::time::Instant;

use control_proto::{Request, Response, flag};
use sdp::Session;

use super::bundle::{Plan, is_bundle};
use super::call::Call;
use super::passing;
use super::refused::Refused;
use super::table::Key;
use super::{EventKind, Ports, Shard};

use body::body_of;
pub(super) use body::mark;

/// One body on its way.
struct Passage<'a> {
    call: Key<Call>,
    /// The party that offered.
    from: usize,
    /// The party that was offered to.
    to: usize,
    request: &'a Request,
    /// The body's sender is ICE-lite.
    is_lite: bool,
    now: Instant,
}

impl Shard {
    pub(super) fn offer(
        &mut self,
        request: &Request,
        now: Instant,
        ports: &mut dyn Ports,
    ) -> Result<Response, Refused> {
        if request.flags.has(flag::FRAGMENT) {
            return self.fragment(request, now);
        }
        let mut body = body_of(request)?;
        let call_id = request.call_id.as_deref().ok_or(Refused::NoCallId)?;
        let from_tag = request.from_tag.as_deref().ok_or(Refused::NoFromTag)?;
        if self.is_marked(&body, request) {
            return Ok(Response::ok().with_sdp(request.sdp.clone().unwrap_or_default()));
        }
        let known = self.by_id.get(call_id).copied();
        let call = match known {
            Some(call) => call,
            None => self.new_call(call_id, now)?,
        };
        let wants_to_pass = passing::is_wished(&body, request);
        let done = self.offer_in(call, from_tag, request, &mut body, now, ports);
        let passes = !wants_to_pass || self.leg_keys(call).iter().any(|leg| self.passes(*leg));
        if done.is_err() && known.is_none() {
            self.free_call(call, EventKind::Unanswered, now, ports);
        }
        let reply = done.map(|()| Response::ok().with_sdp(body.to_bytes()))?;
        if passes {
            return Ok(reply);
        }
        Ok(reply.with_warning("ICE cannot be left to the two sides here: done as ICE=force"))
    }

    pub(super) fn answer(
        &mut self,
        request: &Request,
        now: Instant,
        ports: &mut dyn Ports,
    ) -> Result<Response, Refused> {
        let mut body = body_of(request)?;
        let call_id = request.call_id.as_deref().ok_or(Refused::NoCallId)?;
        let from_tag = request.from_tag.as_deref().ok_or(Refused::NoFromTag)?;
        let to_tag = request.to_tag.as_deref().ok_or(Refused::NoToTag)?;
        let key = self
            .by_id
            .get(call_id)
            .copied()
            .ok_or(Refused::UnknownCall)?;
        let call = self.calls.get_mut(key).ok_or(Refused::UnknownCall)?;
        let (from, to) = call.sides_of_answer(from_tag, to_tag, request.via_branch.as_deref())?;
        call.answered.get_or_insert(now);
        (call.last_signal, call.ends) = (now, None);
        if let Some(party) = call.party_mut(to) {
            party.label = request.label.clone().or(party.label.take());
            party.describe(request);
        }
        let passage = Passage {
            call: key,
            from,
            to,
            request,
            is_lite: body.ice_lite,
            now,
        };
        self.join_invited(key, to, &mut body, now, ports);
        self.inherit(key, to, &mut body);
        for (index, media) in body.media.iter_mut().enumerate() {
            self.answer_medium(&passage, index, media)?;
        }
        self.close_left(key, [from, to], now, ports);
        self.finish(&passage, from, &mut body);
        Ok(Response::ok().with_sdp(body.to_bytes()))
    }

    pub(super) fn new_call(&mut self, call_id: &str, now: Instant) -> Result<Key<Call>, Refused> {
        if self.overloaded {
            return Err(Refused::Overloaded);
        }
        let seat = self.config.seats.take().ok_or(Refused::TooManyCalls)?;
        let call = self.calls.insert(Call::new(call_id.to_owned(), seat, now));
        self.by_id.insert(call_id.to_owned(), call);
        Ok(call)
    }

    fn offer_in(
        &mut self,
        key: Key<Call>,
        from_tag: &str,
        request: &Request,
        body: &mut Session,
        now: Instant,
        ports: &mut dyn Ports,
    ) -> Result<(), Refused> {
        let call = self.calls.get_mut(key).ok_or(Refused::UnknownCall)?;
        let (to_tag, via_branch) = (request.to_tag.as_deref(), request.via_branch.as_deref());
        let (from, to) = call.sides_of_offer(from_tag, to_tag, via_branch, now)?;
        (call.last_signal, call.ends) = (now, None);
        let faces = request
            .direction
            .as_ref()
            .map(|[from, to]| (from, to))
            .unzip();
        let labels = (&request.label, &request.set_label);
        for (party, face, label) in [(from, faces.0, labels.0), (to, faces.1, labels.1)] {
            if let Some(party) = call.party_mut(party) {
                party.interface = face.cloned().or(party.interface.take());
                party.label = label.clone().or(party.label.take());
            }
        }
        if let Some(party) = call.party_mut(from) {
            party.bundles = body.groups.iter().any(is_bundle);
            party.describe(request);
        }
        let passage = Passage {
            call: key,
            from,
            to,
            request,
            is_lite: body.ice_lite,
            now,
        };
        let plans = [Plan::of(body, request), Plan::toward(body, request)];
        self.inherit(key, from, body);
        for (index, media) in body.media.iter_mut().enumerate() {
            self.offer_medium(&passage, (index, &plans), media, ports)?;
        }
        self.close_beyond(key, [from, to], body.media.len(), now, ports);
        self.finish(&passage, to, body);
        Ok(())
    }
}
