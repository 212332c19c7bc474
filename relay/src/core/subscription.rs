//! `subscribe request`, `subscribe answer`, `unsubscribe`: parties that only listen, beside the offers and answers of a call.
//!
//! A subscriber is a party whose legs get a copy of what others send: with the source's SSRC, numbers and timestamps.
//! Nothing it sends is media; its feedback goes to the source.

mod chosen;

use std::time::Instant;

use control_proto::{Request, Response, Value, flag};
use sdp::{Media, Token};

use super::call::Call;
use super::codecs::Codecs;
use super::gate::Gate;
use super::leg::Leg;
use super::opening::Wanted;
use super::path::{self, Media as Packet};
use super::publication::parse;
use super::refused::Refused;
use super::table::Key;
use super::{Ports, Shard};

/// One listener of a leg.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listener {
    pub(super) leg: Key<Leg>,
    /// The listening party.
    pub(super) party: usize,
    /// What is held back of that which goes to it.
    pub(super) gate: Gate,
}

impl Shard {
    /// Somebody asks for copies; the reply offers them.
    pub(super) fn subscribe_request(
        &mut self,
        request: &Request,
        now: Instant,
        ports: &mut dyn Ports,
    ) -> Result<Response, Refused> {
        let key = self.known_call(request)?;
        let sources = self.sources(key, request)?;
        let tag = match &request.to_tag {
            Some(tag) => tag.clone(),
            None => format!("{:016x}", self.random_u64()),
        };
        let party = self.subscriber(key, &tag, now)?;
        let mut body = self.own_session();
        for (index, source) in sources.iter().enumerate() {
            let mut media = self.description(source.leg).ok_or(Refused::NoMedia)?;
            media.label = Some(Token::from(index as u64));
            self.offer_copy(
                (key, party, index),
                source.leg,
                &mut media,
                request,
                now,
                ports,
            )?;
            body.media.push(media);
        }
        self.close_rest(key, party, sources.len(), now, ports);
        self.finish_own(key, party, &mut body, now);
        Ok(self
            .subscription_reply(key, &tag, &sources)
            .with_sdp(body.to_bytes()))
    }

    fn offer_copy(
        &mut self,
        (key, party, index): (Key<Call>, usize, usize),
        source: Key<Leg>,
        media: &mut Media,
        request: &Request,
        now: Instant,
        ports: &mut dyn Ports,
    ) -> Result<(), Refused> {
        let leg_key = self
            .leg_of(key, party, index, media)
            .ok_or(Refused::Association)?;
        self.forget_copy(leg_key);
        let leg = self.legs.get_mut(leg_key).ok_or(Refused::Association)?;
        let is_new = leg.rtp.is_none();
        leg.peer = Some(source);
        leg.listens = true;
        *leg.offered = Codecs::of(media);
        leg.choose_protocol(&media.protocol, request, is_new);
        let one_port = leg.terms.mux.requires(request.rtcp_mux);
        let family = request.address_family.map(|family| match family {
            control_proto::AddressFamily::Ip4 => sdp::Family::Ip4,
            control_proto::AddressFamily::Ip6 => sdp::Family::Ip6,
        });
        let face = request.direction.as_ref().map(|[_, to]| to.as_str());
        let interface = request.other.get("interface").and_then(Value::as_str);
        let had_ice = media.ice.ufrag.is_some();
        let leg = self.legs.get(leg_key).ok_or(Refused::Association)?;
        let everywhere = leg.offers_ice(had_ice, request);
        let wanted = Wanted {
            one: one_port,
            everywhere,
            shares: everywhere && leg.terms.protocol.is_dtls(),
            interface: interface.or(face),
            family,
        };
        self.open_ports(leg_key, &wanted, now, ports)?;
        let (leg, mut tools) = self
            .leg_and_tools(leg_key, now)
            .ok_or(Refused::Association)?;
        leg.write_offer(media, index, &[], request, &mut tools);
        Ok(())
    }

    /// The subscriber's answer: from now on it hears.
    pub(super) fn subscribe_answer(
        &mut self,
        request: &Request,
        now: Instant,
    ) -> Result<Response, Refused> {
        let body = parse(request)?;
        let key = self.known_call(request)?;
        let tag = request.to_tag.as_deref().ok_or(Refused::NoToTag)?;
        let call = self.calls.get_mut(key).ok_or(Refused::UnknownCallId)?;
        let number = call.by_tag(tag).ok_or(Refused::NoToParty)?;
        call.last_signal = now;
        let party = call.party(number).filter(|party| party.subscriber);
        let legs = party.ok_or(Refused::NoToParty)?.legs.clone();
        let lax = request.flags.has(flag::ALLOW_TRANSCODING);
        let drops_codecs = |(leg, media): (&Key<Leg>, &Media)| {
            let offered = self.legs.get(*leg).map(|leg| &leg.offered);
            media.port != 0 && offered.is_some_and(|offered| !offered.all_in(media))
        };
        let too_many = body.media.len() > legs.len();
        if too_many || (!lax && legs.iter().zip(&body.media).any(drops_codecs)) {
            return Err(Refused::Subscription);
        }
        for (leg, media) in legs.iter().zip(&body.media) {
            self.take_listener((*leg, number), media, body.ice_lite, request, now)?;
        }
        for leg in legs {
            if let Some(leg) = self.legs.get_mut(leg) {
                leg.transports_mut()
                    .for_each(|(_, transport)| transport.peer.expect(now));
            }
            self.drain(leg, now);
            self.ask_for_key_frame(leg);
        }
        self.arm_call(key);
        Ok(Response::ok())
    }

