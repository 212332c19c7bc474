//! What others ask of the web phone.

use sip::{Message, Method, ResponseBuilder};

use super::agent::{Agent, MAX_CALLS, Ongoing};
use super::description::Description;
use super::dialog::Dialog;
use super::{End, State};
use crate::phone::Voice;

/// What sip.js takes.
pub(super) const ALLOW: &str = "ACK, BYE, CANCEL, INFO, INVITE, MESSAGE, NOTIFY, OPTIONS, REFER";

impl Agent {
    pub(super) async fn asked(&mut self, request: Message) {
        let Some(method) = request.method().cloned() else {
            return;
        };
        if request.to_tag().is_none() && method != Method::Cancel && !self.is_for_us(&request) {
            self.odd();
            return self.reply(&request, 404, "Not Found");
        }
        let id = self.dialog_of(&request);
        match (method, id) {
            (Method::Ack, Some(id)) => self.acknowledged(id, &request),
            (Method::Ack, None) => {}
            (Method::Cancel, _) => self.cancelled(&request),
            (Method::Invite, Some(id)) => self.reinvite(id, &request),
            (Method::Invite, None) if request.to_tag().is_none() => self.ring(request).await,
            (Method::Bye, Some(id)) => {
                self.reply(&request, 200, "OK");
                self.end(id, End::There);
            }
            (Method::Info, Some(id)) => {
                self.note_info(id, &request);
                self.reply(&request, 200, "OK");
            }
            (Method::Options | Method::Message | Method::Notify, _) => {
                self.reply(&request, 200, "OK")
            }
            (Method::Invite | Method::Bye | Method::Info, None) => {
                self.reply(&request, 481, "Call/Transaction Does Not Exist");
            }
            _ => self.respond(
                ResponseBuilder::new(&request, 405, "Method Not Allowed").header("Allow", ALLOW),
            ),
        }
    }

    /// Answers a call that rings.
    pub(super) async fn answer(&mut self, id: u64, voice: Voice) {
        let Some(invite) = self.calls.get_mut(&id).and_then(|call| call.asked.take()) else {
            return;
        };
        let offer = match invite.body() {
            [] => None,
            body => match Description::parse(body, None) {
                Ok(peer) => Some(peer),
                Err(reason) => {
                    self.refuse_with(id, &invite, 488);
                    return self.end(id, End::Unacceptable(reason));
                }
            },
        };
        if self.prepare(id, voice, offer.is_none()).await.is_err() {
            self.refuse_with(id, &invite, 500);
            return self.end(id, End::Refused(500));
        }
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let body = match offer {
            Some(peer) => call.answer_to(peer),
            None => {
                call.awaits_answer = true;
                Ok(call.offer().unwrap_or_default())
            }
        };
        match body {
            Ok(body) => {
                call.progress.mark(|timeline| &mut timeline.answered);
                let tag = call.dialog.local_tag.clone();
                call.state.send_replace(State::Up);
                let answer = ResponseBuilder::new(&invite, 200, "OK").to_tag(&tag);
                self.respond(answer.header("Allow", ALLOW).body("application/sdp", body));
            }
            Err(reason) => {
                self.refuse_with(id, &invite, 488);
                self.end(id, End::Unacceptable(reason));
            }
        }
    }

    /// Refuses a call that rings.
    pub(super) fn refuse(&mut self, id: u64, status: u16) {
        if let Some(invite) = self.calls.get_mut(&id).and_then(|call| call.asked.take()) {
            self.refuse_with(id, &invite, status);
            self.end(id, End::Refused(status));
        }
    }

    fn refuse_with(&mut self, id: u64, invite: &Message, status: u16) {
        let Some(tag) = self
            .calls
            .get(&id)
            .map(|call| call.dialog.local_tag.clone())
        else {
            return;
        };
        self.respond(ResponseBuilder::new(invite, status, reason(status)).to_tag(&tag));
    }

    fn reply(&mut self, request: &Message, status: u16, reason: &str) {
        let tag = self.names.name();
        self.respond(ResponseBuilder::new(request, status, reason).to_tag(&tag));
    }

    /// sip.js and JsSIP take a request only for their Contact's user or their own.
    fn is_for_us(&self, request: &Message) -> bool {
        let user = request.uri().and_then(|uri| uri.user().map(str::to_owned));
        user.is_some_and(|user| user == self.face.contact_user || user == self.config.user)
    }

