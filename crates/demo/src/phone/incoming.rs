//! Requests that come in: calls, and what happens within them.

use std::net::SocketAddr;
use std::time::Instant;

use sip::transaction::ServerKey;
use sip::{Message, Method, ResponseBuilder};

use super::agent::{Agent, MAX_CALLS};
use super::dialog::Dialog;
use super::{Answer, End, Line, State};

impl Agent {
    pub(super) fn request(
        &mut self,
        key: ServerKey,
        message: Message,
        from: SocketAddr,
        now: Instant,
    ) {
        let in_dialog = message.to_tag().is_some();
        match (message.method(), self.find(&message)) {
            (Some(Method::Invite), _) if !in_dialog => self.called(key, message, from, now),
            (Some(Method::Invite | Method::Update), Some(id)) => {
                self.changed(id, key, &message, now);
            }
            (Some(Method::Bye), Some(id)) => {
                self.reply(&key, &message, 200, "OK", now);
                self.refuse_unanswered(id, 487, "Request Terminated", now);
                self.end(id, End::There);
            }
            (Some(Method::Cancel), _) => self.cancelled(&key, &message, now),
            (Some(Method::Info | Method::Message | Method::Options | Method::Notify), _) => {
                self.reply(&key, &message, 200, "OK", now);
            }
            _ if in_dialog => {
                let reason = "Call/Transaction Does Not Exist";
                self.reply(&key, &message, 481, reason, now);
            }
            _ => self.reply(&key, &message, 405, "Method Not Allowed", now),
        }
    }

    /// The ACK of a 2xx: it ends our repeating, and answers an offer that we made in the 2xx.
    pub(super) fn acknowledged(&mut self, message: &Message) {
        let Some(id) = self.find(message) else { return };
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        call.unacknowledged = None;
        if call.offered && !message.body().is_empty() {
            self.answered_with(id, message.body());
        }
    }

    /// A line's ring time is over: it answers as it is set to.
    pub(super) fn answer(&mut self, id: u64, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        match call.line.answer {
            Answer::Never => {}
            Answer::Refuse(status) => {
                self.refuse_unanswered(id, status, "Refused", now);
                self.end(id, End::Refused(status));
            }
            Answer::Accept | Answer::EarlyMedia => self.accept(id, now),
        }
    }

    /// A final failure for a call that was not answered yet.
    pub(super) fn refuse_unanswered(&mut self, id: u64, status: u16, reason: &str, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let tag = call.dialog.local_tag.clone();
        if let Some((key, invite)) = call.invite.take() {
            let response = ResponseBuilder::new(&invite, status, reason)
                .to_tag(&tag)
                .build();
            if let Ok(response) = response {
                self.exchange.respond(&key, &response, now);
            }
        }
    }

    fn called(&mut self, key: ServerKey, invite: Message, from: SocketAddr, now: Instant) {
        if self.calls.len() >= MAX_CALLS {
            return self.reply(&key, &invite, 486, "Busy Here", now);
        }
        if !invite.body().is_empty() && !self.takes(invite.body()) {
            return self.reply(&key, &invite, 488, "Not Acceptable Here", now);
        }
        let Some(line) = self.line(&invite) else {
            return self.reply(&key, &invite, 404, "Not Found", now);
        };
        let contact = self.contact();
        let dialog = Dialog::called(&invite, contact, self.address, from, &mut self.names);
        let Some(dialog) = dialog else {
            return self.reply(&key, &invite, 400, "No Contact", now);
        };
        let uri = |it: Option<sip::NameAddr<'_>>| it.map(|it| it.uri_text().to_owned());
        let uris = (
            uri(invite.from()).unwrap_or_default(),
            uri(invite.to()).unwrap_or_default(),
        );
        let (early, ring) = (line.answer == Answer::EarlyMedia, line.ring);
        let (id, call) = self.add(dialog, line, State::Trying, uris);
        if let Some(call) = self.calls.get_mut(&id) {
            call.invite = Some((key, invite));
            call.answer_at = Some(now + ring);
        }
        if early {
            self.give_early_media(id, now);
        } else {
            self.respond_in(id, 180, "Ringing", None, now);
            self.set_state(id, State::Ringing);
        }
        // Nobody has to listen.
        let _ = self.announce.try_send(call);
    }

    fn line(&self, invite: &Message) -> Option<Line> {
        let called = invite.uri().and_then(|uri| uri.decoded_user());
        let called = called.unwrap_or_default();
        let lines = &self.config.lines;
        let exact = lines.iter().find(|line| line.user == called);
        exact
            .or_else(|| lines.iter().find(|line| line.user.is_empty()))
            .cloned()
    }