    fn take_listener(
        &mut self,
        (key, party): (Key<Leg>, usize),
        media: &Media,
        is_lite: bool,
        request: &Request,
        now: Instant,
    ) -> Result<(), Refused> {
        self.forget_copy(key);
        if media.port == 0 {
            return Ok(());
        }
        let strict = self.config.strict_source;
        let own: Vec<_> = self
            .legs
            .get(key)
            .into_iter()
            .flat_map(Leg::own_addresses)
            .collect();
        let (leg, mut tools) = self.leg_and_tools(key, now).ok_or(Refused::Subscription)?;
        if !leg.take_answer(media, is_lite, &own, strict, request, &mut tools) {
            return Err(Refused::Subscription);
        }
        let source = leg.peer.filter(|_| media.direction.receives());
        if let Some(source) = source.and_then(|source| self.legs.get_mut(source)) {
            source.copies.push(Listener {
                leg: key,
                party,
                gate: Gate::default(),
            });
        }
        Ok(())
    }

    /// The subscriber hears no more.
    pub(super) fn unsubscribe(
        &mut self,
        request: &Request,
        now: Instant,
        ports: &mut dyn Ports,
    ) -> Result<Response, Refused> {
        let key = self.known_call(request)?;
        let tag = request.to_tag.as_deref().ok_or(Refused::NoToTag)?;
        let call = self.calls.get(key).ok_or(Refused::UnknownCallId)?;
        let number = call.by_tag(tag).ok_or(Refused::NoToParty)?;
        if !call.party(number).is_some_and(|party| party.subscriber) {
            return Err(Refused::NoToParty);
        }
        self.end_branch(key, number, now, ports);
        Ok(Response::ok())
    }

    /// Takes a leg off the list of those who hear its source.
    pub(super) fn forget_copy(&mut self, key: Key<Leg>) {
        let listens = self.legs.get(key).filter(|leg| leg.listens);
        let source = listens.and_then(|leg| leg.peer);
        if let Some(source) = source.and_then(|source| self.legs.get_mut(source)) {
            source.copies.retain(|copy| copy.leg != key);
        }
    }

    /// Sends a packet of `source`, as it came, to all who listen.
    pub(super) fn send_copies(&mut self, source: Key<Leg>, kind: Packet, plain: &[u8]) {
        let Some(source) = self.legs.get(source) else {
            return;
        };
        // What a side asks of its peer is nobody else's.
        if kind == Packet::Rtcp && has_feedback(plain) {
            return;
        }
        let (media, codecs) = (source.terms.kind.clone(), source.codecs.clone());
        for copy in source.copies.clone() {
            let Some(leg) = self.legs.get_mut(copy.leg) else {
                continue;
            };
            let mut packet = plain.to_vec();
            if kind == Packet::Rtp && !copy.gate.is_open() {
                match copy.gate.pass(&mut packet, &media, [&codecs, &leg.codecs]) {
                    Ok(len) => packet.truncate(len),
                    Err(_) => continue,
                }
            }
            self.outputs.extend(path::made(leg, kind, &packet).ok());
        }
    }

    /// The party that listens under this tag, made if need be.
    fn subscriber(&mut self, key: Key<Call>, tag: &str, now: Instant) -> Result<usize, Refused> {
        let call = self.calls.get_mut(key).ok_or(Refused::UnknownCallId)?;
        if let Some(party) = call.by_tag(tag) {
            let listens = call.party(party).is_some_and(|party| party.subscriber);
            return if listens {
                Ok(party)
            } else {
                Err(Refused::Association)
            };
        }
        let left = |party: &super::call::Party| party.subscriber && party.tags.is_empty();
        let party = match call.parties.iter().position(left) {
            Some(party) => party,
            None => call.add(None, None, now)?,
        };
        if let Some(party) = call.party_mut(party) {
            party.subscriber = true;
            party.tags = vec![tag.to_owned()];
        }
        Ok(party)
    }

    fn close_rest(
        &mut self,
        key: Key<Call>,
        party: usize,
        used: usize,
        now: Instant,
        ports: &mut dyn Ports,
    ) {
        let party = self
            .calls
            .get_mut(key)
            .and_then(|call| call.party_mut(party));
        let rest = party
            .filter(|party| party.legs.len() > used)
            .map(|party| party.legs.split_off(used));
        for leg in rest.into_iter().flatten() {
            self.free_leg(leg, now, ports);
        }
    }
}

fn has_feedback(compound: &[u8]) -> bool {
    let packets = rtp::rtcp::Compound::parse(compound);
    packets.is_ok_and(|mut packets| packets.any(|packet| packet.feedback().is_some()))
}
