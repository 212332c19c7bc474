//! BUNDLE (RFC 8843): several media of one side on one port, where a command asks for it and the side takes it.
//!
//! One leg, the carrier, has the port, ICE, DTLS and the keys; the others ride on it. Packets are told apart by their
//! header extension, source or payload type (`sorting.rs`); media that could not be, do not ride.

mod plan;
mod sorting;
mod sources;

use std::time::Instant;

use sdp::{Group, Media, Session, Token};

pub(super) use plan::{Plan, is_offered, is_strict};
use sources::Sources;

use super::call::{Call, Party};
use super::codecs::Codecs;
use super::extensions::has_mid;
use super::leg::Leg;
use super::table::{Key, Table};
use super::{Ports, Shard};

/// What a leg shares with others of its side.
#[derive(Debug, Default)]
pub(super) struct Bundle {
    /// The leg on whose port this one's media go.
    pub(super) carrier: Option<Key<Leg>>,
    /// The side has said that they do.
    agreed: bool,
    /// It has a port of its own, and the side may say that it wants none.
    invited: bool,
    /// The legs whose media go on this one's port.
    riders: Vec<Key<Leg>>,
    /// Which medium the sources are of that this side sends, and those that it hears.
    sends: Sources,
    hears: Sources,
}

impl Bundle {
    /// Whether its port has several media.
    pub(super) fn is_shared(&self) -> bool {
        self.carrier.is_some() || !self.riders.is_empty()
    }
}

impl Shard {
    /// Whether the medium at `index` rides, now that its party's legs are known. A leg that has a port keeps it, until
    /// the side says that it wants none.
    pub(super) fn rides(
        &mut self,
        call: Key<Call>,
        party: usize,
        index: usize,
        plan: &Plan,
    ) -> bool {
        let keys = || {
            let legs = &self.calls.get(call)?.party(party)?.legs;
            Some((legs.get(index).copied()?, legs.get(plan.carrier).copied()?))
        };
        let Some((rider, carrier)) = keys() else {
            return false;
        };
        let Some(leg) = self.legs.get_mut(rider) else {
            return false;
        };
        if leg.bundle.carrier.is_some() {
            return true;
        }
        leg.bundle.invited |= plan.apart && plan.includes(index);
        if plan.apart || leg.rtp.is_some() || !plan.riders.contains(&index) {
            return false;
        }
        self.ride(rider, carrier, plan.agreed);
        true
    }

    fn ride(&mut self, rider: Key<Leg>, carrier: Key<Leg>, agreed: bool) {
        if let Some(leg) = self.legs.get_mut(rider) {
            leg.bundle.carrier = Some(carrier);
            leg.bundle.agreed = agreed;
        }
        if let Some(carrier) = self.legs.get_mut(carrier) {
            carrier.bundle.riders.push(rider);
        }
    }

    /// An answer may take media that were offered on ports of their own on one (RFC 8843 section 7.3): the others are
    /// closed.
    pub(super) fn join_invited(
        &mut self,
        call: Key<Call>,
        party: usize,
        body: &mut Session,
        now: Instant,
        ports: &mut dyn Ports,
    ) {
        let party = self.calls.get(call).and_then(|call| call.party(party));
        let legs = party.map_or_else(Vec::new, |party| party.legs.clone());
        let Some(group) = group_of(body) else {
            return;
        };
        let mut carrier = None;
        let mut together: Vec<Media> = Vec::new();
        for (key, media) in legs.iter().zip(&mut body.media) {
            let Some(bundle) = self.legs.get(*key).map(|leg| &leg.bundle) else {
                continue;
            };
            let may = bundle.invited && bundle.carrier.is_none() && !media.is_rejected();
            let named = media
                .mid
                .as_ref()
                .is_some_and(|mid| group.mids.contains(mid));
            if !(may && named) {
                continue;
            }
            match carrier {
                None if media.rtcp_mux => carrier = Some(*key),
                None => return,
                Some(_) if !tells_apart(media, &together) => {
                    media.port = 0;
                    continue;
                }
                Some(carrier) => {
                    self.release_ports(*key, now, ports);
                    self.ride(*key, carrier, true);
                }
            }
            together.push(media.clone());
        }
    }

