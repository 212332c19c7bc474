//! `query`, and the statistics in the reply to `delete`: in the shape that Kamailio and OpenSIPS read.

use std::time::{Duration, Instant};

use control_proto::{Dictionary, Request, Response, Value};

use super::call::{Call, Party};
use super::leg::{Component, Leg, Transport};
use super::refused::Refused;
use super::table::Key;
use super::{Counters, Drop, Shard};

/// The key of why somebody in a call hears nothing; our own, not rtpengine's.
pub(super) const DIAGNOSIS: &str = "diagnosis";

impl Shard {
    pub(super) fn query(&self, request: &Request, now: Instant) -> Result<Response, Refused> {
        let call_id = request.call_id.as_deref().ok_or(Refused::NoCallId)?;
        let call = self
            .by_id
            .get(call_id)
            .copied()
            .ok_or(Refused::UnknownCall)?;
        Ok(self.statistics_of(call, now))
    }

    pub(super) fn statistics_of(&self, key: Key<Call>, now: Instant) -> Response {
        let Some(call) = self.calls.get(key) else {
            return Response::ok();
        };
        let created = self.wall_clock(call.created);
        let mut tags = Dictionary::new();
        let mut untagged = 0_usize;
        for (index, party) in call.parties.iter().enumerate() {
            let name = party.tags.first().cloned().unwrap_or_else(|| {
                untagged = untagged.saturating_add(1);
                format!("<untagged {untagged}>")
            });
            tags.push(name, self.party(call, (index, party), now));
        }
        let reply = Response::ok()
            .with("created", seconds(created))
            .with("created_us", i64::from(created.subsec_micros()))
            .with("created_ts", micros(created))
            .with("last signal", seconds(self.wall_clock(call.last_signal)))
            .with("last redis update", 0)
            .with("SSRC", self.scores(call))
            .with("tags", tags)
            .with("totals", self.totals(call))
            .with("recording", recording(call));
        match self.diagnosis(key) {
            Some(fault) => reply.with(DIAGNOSIS, fault),
            None => reply,
        }
    }

    fn party(&self, call: &Call, (index, party): (usize, &Party), now: Instant) -> Dictionary {
        let legs = party
            .legs
            .iter()
            .enumerate()
            .filter_map(|(index, leg)| Some((index, self.legs.get(*leg)?)));
        let medias: Vec<Value> = legs
            .map(|(index, leg)| self.medium(index, leg, now).into())
            .collect();
        let peer = Some(party.peer).filter(|peer| *peer != index);
        let peer: Vec<Value> = subscription(call, peer, "offer/answer").collect();
        let (mut subscriptions, mut subscribers) = (peer.clone(), peer);
        for (other, source) in call.parties.iter().enumerate() {
            if self.hears(index, source) {
                subscriptions.extend(subscription(call, Some(other), "pub/sub"));
            }
            if self.hears(other, party) {
                subscribers.extend(subscription(call, Some(other), "pub/sub"));
            }
        }
        let aliases: Vec<Value> = party
            .tags
            .iter()
            .skip(1)
            .map(|tag| tag.as_str().into())
            .collect();
        let mut out = Dictionary::new();
        out.push("tag", party.tags.first().map_or("", String::as_str));
        for (key, text) in [
            ("via-branch", &party.via_branch),
            ("label", &party.label),
            ("metadata", &party.metadata),
        ] {
            if let Some(text) = text {
                out.push(key, text.as_str());
            }
        }
        out.with("tag-aliases", aliases)
            .with("created", seconds(self.wall_clock(party.created)))
            .with("subscriptions", subscriptions)
            .with("subscribers", subscribers)
            .with("medias", medias)
    }

    /// Whether this party is a subscriber of the other's media.
    fn hears(&self, listener: usize, source: &Party) -> bool {
        let legs = source.legs.iter().filter_map(|leg| self.legs.get(*leg));
        legs.flat_map(|leg| &leg.copies)
            .any(|copy| copy.party == listener)
    }

    fn medium(&self, index: usize, leg: &Leg, now: Instant) -> Dictionary {
        let streams: Vec<Value> = leg
            .transports()
            .map(|(c, t)| self.stream(leg, c, t, now).into())
            .collect();
        let flags = [
            ("rtcp-mux", leg.terms.mux.agreed),
            (
                "ICE",
                leg.rtp.as_ref().is_some_and(|transport| {
                    transport.agent.is_some() || transport.witness.is_some()
                }),
            ),
            ("DTLS-SRTP", leg.terms.dtls.role().is_some()),
            ("SDES", leg.terms.sdes.is_in_use()),
        ];
        Dictionary::new()
            .with("index", integer((index as u64).saturating_add(1)))
            .with("type", leg.terms.kind.as_str())
            .with("protocol", leg.terms.protocol.as_str())
            .with("codec", leg.codecs.name().unwrap_or_default())
            .with("streams", streams)
            .with("flags", words(&flags))
            .with("ingress SSRCs", ssrcs(leg))
            .with(
                "egress SSRCs",
                leg.peer
                    .and_then(|peer| self.legs.get(peer))
                    .map(ssrcs)
                    .unwrap_or_default(),
            )
    }

