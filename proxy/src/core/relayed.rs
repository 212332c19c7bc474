//! The relay's reply finds whoever waits for it.

use std::time::Instant;

use control_proto::{Outcome, Response};

use super::Core;
use super::elsewhere::is_full;
use super::event::Event;
use super::face::{AskId, Command, RelayFailure};
use super::media::{Waiter, call_name, shown_to};
use super::names::MediaId;
use super::refusal::{Answer, phrase};
use super::request::side;
use super::transactions::{ContextId, Held};

/// Error reasons that are the fault of the body.
const BAD_SDP: [&str; 4] = [
    "Failed to parse SDP",
    "Incomplete SDP specification",
    "Error rewriting SDP",
    "No SDP body in message",
];

/// Characters of what a relay says of a call's media.
const MAX_FAULT: usize = 500;

impl Core {
    /// Takes a reply, or the news that there will be none.
    pub(super) fn relayed(
        &mut self,
        id: AskId,
        reply: Result<Response, RelayFailure>,
        now: Instant,
    ) {
        let Some(ask) = self.media.replied(id) else {
            return;
        };
        self.heard_of_relay(ask.media, &ask.waiter, &reply, now);
        let ask = match ask.waiter {
            Waiter::Relay => return,
            Waiter::Nobody => return self.media_seen(ask.media, ask.call_id, &reply),
            Waiter::Restoration(restoration) => {
                return self.restore_on(ask.media, *restoration, &reply, now);
            }
            Waiter::Info(context) => {
                if let Some(held) = self.take_held(context, id) {
                    self.info_relayed(context, held.message, &reply, now);
                }
                return;
            }
            Waiter::Request(context) => {
                let Some(held) = self.take_held(context, id) else {
                    return self.nobody_waits(ask.media, &ask.call_id, now);
                };
                let Err(held) = self.ask_elsewhere(context, held, ask.media, &reply, now) else {
                    return;
                };
                let body = body_of(reply);
                self.report_refusal(&ask.call_id, &body);
                return self.request_relayed(context, held, body, now);
            }
            _ => ask,
        };
        let body = body_of(reply);
        self.report_refusal(&ask.call_id, &body);
        match ask.waiter {
            Waiter::Response(context) => match self.take_held(context, id) {
                Some(held) => self.response_relayed(context, held.message, body, now),
                None => self.nobody_waits(ask.media, &ask.call_id, now),
            },
            Waiter::Ack(held) => self.ack_relayed(*held, ask.media, body),
            Waiter::Request(_)
            | Waiter::Restoration(_)
            | Waiter::Info(_)
            | Waiter::Relay
            | Waiter::Nobody => {}
        }
    }

    fn report_refusal(&mut self, call_id: &str, body: &Result<Vec<u8>, Answer>) {
        if let Err(answer) = body {
            let (call_id, reason) = (call_id.to_owned(), answer.reason.to_string());
            self.commands
                .push_back(Command::Report(Event::RelayRefused { call_id, reason }));
        }
    }

    /// What a relay of ours says of a call's media when the call is over.
    fn media_seen(
        &mut self,
        media: MediaId,
        call_id: String,
        reply: &Result<Response, RelayFailure>,
    ) {
        let said = reply.as_ref().ok();
        let said = said.and_then(|reply| reply.other.get("diagnosis")?.as_str());
        let fault = said.map(phrase_of_relay);
        let media = call_name(&call_id, media);
        self.report(Event::MediaSeen {
            call_id,
            media,
            fault,
        });
    }

    fn take_held(&mut self, id: ContextId, ask: AskId) -> Option<Held> {
        self.transactions
            .get_mut(id)?
            .held
            .take_if(|held| held.ask == ask)
    }

    fn request_relayed(
        &mut self,
        id: ContextId,
        held: Held,
        body: Result<Vec<u8>, Answer>,
        now: Instant,
    ) {
        let Some(route) = self
            .transactions
            .get_mut(id)
            .and_then(|context| context.route.clone())
        else {
            return;
        };
        let spared = self
            .transactions
            .get_mut(id)
            .and_then(|context| context.spared.take());
        if let Some(spared) = spared {
            if let Err(answer) = self.answer_spared(id, *spared, body, now) {
                self.answer(id, &answer, now);
            }
            return self.tidy(id);
        }
        let mut request = held.message;
        let sent = body.and_then(|body| {
            let too_large = |_| Answer::new(513, "Message Too Large");
            request
                .set_body("application/sdp", &shown_to(side(route.to), body))
                .map_err(too_large)?;
            self.forward(id, request, now)
        });
        if let Err(answer) = sent {
            self.answer(id, &answer, now);
        }
        self.tidy(id);
    }

    /// The call ended while the relay was at work on it. Its `delete` may have come before this reply's question.
    fn nobody_waits(&mut self, media: MediaId, call_id: &str, now: Instant) {
        if self.media.is_orphan(media) {
            self.release(media, call_id, now);
        }
    }

    /// The relay has had its time.
    pub(super) fn ask_due(&mut self, id: AskId, now: Instant) {
        if self.media.overdue(id, now) {
            self.relayed(id, Err(RelayFailure::Silent), now);
        }
    }
}

/// A relay's text for log and record: printable, and not long.
fn phrase_of_relay(text: &str) -> String {
    let printable = text.chars().filter(|c| !c.is_control());
    printable.take(MAX_FAULT).collect()
}

/// The rewritten body, or what the peer is told instead.
fn body_of(reply: Result<Response, RelayFailure>) -> Result<Vec<u8>, Answer> {
    let reply = reply.map_err(|failure| match failure {
        RelayFailure::Silent => Answer::busy("The Media Relay Does Not Answer"),
        RelayFailure::Unavailable => Answer::busy("No Media Relay Is Available"),
    })?;
    if is_full(&reply) {
        return Err(Answer::busy("The Media Relay Is Full"));
    }
    match reply.outcome {
        Outcome::Ok => reply
            .sdp
            .ok_or_else(|| Answer::new(503, "The Media Relay Gave No SDP")),
        Outcome::Error(reason) if BAD_SDP.contains(&reason.as_str()) => Err(Answer::new(
            488,
            format!("The SDP Cannot Be Used ({})", phrase(&reason)),
        )),
        Outcome::Error(reason) | Outcome::LoadLimit(reason) => Err(Answer::new(
            503,
            format!("The Media Relay Refused ({})", phrase(&reason)),
        )),
        Outcome::Pong => Err(Answer::new(503, "The Media Relay Is Confused")),
    }
}