    /// Gives the media of a body that ride already what its sender says at their carrier only (RFC 8843 section 7.1.3).
    /// A medium that this side does not let ride is rejected.
    pub(super) fn inherit(&mut self, call: Key<Call>, party: usize, body: &mut Session) {
        let party = self.calls.get(call).and_then(|call| call.party(party));
        let legs = party.map_or(&[][..], |party| &party.legs);
        let group = group_of(body);
        for (index, key) in legs.iter().enumerate() {
            let carrier = self.legs.get(*key).and_then(|leg| leg.bundle.carrier);
            let at = carrier.and_then(|carrier| legs.iter().position(|leg| *leg == carrier));
            let Some(shared) = at.and_then(|at| body.media.get(at)).cloned() else {
                continue;
            };
            let rider = body.media.get_mut(index);
            let Some(media) = rider.filter(|media| !media.is_rejected()) else {
                continue;
            };
            let named = |group: &Group| {
                let mid = media.mid.as_ref();
                mid.is_some_and(|mid| group.mids.contains(mid))
            };
            let Some(leg) = self.legs.get_mut(*key) else {
                continue;
            };
            let in_group = group.as_ref().is_some_and(named);
            leg.bundle.agreed |= in_group && tells_apart(media, std::slice::from_ref(&shared));
            if leg.bundle.agreed {
                share(&shared, media);
            } else {
                (media.port, media.bundle_only) = (0, false);
            }
        }
    }

    /// The leg whose port this one's media use.
    pub(super) fn carrier(&self, leg: Key<Leg>) -> Key<Leg> {
        let carrier = self.legs.get(leg).and_then(|leg| leg.bundle.carrier);
        carrier.unwrap_or(leg)
    }
}

impl Party {
    /// Gives the media that ride the lines of their carrier, and the group that says so. Media that the side may yet
    /// take on one port are in the group of an `offer`; what is not agreed has no port there if it is `strict`.
    pub(super) fn share_ports(
        &self,
        body: &mut Session,
        legs: &Table<Leg>,
        offer: bool,
        strict: bool,
    ) {
        let mut mids: Vec<Token> = Vec::new();
        for (index, key) in self.legs.iter().enumerate() {
            let Some(bundle) = legs.get(*key).map(|leg| &leg.bundle) else {
                continue;
            };
            let at = bundle
                .carrier
                .and_then(|carrier| self.legs.iter().position(|leg| *leg == carrier));
            let shared = at.and_then(|at| body.media.get(at)).cloned();
            let live = |media: &&mut Media| !media.is_rejected();
            let Some(media) = body.media.get_mut(index).filter(live) else {
                continue;
            };
            match shared {
                Some(shared) if shared.is_rejected() => {
                    media.port = 0;
                    continue;
                }
                Some(shared) => {
                    share(&shared, media);
                    media.bundle_only = !bundle.agreed;
                    if strict && !bundle.agreed {
                        media.port = 0;
                    }
                }
                None if bundle.is_shared() || (bundle.invited && offer) => {}
                None => continue,
            }
            mids.extend(media.mid.clone());
        }
        // An answer has no group of one but where one was offered: that is not ours to say.
        if mids.len() > usize::from(!offer) {
            body.groups.push(Group {
                semantics: Token::from_static("BUNDLE"),
                mids,
            });
        }
    }
}

/// Gives a medium what is the transport's and not the medium's own.
fn share(from: &Media, to: &mut Media) {
    to.port = from.port;
    to.bundle_only = false;
    to.connection.clone_from(&from.connection);
    to.rtcp.clone_from(&from.rtcp);
    to.rtcp_mux = from.rtcp_mux;
    to.cryptos.clone_from(&from.cryptos);
    to.setup = from.setup;
    to.fingerprints.clone_from(&from.fingerprints);
    to.tls_id.clone_from(&from.tls_id);
    to.ice.clone_from(&from.ice);
}

/// Whether packets of this medium could not be taken for those of others on the same port: by their payload types, or
/// because they say which medium they are of.
fn tells_apart(media: &Media, others: &[Media]) -> bool {
    let says = has_mid(&media.extmaps);
    let own = Codecs::of(media);
    let mixed =
        |other: &Media| overlap(&own, &Codecs::of(other)) && !(says && has_mid(&other.extmaps));
    !others.iter().any(mixed)
}

fn overlap(one: &Codecs, other: &Codecs) -> bool {
    let numbers = other.payloads().iter().map(|payload| payload.number);
    let mut own = one.payloads().iter();
    own.any(|payload| numbers.clone().any(|number| number == payload.number))
}

fn group_of(body: &Session) -> Option<Group> {
    body.groups.iter().find(|group| is_bundle(group)).cloned()
}

pub(super) fn is_bundle(group: &Group) -> bool {
    group.semantics == "BUNDLE"
}
