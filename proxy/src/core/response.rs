//! The way back, up the same stair: a response finds its client transaction, loses our Via, has its body shown to the
//! relay, and goes to the server transaction (RFC 3261 section 16.7).

use std::time::Instant;

use sip::transaction::{ClientEvent, ClientKey};
use sip::{Message, Method};

use super::Core;
use super::challenge::understood_last;
use super::deadline::after;
use super::event::Drop;
use super::face::{AskId, Source};
use super::media::{Fate, shown_to};
use super::names::Side;
use super::policy::lead_as_asked;
use super::refusal::Answer;
use super::request::side;
use super::rewrite::emit_only_ws;
use super::timers;
use super::transactions::{Asking, ContextId, Held};
use super::{identity, numbers, provisional, schemes};

/// Responses that may wait behind one for which the relay is asked: more come only from a peer that floods.
const MAX_INBOX: usize = 16;

impl Core {
    /// Takes a valid response.
    pub(super) fn response(&mut self, from: Source, mut response: Message, now: Instant) {
        if let Source::Flow(_) = from {
            self.meant_by_response(&mut response);
        }
        let asking = response_key(&response).and_then(|key| self.transactions.by_response(&key));
        match asking {
            None => self.drop_message(from, Drop::StrayResponse),
            Some(Asking::Errand(id)) => self.errand_answered(id, from, response, now),
            Some(Asking::Context(id)) => self.response_to(id, from, response, now),
        }
    }

    fn response_to(&mut self, id: ContextId, from: Source, response: Message, now: Instant) {
        let Some(context) = self.transactions.get_mut(id) else {
            return;
        };
        let (Some(branch), Some(status)) = (&context.branch, response.status()) else {
            return;
        };
        if !same_place(branch.to, from) {
            return self.drop_message(from, Drop::WrongPeer);
        }
        let ack = match context.method == Method::Invite && status >= 300 {
            true => Message::ack_to_failure(&branch.sent, &response)
                .ok()
                .map(|ack| ack.as_bytes().into()),
            false => None,
        };
        let to = branch.to;
        self.upstream_answered(to, &response, now);
        self.ask(
            id,
            ClientEvent::Response { status, ack },
            Some(response),
            now,
        );
    }

    /// A response that the client transaction did not absorb.
    pub(super) fn arrived(&mut self, id: ContextId, mut response: Message, now: Instant) {
        let status = response.status().unwrap_or_default();
        if status == 503 && self.fail_over(id, now) {
            return;
        }
        self.upstream_broke_silence(id, status);
        if matches!(status, 401 | 407) {
            if self.prove_again(id, &response, now) {
                return;
            }
            if let Some(answer) = self.not_proven(id) {
                return self.answer(id, &answer, now);
            }
        }
        if status < 200 {
            self.still_ringing(id, status, now);
        }
        // 100 was for us alone.
        if status == 100 || response.remove_first_value("Via") != Ok(true) || !response.has("Via") {
            return;
        }
        let Some(context) = self.transactions.get_mut(id) else {
            return;
        };
        if context.inbox.len() >= MAX_INBOX {
            let from = context
                .branch
                .as_ref()
                .map_or(context.from, |branch| branch.to);
            return self.drop_message(from, Drop::OverLimit);
        }
        context.inbox.push_back(response);
        self.pass_back(id, now);
    }

    fn still_ringing(&mut self, id: ContextId, status: u16, now: Instant) {
        if let Some(context) = self
            .transactions
            .get_mut(id)
            .filter(|c| c.give_up.is_some() && status > 100)
        {
            context.give_up = Some(after(now, self.config.limits.ringing));
        }
        self.cancel_if_wanted(id, now);
    }

    /// Passes responses back in order, as far as none waits for the relay.
    pub(super) fn pass_back(&mut self, id: ContextId, now: Instant) {
        while let Some(context) = self.transactions.get_mut(id) {
            if context.held.is_some() {
                return;
            }
            let Some(response) = context.inbox.pop_front() else {
                return;
            };
            self.pass_one(id, response, now);
        }
    }

    fn pass_one(&mut self, id: ContextId, mut response: Message, now: Instant) {
        if self.is_unwanted(id, &response) {
            return self.unwanted_call(id, &response, now);
        }
        if let Err(answer) = self.translate(id, &mut response, now) {
            return self.answer(id, &answer, now);
        }
        let edited = match self.media_of_response(id, &response, now) {
            Ok(Fate::Pass) => Ok(()),
            Ok(Fate::Strip) => response.remove_body(),
            Ok(Fate::Replace(body)) => response.set_body("application/sdp", &body),
            Ok(Fate::Ask(ask)) => return self.hold_response(id, ask, response),
            Err(answer) => return self.without_media(id, response, &answer, now),
        };
        match edited {
            Ok(()) => self.respond(id, &response, now),
            Err(_) => self.without_media(id, response, &too_large(), now),
        }
    }

    /// Whether this makes a call whose caller is gone, or was told already that there is none.
    fn is_unwanted(&mut self, id: ContextId, response: &Message) -> bool {
        let Some(context) = self.transactions.get_mut(id) else {
            return false;
        };
        let made = context.method == Method::Invite && matches!(response.status(), Some(200..=299));
        let refused = context.final_status.is_some_and(|given| given >= 300);
        made && (refused || self.is_abandoned(id))
    }

