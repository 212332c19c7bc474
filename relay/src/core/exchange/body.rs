//! The session part of a body: read from a command, and written for the one it goes to.

use std::net::IpAddr;

use control_proto::{Command, Request, flag};
use sdp::{Attribute, Connection, Group, Media, Session, Text, Token};

use super::Passage;
use crate::core::bundle::{is_bundle, is_strict};
use crate::core::leg::Leg;
use crate::core::refused::Refused;
use crate::core::table::Key;
use crate::core::{Random, Shard};

impl Shard {
    /// Whether the body has been through here already, and is to be left alone then.
    pub(super) fn is_marked(&self, body: &Session, request: &Request) -> bool {
        request.flags.has(flag::LOOP_PROTECT) && body.attributes.contains(&self.mark)
    }

    /// The session part of a body for `party`, and everything that is set going by it.
    pub(super) fn finish(&mut self, passage: &Passage<'_>, party: usize, body: &mut Session) {
        let Some(call) = self.calls.get_mut(passage.call) else {
            return;
        };
        let all_legs: Vec<Key<Leg>> = call
            .parties
            .iter()
            .flat_map(|party| party.legs.iter().copied())
            .collect();
        if passage.request.flags.has(flag::LOOP_PROTECT) {
            body.attributes.insert(0, self.mark.clone());
        }
        if let Some(party) = call.party_mut(party) {
            let legs = || party.legs.iter().filter_map(|leg| self.legs.get(*leg));
            if !legs().any(|leg| leg.passing.is_some()) {
                body.ice_lite = legs().any(Leg::is_ice_lite);
                body.groups.retain(|group| !is_bundle(group));
                // In our own offers too: Chromium refuses a re-offer that leaves the group it has agreed to.
                let is_offer = passage.request.command == Command::Offer;
                party.share_ports(body, &self.legs, is_offer, is_strict(passage.request));
                // And in the first one where we number media ourselves: a browser with `max-bundle` takes no offer without.
                let begins = is_offer && passage.request.flags.has(flag::GENERATE_MID);
                if (party.bundles || begins) && body.groups.iter().all(|group| !is_bundle(group)) {
                    body.groups.extend(bundle_of_one(body));
                }
            }
            let replace = passage.request.replace;
            let shown = passage.request.media_address.or(legs()
                .find(|leg| leg.rtp.is_some())
                .map(|leg| leg.terms.shown));
            let shown = shown
                .filter(|_| replace.origin || replace.origin_full)
                .map(Connection::from);
            party.finish(body, shown, replace.force_increment_sdp_version);
        }
        self.set_renumbering(&all_legs);
        for leg in all_legs {
            let transports = self
                .legs
                .get_mut(leg)
                .into_iter()
                .flat_map(Leg::transports_mut);
            transports.for_each(|(_, transport)| transport.peer.expect(passage.now));
            self.drain(leg, passage.now);
        }
        self.take_waiting_fragments(passage.call, passage.now);
        self.arm_call(passage.call);
    }
}

/// `a=rtpengine` with a name of our own, by which a relay knows its own bodies again.
pub(in crate::core) fn mark(random: &mut Random) -> Attribute {
    let mut bytes = [0; 6];
    random(&mut bytes);
    let name: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Attribute {
        name: Token::from_static("rtpengine"),
        value: Text::new(name).ok(),
    }
}

pub(super) fn body_of(request: &Request) -> Result<Session, Refused> {
    let body = request.sdp.as_deref().ok_or(Refused::NoSdp)?;
    let mut body = Session::parse(body).map_err(|_| Refused::Sdp)?;
    if let Some(source) = request
        .received_from
        .filter(|_| request.flags.has(flag::SIP_SOURCE_ADDRESS))
    {
        body.media
            .iter_mut()
            .for_each(|media| believe_source(media, source));
    }
    Ok(body)
}

/// `SIP-source-address`: the SIP message came from nearer to the sender than its body tells. A hold stays one.
fn believe_source(media: &mut Media, source: IpAddr) {
    let is_hold = |connection: &Connection| connection.is_unspecified();
    if !media.connection.as_ref().is_some_and(is_hold) {
        media.connection = Some(Connection::from(source));
    }
    if let Some(rtcp) = &mut media.rtcp {
        rtcp.connection = None;
    }
}

/// Each medium has a port of its own, so there is a bundle only where there is one medium.
fn bundle_of_one(body: &Session) -> Option<Group> {
    let mut live = body.media.iter().filter(|media| !media.is_rejected());
    let only = live.next().filter(|_| live.next().is_none())?;
    Some(Group {
        semantics: Token::from_static("BUNDLE"),
        mids: vec![only.mid.clone()?],
    })
}