    fn dialog_of(&self, request: &Message) -> Option<u64> {
        let is_its = |call: &Ongoing| {
            request.call_id() == Some(call.dialog.call_id.as_str())
                && request.to_tag() == Some(call.dialog.local_tag.as_str())
        };
        self.calls
            .iter()
            .find(|(_, call)| is_its(call))
            .map(|(id, _)| *id)
    }

    async fn ring(&mut self, invite: Message) {
        let is_merged = self.calls.values().any(|call| {
            invite.call_id() == Some(call.dialog.call_id.as_str())
                && invite.from_tag() == call.dialog.remote_tag.as_deref()
        });
        if is_merged {
            self.odd();
            return self.reply(&invite, 482, "Loop Detected"); // a second fork in one tab (section 8.2.2.2)
        }
        if self.calls.len() >= MAX_CALLS {
            return self.reply(&invite, 486, "Busy Here");
        }
        let Some(dialog) = Dialog::called(&invite, &mut self.names) else {
            return self.reply(&invite, 400, "Bad Request");
        };
        let tag = dialog.local_tag.clone();
        let uri = |text: Option<sip::NameAddr<'_>>| {
            text.map(|it| it.uri_text().to_owned()).unwrap_or_default()
        };
        let (caller, called) = (uri(invite.from()), uri(invite.to()));
        let (id, call) = self.open(dialog, caller, called, State::Ringing);
        call.progress.mark(|timeline| &mut timeline.ringing);
        self.respond(ResponseBuilder::new(&invite, 180, "Ringing").to_tag(&tag));
        if let Some(ongoing) = self.calls.get_mut(&id) {
            ongoing.asked = Some(invite);
        }
        if self.announce.try_send(call).is_err() {
            self.refuse(id, 486);
        }
    }

    fn cancelled(&mut self, cancel: &Message) {
        let branch = |message: &Message| {
            message
                .top_via()
                .and_then(|via| via.branch().map(str::to_owned))
        };
        let wanted = branch(cancel);
        let is_its = |call: &Ongoing| {
            call.asked
                .as_ref()
                .is_some_and(|invite| branch(invite) == wanted)
        };
        let Some(id) = self
            .calls
            .iter()
            .find(|(_, call)| is_its(call))
            .map(|(id, _)| *id)
        else {
            return self.reply(cancel, 481, "Call/Transaction Does Not Exist");
        };
        self.reply(cancel, 200, "OK");
        if let Some(invite) = self.calls.get_mut(&id).and_then(|call| call.asked.take()) {
            self.refuse_with(id, &invite, 487);
        }
        self.end(id, End::There);
    }

    fn reinvite(&mut self, id: u64, invite: &Message) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if call.invite.is_some() {
            return self.reply(invite, 491, "Request Pending"); // section 14.2
        }
        call.dialog.refresh(invite);
        let body = match invite.body() {
            [] => {
                call.awaits_answer = true;
                call.offer()
            }
            body => {
                let peer = Description::parse(body, None);
                peer.and_then(|peer| call.answer_to(peer)).ok()
            }
        };
        match body {
            Some(body) => {
                self.respond(ResponseBuilder::new(invite, 200, "OK").body("application/sdp", body));
            }
            None => self.reply(invite, 488, "Not Acceptable Here"),
        }
    }

    /// The ACK may bring the answer to the offer in our 2xx.
    fn acknowledged(&mut self, id: u64, ack: &Message) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if !std::mem::take(&mut call.awaits_answer) {
            return;
        }
        let mid = call.mid().map(str::to_owned);
        let taken =
            Description::parse(ack.body(), mid.as_deref()).and_then(|peer| call.answered_by(peer));
        if let Err(reason) = taken {
            self.bye(id);
            self.end(id, End::Unacceptable(reason));
        }
    }

    fn note_info(&mut self, id: u64, info: &Message) {
        let text = String::from_utf8_lossy(info.body()).into_owned();
        let signal = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("Signal="));
        if let (Some(call), Some(signal)) = (self.calls.get(&id), signal) {
            call.progress.known().infos.push_str(signal.trim());
        }
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        480 => "Temporarily Unavailable",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        603 => "Decline",
        _ => "Refused",
    }
}
