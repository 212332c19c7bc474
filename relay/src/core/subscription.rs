//! `publish`, `subscribe request`, `subscribe answer`, `unsubscribe`: parties that only send, or only listen, beside the offers
//! and answers of a call.
//!
//! A subscriber is a party whose legs get a copy of what others send: with the source's SSRC, numbers and timestamps.
//! Nothing it sends is media; its feedback goes to the source.

use std::net::IpAddr;
use std::time::Instant;

use control_proto::{Dictionary, Request, Response, Value, flag};
use sdp::{Connection, Direction, Formats, Media, Origin, Protocol, Session, Text, Token};

use super::call::Call;
use super::codecs::{Codecs, Kind};
use super::gate::Gate;
use super::leg::Leg;
use super::path::{self, Media as Packet};
use super::refused::Refused;
use super::table::Key;
use super::{EventKind, Ports, Shard};

/// Media of one subscription at most: both ends of a call with sound and pictures, twice over.
const MAX_MEDIA: usize = 8;

/// One listener of a leg.
#[derive(Debug, Clone, Copy)]
pub(super) struct Copy {
    pub(super) leg: Key<Leg>,
    /// The listening party.
    pub(super) party: usize,
    /// What is held back of that which goes to it.
    pub(super) gate: Gate,
}

/// A leg that is listened to, with its party and its place there.
struct Source {
    leg: Key<Leg>,
    party: usize,
    index: usize,
}

impl Shard {
    /// A body offers to send; the answer takes it, one codec of each medium.
    pub(super) fn publish(
        &mut self,
        request: &Request,
        now: Instant,
        ports: &mut dyn Ports,
    ) -> Result<Response, Refused> {
        let offered = parse(request)?;
        let call_id = request.call_id.as_deref().ok_or(Refused::NoCallId)?;
        let tag = request.from_tag.as_deref().ok_or(Refused::NoFromTag)?;
        let known = self.by_id.get(call_id).copied();
        let key = match known {
            Some(key) => key,
            None => self.new_call(call_id, now)?,
        };
        let done = self.publish_in(key, tag, &offered, request, now, ports);
        if done.is_err() && known.is_none() {
            self.free_call(key, EventKind::Unanswered, now, ports);
        }
        done
    }

    fn publish_in(
        &mut self,
        key: Key<Call>,
        tag: &str,
        offered: &Session,
        request: &Request,
        now: Instant,
        ports: &mut dyn Ports,
    ) -> Result<Response, Refused> {
        let call = self.calls.get_mut(key).ok_or(Refused::UnknownCallId)?;
        (call.answered, call.last_signal, call.ends) = (true, now, None);
        let party = match call.by_tag(tag) {
            Some(party) => party,
            None => call.add(Some(tag), None, now)?,
        };
        if let Some(party) = call.party_mut(party) {
            party.label = request.label.clone().or(party.label.take());
        }
        let mut body = self.own_session();
        for (index, media) in offered.media.iter().enumerate() {
            let mut out = media.clone();
            let taken = index < MAX_MEDIA && one_codec(&mut out);
            if !taken
                || !self.take_published(
                    (key, party, index),
                    media,
                    &mut out,
                    offered.ice_lite,
                    request,
                    now,
                    ports,
                )?
            {
                out.port = 0;
            }
            out.direction = Direction::RecvOnly;
            body.media.push(out);
        }
        self.finish_own(key, party, &mut body, now);
        Ok(Response::ok().with_sdp(body.to_bytes()))
    }

    #[allow(clippy::too_many_arguments)] // what a body's medium is taken with, once
    fn take_published(
        &mut self,
        (key, party, index): (Key<Call>, usize, usize),
        media: &Media,
        out: &mut Media,
        is_lite: bool,
        request: &Request,
        now: Instant,
        ports: &mut dyn Ports,
    ) -> Result<bool, Refused> {
        let leg_key = self
            .leg_of(key, party, index, media)
            .ok_or(Refused::Association)?;
        let strict = self.config.strict_source;
        let leg = self.legs.get_mut(leg_key).ok_or(Refused::Association)?;
        if media.port == 0 || !media.protocol.is_rtp() || !leg.take_offer(media, request, strict) {
            return Ok(false);
        }
        let one_port = leg.terms.mux.will_be_accepted();
        let sink = match leg.peer {
            Some(peer) => peer,
            None => self.sink(key, leg_key, media),
        };
        let face = request.direction.as_ref().map(|[from, _]| from.as_str());
        let family = media
            .connection
            .as_ref()
            .map(|connection| connection.family);
        self.open_ports(leg_key, one_port, (face, family), now, ports)?;
        let far = self.legs.get(sink).ok_or(Refused::Association)?.far();
        let own: Vec<_> = self
            .legs
            .get(leg_key)
            .into_iter()
            .flat_map(Leg::own_addresses)
            .collect();
        let (leg, mut tools) = self
            .leg_and_tools(leg_key, now)
            .ok_or(Refused::Association)?;
        leg.take_offered_addresses(media, is_lite, &own, &mut tools);
        let taken = leg.write_answer(out, far, request, &mut tools);
        if let Some(sink) = self.legs.get_mut(sink) {
            sink.codecs = Codecs::of(out);
        }
        Ok(taken)
    }