    fn stream(
        &self,
        leg: &Leg,
        component: Component,
        transport: &Transport,
        now: Instant,
    ) -> Dictionary {
        let remote = match &transport.agent {
            Some(agent) => agent.selected().map(|pair| pair.remote),
            None => match &transport.witness {
                Some(witness) => witness.destination().map(|pair| pair.remote),
                None => transport.peer.destination(),
            },
        };
        let at = transport.local(transport.out);
        let keys = transport.keys.as_deref().or(leg.keys.as_ref());
        let heard = transport
            .last_heard
            .map_or(0, |heard| seconds(self.wall_clock(heard.min(now))));
        let flags = [
            ("RTP", component == Component::Rtp),
            ("RTCP", component == Component::Rtcp || leg.terms.mux.agreed),
            ("ICE", transport.agent.is_some()),
            ("confirmed", transport.last_heard.is_some()),
        ];
        let mut out = Dictionary::new()
            .with("local port", i64::from(at.port()))
            .with("local address", leg.shown_at(transport).to_string())
            .with("family", if at.is_ipv4() { "IPv4" } else { "IPv6" });
        for (key, address) in [
            ("endpoint", remote),
            ("advertised endpoint", transport.peer.signalled()),
        ] {
            if let Some(address) = address {
                out.push(key, endpoint(address));
            }
        }
        if let Some(keys) = keys {
            out.push("crypto suite", keys.suite().sdes_name());
        }
        out.push("last packet", heard);
        out.push("last user packet", heard);
        if let Some(ssrc) = transport.ssrc {
            out.push("SSRC", i64::from(ssrc));
        }
        out.with("flags", words(&flags))
            .with("stats", counters(&transport.received))
            .with("stats_out", counters(&transport.sent))
            .with("drops", drops(&transport.received))
    }

    /// How each stream of the call sounds, by its SSRC.
    fn scores(&self, call: &Call) -> Dictionary {
        let seconds = |at: Instant| seconds(self.wall_clock(at));
        let mut out = Dictionary::new();
        for leg in self.legs_of(call) {
            let is_audio = leg.terms.kind == sdp::MediaKind::Audio;
            for source in leg.sources.iter() {
                if let Some(score) = source.score(is_audio, &seconds) {
                    out.push(source.ssrc().to_string(), score);
                }
            }
        }
        out
    }

    fn legs_of(&self, call: &Call) -> impl Iterator<Item = &Leg> {
        let keys = call.parties.iter().flat_map(|party| &party.legs);
        keys.filter_map(|leg| self.legs.get(*leg))
    }

    fn totals(&self, call: &Call) -> Dictionary {
        let (mut rtp, mut rtcp) = (Counters::default(), Counters::default());
        for leg in self.legs_of(call) {
            for (component, transport) in leg.transports() {
                match component {
                    Component::Rtp => rtp.add(&transport.received),
                    Component::Rtcp => rtcp.add(&transport.received),
                }
            }
        }
        Dictionary::new()
            .with("RTP", counters(&rtp))
            .with("RTCP", counters(&rtcp))
    }

    fn wall_clock(&self, at: Instant) -> Duration {
        self.config.anchor.unix_at(at)
    }
}

/// One entry of `subscriptions` or `subscribers`, of a party that has a name.
fn subscription<'a>(
    call: &'a Call,
    party: Option<usize>,
    kind: &'a str,
) -> impl Iterator<Item = Value> + 'a {
    let tag = party
        .and_then(|party| call.party(party))
        .and_then(|party| party.tags.first());
    tag.into_iter().map(move |tag| {
        Dictionary::new()
            .with("tag", tag.as_str())
            .with("type", kind)
            .into()
    })
}

fn recording(call: &Call) -> Dictionary {
    Dictionary::new().with("call recording", i64::from(call.recording.is_some()))
}

fn endpoint(address: std::net::SocketAddr) -> Dictionary {
    Dictionary::new()
        .with("family", if address.is_ipv4() { "IPv4" } else { "IPv6" })
        .with("address", address.ip().to_string())
        .with("port", i64::from(address.port()))
}

fn counters(counters: &Counters) -> Dictionary {
    Dictionary::new()
        .with("packets", integer(counters.packets))
        .with("bytes", integer(counters.bytes))
        .with("errors", integer(counters.all_dropped()))
}

/// Only what happened at all: most legs drop nothing.
fn drops(counters: &Counters) -> Dictionary {
    let mut out = Dictionary::new();
    for reason in Drop::ALL
        .into_iter()
        .filter(|reason| counters.dropped(*reason) > 0)
    {
        out.push(reason.name(), integer(counters.dropped(reason)));
    }
    out
}

fn ssrcs(leg: &Leg) -> Vec<Value> {
    leg.sources
        .iter()
        .map(|source| source.counts().into())
        .collect()
}

fn words(flags: &[(&str, bool)]) -> Vec<Value> {
    flags
        .iter()
        .filter(|(_, on)| *on)
        .map(|(word, _)| Value::from(*word))
        .collect()
}

fn seconds(time: Duration) -> i64 {
    integer(time.as_secs())
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
