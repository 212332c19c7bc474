//! The way back: after a refused re-offer the relay is asked again about what was agreed on before, the offer first
//! and then, when it has answered, the answer.

use std::time::Instant;

use control_proto::{Outcome, Response};
use sip::{Message, Method};

use super::super::Core;
use super::super::face::RelayFailure;
use super::super::names::MediaId;
use super::super::transactions::{ContextId, Proxied};
use super::Exchange;
use super::agreed::Agreement;
use super::session::Waiter;

/// The second half of a restoration.
pub(in crate::core) struct Restoration {
    call_id: String,
    agreement: Agreement,
    /// The latest offer when it began: another one since makes the rest of no use.
    turn: u64,
}

impl Core {
    /// A final response tells what has become of an exchange: agreed on, or refused. `status` is no challenge.
    pub(super) fn settle_exchange(
        &mut self,
        id: ContextId,
        media: MediaId,
        status: u16,
        response: &Message,
    ) {
        let Some(context) = self.transactions.get_mut(id) else {
            return;
        };
        let (from, to) = (response.from_tag(), response.to_tag());
        let parties = match context.exchange {
            Exchange::Offered => from.zip(to),
            Exchange::Invited => to.zip(from),
            Exchange::None => None,
        };
        match status {
            200..=299 if confirms(context) => self.media.agreed(media),
            300.. if context.in_dialog => {
                if let Some((offerer, answerer)) = parties {
                    self.media.refused(media, offerer, answerer);
                }
            }
            _ => {}
        }
    }

    /// Begins to restore what was agreed on, if an offer was refused and nobody negotiates any more.
    pub(super) fn restore_media(&mut self, media: MediaId, call_id: &str, now: Instant) {
        let Some((agreement, turn)) = self.media.take_spoilt(media) else {
            return;
        };
        let offer = agreement.offer_again();
        let restoration = Restoration {
            call_id: call_id.to_owned(),
            agreement,
            turn,
        };
        let waiter = Waiter::Restoration(Box::new(restoration));
        // If the relay is too far behind, the refused offer stays there until the next one.
        let _ = self.ask_relay(media, call_id.to_owned(), offer, waiter, now);
    }

    /// The relay has answered for the offer.
    pub(in crate::core) fn restore_on(
        &mut self,
        media: MediaId,
        restoration: Restoration,
        reply: &Result<Response, RelayFailure>,
        now: Instant,
    ) {
        if self.media.is_orphan(media) {
            // Hung up meanwhile. Its `delete` may have come before this offer.
            return self.release(media, &restoration.call_id, now);
        }
        let is_taken = reply
            .as_ref()
            .is_ok_and(|reply| reply.outcome == Outcome::Ok);
        if is_taken && self.media.turn(media) == restoration.turn {
            let answer = control_proto::Request::clone(&restoration.agreement.answer);
            let _ = self.ask_relay(media, restoration.call_id, answer, Waiter::Nobody, now);
        }
    }
}

/// Whether a 2xx to this request makes its exchange, or that which it ended, good.
fn confirms(context: &Proxied) -> bool {
    context.exchange == Exchange::Offered
        || context.method == Method::Prack && !context.request.body().is_empty()
}
