//! Relays that are dead or full: the offer of a new call that its relay refuses for want of room, or leaves unanswered, goes
//! to the next one before anybody hears of it. What a call has agreed on stays where it is.

use std::time::{Duration, Instant};

use control_proto::{Outcome, Request, Response};

use super::Core;
use super::alarms::Due;
use super::deadline::after;
use super::face::{AskId, Command, RelayFailure};
use super::media::{Verdict, Waiter};
use super::names::MediaId;
use super::refusal::Answer;
use super::transactions::{ContextId, Held};

/// How long a new call's offer may take where another relay could serve it. One lost datagram is made good within it.
const PATIENCE: Duration = Duration::from_secs(1);

/// Error reasons by which a relay says that it is full.
const FULL: [&str; 2] = ["Parallel session limit reached", "Ran out of ports"];

impl Core {
    /// How long the relay may think about a question.
    pub(super) fn patience(&mut self, media: MediaId, waiter: &Waiter, now: Instant) -> Duration {
        match waiter {
            Waiter::Request(id)
                if self.is_new(*id) && self.relays.has_another(media.relay(), now) =>
            {
                PATIENCE
            }
            _ => self.config.limits.relay_patience,
        }
    }

    /// Whether nothing of this request's call has been agreed on, or shown to anybody, yet.
    fn is_new(&mut self, id: ContextId) -> bool {
        let context = self.transactions.get_mut(id);
        context.is_some_and(|context| !context.in_dialog)
    }

    /// Gives the offer of a new call that its relay did not take to another relay. `Err` gives it back: there is none, or
    /// it is no matter of this relay.
    pub(super) fn ask_elsewhere(
        &mut self,
        id: ContextId,
        held: Held,
        media: MediaId,
        reply: &Result<Response, RelayFailure>,
        now: Instant,
    ) -> Result<(), Held> {
        let lacks = reply.as_ref().map_or(true, is_full);
        if !lacks || !self.is_new(id) {
            return Err(held);
        }
        let Some(context) = self.transactions.get_mut(id) else {
            return Err(held);
        };
        context.refused_by.push(media.relay());
        let refused_by = context.refused_by.clone();
        let (Some(next), Some(mut route)) = (
            self.relays.place(media.name(), &refused_by, now),
            context.route.clone(),
        ) else {
            return Err(held);
        };
        self.leave(media, now);
        route.media = Some(MediaId::new(media.name(), next));
        if let Some(context) = self.transactions.get_mut(id) {
            context.session = None;
            context.route = Some(route.clone());
        }
        match self.media_of_request(id, &held.message, &route, now) {
            Ok(Some(ask)) => {
                let message = held.message;
                if let Some(context) = self.transactions.get_mut(id) {
                    context.held = Some(Held { ask, message });
                }
            }
            // It was asked before: there is a body that the relay must see.
            Ok(None) => {}
            Err(answer) => self.answer(id, &answer, now),
        }
        Ok(())
    }

    /// The session is not at this relay after all.
    fn leave(&mut self, media: MediaId, now: Instant) {
        let call_id = self.media.call_id(media);
        let (verdict, _) = self.media.dismiss(media, true, Duration::ZERO, now);
        if let (Verdict::Release, Some(call_id)) = (verdict, call_id) {
            self.release(media, &call_id, now);
        }
    }

    /// Puts a question to the relay of this session, if it is known and not too far behind already.
    pub(super) fn put(
        &mut self,
        media: MediaId,
        call_id: String,
        request: Request,
        waiter: Waiter,
        patience: Duration,
        now: Instant,
    ) -> Result<AskId, Answer> {
        let Some(relay) = self.relays.address(media.relay()) else {
            return Err(Answer::busy("The Media Relay Of This Call Is Not Known"));
        };
        let deadline = after(now, patience);
        let limit = self.config.limits.relay_asks;
        let Some(id) = self.media.asked(media, call_id, waiter, deadline, limit) else {
            return Err(Answer::busy("The Media Relay Is Behind"));
        };
        self.alarms.arm(Due::Ask(id), Some(deadline));
        self.commands.push_back(Command::AskRelay {
            id,
            relay,
            request: Box::new(request),
        });
        Ok(id)
    }
}

/// Whether a relay refuses a call because it has enough of them.
pub(super) fn is_full(reply: &Response) -> bool {
    match &reply.outcome {
        Outcome::LoadLimit(_) => true,
        Outcome::Error(reason) => FULL.contains(&reason.as_str()),
        _ => false,
    }
}
