//! `offer` and `answer`: a body comes from one party and goes to the other, with our own face in place of its sender's.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use control_proto::{AddressFamily, Command, Request, Response, flag};
use sdp::{Attribute, Connection, Family, Group, Media, Session, Text, Token};

use super::bundle::{Plan, is_bundle, is_strict};
use super::call::Call;
use super::codec_words;
use super::extmap_words;
use super::leg::Leg;
use super::opening::Wanted;
use super::passing::{self, Offered};
use super::port_words;
use super::refused::Refused;
use super::table::Key;
use super::transport_wide;
use super::{EventKind, Ports, Random, Shard};

/// Media of one body that are relayed; more are rejected. Each takes up to four ports, and a stranger's INVITE must not
/// take many.
const MAX_RELAYED: usize = 8;

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
        (call.answered, call.last_signal, call.ends) = (true, now, None);
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

    fn offer_medium(
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

    fn answer_medium(
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

    pub(super) fn leg_of(
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

    pub(super) fn own_addresses(&self, a: Key<Leg>, b: Key<Leg>) -> Vec<SocketAddr> {
        [a, b]
            .iter()
            .filter_map(|leg| self.legs.get(*leg))
            .flat_map(Leg::own_addresses)
            .collect()
    }

    /// Whether the body has been through here already, and is to be left alone then.
    fn is_marked(&self, body: &Session, request: &Request) -> bool {
        request.flags.has(flag::LOOP_PROTECT) && body.attributes.contains(&self.mark)
    }

    /// The session part of a body for `party`, and everything that is set going by it.
    fn finish(&mut self, passage: &Passage<'_>, party: usize, body: &mut Session) {
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
pub(super) fn mark(random: &mut Random) -> Attribute {
    let mut bytes = [0; 6];
    random(&mut bytes);
    let name: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Attribute {
        name: Token::from_static("rtpengine"),
        value: Text::new(name).ok(),
    }
}

fn body_of(request: &Request) -> Result<Session, Refused> {
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

/// Each medium has a port of its own, so there is a bundle only where there is one medium.
fn bundle_of_one(body: &Session) -> Option<Group> {
    let mut live = body.media.iter().filter(|media| !media.is_rejected());
    let only = live.next().filter(|_| live.next().is_none())?;
    Some(Group {
        semantics: Token::from_static("BUNDLE"),
        mids: vec![only.mid.clone()?],
    })
}
