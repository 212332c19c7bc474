//! A call that was answered when nobody wanted it any more: its caller is gone, was refused by us, or could not be
//! shown the answer. The callee gets the ACK that it waits for, and a BYE.

use std::time::Instant;

use sip::{Message, Method};

use super::Core;
use super::calls::Dialog;
use super::face::Source;
use super::refusal::Answer;
use super::request::side;
use super::transactions::ContextId;

/// Callees of one forked call that are hung up on; any more of them give up by themselves for want of an ACK.
const MAX_CALLEES: usize = 8;

impl Core {
    /// Ends the call that this 2xx, our Via already removed, has made.
    pub(super) fn unwanted_call(&mut self, id: ContextId, response: &Message, now: Instant) {
        self.answer(id, &Answer::new(487, "Request Terminated"), now);
        let Some(context) = self.transactions.get_mut(id) else {
            return;
        };
        let Some(to) = context.branch.as_ref().map(|branch| branch.to) else {
            return;
        };
        let callee = response.to_tag().unwrap_or_default().to_owned();
        let again = context.hung_up.contains(&callee);
        if !again {
            if context.hung_up.len() >= MAX_CALLEES {
                return;
            }
            context.hung_up.push(callee);
        }
        if let Some(dialog) = self.dialog_of(id, response) {
            self.hang_up_on(to, &dialog, response, again, now);
        }
    }

    /// The ACK to a 2xx and, unless it came before, the BYE.
    pub(super) fn hang_up_on(
        &mut self,
        to: Source,
        dialog: &Dialog,
        response: &Message,
        again: bool,
        now: Instant,
    ) {
        let (Some(call_id), Some(cseq)) = (response.call_id(), response.cseq()) else {
            return;
        };
        let via = self.new_via(to);
        let ack = dialog.request(Method::Ack, side(to), call_id, via, cseq.number);
        if let Ok(mut ack) = ack.build()
            && self.name_for(to, &mut ack).is_ok()
        {
            self.send(to, ack.into_bytes());
        }
        let via = self.new_via(to);
        if let Ok(bye) = dialog.bye(side(to), call_id, via).build()
            && !again
        {
            self.send_errand(to, &bye, now);
        }
    }

    /// The Via of a request of our own.
    pub(super) fn new_via(&mut self, to: Source) -> String {
        let branch = self.names.branch();
        self.via(to, &branch)
    }
}
