//! Step 7 of the walk: every SDP body is shown to the relay before the other side sees it.
//!
//! What a body *is* follows from the bodies, not from the methods (RFC 3264, RFC 6337): a body in a request is an
//! offer, unless a response had made one that waits for its answer; a body in a response is the answer to its
//! request's offer, or an offer if the INVITE had none. While the relay is asked, the message waits in its context
//! and later responses wait behind it.

mod ack;
mod agreed;
mod body;
mod info;
mod ng;
mod restore;
mod session;
mod settle;
mod spared;
mod unchanged;
mod webrtc;

use std::sync::Arc;
use std::time::Instant;

use sip::{Message, Method};

pub(super) use self::ack::AckBody;
use self::body::Body;
pub(super) use self::ng::call_name;
pub(super) use self::session::{MediaSessions, Verdict, Waiter};
pub(super) use self::spared::{Spared, Unacknowledged};
use self::webrtc::is_webrtc;
use super::Core;
use super::alarms::Due;
use super::face::AskId;
use super::names::{MediaId, Side};
use super::refusal::Answer;
use super::request::side;
use super::route::Route;
use super::transactions::{ContextId, Held, Proxied};

/// Bodies remembered for one transaction. A forked call has a few early answers; beyond that the oldest goes, and its
/// repetition costs a question to the relay.
const MAX_REWRITTEN: usize = 8;

/// What the bodies of one transaction mean to each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Exchange {
    /// None was exchanged, and a body in a response would have no meaning.
    #[default]
    None,
    /// The request carried an offer: responses carry answers.
    Offered,
    /// An INVITE without offer: a response will carry one.
    Invited,
}

/// A body of a response as the other side got it.
#[derive(Debug)]
pub(super) struct Rewritten {
    to_tag: String,
    before: Vec<u8>,
    after: Vec<u8>,
}

/// What becomes of a response's body.
pub(super) enum Fate {
    /// It goes on as it is: no SDP.
    Pass,
    /// It goes on without it.
    Strip,
    /// It goes on with this one.
    Replace(Vec<u8>),
    /// The relay must be asked.
    Ask(AskId),
}

impl Core {
    /// Decides on a request's body. `Some` if it must wait for the relay.
    pub(super) fn media_of_request(
        &mut self,
        id: ContextId,
        request: &Message,
        route: &Route,
        now: Instant,
    ) -> Result<Option<AskId>, Answer> {
        if !may_negotiate(request) {
            return Ok(None);
        }
        let sdp = match Body::of(request) {
            Body::Sdp(sdp) => Some(sdp),
            Body::Other => None,
        };
        let media = match route.media {
            Some(media) if sdp.is_some() || request.is(&Method::Invite) => media,
            _ if sdp.is_none() => return Ok(None),
            _ if request.is(&Method::Invite) && request.to_tag().is_none() => {
                return Err(Answer::busy("No Media Relay Is Available"));
            }
            // A dialog that no INVITE of ours began: nothing of this body may be shown to anybody.
            _ => return Err(Answer::new(488, "No Call Is Known For This SDP")),
        };
        let parties =
            ng::Parties::of(request, media).ok_or_else(|| Answer::new(400, "Missing Tag"))?;
        self.enlist(id, media, &parties, request)?;
        let Some(sdp) = sdp else {
            self.set_exchange(id, Exchange::Invited);
            return Ok(None);
        };
        if !is_description(sdp) {
            return Err(Answer::new(488, "The SDP Cannot Be Read"));
        }
        if self.side_of(id) == Side::Browser && !is_webrtc(sdp) {
            return Err(Answer::new(488, "Media Without ICE And DTLS"));
        }
        let receiver = side(route.to);
        let question = self.question_of_request(id, request, media, &parties, sdp, receiver);
        if question.command == control_proto::Command::Offer {
            if let Some(spared) = self.spares(id, request, route, sdp)? {
                self.spare(id, request, route, spared);
            }
            let remind = self.media.offered(media, &question, now);
            self.alarms.arm(Due::Media(media), remind);
        }
        self.ask_relay(media, parties.call_id, question, Waiter::Request(id), now)
            .map(Some)
    }

    /// An offer, or in a PRACK the answer to the offer of a reliable 18x (RFC 3262 section 5).
    fn question_of_request(
        &mut self,
        id: ContextId,
        request: &Message,
        media: MediaId,
        parties: &ng::Parties,
        sdp: &[u8],
        receiver: Side,
    ) -> control_proto::Request {
        let (sdp, sender) = (sdp.to_vec(), self.side_of(id));
        let (from, to) = (&parties.from_tag, parties.to_tag.as_deref());
        match self.media.late_offerer(media) {
            Some(offerer) if request.is(&Method::Prack) && to == Some(&offerer) => {
                self.media.answered_late(media);
                ng::answer(&parties.call, &offerer, from, sdp, receiver)
            }
            _ => {
                self.set_exchange(id, Exchange::Offered);
                ng::offer(&parties.call, from, to, sdp, [sender, receiver])
            }
        }
    }

