//! What the phone asks of others: to register it, to be called, to hold, to hang up.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip::digest::{Challenge, Request, User};
use sip::transaction::ClientKey;
use sip::{Message, Method, RequestBuilder};
use tokio::sync::oneshot;

use super::agent::{Agent, Command, Purpose};
use super::dialog::{Dialog, renumbered, via};
use super::{Answer, Call, End, Error, Line, State, Voice};

/// How long a registration is asked for, in seconds. Renewed at half of what was given.
const EXPIRES: u32 = 300;

/// The phone's registration, while it has or wants one.
#[derive(Debug)]
pub(super) struct Registration {
    call_id: String,
    tag: String,
    cseq: u32,
    waiting: Option<oneshot::Sender<Result<(), Error>>>,
    pub(super) renew_at: Option<Instant>,
}

impl Agent {
    pub(super) fn command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Register(done) => self.register(done, now),
            Command::Call { uri, voice, done } => {
                let call = self.call(&uri, voice, now);
                // Whoever asked may be gone.
                let _ = done.send(call);
            }
            Command::HangUp(id) => self.hang_up(id, now),
            Command::Hold(id, held) => self.hold(id, held, now),
            Command::Digits(id, digits) => {
                if let Some(media) = self.calls.get(&id).and_then(|call| call.media.as_ref()) {
                    media.digits(digits);
                }
            }
        }
    }

    pub(super) fn response(&mut self, key: &ClientKey, response: &Message, now: Instant) {
        let Some(purpose) = self.asked.get(key).copied() else {
            return;
        };
        let status = response.status().unwrap_or(500);
        if matches!(status, 401 | 407) && self.try_again(key, purpose, response, now) {
            return;
        }
        match purpose {
            Purpose::Register => self.registered(status, response, now),
            Purpose::Invite(id) => self.invite_answered(id, status, response, now),
            Purpose::Reinvite(id) => self.reinvite_answered(id, status, response, now),
            Purpose::Goodbye => {}
        }
        // A further 2xx of an INVITE is acknowledged again, so that one stays known.
        let again = matches!(purpose, Purpose::Invite(_) | Purpose::Reinvite(_)) && status < 300;
        if status >= 200 && !again {
            self.asked.remove(key);
        }
    }

    /// Nobody answered a request of ours.
    pub(super) fn unanswered(&mut self, key: &ClientKey) {
        match self.asked.remove(key) {
            Some(Purpose::Register) => self.register_failed(Error::NoAnswer),
            Some(Purpose::Invite(id)) => self.end(id, End::Silence),
            _ => {}
        }
    }

    pub(super) fn renew_if_due(&mut self, now: Instant) {
        let due = |it: &Registration| it.renew_at.is_some_and(|at| at <= now);
        if self.registration.as_ref().is_some_and(due) {
            self.send_register(now);
        }
    }

    /// BYE, CANCEL or 603, whichever the call's state asks for.
    pub(super) fn hang_up(&mut self, id: u64, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if call.is_up() {
            if let Some(key) = self.ask_in(id, Method::Bye, None, now) {
                self.asked.insert(key, Purpose::Goodbye);
            }
            self.end(id, End::Here);
        } else if call.asking.is_some() {
            call.cancelled = true;
            self.cancel_if_possible(id, now);
        } else {
            self.refuse_unanswered(id, 603, "Decline", now);
            self.end(id, End::Here);
        }
    }

    /// Our Contact.
    pub(super) fn contact(&self) -> String {
        format!("<sip:{}@{}>", self.config.user, self.address)
    }

    fn us(&self) -> String {
        format!("<sip:{}@{}>", self.config.user, self.config.domain)
    }

    fn register(&mut self, done: oneshot::Sender<Result<(), Error>>, now: Instant) {
        if self.config.server.is_none() || self.config.password.is_none() {
            let _ = done.send(Err(Error::NotConfigured));
            return;
        }
        self.registration = Some(Registration {
            call_id: self.names.name(),
            tag: self.names.name(),
            cseq: 0,
            waiting: Some(done),
            renew_at: None,
        });
        self.send_register(now);
    }

    fn send_register(&mut self, now: Instant) {
        let (us, contact) = (self.us(), self.contact());
        let (Some(server), Some(registration)) = (self.config.server, &mut self.registration)
        else {
            return;
        };
        registration.cseq += 1;
        registration.renew_at = None;
        let uri = format!("sip:{}", self.config.domain);
        let request = RequestBuilder::new(Method::Register, &uri)
            .header("Via", via(self.address, &mut self.names))
            .header("From", format!("{us};tag={}", registration.tag))
            .header("To", us)
            .header("Call-ID", &registration.call_id)
            .cseq(registration.cseq)
            .header("Contact", contact)
            .header("Expires", EXPIRES)
            .build();
        if let Ok(request) = request {
            self.ask(request, server, Purpose::Register, now);
        }
    }

    fn registered(&mut self, status: u16, response: &Message, now: Instant) {
        match status {
            100..200 => {}
            200..300 => {
                let us = format!("sip:{}@{}", self.config.user, self.address);
                let ours = |it: &sip::NameAddr<'_>| it.uri_text() == us;
                let given = response.contacts().filter_map(Result::ok).find(ours);
                let given = given
                    .and_then(|contact| contact.expires())
                    .unwrap_or(EXPIRES);
                if let Some(registration) = &mut self.registration {
                    registration.renew_at = Some(now + Duration::from_secs(given.into()) / 2);
                    if let Some(waiting) = registration.waiting.take() {
                        let _ = waiting.send(Ok(()));
                    }
                }
            }
            _ => self.register_failed(Error::Refused(status)),
        }
    }

    fn register_failed(&mut self, error: Error) {
        if let Some(waiting) = self.registration.take().and_then(|it| it.waiting) {
            let _ = waiting.send(Err(error));
        }
    }

    fn call(&mut self, uri: &str, voice: Voice, now: Instant) -> Result<Call, Error> {
        let to = self.config.server.ok_or(Error::NotConfigured)?;
        let (us, contact) = (self.us(), self.contact());
        let caller = us.trim_matches(['<', '>']).to_owned();
        let dialog = Dialog::calling(uri, us, contact, self.address, to, &mut self.names);
        let line = Line {
            answer: Answer::Accept,
            ..Line::new("", voice)
        };
        let (id, call) = self.add(dialog, line, State::Trying, (caller, uri.to_owned()));
        let body = if self.config.late_offer {
            None
        } else {
            self.offer(id)
        };
        let key = self.ask_in(id, Method::Invite, body, now);
        let Some(key) = key else {
            self.end(id, End::Silence);
            return Err(Error::NotConfigured);
        };
        self.asked.insert(key.clone(), Purpose::Invite(id));
        if let Some(call) = self.calls.get_mut(&id) {
            call.asking = Some(key);
        }
        Ok(call)
    }

    fn hold(&mut self, id: u64, held: bool, now: Instant) {
        let Some(call) = self.calls.get_mut(&id).filter(|call| call.is_up()) else {
            return;
        };
        call.held = held;
        let offer = self.offer(id);
        if let Some(key) = self.ask_in(id, Method::Invite, offer, now) {
            self.asked.insert(key, Purpose::Reinvite(id));
        }
    }

    fn invite_answered(&mut self, id: u64, status: u16, response: &Message, now: Instant) {
        match status {
            100 => {}
            101..200 => self.progress(id, response),
            200..300 => return self.invite_accepted(id, response, now),
            _ => {
                let cancelled = self.calls.get(&id).is_some_and(|call| call.cancelled);
                let end = if cancelled && status == 487 {
                    End::Here
                } else {
                    End::Refused(status)
                };
                return self.end(id, end);
            }
        }
        self.cancel_if_possible(id, now);
    }

    fn progress(&mut self, id: u64, response: &Message) {
        let early = !response.body().is_empty() && self.answered_early(id, response);
        if let Some(call) = self.calls.get(&id) {
            call.set(if early { State::Early } else { State::Ringing });
        }
    }

    /// Early media: its answer counts until the 2xx brings the final one.
    fn answered_early(&mut self, id: u64, response: &Message) -> bool {
        let offered = self.calls.get(&id).is_some_and(|call| call.offered);
        let taken = offered && self.answered_with(id, response.body());
        if let Some(call) = self.calls.get_mut(&id) {
            call.offered = offered;
        }
        taken
    }

    fn invite_accepted(&mut self, id: u64, response: &Message, now: Instant) {
        let number = response.cseq().map_or(1, |cseq| cseq.number);
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let again = call.is_up();
        if !again {
            call.dialog.establish(response);
            call.asking = None;
        }
        let taken = match (call.offered, response.body()) {
            _ if again => true,
            (true, []) => false,
            (true, answer) => self.answered_with(id, answer),
            (false, _) => true,
        };
        let late = self.calls.get(&id).is_none_or(|call| call.media.is_none());
        let answer = if late && !again && self.takes(response.body()) {
            self.answer_to(id, response.body())
        } else {
            None
        };
        let usable = taken && (!late || answer.is_some());
        self.acknowledge(id, number, answer);
        let Some(call) = self.calls.get_mut(&id).filter(|_| !again) else {
            return;
        };
        call.set(State::Up);
        if call.cancelled || !usable {
            self.hang_up(id, now);
        }
    }

    fn reinvite_answered(&mut self, id: u64, status: u16, response: &Message, now: Instant) {
        let number = response.cseq().map_or(1, |cseq| cseq.number);
        match status {
            100..200 => {}
            200..300 => {
                if self.calls.get(&id).is_some_and(|call| call.offered) {
                    self.answered_with(id, response.body());
                }
                if let Some(call) = self.calls.get_mut(&id) {
                    call.dialog.refresh(response);
                }
                self.acknowledge(id, number, None);
            }
            // The other end does not know the call any more.
            408 | 481 => self.hang_up(id, now),
            _ => {
                if let Some(call) = self.calls.get_mut(&id) {
                    call.offered = false;
                }
            }
        }
    }

    fn acknowledge(&mut self, id: u64, number: u32, body: Option<String>) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let mut ack = call.dialog.ack(number, &mut self.names);
        if let Some(body) = body {
            ack = ack.body("application/sdp", body);
        }
        if let Ok(ack) = ack.build() {
            self.exchange.send(ack.into_bytes(), call.dialog.next_hop());
        }
    }

    fn cancel_if_possible(&mut self, id: u64, now: Instant) {
        let Some(call) = self.calls.get(&id).filter(|call| call.cancelled) else {
            return;
        };
        let Some(key) = call
            .asking
            .clone()
            .filter(|key| self.exchange.proceeding(key))
        else {
            return;
        };
        let asked = self.exchange.asked(&key);
        if let Some((Ok(cancel), to)) = asked.map(|(it, to)| (Message::cancel(it), to)) {
            self.ask(cancel, to, Purpose::Goodbye, now);
        }
    }

    /// Answers a challenge by asking again; whether it could.
    fn try_again(
        &mut self,
        key: &ClientKey,
        purpose: Purpose,
        response: &Message,
        now: Instant,
    ) -> bool {
        let Some((request, to)) = self.exchange.asked(key) else {
            return false;
        };
        let (asks, proves) = if response.status() == Some(401) {
            ("WWW-Authenticate", "Authorization")
        } else {
            ("Proxy-Authenticate", "Proxy-Authorization")
        };
        let request = request.clone();
        let challenge = response
            .headers(asks)
            .find_map(|it| Challenge::parse(&it).ok());
        let (Some(challenge), Some(password)) = (challenge, self.config.password.clone()) else {
            return false;
        };
        if request.has(proves) {
            return false;
        }
        let (Some(method), Some(uri)) = (request.method(), request.uri_text()) else {
            return false;
        };
        let user = User {
            name: &self.config.user,
            password: &password,
        };
        let proven = Request {
            method,
            uri,
            body: request.body(),
        };
        let credentials = challenge.answer(&user, &proven, &self.names.name(), 1);
        let Some(mut again) = self.renumbered(purpose, &request) else {
            return false;
        };
        if again.append(proves, credentials.to_string()).is_err() {
            return false;
        }
        self.asked.remove(key);
        let key = self.ask(again, to, purpose, now);
        if let (Purpose::Invite(id), Some(key)) = (purpose, key)
            && let Some(call) = self.calls.get_mut(&id)
        {
            call.asking = Some(key);
        }
        true
    }

    fn renumbered(&mut self, purpose: Purpose, request: &Message) -> Option<Message> {
        match purpose {
            Purpose::Register => {
                let registration = self.registration.as_mut()?;
                registration.cseq += 1;
                renumbered(request, registration.cseq, self.address, &mut self.names).ok()
            }
            Purpose::Invite(id) | Purpose::Reinvite(id) => {
                let dialog = &mut self.calls.get_mut(&id)?.dialog;
                dialog.again(request, &mut self.names).ok()
            }
            Purpose::Goodbye => None,
        }
    }

    fn ask(
        &mut self,
        request: Message,
        to: SocketAddr,
        purpose: Purpose,
        now: Instant,
    ) -> Option<ClientKey> {
        let key = self.exchange.ask(request, to, now)?;
        self.asked.insert(key.clone(), purpose);
        Some(key)
    }
}
