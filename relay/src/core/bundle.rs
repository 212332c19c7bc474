//! BUNDLE (RFC 8843): several media of one side on one port, where a command has `bundle=accept` and the side has
//! offered it.
//!
//! One leg, the carrier, has the port, ICE, DTLS and the keys; the others ride on it. What comes in is told apart by
//! payload type, so media whose payload types are not their own do not ride; RTCP by the sources that it speaks of.

use control_proto::{Request, Value};
use sdp::{Group, Media, Session, Token};

use super::call::{Call, Party};
use super::leg::Leg;
use super::shard::Place;
use super::table::{Key, Table};
use super::{Drop, Shard};

/// Sources whose medium is remembered on one carrier at most: a few streams each way for each medium.
const MAX_SOURCES: usize = 64;

/// What a leg shares with others of its side.
#[derive(Debug, Default)]
pub(super) struct Bundle {
    /// The leg on whose port this one's media go.
    pub(super) carrier: Option<Key<Leg>>,
    /// The side has said that they do.
    agreed: bool,
    /// The legs whose media go on this one's port.
    riders: Vec<Key<Leg>>,
    /// Whose source is whose, of riders only.
    sources: Vec<(u32, Key<Leg>)>,
}

/// Which media of an offer ride, by their places, and on which.
#[derive(Debug, Default)]
pub(super) struct Plan {
    carrier: usize,
    riders: Vec<usize>,
    /// The side has offered it.
    agreed: bool,
}

impl Plan {
    /// Which media of the offer may ride, as far as the offer says. They take over what stands at their carrier only.
    pub(super) fn of(body: &mut Session, request: &Request) -> Self {
        let Some(group) = body.groups.iter().find(|group| is_bundle(group)).cloned() else {
            return Self::default();
        };
        let in_group = |media: &Media| {
            media
                .mid
                .as_ref()
                .is_some_and(|mid| group.mids.contains(mid))
        };
        let carries = |media: &Media| in_group(media) && media.port != 0 && media.rtcp_mux;
        let first = body.media.iter().position(carries);
        let Some(carrier) = first.filter(|_| accepts(request)) else {
            return Self::default();
        };
        let Some(shared) = body.media.get(carrier).cloned() else {
            return Self::default();
        };
        let mut known: Vec<u8> = shared
            .payloads()
            .iter()
            .map(|payload| payload.number)
            .collect();
        let mut riders = Vec::new();
        for (index, media) in body
            .media
            .iter_mut()
            .enumerate()
            .skip(carrier.saturating_add(1))
        {
            let own = || media.payloads().iter().map(|payload| payload.number);
            let is_live = media.port != 0 || media.bundle_only;
            let told_apart =
                media.protocol.is_rtp() && !own().any(|number| known.contains(&number));
            if !(in_group(media) && is_live && told_apart) {
                continue;
            }
            known.extend(own());
            riders.push(index);
            share(&shared, media);
        }
        Self {
            carrier,
            riders,
            agreed: true,
        }
    }
}

impl Plan {
    /// Which media ride towards a side that `bundle=require` is asked for: in its first offer they are `bundle-only`, so
    /// that a side without BUNDLE rejects them (RFC 8843 section 7.2.1).
    pub(super) fn toward(body: &Session, request: &Request) -> Self {
        let is_live = |media: &Media| media.protocol.is_rtp() && !media.is_rejected();
        let first = body.media.iter().position(is_live);
        let is_asked = requires(request) && request.rtcp_mux.require;
        let Some(carrier) = first.filter(|_| is_asked) else {
            return Self::default();
        };
        let mut known: Vec<u8> = Vec::new();
        let mut riders = Vec::new();
        for (index, media) in body.media.iter().enumerate().skip(carrier) {
            let own = || media.payloads().iter().map(|payload| payload.number);
            let told_apart = !own().any(|number| known.contains(&number));
            if is_live(media) && told_apart {
                known.extend(own());
                riders.extend(Some(index).filter(|index| *index != carrier));
            }
        }
        Self {
            carrier,
            riders,
            agreed: false,
        }
    }
}