    /// Decides on a response's body.
    pub(super) fn media_of_response(
        &mut self,
        id: ContextId,
        response: &Message,
        now: Instant,
    ) -> Result<Fate, Answer> {
        let Body::Sdp(sdp) = Body::of(response) else {
            return Ok(Fate::Pass);
        };
        let Some(context) = self.transactions.get_mut(id) else {
            return Ok(Fate::Strip);
        };
        let (Some(media), Some(status)) = (context.session, response.status()) else {
            return Ok(Fate::Strip);
        };
        let to_tag = response.to_tag().unwrap_or_default();
        if let Some(known) = context
            .rewritten
            .iter()
            .find(|known| known.to_tag == to_tag && known.before == sdp)
        {
            return Ok(Fate::Replace(known.after.clone()));
        }
        let receiver = side(context.from);
        let sender = context.route.as_ref().map(|route| side(route.to));
        let sender = sender.unwrap_or(receiver.other());
        let Some(parties) = ng::Parties::of(response, media).filter(|_| status < 300) else {
            return Ok(Fate::Strip);
        };
        let question = match context.exchange {
            Exchange::Offered => ng::answer(
                &parties.call,
                &parties.from_tag,
                to_tag,
                sdp.to_vec(),
                receiver,
            ),
            // Only what is delivered for certain can make an offer (RFC 3261 section 13.2.1).
            Exchange::Invited if status >= 200 || response.lists("Require", "100rel") => {
                self.media.offered_late(media, to_tag);
                ng::offer(
                    &parties.call,
                    to_tag,
                    Some(&parties.from_tag),
                    sdp.to_vec(),
                    [sender, receiver],
                )
            }
            Exchange::Invited | Exchange::None => return Ok(Fate::Strip),
        };
        self.media.answered(media);
        if !is_description(sdp) {
            return Err(Answer::new(502, "The Answer's SDP Cannot Be Read"));
        }
        if sender == Side::Browser && !is_webrtc(sdp) {
            return Err(Answer::new(
                502,
                "The Answer Has Media Without ICE And DTLS",
            ));
        }
        self.ask_relay(media, parties.call_id, question, Waiter::Response(id), now)
            .map(Fate::Ask)
    }

    /// Keeps a message in its context until the relay has answered.
    pub(super) fn hold(
        &mut self,
        id: ContextId,
        ask: AskId,
        message: Message,
    ) -> Result<(), Answer> {
        if let Some(context) = self.transactions.get_mut(id) {
            context.held = Some(Held { ask, message });
        }
        Ok(())
    }

    /// Puts a question, if the relay is not too far behind already.
    pub(super) fn ask_relay(
        &mut self,
        media: MediaId,
        call_id: String,
        mut request: control_proto::Request,
        waiter: Waiter,
        now: Instant,
    ) -> Result<AskId, Answer> {
        if self.config.dtmf_events {
            ng::expect_keys(&mut request);
        }
        let news = matters(&waiter).then(|| Arc::new(request.clone()));
        let patience = self.patience(media, &waiter, now);
        let id = self.put(media, call_id, request, waiter, patience, now)?;
        self.media.at_relay(media);
        if let Some(request) = news {
            self.media.note(media, request);
        }
        Ok(id)
    }

    /// Ties a context to its media session, which lives at least as long as the request is unanswered.
    fn enlist(
        &mut self,
        id: ContextId,
        media: MediaId,
        parties: &ng::Parties,
        request: &Message,
    ) -> Result<(), Answer> {
        let in_dialog = request.to_tag().is_some();
        if !self.media.enlist(
            media,
            &parties.call_id,
            in_dialog,
            self.config.limits.media_sessions,
        ) {
            return Err(Answer::busy("Too Many Calls At Once"));
        }
        if let Some(context) = self.transactions.get_mut(id) {
            context.session = Some(media);
        }
        Ok(())
    }

    fn set_exchange(&mut self, id: ContextId, exchange: Exchange) {
        if let Some(context) = self.transactions.get_mut(id) {
            context.exchange = exchange;
        }
    }

    fn side_of(&mut self, id: ContextId) -> Side {
        self.transactions
            .get_mut(id)
            .map_or(Side::Phone, |context| side(context.from))
    }
}

impl Proxied {
    /// Remembers how a response's body was rewritten.
    pub(super) fn remember_body(&mut self, response: &Message, after: &[u8]) {
        if self.rewritten.len() >= MAX_REWRITTEN {
            self.rewritten.remove(0);
        }
        if let Body::Sdp(before) = Body::of(response) {
            let to_tag = response.to_tag().unwrap_or_default().to_owned();
            self.rewritten.push(Rewritten {
                to_tag,
                before: before.to_vec(),
                after: after.to_vec(),
            });
        }
    }
}

/// The requests whose SDP is an offer or an answer. An OPTIONS, say, only describes what would be possible.
fn may_negotiate(request: &Message) -> bool {
    matches!(
        request.method(),
        Some(Method::Invite | Method::Update | Method::Prack)
    )
}

/// Whether a question is about a body that somebody has sent just now: a reminder or a restoration says nothing new.
fn matters(waiter: &Waiter) -> bool {
    matches!(
        waiter,
        Waiter::Request(_) | Waiter::Response(_) | Waiter::Ack(_)
    )
}

/// Whether a body can be a session description at all. The relay, who reads the rest, is not asked about garbage.
fn is_description(body: &[u8]) -> bool {
    body.starts_with(b"v=") && body.len() <= sdp::MAX_BODY
}

/// The relay's body for this side: a phone is spared what only WebRTC knows.
pub(super) fn shown_to(receiver: Side, sdp: Vec<u8>) -> Vec<u8> {
    match receiver {
        Side::Browser => sdp,
        Side::Phone => sdp::slim_for_phone(&sdp),
    }
}