    fn give_early_media(&mut self, id: u64, now: Instant) {
        let invite = self.calls.get(&id).and_then(|call| call.invite.as_ref());
        let offer = invite
            .map(|(_, invite)| invite.body().to_vec())
            .unwrap_or_default();
        match self.answer_to(id, &offer) {
            Some(answer) => {
                self.respond_in(id, 183, "Session Progress", Some(answer), now);
                self.set_state(id, State::Early);
            }
            None => self.respond_in(id, 180, "Ringing", None, now),
        }
    }

    fn accept(&mut self, id: u64, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some((key, invite)) = call.invite.clone() else {
            return;
        };
        call.hang_up_at = call.line.hang_up_after.map(|after| now + after);
        let body = if invite.body().is_empty() {
            self.offer(id)
        } else {
            self.answer_to(id, invite.body())
        };
        let Some(body) = body else {
            self.refuse_unanswered(id, 488, "Not Acceptable Here", now);
            return self.end(id, End::Refused(488));
        };
        if let Some(response) = self.response_in(id, &invite, 200, "OK", Some(body)) {
            self.respond_ok(id, key, response, now);
        }
        if let Some(call) = self.calls.get_mut(&id) {
            call.invite = None;
            call.set(State::Up);
        }
    }

    /// A re-INVITE or an UPDATE: hold, or new addresses.
    fn changed(&mut self, id: u64, key: ServerKey, message: &Message, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if call.offered || call.invite.is_some() && message.is(&Method::Invite) {
            return self.reply(&key, message, 491, "Request Pending", now);
        }
        if !message.body().is_empty() && !self.takes(message.body()) {
            return self.reply(&key, message, 488, "Not Acceptable Here", now);
        }
        if let Some(call) = self.calls.get_mut(&id) {
            call.dialog.refresh(message);
        }
        let is_invite = message.is(&Method::Invite);
        let body = match message.body() {
            [] if is_invite => self.offer(id),
            [] => None,
            offer => match self.answer_to(id, offer) {
                Some(answer) => Some(answer),
                None => return self.reply(&key, message, 488, "Not Acceptable Here", now),
            },
        };
        if let Some(response) = self.response_in(id, message, 200, "OK", body) {
            if is_invite {
                self.respond_ok(id, key, response, now);
            } else {
                self.exchange.respond(&key, &response, now);
            }
        }
    }

    fn cancelled(&mut self, key: &ServerKey, message: &Message, now: Instant) {
        let invite = key.cancelled();
        let found = self.calls.iter().find_map(|(id, call)| {
            let (key, _) = call.invite.as_ref()?;
            (*key == invite).then_some(*id)
        });
        let Some(id) = found else {
            let reason = "Call/Transaction Does Not Exist";
            return self.reply(key, message, 481, reason, now);
        };
        self.reply(key, message, 200, "OK", now);
        self.refuse_unanswered(id, 487, "Request Terminated", now);
        self.end(id, End::There);
    }

    /// The call that a request within a dialog belongs to.
    fn find(&self, message: &Message) -> Option<u64> {
        let (call_id, tag) = (message.call_id()?, message.to_tag()?);
        self.calls
            .iter()
            .find(|(_, call)| call.dialog.call_id == call_id && call.dialog.local_tag == tag)
            .map(|(id, _)| *id)
    }

    fn set_state(&self, id: u64, state: State) {
        if let Some(call) = self.calls.get(&id) {
            call.set(state);
        }
    }

    /// A provisional response to a call's INVITE.
    fn respond_in(
        &mut self,
        id: u64,
        status: u16,
        reason: &str,
        body: Option<String>,
        now: Instant,
    ) {
        let invite = self.calls.get(&id).and_then(|call| call.invite.clone());
        let Some((key, invite)) = invite else { return };
        if let Some(response) = self.response_in(id, &invite, status, reason, body) {
            self.exchange.respond(&key, &response, now);
        }
    }

    fn response_in(
        &self,
        id: u64,
        request: &Message,
        status: u16,
        reason: &str,
        body: Option<String>,
    ) -> Option<Message> {
        let dialog = &self.calls.get(&id)?.dialog;
        let mut response = ResponseBuilder::new(request, status, reason)
            .to_tag(&dialog.local_tag)
            .header("Contact", dialog.contact())
            .header(
                "Allow",
                "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, MESSAGE",
            );
        if let Some(body) = body {
            response = response.body("application/sdp", body);
        }
        response.build().ok()
    }

    /// A response outside of any call.
    fn reply(
        &mut self,
        key: &ServerKey,
        request: &Message,
        status: u16,
        reason: &str,
        now: Instant,
    ) {
        let tag = self.names.name();
        let response = ResponseBuilder::new(request, status, reason)
            .to_tag(&tag)
            .build();
        if let Ok(response) = response {
            self.exchange.respond(key, &response, now);
        }
    }
}