    /// What the asking side must see otherwise than the answering side wrote it, the body aside.
    fn translate(
        &mut self,
        id: ContextId,
        response: &mut Message,
        now: Instant,
    ) -> Result<(), Answer> {
        let Some(context) = self.transactions.get_mut(id) else {
            return Ok(());
        };
        let challenged = matches!(response.status(), Some(401 | 407));
        let (asking, registration) = (context.from, context.registration.clone());
        let (invite, route) = (context.request.clone(), context.route.clone());
        let answered_by = context.route.as_ref().map(|route| side(route.to));
        let sent = context.branch.as_ref().map(|branch| &branch.sent);
        let led = match sent.filter(|_| answered_by == Some(Side::Browser)) {
            Some(sent) => lead_as_asked(response, sent),
            None => Ok(()),
        };
        if let Some(guesser) = context.guesser {
            self.proven(guesser, &invite, response, now);
        }
        let result = match (asking, registration) {
            // A challenge from a browser could only be a trick to have somebody's credentials sent to it.
            _ if challenged && answered_by == Some(Side::Browser) => {
                return Err(Answer::new(403, "A Browser May Not Challenge"));
            }
            _ if answered_by == Some(Side::Browser) => led
                .and_then(|()| self.config.policy.strip(response))
                .and_then(|()| schemes::restore(response))
                .and_then(|()| emit_only_ws(response)),
            (Source::Upstream(_), _) => Ok(()),
            (Source::Flow(_), _) if challenged => understood_last(response),
            (Source::Flow(_), Some(_)) if response.status() == Some(423) => {
                self.too_brief_upstairs(response);
                Ok(())
            }
            (Source::Flow(flow), Some(registration))
                if matches!(response.status(), Some(200..=299)) =>
            {
                self.registered(flow, &registration, response, now)
            }
            _ => Ok(()),
        };
        let is_numbered = route.as_ref().is_some_and(|route| route.numbered.is_some());
        let result = result.and_then(|()| match side(asking) {
            Side::Browser if is_numbered => numbers::restore(response, &invite),
            _ => Ok(()),
        });
        let result = result.and_then(|()| timers::take_out(response));
        let result = result.and_then(|()| match side(asking) {
            Side::Browser => {
                schemes::show(response, &self.config.domain)?;
                identity::keep_private(response)?;
                if let Some(route) = &route {
                    self.stand_in(response, &invite, route)?;
                }
                provisional::tag(response, &self.names)
            }
            Side::Phone => match &route {
                Some(route) => self.lead_here(response, route, asking),
                None => Ok(()),
            },
        });
        result.map_err(|_| Answer::new(502, "The Response Cannot Be Used"))
    }

    fn hold_response(&mut self, id: ContextId, ask: AskId, message: Message) {
        if let Some(context) = self.transactions.get_mut(id) {
            context.held = Some(Held { ask, message });
        }
    }

    /// The relay has answered for a response.
    pub(super) fn response_relayed(
        &mut self,
        id: ContextId,
        mut response: Message,
        body: Result<Vec<u8>, Answer>,
        now: Instant,
    ) {
        let Some(context) = self.transactions.get_mut(id) else {
            return;
        };
        let edited = body.and_then(|body| {
            let body = shown_to(side(context.from), body);
            context.remember_body(&response, &body);
            response
                .set_body("application/sdp", &body)
                .map_err(|_| too_large())
        });
        match edited {
            Ok(()) => {
                self.respond(id, &response, now);
                self.expect_ack(id, &response, now);
            }
            Err(answer) => self.without_media(id, response, &answer, now),
        }
        self.pass_back(id, now);
        self.tidy(id);
    }

    /// A response whose body cannot be shown to the caller: ringing goes on without it, a call cannot.
    fn without_media(
        &mut self,
        id: ContextId,
        mut response: Message,
        answer: &Answer,
        now: Instant,
    ) {
        let status = response.status().unwrap_or_default();
        if status < 200 {
            if response.remove_body().is_ok() {
                self.respond(id, &response, now);
            }
            return;
        }
        self.answer(id, answer, now);
        let invite = self
            .transactions
            .get_mut(id)
            .is_some_and(|context| context.method == Method::Invite);
        if invite && status < 300 {
            self.unwanted_call(id, &response, now);
        }
    }
}

fn too_large() -> Answer {
    Answer::new(502, "The Answer Is Too Large")
}

/// RFC 3261 section 17.1.3.
fn response_key(response: &Message) -> Option<ClientKey> {
    let via = response.top_via()?;
    Some(ClientKey::new(
        via.branch()?,
        response.cseq()?.method.as_str(),
    ))
}

/// Whether a response comes from where its request went. The upstream may answer from any of its addresses.
pub(super) fn same_place(to: Source, from: Source) -> bool {
    match (to, from) {
        (Source::Flow(to), Source::Flow(from)) => to == from,
        (Source::Upstream(_), Source::Upstream(_)) => true,
        _ => false,
    }
}
