//! One medium of a body on its way: the leg that faces its sender takes it, the leg that faces its receiver writes it.

use std::net::SocketAddr;

use control_proto::AddressFamily;
use sdp::{Family, Media};

use super::Passage;
use crate::core::bundle::Plan;
use crate::core::call::Call;
use crate::core::leg::Leg;
use crate::core::opening::Wanted;
use crate::core::passing::Offered;
use crate::core::refused::Refused;
use crate::core::table::Key;
use crate::core::{Ports, Shard, codec_words, extmap_words, port_words, transport_wide};

/// Media of one body that are relayed; more are rejected. Each takes up to four ports, and a stranger's INVITE must not
/// take many.
const MAX_RELAYED: usize = 8;

impl Shard {
    pub(super) fn offer_medium(
        &mut self,
        passage: &Passage<'_>,
        (index, [plan_from, plan_to]): (usize, &[Plan; 2]),
        media: &mut Media,
        ports: &mut dyn Ports,
    ) -> Result<(), Refused> {
        let Passage {
            request,
            now,
            is_lite,
            ..
        } = *passage;
        let (from, to) = self
            .join_legs(passage, index, media)
            .ok_or(Refused::Association)?;
        if self.unlatches(from, media, request) {
            self.close_ports(to, now, ports);
        }
        for (leg, role) in [from, to]
            .into_iter()
            .zip(port_words::roles(request).into_iter().flatten())
        {
            if let Some(leg) = self.legs.get_mut(leg) {
                leg.terms.role = Some(role);
            }
        }
        let suits = self.legs.get(to).is_some_and(|to| can_carry(to, media));
        if let Some(leg) = self.legs.get_mut(to).filter(|_| suits) {
            let is_new = leg.rtp.is_none();
            leg.choose_protocol(&media.protocol, request, is_new);
        }
        if media.port == 0 {
            self.leave(passage.call, [from, to], now, ports);
            return self.reject(to, media);
        }
        self.stay([from, to]);
        let kind = self.passing_kind([from, to], media, request);
        if let Some(kind) = kind.filter(|_| index < MAX_RELAYED) {
            let offered = Offered {
                legs: [from, to],
                faces: [passage.from, passage.to].map(|party| self.face(passage, party)),
                kind,
                is_lite,
                request,
            };
            return self.pass_offer(&offered, media, now, ports);
        }
        for leg in [from, to] {
            self.end_passing(leg);
        }
        let suits = suits && codec_words::select(media, request);
        let strict = self.config.strict_source;
        let leg = self.legs.get_mut(from).ok_or(Refused::Association)?;
        leg.terms.extensions.learn(&media.extmaps);
        extmap_words::select(media, request);
        if index >= MAX_RELAYED || !suits || !leg.take_offer(media, request, strict) {
            return self.reject(to, media);
        }
        let one_port = leg.terms.mux.will_be_accepted() || !media.protocol.is_rtp();
        let family = family_of(media);
        let had_ice = media.ice.ufrag.is_some();
        if !self.rides(passage.call, passage.from, index, plan_from) {
            let face = self.face(passage, passage.from);
            let wanted = Wanted {
                one: one_port,
                everywhere: had_ice,
                shares: had_ice && media.protocol.is_dtls(),
                interface: face.as_deref(),
                family,
            };
            self.open_ports(from, &wanted, now, ports)?;
        }

        let leg = self.legs.get_mut(to).ok_or(Refused::Association)?;
        let one_port = leg.terms.mux.requires(request.rtcp_mux) || !media.protocol.is_rtp();
        let everywhere = leg.offers_ice(had_ice, request);
        let shares = everywhere && leg.terms.protocol.is_dtls();
        let family = request.address_family.map(family_named).or(family);
        if !self.rides(passage.call, passage.to, index, plan_to) {
            let face = self.face(passage, passage.to);
            let wanted = Wanted {
                one: one_port,
                everywhere,
                shares,
                interface: face.as_deref(),
                family,
            };
            self.open_ports(to, &wanted, now, ports)?;
        }

        let is_shared = |leg: Option<&Leg>| leg.is_some_and(|leg| leg.bundle.is_shared());
        let bundled = plan_to.includes(index) || is_shared(self.legs.get(to));
        if bundled != (plan_from.includes(index) || is_shared(self.legs.get(from))) {
            transport_wide::take_out(media);
        }
        self.number_extensions((passage.call, passage.to), to, bundled, media);
        let own = self.own_addresses(from, to);
        let (leg, mut tools) = self.leg_and_tools(from, now).ok_or(Refused::Association)?;
        leg.take_offered_addresses(media, is_lite, &own, &mut tools);
        let cryptos = leg.terms.sdes.received().to_vec();
        let opportunistic = leg.terms.osrtp.was_received();
        let (leg, mut tools) = self.leg_and_tools(to, now).ok_or(Refused::Association)?;
        leg.terms.osrtp.wish(opportunistic);
        leg.write_offer(media, index, &cryptos, request, &mut tools);
        Ok(())
    }

