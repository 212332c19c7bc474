//! Whom a subscription listens to, what that sends, and how the reply tells it.

use control_proto::{Dictionary, Request, Response, Value, flag};
use sdp::{Direction, Formats, Media, Protocol};

use crate::core::Shard;
use crate::core::call::Call;
use crate::core::codecs::{Codecs, Kind};
use crate::core::leg::Leg;
use crate::core::refused::Refused;
use crate::core::table::Key;

/// Media of one subscription at most: both ends of a call with sound and pictures, twice over.
const MAX_MEDIA: usize = 8;

/// A leg that is listened to, with its party and its place there.
pub(super) struct Source {
    pub(super) leg: Key<Leg>,
    party: usize,
    index: usize,
}

impl Shard {
    /// Whom the request names: all, several by tag, or one.
    pub(super) fn sources(
        &self,
        key: Key<Call>,
        request: &Request,
    ) -> Result<Vec<Source>, Refused> {
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

    /// What is sent by a leg, as an offer to send it.
    pub(super) fn description(&self, key: Key<Leg>) -> Option<Media> {
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

    pub(super) fn subscription_reply(
        &self,
        key: Key<Call>,
        tag: &str,
        sources: &[Source],
    ) -> Response {
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
                let index = i64::try_from(source.index).unwrap_or(i64::MAX);
                let index = index.saturating_add(1);
                let medium = Dictionary::new()
                    .with("index", index)
                    .with("label", label.as_str());
                medias.push(medium.into());
                let told = Dictionary::new()
                    .with("tag", tag_of(of))
                    .with("index", index);
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

impl Codecs {
    /// Whether a body has kept all of these; telephone events nobody has to take.
    pub(super) fn all_in(&self, media: &Media) -> bool {
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
