//! CANCEL (RFC 3261 sections 9 and 16.10), and every other reason to take an INVITE back.

use std::time::Instant;

use sip::transaction::{Client, ServerKey};
use sip::{HeaderText, Message, Method};

use super::Core;
use super::calls::Party;
use super::deadline::after;
use super::face::Source;
use super::refusal::Answer;
use super::request::side;
use super::transactions::ContextId;

/// Whether a call is to be cancelled.
#[derive(Debug, Default)]
pub(super) enum Cancel {
    /// No.
    #[default]
    No,
    /// As soon as a provisional response shows that the request arrived (section 9.1). The Reasons go along: they
    /// tell a browser that the call was taken elsewhere (RFC 3326).
    Wanted { reasons: Vec<HeaderText> },
    /// CANCEL is out.
    Sent,
}

impl Core {
    /// Takes a CANCEL; `key` is its own.
    pub(super) fn cancel(
        &mut self,
        from: Source,
        key: &ServerKey,
        request: &Message,
        now: Instant,
    ) {
        let Some(id) = self.transactions.by_request(&key.cancelled()) else {
            let answer = Answer::new(481, "Call/Transaction Does Not Exist");
            return self.answer_stateless(from, request, &answer);
        };
        self.answer_stateless(from, request, &Answer::new(200, "OK"));
        let reasons = request
            .headers("Reason")
            .filter_map(|value| HeaderText::new(value.into_owned()).ok());
        let by = (Party::from(side(from)), "Cancelled");
        self.take_back(id, reasons.collect(), by, now);
    }

    /// Takes an INVITE back, if it is not answered yet.
    pub(super) fn take_back(
        &mut self,
        id: ContextId,
        reasons: Vec<HeaderText>,
        by: (Party, &'static str),
        now: Instant,
    ) {
        let Some(context) = self.transactions.get_mut(id) else {
            return;
        };
        let pending = context.method == Method::Invite && context.final_status.is_none();
        if !pending || !matches!(context.cancel, Cancel::No) {
            return;
        }
        let forked = context.fork.is_some();
        context.cancel = Cancel::Wanted {
            reasons: reasons.clone(),
        };
        context.taken_back = Some(by);
        if forked {
            return self.end_branches(id, reasons, by, now);
        }
        self.unpark(id);
        let Some(context) = self.transactions.get_mut(id) else {
            return;
        };
        if context.branch.is_none() {
            // It has not left yet: the relay's reply will find nobody waiting.
            context.held = None;
            return self.answer(id, &Answer::new(487, "Request Terminated"), now);
        }
        self.cancel_if_wanted(id, now);
    }

    /// Sends the CANCEL when it is wanted and may go.
    pub(super) fn cancel_if_wanted(&mut self, id: ContextId, now: Instant) {
        let Some(context) = self.transactions.get_mut(id) else {
            return;
        };
        let Some(branch) = &context.branch else {
            return;
        };
        let Cancel::Wanted { reasons } = &context.cancel else {
            return;
        };
        if !branch.machine.as_ref().is_some_and(Client::proceeding) {
            return;
        }
        let Ok(mut cancel) = Message::cancel(&branch.sent) else {
            return;
        };
        for reason in reasons {
            // A CANCEL without its Reason cancels all the same.
            let _left_out = cancel.append("Reason", reason);
        }
        let to = branch.to;
        context.cancel = Cancel::Sent;
        // Who does not answer the INVITE even now will not answer it any more (section 9.1).
        context.give_up = Some(after(now, self.config.timers.timeout()));
        self.send_errand(to, &cancel, now);
    }

    /// Timer C, or the end of our patience after a CANCEL.
    pub(super) fn give_up(&mut self, id: ContextId, now: Instant) {
        let Some(context) = self.transactions.get_mut(id) else {
            return;
        };
        context.give_up = None;
        if context.final_status.is_some() {
            return;
        }
        if matches!(context.cancel, Cancel::No) {
            self.take_back(id, Vec::new(), (Party::Edge, "Nobody Answered"), now);
            let out = self
                .transactions
                .get_mut(id)
                .is_some_and(|context| matches!(context.cancel, Cancel::Sent));
            if out {
                return self.tidy(id);
            }
        }
        if let Some(branch) = self
            .transactions
            .get_mut(id)
            .and_then(|context| context.branch.as_mut())
        {
            branch.machine = None;
        }
        self.answer(id, &Answer::new(408, "Nobody Answered"), now);
        self.tidy(id);
    }
}
