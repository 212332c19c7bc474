//! Whom a command is about: the whole call, a party by tag, label or address, or what goes from one party to another.

use control_proto::{Request, Value, flag};

use super::Shard;
use super::call::Call;
use super::gate::Part;
use super::refused::Refused;
use super::table::Key;

impl Shard {
    /// The call of a command other than `offer` and `answer`.
    pub(super) fn known_call(&self, request: &Request) -> Result<Key<Call>, Refused> {
        let call_id = request.call_id.as_deref().ok_or(Refused::NoCallId)?;
        self.by_id
            .get(call_id)
            .copied()
            .ok_or(Refused::UnknownCallId)
    }

    /// What of the call a command concerns that may concern all of it. A tag names a party only with the flag
    /// `directional`; a label or an address always does.
    pub(super) fn part(&self, key: Key<Call>, request: &Request) -> Result<Part, Refused> {
        let directional = request.flags.has(flag::DIRECTIONAL);
        let named = request.label.is_some() || address(request).is_some();
        if !directional && !named {
            return Ok(Part::Call);
        }
        let from = self.party_named(key, request)?;
        let call = self.calls.get(key).ok_or(Refused::UnknownCallId)?;
        let to = match (&request.set_label, request.to_tag.as_deref()) {
            (Some(label), _) => Some(by_label(call, label)?),
            (None, Some(tag)) if directional => Some(call.by_tag(tag).ok_or(Refused::NoToParty)?),
            _ => None,
        };
        Ok(to.map_or(Part::Party(from), |to| Part::Flow(from, to)))
    }

    /// The party that a command names by label, by the address in its SDP, or by tag.
    pub(super) fn party_named(&self, key: Key<Call>, request: &Request) -> Result<usize, Refused> {
        let call = self.calls.get(key).ok_or(Refused::UnknownCallId)?;
        if let Some(label) = &request.label {
            return by_label(call, label);
        }
        if let Some(address) = address(request) {
            return self.by_address(call, address).ok_or(Refused::NoSuchAddress);
        }
        let tag = request.from_tag.as_deref().ok_or(Refused::NoParty)?;
        call.by_tag(tag).ok_or(Refused::NoFromParty)
    }

    fn by_address(&self, call: &Call, address: &str) -> Option<usize> {
        let address = address.parse().ok()?;
        call.parties.iter().position(|party| {
            let legs = party.legs.iter().filter_map(|leg| self.legs.get(*leg));
            legs.flat_map(super::leg::Leg::transports)
                .any(|(_, transport)| {
                    let selected = transport.agent.as_deref().and_then(ice::Agent::selected);
                    let told = transport.peer.signalled().map(|at| at.ip());
                    told == Some(address) || selected.map(|pair| pair.remote.ip()) == Some(address)
                })
        })
    }
}

fn by_label(call: &Call, label: &str) -> Result<usize, Refused> {
    call.parties
        .iter()
        .position(|party| party.label.as_deref() == Some(label))
        .ok_or(Refused::NoSuchLabel)
}

fn address(request: &Request) -> Option<&str> {
    request.other.get("address").and_then(Value::as_str)
}
