//! Re-offers that the other side of the call needs not hear of (`unchanged.rs`): a refresh, media that the SIP server has moved
//! to another address, a browser's ICE restart. The relay is told of the offer and then of the answer that the other side
//! would give, as if that had given it, so that any relay does what it would have done; and the answer goes back from here.
//!
//! One without SDP is not answered here. It asks for all that the other side can do, mostly to connect it to somebody else,
//! and only that side can answer what follows.

use std::time::{Duration, Instant};

use sip::{Message, Method};

use super::super::Core;
use super::super::calls::Owed;
use super::super::deadline::after;
use super::super::names::Side;
use super::super::refusal::Answer;
use super::super::route::Route;
use super::super::transactions::ContextId;
use super::body::Body;
use super::session::Waiter;
use super::unchanged::{self, Agreed};
use super::{may_negotiate, ng};

/// What is to be said in the other side's place.
pub(in crate::core) struct Spared {
    /// Its answer, for the relay.
    question: control_proto::Request,
    /// Where it is reached.
    contact: String,
}

/// A 200 of ours that has no ACK yet: it is repeated until then (RFC 3261 section 13.3.1.4).
pub(in crate::core) struct Unacknowledged {
    response: Message,
    pub(in crate::core) at: Instant,
    interval: Duration,
}

impl Core {
    /// What to say in the other side's place, if it needs not hear of this request. While the edge answers one of a dialog's
    /// re-offers so, others are refused as its parties would refuse them (RFC 3261 section 14.2).
    pub(super) fn spares(
        &mut self,
        id: ContextId,
        request: &Message,
        route: &Route,
        offer: &[u8],
    ) -> Result<Option<Spared>, Answer> {
        let (Some(media), Some(sender)) = (route.media, self.sender(route)) else {
            return Ok(None);
        };
        self.wait_for_answer(route, request, sender)?;
        if !self.media.is_alone(media) || request.has("Require") {
            return Ok(None);
        }
        Ok(self.answer_of_other(id, request, route, sender, offer))
    }

    /// Whether a request need not wait for its browser, which is away.
    pub(in crate::core) fn may_be_spared(
        &mut self,
        id: ContextId,
        request: &Message,
        route: &Route,
    ) -> Result<bool, Answer> {
        let (Body::Sdp(offer), Some(media)) = (Body::of(request), route.media) else {
            return Ok(false);
        };
        let Some(sender) = self.sender(route).filter(|_| may_negotiate(request)) else {
            return Ok(false);
        };
        self.wait_for_answer(route, request, sender)?;
        let answer = self.answer_of_other(id, request, route, sender, offer);
        let is_free = self.media.is_idle(media) && !request.has("Require");
        Ok(is_free && answer.is_some())
    }

    fn answer_of_other(
        &mut self,
        id: ContextId,
        request: &Message,
        route: &Route,
        sender: Side,
        offer: &[u8],
    ) -> Option<Spared> {
        let media = route.media?;
        let from = self.transactions.get_mut(id)?.from;
        let way_here = self.way_here(self.token_of(route, from), from);
        let dialog = self.calls.dialog_mut(media, request)?;
        if !dialog.is_where_it_was(sender, request) || !dialog.is_who_it_was(sender, request) {
            return None;
        }
        let known = dialog.target(sender.other());
        let contact = format!("<{}>", way_here.unwrap_or_else(|| known.to_owned()));
        let parties = ng::Parties::of(request, media)?;
        let (own_tag, other_tag) = (parties.from_tag, parties.to_tag?);
        let agreed = self.media.agreement(media, [&own_tag, &other_tag])?;
        let bodies = [&agreed.offer, &agreed.answer].map(|request| request.sdp.as_deref());
        let [offered, answered] = [bodies[0]?, bodies[1]?];
        let other_offered = agreed.offer.from_tag.as_deref() == Some(&*other_tag);
        let [own, other] = match other_offered {
            true => [answered, offered],
            false => [offered, answered],
        };
        let agreed = Agreed {
            own,
            other,
            other_offered,
        };
        let body = unchanged::answer(&agreed, offer)?;
        let receiver = self.side_of(id);
        Some(Spared {
            question: ng::answer(&parties.call, &own_tag, &other_tag, body, receiver),
            contact,
        })
    }

