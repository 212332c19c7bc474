//! `publish`: a party that only sends. Its media goes nowhere, but for those who subscribe to it.

use std::net::IpAddr;
use std::time::Instant;

use control_proto::{Request, Response};
use sdp::{Connection, Direction, Formats, Media, Origin, Session, Text, Token};

use super::call::Call;
use super::codecs::Codecs;
use super::leg::Leg;
use super::opening::Wanted;
use super::refused::Refused;
use super::table::Key;
use super::{EventKind, Ports, Shard};

/// Media of one publisher at most.
const MAX_MEDIA: usize = 8;

/// What comes with the body.
struct Passage<'a> {
    request: &'a Request,
    is_lite: bool,
    now: Instant,
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
        call.answered.get_or_insert(now);
        (call.last_signal, call.ends) = (now, None);
        let party = match call.by_tag(tag) {
            Some(party) => party,
            None => call.add(Some(tag), None, now)?,
        };
        if let Some(party) = call.party_mut(party) {
            party.label = request.label.clone().or(party.label.take());
        }
        let passage = Passage {
            request,
            is_lite: offered.ice_lite,
            now,
        };
        let mut body = self.own_session();
        for (index, media) in offered.media.iter().enumerate() {
            let mut out = media.clone();
            let taken = index < MAX_MEDIA && one_codec(&mut out);
            if !taken
                || !self.take_published((key, party, index), media, &mut out, &passage, ports)?
            {
                out.port = 0;
            }
            out.direction = Direction::RecvOnly;
            body.media.push(out);
        }
        self.finish_own(key, party, &mut body, now);
        Ok(Response::ok().with_sdp(body.to_bytes()))
    }

    fn take_published(
        &mut self,
        (key, party, index): (Key<Call>, usize, usize),
        media: &Media,
        out: &mut Media,
        passage: &Passage<'_>,
        ports: &mut dyn Ports,
    ) -> Result<bool, Refused> {
        let Passage {
            request,
            is_lite,
            now,
        } = *passage;
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
        let wanted = Wanted {
            one: one_port,
            everywhere: media.ice.ufrag.is_some(),
            shares: media.ice.ufrag.is_some() && media.protocol.is_dtls(),
            interface: face,
            family,
        };
        self.open_ports(leg_key, &wanted, now, ports)?;
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

    /// The head of a body that nobody else has written.
    pub(super) fn own_session(&mut self) -> Session {
        let id = self.random_u64() >> 2;
        Session::new(Origin {
            username: Text::from_static("-"),
            session_id: Token::from(id),
            version: Token::from(1_u64),
            connection: Connection::from(IpAddr::from([0, 0, 0, 0])),
        })
    }

    /// The session part of a body of our own for a party.
    pub(super) fn finish_own(
        &mut self,
        key: Key<Call>,
        party: usize,
        body: &mut Session,
        now: Instant,
    ) {
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
}

/// The body of a request.
pub(super) fn parse(request: &Request) -> Result<Session, Refused> {
    let body = request.sdp.as_deref().ok_or(Refused::NoSdp)?;
    Session::parse(body).map_err(|_| Refused::Sdp)
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
