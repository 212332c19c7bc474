//! What the other side of a call asks while its browser is away, and may be back any moment (`[calls] grace`). What changes nothing is
//! answered here; all else waits for the browser. Who waited in vain is told what does not end a call: many servers would hang up
//! on hearing 480, 481 or 408 (RFC 3261 section 12.2.1.2, RFC 5057).

use std::time::Instant;

use sip::{Message, Method};

use super::Core;
use super::absent::Parked;
use super::deadline::after;
use super::flows::Reach;
use super::names::{ClientId, MediaId, Side};
use super::refusal::{Answer, SOON};
use super::route::{Route, Unroutable};
use super::transactions::ContextId;

impl Core {
    /// A request that can go nowhere now.
    pub(super) fn meanwhile(
        &mut self,
        id: ContextId,
        request: Message,
        unroutable: Unroutable,
        now: Instant,
    ) -> Result<(), Answer> {
        let (Some(media), Some(client)) = (unroutable.media, unroutable.client) else {
            return Err(unroutable.answer);
        };
        if request.is(&Method::Bye) {
            // Nobody else would tell the relay.
            self.hung_up(media, &request, now);
            let answer = self.hung_up_while_away(media, &request, now);
            self.nothing_to_wait_for(media, client, now);
            return Err(answer.unwrap_or(unroutable.answer));
        }
        let Some(route) = self.route_to_away(&unroutable) else {
            return self.wait_for_stranger(id, &request, client, unroutable.answer, now);
        };
        let way_here = unroutable.way_here.clone();
        let sender = self.sender(&route).unwrap_or(Side::Phone);
        if let Some(answer) = self.refreshes(sender, Some(media), way_here, &request) {
            return Err(answer);
        }
        if request.is(&Method::Options) && request.body().is_empty() {
            return Err(Answer::new(200, "OK"));
        }
        if self.may_be_spared(id, &request, &route)? {
            return self.send_on(id, route, request, now);
        }
        let Some((until, _)) = self.calls.waits_for(media, client) else {
            return Err(unroutable.answer);
        };
        self.park(
            id,
            Parked {
                clients: vec![client],
                until: self.patience_of(&request, until, now),
                call: Some(media),
            },
        );
        Ok(())
    }

    /// The way that a request would take, were its browser there; `None` if no call of ours waits for that.
    pub(super) fn route_to_away(&self, unroutable: &Unroutable) -> Option<Route> {
        let (media, client) = (unroutable.media?, unroutable.client?);
        let (_, flow) = self.calls.waits_for(media, client)?;
        Some(Route {
            to: super::face::Source::Flow(flow),
            flow,
            client,
            media: Some(media),
            spread: None,
            beside: unroutable.beside.as_deref().cloned(),
            numbered: None,
        })
    }

    /// A call that this process does not remember: its browser has not been back since we were started, perhaps.
    fn wait_for_stranger(
        &mut self,
        id: ContextId,
        request: &Message,
        client: ClientId,
        answer: Answer,
        now: Instant,
    ) -> Result<(), Answer> {
        let is_unknown = self.flows.reach(client) == Reach::Unknown;
        if !is_unknown || request.to_tag().is_none() {
            return Err(answer);
        }
        let until = after(now, self.config.limits.comeback);
        self.park(
            id,
            Parked {
                clients: vec![client],
                until,
                call: None,
            },
        );
        Ok(())
    }

    /// Nobody's request waits longer than its sender does (RFC 4320): half of that is left for the browser.
    fn patience_of(&self, request: &Message, until: Instant, now: Instant) -> Instant {
        let half = self.config.timers.t1.saturating_mul(32);
        match request.is(&Method::Invite) {
            true => until,
            false => until.min(after(now, half)),
        }
    }

    /// What a request is told whose browser did not come.
    pub(super) fn waited_in_vain(&mut self, id: ContextId, parked: &Parked) -> Answer {
        match parked.call {
            Some(media) if self.calls.stands(media) => self.not_now(id),
            Some(_) => Answer::new(481, "The Call Has Ended"),
            None => self.away(parked.clients.first().copied()),
        }
    }

    /// What a request is told whose browser's connection closed on the way.
    pub(super) fn connection_closed(&mut self, id: ContextId) -> Answer {
        let context = self.transactions.get_mut(id);
        let route = context.and_then(|it| it.route.as_ref().filter(|_| it.in_dialog));
        match route.and_then(|route| route.media) {
            Some(media) if self.calls.stands(media) => self.not_now(id),
            _ => Answer::new(480, "The Browser's Connection Closed"),
        }
    }

    /// Who offers asks again by himself after 491 (RFC 3261 section 14.1, RFC 3311 section 5.3).
    fn not_now(&mut self, id: ContextId) -> Answer {
        let method = self.transactions.get_mut(id).map(|it| it.method.clone());
        match method {
            Some(Method::Invite | Method::Update) => Answer::new(491, "The Browser Is Away"),
            _ => Answer::new(500, "The Browser Is Away").with("Retry-After", SOON),
        }
    }

    /// The call is over that requests wait in (RFC 3261 section 15.1.2).
    fn nothing_to_wait_for(&mut self, media: MediaId, client: ClientId, now: Instant) {
        for id in self.waiting_for(client) {
            let context = self.transactions.get_mut(id);
            let parked = context.and_then(|it| it.parked.as_ref());
            if parked.is_some_and(|parked| parked.call == Some(media)) {
                self.unpark(id);
                self.answer(id, &Answer::new(487, "The Call Has Ended"), now);
            }
        }
    }
}
