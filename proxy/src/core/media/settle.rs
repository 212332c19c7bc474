//! What a final response means for the call's media at the relay: kept, kept for a retry, or released.

use std::time::Instant;

use sip::{Message, Method};

use super::super::Core;
use super::super::alarms::Due;
use super::super::event::Event;
use super::super::face::Command;
use super::super::names::MediaId;
use super::super::transactions::ContextId;
use super::ng;
use super::session::{Verdict, Waiter};

impl Core {
    /// Takes a final response that was passed back. `first` is false for the further 2xx of a forked call.
    pub(in crate::core) fn settle_media(
        &mut self,
        id: ContextId,
        status: u16,
        response: &Message,
        first: bool,
        now: Instant,
    ) {
        let Some(context) = self.transactions.get_mut(id) else {
            return;
        };
        if context.method == Method::Bye {
            return self.settle_bye(id, status, first, now);
        }
        let (session, in_dialog) = (context.session, context.in_dialog);
        let (Some(media), Some(call_id)) = (session, response.call_id()) else {
            return;
        };
        if context.method == Method::Invite && status < 300 {
            self.media
                .established(media, response.to_tag().unwrap_or_default());
            if first && !in_dialog {
                let call_id = call_id.to_owned();
                self.commands
                    .push_back(Command::Report(Event::CallAnswered { call_id }));
            }
        }
        let challenged = is_challenge(status);
        if status < 300 || first && !challenged {
            self.settle_exchange(id, media, status, response);
        }
        if !first {
            return;
        }
        let keep = match challenged {
            // The same session must serve the INVITE that comes with credentials: same ports, same ICE, same keys.
            true => self.config.limits.challenge_linger,
            false => self.config.timers.timeout(),
        };
        // A session that a dialog has is established, and not ended by this.
        let end = status >= 300 && !challenged;
        let (verdict, alarm) = self.media.dismiss(media, end, keep, now);
        self.alarms.arm(Due::Media(media), alarm);
        match verdict {
            Verdict::Release => self.release(media, call_id, now),
            Verdict::Keep => self.restore_media(media, call_id, now),
        }
    }

    /// A BYE ends the call whatever its answer is, unless it comes again with credentials.
    fn settle_bye(&mut self, id: ContextId, status: u16, first: bool, now: Instant) {
        let Some(context) = self.transactions.get_mut(id) else {
            return;
        };
        let media = context.route.as_ref().and_then(|route| route.media);
        if let Some(media) = media.filter(|_| first && !is_challenge(status)) {
            let bye = context.request.clone();
            self.hung_up(media, &bye, now);
        }
    }

    /// Releases the call that this BYE ends, unless another dialog of a fork goes on in it.
    pub(in crate::core) fn hung_up(&mut self, media: MediaId, bye: &Message, now: Instant) {
        if let Some(call_id) = bye.call_id()
            && self.media.hung_up(media, bye) == Verdict::Release
        {
            self.release(media, call_id, now);
        }
    }

    /// Asks the relay to forget a call.
    pub(in crate::core) fn release(&mut self, media: MediaId, call_id: &str, now: Instant) {
        self.media.forget(media);
        let question = ng::delete(&ng::call_name(call_id, media));
        if self
            .ask_relay(media, call_id.to_owned(), question, Waiter::Nobody, now)
            .is_ok()
        {
            let call_id = call_id.to_owned();
            self.commands
                .push_back(Command::Report(Event::CallReleased { call_id }));
        }
    }

    /// A session's alarm: the relay is reminded of an offer that nobody has answered; a session that was never
    /// established is ended, any other forgotten.
    pub(in crate::core) fn session_due(&mut self, media: MediaId, now: Instant) {
        match self.media.reminder(media, now) {
            Some(Ok((call_id, offer))) => {
                // One that is lost is made good by the next.
                let _ = self.ask_relay(media, call_id, offer, Waiter::Nobody, now);
                if let Some(Err(next)) = self.media.reminder(media, now) {
                    self.alarms.arm(Due::Media(media), Some(next));
                }
            }
            Some(Err(later)) => self.alarms.arm(Due::Media(media), Some(later)),
            None => {}
        }
        match self.media.expire(media, now) {
            Ok(Some(call_id)) => self.release(media, &call_id, now),
            Ok(None) => {}
            Err(later) => self.alarms.arm(Due::Media(media), Some(later)),
        }
    }
}

fn is_challenge(status: u16) -> bool {
    matches!(status, 401 | 407)
}
