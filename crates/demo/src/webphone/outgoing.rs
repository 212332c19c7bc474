//! What the web phone asks, and what it is answered.

use std::time::{Duration, Instant};

use sip::digest::{Challenge, Request, User};
use sip::{Message, Method, RequestBuilder};

use super::agent::{Agent, Ongoing};
use super::description::Description;
use super::dialog::Dialog;
use super::incoming::ALLOW;
use super::{Call, End, Error, State, Unacceptable};
use crate::phone::Voice;
use tokio::sync::oneshot;

/// Timers B and F (RFC 3261 section 17): 64 times T1.
const GIVE_UP: Duration = Duration::from_secs(32);
/// An INVITE that rings may ring for this long.
const RINGING: Duration = Duration::from_secs(180);

/// What a registration asks for.
const EXPIRES: u32 = 600;

/// A request without final response.
#[derive(Debug)]
pub(super) struct Pending {
    request: Message,
    purpose: Purpose,
    is_second_try: bool,
    pub(super) gives_up: Instant,
}

/// What a request was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Register,
    Invite(u64),
    Reinvite(u64),
    /// Its answer changes nothing.
    Other,
}

impl Agent {
    pub(super) fn register(&mut self, done: Option<oneshot::Sender<Result<(), Error>>>) {
        self.registration.number += 1;
        if done.is_some() {
            self.registration.done = done;
        }
        let uri = format!("sip:{}", self.config.domain);
        let request = RequestBuilder::new(Method::Register, &uri)
            .header("Via", self.face.via(&mut self.names))
            .header(
                "From",
                format!("<{}>;tag={}", self.face.address, self.registration.tag),
            )
            .header("To", format!("<{}>", self.face.address))
            .header("Call-ID", self.registration.call_id.as_str())
            .cseq(self.registration.number)
            .header(
                "Contact",
                format!("{};expires={EXPIRES}", self.face.contact),
            )
            .header("Expires", EXPIRES);
        if let Some(request) = self.build(request) {
            self.ask(request, Purpose::Register);
        }
    }

    pub(super) async fn call(&mut self, uri: &str, voice: Voice) -> Result<Call, Error> {
        let dialog = Dialog::calling(uri, &self.face, &mut self.names);
        let (caller, called) = (self.face.address.clone(), uri.to_owned());
        let (id, call) = self.open(dialog, caller, called, State::Trying);
        if let Err(error) = self.prepare(id, voice, !self.config.late_offer).await {
            self.end(id, End::Silence);
            return Err(error);
        }
        self.invite(id, Purpose::Invite(id));
        Ok(call)
    }

    pub(super) fn hold(
        &mut self,
        id: u64,
        is_held: bool,
        done: oneshot::Sender<Result<(), Error>>,
    ) {
        let Some(call) = self
            .calls
            .get_mut(&id)
            .filter(|call| *call.state.borrow() == State::Up)
        else {
            let _ = done.send(Err(Error::NoAnswer));
            return;
        };
        call.set_held(is_held);
        call.held = Some(done);
        self.invite(id, Purpose::Reinvite(id));
    }

