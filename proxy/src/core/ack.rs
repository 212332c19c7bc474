//! ACK. To a failure it belongs to the INVITE's transaction and ends here; to a 2xx it is a request of its own, passed
//! end to end without a transaction, and its body may be the answer to an offer that the 2xx made.

use std::time::Instant;

use sip::Message;
use sip::transaction::ServerEvent;

use super::Core;
use super::event::Drop;
use super::face::Source;
use super::guard;
use super::media::{AckBody, Waiter, shown_to};
use super::names::MediaId;
use super::refusal::Answer;
use super::request::side;
use super::route::Route;
use super::transactions::ContextId;

/// An ACK that waits for the relay.
pub(super) struct HeldAck {
    from: Source,
    route: Route,
    request: Message,
}

impl Core {
    /// An ACK with the INVITE's own branch.
    pub(super) fn ack_to_transaction(
        &mut self,
        id: ContextId,
        from: Source,
        request: Message,
        now: Instant,
    ) {
        let given = self
            .transactions
            .get_mut(id)
            .and_then(|context| context.final_status);
        match given {
            // Some phones repeat the branch in the ACK to a 2xx as well.
            Some(200..=299) => self.ack_to_success(from, request, now),
            _ => self.serve(id, ServerEvent::Ack, now),
        }
    }

    /// The ACK to a 2xx.
    pub(super) fn ack_to_success(&mut self, from: Source, mut request: Message, now: Instant) {
        let passable = guard::check(&request, side(from), &self.config.advertised).is_ok();
        let route = passable.then(|| self.route(&mut request, from, now));
        let Some(Ok(route)) = route else {
            let away = route.and_then(Result::err);
            let away = away.and_then(|away| self.route_to_away(&away));
            return match away.is_some_and(|route| self.acknowledges_here(&route, &request)) {
                true => {}
                false => self.drop_message(from, Drop::StrayAck),
            };
        };
        if self.acknowledges_here(&route, &request) {
            return;
        }
        match self.media_of_ack(&request, &route, [side(from), side(route.to)]) {
            AckBody::None => self.send_ack(HeldAck {
                from,
                route,
                request,
            }),
            AckBody::Known(body) => {
                let body = request.set_body("application/sdp", &body);
                self.send_edited_ack(
                    HeldAck {
                        from,
                        route,
                        request,
                    },
                    body,
                );
            }
            AckBody::Unasked => {
                let body = request.remove_body();
                self.send_edited_ack(
                    HeldAck {
                        from,
                        route,
                        request,
                    },
                    body,
                );
            }
            AckBody::Unusable => self.drop_message(from, Drop::UnusableBody),
            AckBody::Ask {
                media,
                call_id,
                question,
            } => {
                let held = Box::new(HeldAck {
                    from,
                    route,
                    request,
                });
                if self
                    .ask_relay(media, call_id, *question, Waiter::Ack(held), now)
                    .is_err()
                {
                    self.drop_message(from, Drop::OverLimit);
                }
            }
        }
    }

    /// The relay has answered for an ACK. If it refused, the callee is left without ACK and hangs up in the end.
    pub(super) fn ack_relayed(
        &mut self,
        mut held: HeldAck,
        media: MediaId,
        body: Result<Vec<u8>, Answer>,
    ) {
        let Ok(body) = body else {
            return self.drop_message(held.from, Drop::UnusableBody);
        };
        let body = shown_to(side(held.route.to), body);
        self.media.acknowledged(media, held.request.body(), &body);
        self.media.agreed(media);
        let edited = held.request.set_body("application/sdp", &body);
        self.send_edited_ack(held, edited);
    }

    fn send_edited_ack(&mut self, held: HeldAck, edited: Result<(), sip::Error>) {
        match edited {
            Ok(()) => self.send_ack(held),
            Err(_) => self.drop_message(held.from, Drop::UnusableBody),
        }
    }

    fn send_ack(&mut self, held: HeldAck) {
        let HeldAck {
            from,
            route,
            mut request,
        } = held;
        let branch = self.names.branch();
        let written = self
            .rewrite_request(&mut request, from, &route, &branch)
            .and_then(|()| self.number_ack(from, &mut request, &route));
        match written {
            Ok(()) => self.send(route.to, request.into_bytes()),
            Err(_) => self.drop_message(from, Drop::OverLimit),
        }
    }
}