    /// Whether the edge is not at work on an answer to another re-offer of this dialog.
    fn wait_for_answer(
        &mut self,
        route: &Route,
        request: &Message,
        sender: Side,
    ) -> Result<(), Answer> {
        let dialog = route
            .media
            .and_then(|media| self.calls.dialog_mut(media, request));
        let Some(dialog) = dialog else {
            return Ok(());
        };
        let owed = [sender, sender.other()].map(|side| dialog.owed(side));
        let [own, others] = owed.map(|owed| {
            let context = owed.and_then(|owed| self.transactions.get_mut(owed.context));
            context.is_some_and(|context| context.final_status.is_none())
        });
        if own {
            let wait = self.names.jitter(10).to_string();
            let answer = Answer::new(500, "Another Offer Is Being Answered");
            return Err(answer.with("Retry-After", wait));
        }
        match others {
            true => Err(Answer::new(491, "Request Pending")),
            false => Ok(()),
        }
    }

    /// This request is answered here.
    pub(super) fn spare(
        &mut self,
        id: ContextId,
        request: &Message,
        route: &Route,
        spared: Spared,
    ) {
        let Some(sender) = self.sender(route) else {
            return;
        };
        if let Some(context) = self.transactions.get_mut(id) {
            context.spared = Some(Box::new(spared));
            context.answered_here = true;
        }
        let dialog = route
            .media
            .and_then(|media| self.calls.dialog_mut(media, request));
        if let (Some(dialog), Some(cseq)) = (dialog, request.cseq()) {
            let (context, number) = (id, cseq.number);
            dialog.owe(sender, Owed { context, number });
        }
    }

    /// The relay has taken the offer: it is told of the answer.
    pub(in crate::core) fn answer_spared(
        &mut self,
        id: ContextId,
        spared: Spared,
        body: Result<Vec<u8>, Answer>,
        now: Instant,
    ) -> Result<(), Answer> {
        body?;
        let Some(context) = self.transactions.get_mut(id) else {
            return Ok(());
        };
        let Some(media) = context.session else {
            return Ok(());
        };
        let unreadable = |_| Answer::new(400, "Bad Request");
        let request = context.request.clone();
        let answer = Answer::new(200, "OK").with("Contact", spared.contact);
        let response = answer.to(&request, "").map_err(unreadable)?;
        let call_id = request.call_id().unwrap_or_default().to_owned();
        self.media.answered(media);
        let ask = self.ask_relay(media, call_id, spared.question, Waiter::Response(id), now)?;
        self.hold(id, ask, response)
    }

    /// A 200 of ours has gone out: it will go again until its ACK is here.
    pub(in crate::core) fn expect_ack(&mut self, id: ContextId, response: &Message, now: Instant) {
        let interval = self.config.timers.t1;
        let Some(context) = self.transactions.get_mut(id) else {
            return;
        };
        if context.answered_here && context.method == Method::Invite {
            context.unacknowledged = Some(Unacknowledged {
                response: response.clone(),
                at: after(now, interval),
                interval,
            });
        }
    }

    /// The alarm of a context whose 200 has no ACK. It ends with the server transaction.
    pub(in crate::core) fn unacknowledged_due(&mut self, id: ContextId, now: Instant) {
        let longest = self.config.timers.t2;
        let Some(context) = self.transactions.get_mut(id) else {
            return;
        };
        if context.server.is_none() {
            context.unacknowledged = None;
        }
        let (to, Some(waiting)) = (context.from, &mut context.unacknowledged) else {
            return;
        };
        if waiting.at <= now {
            waiting.interval = waiting.interval.saturating_mul(2).min(longest);
            waiting.at = after(now, waiting.interval);
            let bytes = waiting.response.as_bytes().to_vec();
            self.send(to, bytes);
        }
    }

    /// Whether this ACK is to a 200 of ours: it ends here.
    pub(in crate::core) fn acknowledges_here(&mut self, route: &Route, ack: &Message) -> bool {
        let (Some(media), Some(sender), Some(cseq)) = (route.media, self.sender(route), ack.cseq())
        else {
            return false;
        };
        let dialog = self.calls.dialog_mut(media, ack);
        let Some(owed) = dialog.and_then(|dialog| dialog.owed(sender)) else {
            return false;
        };
        if owed.number != cseq.number {
            return false;
        }
        if let Some(context) = self.transactions.get_mut(owed.context) {
            context.unacknowledged = None;
        }
        self.tidy(owed.context);
        true
    }
}