    pub(super) fn info(&mut self, id: u64, digit: char) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let request = call
            .dialog
            .request(Method::Info, &self.face, &mut self.names)
            .body(
                "application/dtmf-relay",
                format!("Signal={digit}\r\nDuration=160\r\n"),
            );
        if let Some(request) = self.build(request) {
            self.ask(request, Purpose::Other);
        }
    }

    pub(super) fn hang_up(&mut self, id: u64) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if call.asked.is_some() {
            return self.refuse(id, 603);
        }
        if *call.state.borrow() == State::Up {
            self.bye(id);
            return self.end(id, End::Here);
        }
        // Before a provisional response there is nothing to cancel yet (RFC 3261 section 9.1).
        call.is_cancelled = true;
        self.cancel(id);
    }

    pub(super) fn bye(&mut self, id: u64) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let request = call
            .dialog
            .request(Method::Bye, &self.face, &mut self.names);
        if let Some(request) = self.build(request) {
            self.ask(request, Purpose::Other);
        }
    }

    /// A response, which a browser takes only if it has exactly our own Via.
    pub(super) fn answered(&mut self, response: &Message) {
        let via = response
            .top_via()
            .filter(|via| via.host() == self.face.host && via.port().is_none());
        let branch = via
            .filter(|_| response.count("Via") == 1)
            .and_then(|via| via.branch().map(str::to_owned));
        let (Some(branch), Some(status)) = (branch, response.status()) else {
            return self.odd();
        };
        if status < 200 {
            return self.provisional(&branch, response);
        }
        match self.pending.remove(&branch) {
            Some(pending) => self.concluded(pending, status, response),
            None => self.acknowledged_again(response),
        }
    }

    /// A request that nobody answered in time.
    pub(super) fn unanswered(&mut self, pending: Pending) {
        match pending.purpose {
            Purpose::Register => self.registered(Err(Error::NoAnswer)),
            Purpose::Invite(id) => self.end(id, End::Silence),
            Purpose::Reinvite(id) => self.held(id, Err(Error::NoAnswer)),
            Purpose::Other => {}
        }
    }

    fn ask(&mut self, request: Message, purpose: Purpose) {
        self.ask_again(request, purpose, false);
    }

    fn ask_again(&mut self, request: Message, purpose: Purpose, is_second_try: bool) {
        let Some(branch) = request
            .top_via()
            .and_then(|via| via.branch().map(str::to_owned))
        else {
            return;
        };
        self.send(&request);
        let gives_up = Instant::now() + GIVE_UP;
        self.pending.insert(
            branch,
            Pending {
                request,
                purpose,
                is_second_try,
                gives_up,
            },
        );
    }

    fn invite(&mut self, id: u64, purpose: Purpose) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let mut request = call
            .dialog
            .request(Method::Invite, &self.face, &mut self.names)
            .header("Allow", ALLOW);
        if purpose != Purpose::Invite(id) || !self.config.late_offer {
            let Some(offer) = call.offer() else { return };
            request = request.body("application/sdp", offer);
        }
        let Some(request) = self.build(request) else {
            return;
        };
        if let Some(call) = self.calls.get_mut(&id) {
            call.invite = Some(request.clone());
        }
        self.ask(request, purpose);
    }

    fn cancel(&mut self, id: u64) {
        let Some(call) = self
            .calls
            .get(&id)
            .filter(|call| call.is_cancelled && call.is_provisional)
        else {
            return;
        };
        let cancel = call
            .invite
            .as_ref()
            .and_then(|invite| Message::cancel(invite).ok());
        if let Some(cancel) = cancel {
            // Its branch is the INVITE's, so its answer must not be taken for that one's.
            self.send(&cancel);
        }
    }

    fn provisional(&mut self, branch: &str, response: &Message) {
        let Some(pending) = self.pending.get_mut(branch) else {
            return;
        };
        let Purpose::Invite(id) = pending.purpose else {
            return;
        };
        pending.gives_up = Instant::now() + RINGING;
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        call.is_provisional = true;
        if response.status() == Some(100) {
            return self.cancel(id);
        }
        if response.to_tag().is_none() || response.contacts().next().is_none() {
            return self.odd(); // sip.js drops it
        }
        call.progress.mark(|timeline| &mut timeline.ringing);
        call.dialog.establish(response);
        let early = early(call, response);
        match early {
            Ok(true) => call.state.send_replace(State::Early),
            Ok(false) => call.state.send_replace(State::Ringing),
            Err(_) => return self.odd(),
        };
        self.cancel(id);
    }

    fn concluded(&mut self, pending: Pending, status: u16, response: &Message) {
        let is_invite = pending.request.is(&Method::Invite);
        if response
            .cseq()
            .is_some_and(|cseq| cseq.method == Method::Cancel)
        {
            // The answer to a CANCEL, which shares the branch of its INVITE.
            if let Some(branch) = pending
                .request
                .top_via()
                .and_then(|via| via.branch().map(str::to_owned))
            {
                self.pending.insert(branch, pending);
            }
            return;
        }
        if is_invite
            && status >= 300
            && let Ok(ack) = Message::ack_to_failure(&pending.request, response)
        {
            self.send(&ack);
        }
        if matches!(status, 401 | 407)
            && !pending.is_second_try
            && self.authenticate(&pending, response)
        {
            return;
        }
        let refused = || Error::Refused(status);
        match pending.purpose {
            Purpose::Register if status < 300 => {
                let outcome = self.binding(response);
                self.registered(outcome);
            }
            Purpose::Register => self.registered(Err(refused())),
            Purpose::Invite(id) if status < 300 => self.up(id, response),
            Purpose::Invite(id) => {
                let is_ours = self.calls.get(&id).is_some_and(|call| call.is_cancelled);
                self.end(
                    id,
                    if is_ours {
                        End::Here
                    } else {
                        End::Refused(status)
                    },
                );
            }
            Purpose::Reinvite(id) if status < 300 => self.reinvited(id, response),
            Purpose::Reinvite(id) => self.held(id, Err(refused())),
            Purpose::Other => {}
        }
    }

    /// Asks again with credentials. Says whether there was a challenge that could be answered.
    fn authenticate(&mut self, pending: &Pending, response: &Message) -> bool {
        let (challenges, credentials) = match response.status() {
            Some(401) => ("WWW-Authenticate", "Authorization"),
            _ => ("Proxy-Authenticate", "Proxy-Authorization"),
        };
        let challenge = response
            .headers(challenges)
            .filter_map(|value| Challenge::parse(&value).ok())
            .last();
        let request = &pending.request;
        let (Some(challenge), Some(method), Some(uri), Some(cseq)) = (
            challenge,
            request.method(),
            request.uri_text(),
            request.cseq(),
        ) else {
            return false;
        };
        let user = User {
            name: &self.config.user,
            password: &self.config.password,
        };
        let proven = Request {
            method,
            uri,
            body: request.body(),
        };
        let answer = challenge.answer(&user, &proven, &self.names.name(), 1);
        let number = cseq.number + 1;
        let again = self
            .face
            .again(request, number, &mut self.names)
            .and_then(|mut again| {
                again.set(credentials, answer.to_string())?;
                Ok(again)
            });
        let Ok(again) = again else { return false };
        match pending.purpose {
            Purpose::Register => self.registration.number = number,
            Purpose::Invite(_) | Purpose::Reinvite(_) | Purpose::Other => {
                let call_id = request.call_id();
                let tag = request.from_tag();
                let is_its = |call: &&mut Ongoing| {
                    Some(call.dialog.call_id.as_str()) == call_id
                        && Some(call.dialog.local_tag.as_str()) == tag
                };
                if let Some(call) = self.calls.values_mut().find(is_its) {
                    call.dialog.number = number;
                    if again.is(&Method::Invite) {
                        call.invite = Some(again.clone());
                        call.is_provisional = false;
                    }
                }
            }
        }
        self.ask_again(again, pending.purpose, true);
        true
    }

    /// A browser is registered only if the 200 shows its own Contact with `expires`.
    fn binding(&mut self, response: &Message) -> Result<(), Error> {
        let mut contacts = response.contacts().filter_map(Result::ok);
        let is_ours = |user: Option<&str>| user == Some(self.face.contact_user.as_str());
        let ours = contacts.find(|contact| contact.uri().is_ok_and(|uri| is_ours(uri.user())));
        let expires = ours
            .and_then(|contact| contact.expires())
            .ok_or(Error::NoBinding)?;
        let renew = Duration::from_secs(u64::from(expires) * 9 / 10);
        self.registration.renew = Some(Instant::now() + renew);
        Ok(())
    }

    fn registered(&mut self, outcome: Result<(), Error>) {
        if let Some(done) = self.registration.done.take() {
            let _ = done.send(outcome);
        }
    }

    /// Our call is answered.
    fn up(&mut self, id: u64, response: &Message) {
        let is_late = self.config.late_offer;
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        call.progress.mark(|timeline| &mut timeline.answered);
        call.dialog.establish(response);
        call.invite = None;
        let (taken, body) = if is_late {
            let offer = Description::parse(response.body(), None);
            match offer.and_then(|offer| call.answer_to(offer)) {
                Ok(answer) => (Ok(()), Some(answer)),
                Err(reason) => (Err(reason), None),
            }
        } else {
            (take_answer(call, response), None)
        };
        self.acknowledge(id, response, body);
        let is_cancelled = self.calls.get(&id).is_some_and(|call| call.is_cancelled);
        match taken {
            Ok(()) if is_cancelled => {
                self.bye(id); // the answer overtook the CANCEL
                self.end(id, End::Here);
            }
            Ok(()) => {
                if let Some(call) = self.calls.get(&id) {
                    call.state.send_replace(State::Up);
                }
            }
            Err(reason) => {
                self.bye(id);
                self.end(id, End::Unacceptable(reason));
            }
        }
    }

    fn reinvited(&mut self, id: u64, response: &Message) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        call.dialog.refresh(response);
        call.invite = None;
        let taken = take_answer(call, response);
        self.acknowledge(id, response, None);
        self.held(id, taken.map_err(Error::from));
    }

    fn held(&mut self, id: u64, outcome: Result<(), Error>) {
        if let Some(done) = self.calls.get_mut(&id).and_then(|call| call.held.take()) {
            let _ = done.send(outcome);
        }
    }

    /// The ACK of a 2xx, with our answer if that had the offer.
    fn acknowledge(&mut self, id: u64, response: &Message, answer: Option<String>) {
        let (Some(call), Some(cseq)) = (self.calls.get(&id), response.cseq()) else {
            return;
        };
        let mut ack = call.dialog.ack(cseq.number, &self.face, &mut self.names);
        if let Some(answer) = answer {
            ack = ack.body("application/sdp", answer);
        }
        if let Some(ack) = self.build(ack) {
            self.send(&ack);
            if let Some(call) = self.calls.get_mut(&id) {
                call.ack = Some((cseq.number, ack));
            }
        }
    }

    /// A 2xx again: its ACK was lost on the far side (RFC 3261 section 13.2.2.4).
    fn acknowledged_again(&mut self, response: &Message) {
        let Some(cseq) = response.cseq().filter(|cseq| cseq.method == Method::Invite) else {
            return;
        };
        let is_its = |call: &&Ongoing| {
            response.call_id() == Some(call.dialog.call_id.as_str())
                && response.from_tag() == Some(call.dialog.local_tag.as_str())
        };
        let call = self.calls.values().find(is_its);
        let ack = call
            .and_then(|call| call.ack.clone())
            .filter(|(number, _)| *number == cseq.number);
        if let Some((_, ack)) = ack {
            self.send(&ack);
        }
    }
}

/// Takes an answer out of a provisional response, if it has one and we have made an offer.
fn early(call: &mut Ongoing, response: &Message) -> Result<bool, Unacceptable> {
    let has_offered = call.ours.as_ref().is_some_and(|ours| ours.version > 0);
    if response.body().is_empty() || !has_offered {
        return Ok(false);
    }
    take_answer(call, response)?;
    Ok(true)
}

fn take_answer(call: &mut Ongoing, response: &Message) -> Result<(), Unacceptable> {
    let mid = call.mid().map(str::to_owned);
    let peer = Description::parse(response.body(), mid.as_deref())?;
    call.answered_by(peer)
}