impl Shard {
    /// Whether the medium at `index` rides, now that its party's legs are known. A leg that has a port keeps it.
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
        if leg.rtp.is_some() || !plan.riders.contains(&index) {
            return false;
        }
        leg.bundle.carrier = Some(carrier);
        leg.bundle.agreed = plan.agreed;
        if let Some(carrier) = self.legs.get_mut(carrier) {
            carrier.bundle.riders.push(rider);
        }
        true
    }

    /// Gives the media of a body that ride already what its sender says at their carrier only (RFC 8843 section 7.1.3).
    /// A medium that this side does not let ride is rejected.
    pub(super) fn inherit(&mut self, call: Key<Call>, party: usize, body: &mut Session) {
        let party = self.calls.get(call).and_then(|call| call.party(party));
        let legs = party.map_or(&[][..], |party| &party.legs);
        let group = body.groups.iter().find(|group| is_bundle(group)).cloned();
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
                media
                    .mid
                    .as_ref()
                    .is_some_and(|mid| group.mids.contains(mid))
            };
            let Some(leg) = self.legs.get_mut(*key) else {
                continue;
            };
            leg.bundle.agreed |= group.as_ref().is_some_and(named);
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

    /// The medium that a packet on a carrier's port belongs to, and where it goes. `packet` is plain.
    pub(super) fn ridden(
        &mut self,
        place: Place,
        peer: Key<Leg>,
        is_rtcp: bool,
        packet: &[u8],
    ) -> Result<(Place, Key<Leg>), Drop> {
        let Some(carrier) = self.legs.get(place.leg) else {
            return Ok((place, peer));
        };
        if carrier.bundle.riders.is_empty() {
            return Ok((place, peer));
        }
        let found = if is_rtcp {
            carrier.bundle.of_report(packet)
        } else {
            let number = packet.get(1).map(|byte| byte & 0x7f);
            let names = |key: &&Key<Leg>| {
                let leg = self.legs.get(**key);
                number.is_some_and(|number| leg.is_some_and(|leg| leg.codecs.get(number).is_some()))
            };
            carrier.bundle.riders.iter().find(names).copied()
        };
        let Some(rider) = found else {
            return Ok((place, peer));
        };
        if !is_rtcp && let Some(source) = word(packet, 8) {
            self.note_source(place.leg, source, rider);
        }
        let peer = self.legs.get(rider).and_then(|leg| leg.peer);
        let place = Place {
            leg: rider,
            ..place
        };
        Ok((place, peer.ok_or(Drop::PeerUnknown)?))
    }

    /// Remembers that reports on this source are about the rider.
    pub(super) fn note_source(&mut self, carrier: Key<Leg>, source: u32, rider: Key<Leg>) {
        let Some(carrier) = self.legs.get_mut(carrier) else {
            return;
        };
        let sources = &mut carrier.bundle.sources;
        if sources.iter().any(|(known, _)| *known == source) {
            return;
        }
        if sources.len() >= MAX_SOURCES {
            sources.remove(0);
        }
        sources.push((source, rider));
    }
}

impl Bundle {
    /// A report is about the source that it reports on, or else about the one that sends it.
    fn of_report(&self, packet: &[u8]) -> Option<Key<Leg>> {
        let of = |at: usize| {
            let source = word(packet, at)?;
            let known = self.sources.iter().find(|(known, _)| *known == source);
            known.map(|(_, rider)| *rider)
        };
        // In a sender report the sender's figures stand between the two.
        let is_sender_report = packet.get(1) == Some(&200);
        of(if is_sender_report { 28 } else { 8 }).or_else(|| of(4))
    }
}

impl Party {
    /// Gives the media that ride the lines of their carrier, and the group that says so.
    pub(super) fn share_ports(&self, body: &mut Session, legs: &Table<Leg>) {
        let mut mids: Vec<Token> = Vec::new();
        for (index, key) in self.legs.iter().enumerate() {
            let carrier = legs.get(*key).and_then(|leg| leg.bundle.carrier);
            let at = carrier.and_then(|carrier| self.legs.iter().position(|leg| *leg == carrier));
            let Some(shared) = at.and_then(|at| body.media.get(at)).cloned() else {
                continue;
            };
            let Some(media) = body
                .media
                .get_mut(index)
                .filter(|media| !media.is_rejected())
            else {
                continue;
            };
            if shared.is_rejected() {
                media.port = 0;
                continue;
            }
            share(&shared, media);
            if legs.get(*key).is_some_and(|leg| !leg.bundle.agreed) {
                (media.port, media.bundle_only) = (0, true);
            }
            mids.extend(shared.mid.clone().filter(|mid| !mids.contains(mid)));
            mids.extend(media.mid.clone());
        }
        if !mids.is_empty() {
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

pub(super) fn is_bundle(group: &Group) -> bool {
    group.semantics == "BUNDLE"
}

fn accepts(request: &Request) -> bool {
    asks(request, "accept")
}

pub(super) fn requires(request: &Request) -> bool {
    asks(request, "require")
}

/// `bundle=...`, alone or among others, or as a flag.
fn asks(request: &Request, wanted: &str) -> bool {
    let is_it = |word: &str| word.eq_ignore_ascii_case(wanted);
    let asked = request.other.get("bundle").is_some_and(|value| {
        let one = value
            .as_str()
            .map(|words| words.split([' ', ',']).any(is_it));
        let several = || {
            value
                .as_list()
                .map(|list| list.iter().filter_map(Value::as_str).any(is_it))
        };
        one.or_else(several).unwrap_or(false)
    });
    asked || request.flags.has(&format!("bundle-{wanted}"))
}

fn word(packet: &[u8], at: usize) -> Option<u32> {
    let bytes = packet.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*bytes))
}