    /// Where the packets of a publisher go: nowhere, but for its subscribers.
    fn sink(&mut self, key: Key<Call>, leg: Key<Leg>, media: &Media) -> Key<Leg> {
        let sink = self.legs.insert(Leg::new(key, media));
        if let Some(call) = self.calls.get_mut(key) {
            call.sinks.push(sink);
        }
        for (one, other) in [(leg, sink), (sink, leg)] {
            if let Some(one) = self.legs.get_mut(one) {
                one.peer = Some(other);
            }
        }
        sink
    }

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
        leg.offered = Codecs::of(media);
        leg.choose_protocol(&media.protocol, request, is_new);
        let one_port = leg.terms.mux.requires(request.rtcp_mux);
        let family = request.address_family.map(|family| match family {
            control_proto::AddressFamily::Ip4 => sdp::Family::Ip4,
            control_proto::AddressFamily::Ip6 => sdp::Family::Ip6,
        });
        let face = request.direction.as_ref().map(|[_, to]| to.as_str());
        let interface = request.other.get("interface").and_then(Value::as_str);
        self.open_ports(leg_key, one_port, (interface.or(face), family), now, ports)?;
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
            source.copies.push(Copy {
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

    /// Whom the request names: all, several by tag, or one.
    fn sources(&self, key: Key<Call>, request: &Request) -> Result<Vec<Source>, Refused> {
        let call = self.calls.get(key).ok_or(Refused::UnknownCallId)?;
        let parties: Vec<usize> = if request.flags.has(flag::ALL) {
            (0..call.parties.len()).collect()
        } else if request.from_tags.is_empty() {
            vec![self.party_named(key, request)?]
        } else {
            let party = |tag: &String| call.by_tag(tag).ok_or(Refused::NoFromParty);
            request
                .from_tags
                .iter()
                .map(party)
                .collect::<Result<_, _>>()?
        };
        let mut sources = Vec::new();
        for party in parties {
            let sends = call.party(party).filter(|party| !party.subscriber);
            for (index, leg) in sends
                .into_iter()
                .flat_map(|party| party.legs.iter().enumerate())
            {
                let is_open = self.legs.get(*leg).is_some_and(|leg| leg.rtp.is_some());
                if is_open && sources.len() < MAX_MEDIA {
                    sources.push(Source {
                        leg: *leg,
                        party,
                        index,
                    });
                }
            }
        }
        if sources.is_empty() {
            return Err(Refused::NoMedia);
        }
        Ok(sources)
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

    /// What is sent by a leg, as an offer to send it.
    fn description(&self, key: Key<Leg>) -> Option<Media> {
        let source = self.legs.get(key)?;
        let heard = source
            .peer
            .and_then(|peer| self.legs.get(peer))
            .map(|peer| &peer.codecs);
        // An answer has the codecs that are spoken, an offer those that might be.
        let spoken = heard.filter(|heard| heard.is_narrower_than(&source.codecs));
        let payloads = spoken.unwrap_or(&source.codecs).payloads();
        let protocol = match &source.terms.protocol {
            protocol if protocol.is_rtp() => protocol.clone(),
            _ => Protocol::RtpAvp,
        };
        let mut media = Media::new(
            source.terms.kind.clone(),
            9,
            protocol,
            Formats::Rtp(payloads.to_vec()),
        );
        media.direction = Direction::SendOnly;
        Some(media)
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

    fn own_session(&mut self) -> Session {
        let id = self.random_u64() >> 2;
        Session::new(Origin {
            username: Text::from_static("-"),
            session_id: Token::from(id),
            version: Token::from(1_u64),
            connection: Connection::from(IpAddr::from([0, 0, 0, 0])),
        })
    }

    /// The session part of a body of our own for a party.
    fn finish_own(&mut self, key: Key<Call>, party: usize, body: &mut Session, now: Instant) {
        let legs = self
            .calls
            .get(key)
            .and_then(|call| call.party(party))
            .map(|party| party.legs.clone());
        let legs = legs.unwrap_or_default();
        let open = || {
            legs.iter()
                .filter_map(|leg| self.legs.get(*leg))
                .filter(|leg| leg.rtp.is_some())
        };
        body.ice_lite = open().any(Leg::is_ice_lite);
        let shown = open().next().map(|leg| Connection::from(leg.terms.shown));
        if let Some(party) = self
            .calls
            .get_mut(key)
            .and_then(|call| call.party_mut(party))
        {
            party.finish(body, shown, false);
        }
        for leg in legs {
            if let Some(leg) = self.legs.get_mut(leg) {
                leg.transports_mut()
                    .for_each(|(_, transport)| transport.peer.expect(now));
            }
            self.drain(leg, now);
        }
        self.arm_call(key);
    }

    fn subscription_reply(&self, key: Key<Call>, tag: &str, sources: &[Source]) -> Response {
        let Some(call) = self.calls.get(key) else {
            return Response::ok();
        };
        let tag_of = |party: usize| {
            let tags = call.party(party).map(|party| party.tags.as_slice());
            tags.and_then(<[String]>::first).map_or("", String::as_str)
        };
        let mut parties: Vec<usize> = sources.iter().map(|source| source.party).collect();
        parties.dedup();
        let mut labels = Dictionary::new();
        let medias = |of: usize, labels: &mut Dictionary| {
            let mut medias: Vec<Value> = Vec::new();
            for (at, source) in sources
                .iter()
                .enumerate()
                .filter(|(_, source)| source.party == of)
            {
                let label = at.to_string();
                let medium = Dictionary::new()
                    .with("index", source.index as i64 + 1)
                    .with("label", label.as_str());
                medias.push(medium.into());
                let told = Dictionary::new()
                    .with("tag", tag_of(of))
                    .with("index", source.index as i64 + 1);
                labels.push(label, told);
            }
            medias
        };
        let mut tag_medias: Vec<Value> = Vec::new();
        for party in &parties {
            let mut entry = Dictionary::new().with("tag", tag_of(*party));
            if let Some(label) = call.party(*party).and_then(|party| party.label.as_deref()) {
                entry.push("label", label);
            }
            tag_medias.push(entry.with("medias", medias(*party, &mut labels)).into());
        }
        let reply = Response::ok()
            .with("to-tag", tag)
            .with("tag-medias", tag_medias)
            .with("media-labels", labels);
        match parties.as_slice() {
            [one] => reply.with("from-tag", tag_of(*one)),
            all => {
                let tags: Vec<Value> = all.iter().map(|party| tag_of(*party).into()).collect();
                reply.with("from-tags", tags)
            }
        }
    }
}

fn parse(request: &Request) -> Result<Session, Refused> {
    let body = request.sdp.as_deref().ok_or(Refused::NoSdp)?;
    Session::parse(body).map_err(|_| Refused::Sdp)
}

fn has_feedback(compound: &[u8]) -> bool {
    let packets = rtp::rtcp::Compound::parse(compound);
    packets.is_ok_and(|mut packets| packets.any(|packet| packet.feedback().is_some()))
}

/// Keeps the first codec; `false` when there is none.
fn one_codec(media: &mut Media) -> bool {
    let main = Codecs::of(media).main();
    let Formats::Rtp(payloads) = &mut media.formats else {
        return false;
    };
    payloads.retain(|payload| main.is_some_and(|main| main.number == payload.number));
    !payloads.is_empty()
}

impl Codecs {
    /// Whether a body has kept all of these; telephone events nobody has to take.
    fn all_in(&self, media: &Media) -> bool {
        let there = Self::of(media);
        self.iter()
            .filter(|codec| codec.kind != Kind::Event)
            .all(|codec| there.get(codec.number).is_some())
    }

    fn is_narrower_than(&self, other: &Self) -> bool {
        let all = self.payloads();
        !all.is_empty() && all.len() < other.payloads().len()
    }
}