    pub(super) fn answer_medium(
        &mut self,
        passage: &Passage<'_>,
        index: usize,
        media: &mut Media,
    ) -> Result<(), Refused> {
        let Passage {
            request,
            now,
            is_lite,
            ..
        } = *passage;
        let (from, to) = self
            .join_legs(passage, index, media)
            .ok_or(Refused::Association)?;
        let is_open = |leg: Option<&Leg>| leg.is_some_and(|leg| leg.rtp.is_some());
        let (from_port, to_port) = (self.carrier(from), self.carrier(to));
        let ends = media.port == 0 || self.legs.get(from).is_some_and(|leg| leg.leaving);
        if ends || !is_open(self.legs.get(from_port)) || !is_open(self.legs.get(to_port)) {
            return self.reject(from, media);
        }
        if self.passes(from) && self.passes(to) {
            return self.pass_answer([from, to], (media, is_lite), request);
        }
        if !codec_words::select(media, request) {
            return self.reject(from, media);
        }
        extmap_words::select(media, request);
        let is_shared = |leg: Option<&Leg>| leg.is_some_and(|leg| leg.bundle.is_shared());
        if is_shared(self.legs.get(from)) != is_shared(self.legs.get(to)) {
            transport_wide::take_out(media);
        }
        let (strict, own) = (self.config.strict_source, self.own_addresses(from, to));
        let (leg, mut tools) = self.leg_and_tools(to, now).ok_or(Refused::Association)?;
        // An answer of another kind than the offer (RFC 3264 section 6) lists formats that mean nothing to the offerer.
        let is_alike = media.protocol.is_rtp() == leg.terms.protocol.is_rtp();
        let usable = is_alike && leg.take_answer(media, is_lite, &own, strict, request, &mut tools);
        let far = leg.far();

        let (leg, mut tools) = self.leg_and_tools(from, now).ok_or(Refused::Association)?;
        if !usable || !leg.write_answer(media, far, request, &mut tools) {
            return self.reject(from, media);
        }
        Ok(())
    }

    /// Rejects a medium towards `leg` (RFC 3264 section 6). The ports stay for whoever of a fork may yet take it.
    fn reject(&self, leg: Key<Leg>, media: &mut Media) -> Result<(), Refused> {
        let terms = &self.legs.get(leg).ok_or(Refused::Association)?.terms;
        media.port = 0;
        media.bundle_only = false;
        media.mid = terms.mid.clone().or(media.mid.take());
        if media.protocol.is_rtp() && terms.protocol.is_rtp() {
            media.protocol = terms.protocol.clone();
        }
        Ok(())
    }

    /// The legs of a medium on both sides, made if need be and joined.
    fn join_legs(
        &mut self,
        passage: &Passage<'_>,
        index: usize,
        media: &Media,
    ) -> Option<(Key<Leg>, Key<Leg>)> {
        let from = self.leg_of(passage.call, passage.from, index, media)?;
        let to = self.leg_of(passage.call, passage.to, index, media)?;
        self.legs.get_mut(from)?.peer = Some(to);
        self.legs.get_mut(to)?.peer = Some(from);
        Some((from, to))
    }

    pub(in crate::core) fn leg_of(
        &mut self,
        call: Key<Call>,
        party: usize,
        index: usize,
        media: &Media,
    ) -> Option<Key<Leg>> {
        let legs = &mut self.calls.get_mut(call)?.party_mut(party)?.legs;
        while legs.len() <= index {
            legs.push(self.legs.insert(Leg::new(call, media)));
        }
        legs.get(index).copied()
    }

    fn face(&self, passage: &Passage<'_>, party: usize) -> Option<String> {
        self.calls
            .get(passage.call)?
            .party(party)?
            .interface
            .clone()
    }

    pub(in crate::core) fn own_addresses(&self, a: Key<Leg>, b: Key<Leg>) -> Vec<SocketAddr> {
        [a, b]
            .iter()
            .filter_map(|leg| self.legs.get(*leg))
            .flat_map(Leg::own_addresses)
            .collect()
    }
}

/// RTP, or towards a side without keys what is plain UDP by its protocol's name (T.38's `udptl`). What runs its own
/// TLS or TCP is not.
fn can_carry(to: &Leg, media: &Media) -> bool {
    let name = media.protocol.as_str().to_ascii_uppercase();
    let plain_udp = || {
        !["TLS", "TCP", "SCTP"]
            .iter()
            .any(|other| name.contains(other))
    };
    media.protocol.is_rtp() || (plain_udp() && !to.terms.protocol.is_secure())
}

fn family_of(media: &Media) -> Option<Family> {
    let connection = media.connection.as_ref()?;
    connection.ip().map(|_| connection.family)
}

fn family_named(family: AddressFamily) -> Family {
    match family {
        AddressFamily::Ip4 => Family::Ip4,
        AddressFamily::Ip6 => Family::Ip6,
    }
}
