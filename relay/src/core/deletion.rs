//! `delete`: the end of a call, or of one branch of it.

use std::time::Instant;

use control_proto::{Request, Response, flag};

use super::call::Call;
use super::query::DIAGNOSIS;
use super::refused::Refused;
use super::table::Key;
use super::{EventKind, Ports, Shard};

impl Shard {
    /// Call-id alone is enough, as OpenSIPS sends it. With a tag or branch of a fork that has others left, only that
    /// branch ends.
    pub(super) fn delete(
        &mut self,
        request: &Request,
        now: Instant,
        ports: &mut dyn Ports,
    ) -> Result<Response, Refused> {
        let call_id = request.call_id.as_deref().ok_or(Refused::NoCallId)?;
        let key = self.by_id.get(call_id).copied().ok_or(Refused::NotFound)?;
        let call = self.calls.get_mut(key).ok_or(Refused::NotFound)?;
        let target = target(call, request)?;
        let response = if request.flags.has(flag::FAST) {
            let fault = self.diagnosis(key);
            fault.map_or(Response::ok(), |fault| {
                Response::ok().with(DIAGNOSIS, fault)
            })
        } else {
            self.statistics_of(key, now)
        };

        if let Target::Branch(party) = target {
            self.end_branch(key, party, now, ports);
            return Ok(response);
        }
        let delay = request.delete_delay.unwrap_or(self.config.delete_delay);
        if delay.is_zero() {
            self.free_call(key, EventKind::Deleted, now, ports);
        } else if let Some(call) = self.calls.get_mut(key) {
            call.ends = now.checked_add(delay).or(Some(now));
            self.arm_call(key);
        }
        Ok(response)
    }

    /// Frees the legs of one branch. The party stays, without media, since the others are known by their numbers.
    pub(super) fn end_branch(
        &mut self,
        key: Key<Call>,
        party: usize,
        now: Instant,
        ports: &mut dyn Ports,
    ) {
        let Some(party) = self
            .calls
            .get_mut(key)
            .and_then(|call| call.party_mut(party))
        else {
            return;
        };
        party.tags.clear();
        party.via_branch = None;
        for leg in std::mem::take(&mut party.legs) {
            self.forget_copy(leg);
            self.free_leg(leg, now, ports);
        }
    }
}

enum Target {
    Call,
    Branch(usize),
}

/// What the tags and the branch of the request name.
fn target(call: &Call, request: &Request) -> Result<Target, Refused> {
    let to_tag = request
        .to_tag
        .as_deref()
        .filter(|_| request.flags.has(flag::TO_TAG));
    let branch = request.via_branch.as_deref();
    let by_branch = || {
        let branch = branch?;
        call.parties
            .iter()
            .position(|party| party.via_branch.as_deref() == Some(branch))
    };
    let tag = to_tag.or(request.from_tag.as_deref());
    let by_tag = tag.and_then(|tag| call.by_tag(tag));
    let found = match to_tag {
        Some(_) => by_tag.or_else(by_branch),
        None => by_branch().or(by_tag),
    };
    if found.is_none() && (tag.is_some() || branch.is_some()) {
        return Err(Refused::NotFound);
    }
    let listens = |party: usize| call.party(party).is_some_and(|party| party.subscriber);
    // The caller has number 0; a callee is a branch while others stand beside it.
    let live = call
        .parties
        .iter()
        .skip(1)
        .filter(|party| !party.subscriber && !party.legs.is_empty())
        .count();
    Ok(match found {
        Some(party) if listens(party) => Target::Branch(party),
        Some(party) if party != 0 && live > 1 => Target::Branch(party),
        _ => Target::Call,
    })
}
