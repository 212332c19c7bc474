//! A call that was answered when nobody wanted it any more: its caller is gone, was refused by us, or could not be
//! shown the answer. The callee gets the ACK that it waits for, and a BYE.

use std::sync::Arc;
use std::time::Instant;

use sip::{Message, Method};

use super::Core;
use super::calls::Dialog;
use super::face::Source;
use super::refusal::Answer;
use super::request::side;
use super::sign_in::Account;
use super::transactions::ContextId;

/// Callees of one forked call that are hung up on; any more of them give up by themselves for want of an ACK.
const MAX_CALLEES: usize = 8;

/// Somebody who answered.
pub(super) struct Callee<'a> {
    pub(super) to: Source,
    pub(super) dialog: &'a Dialog,
    /// The CSeq of the INVITE as it went to him.
    pub(super) number: u32,
    /// By what the BYE can be proved.
    pub(super) account: Option<Arc<Account>>,
}

impl Core {
    /// Ends the call that this 2xx, our Via already removed, has made.
    pub(super) fn unwanted_call(&mut self, id: ContextId, response: &Message, now: Instant) {
        self.answer(id, &Answer::new(487, "Request Terminated"), now);
        let Some(context) = self.transactions.get_mut(id) else {
            return;
        };
        let Some(branch) = &context.branch else {
            return;
        };
        let (to, account) = (branch.to, context.account());
        let Some(number) = branch.sent.cseq().map(|cseq| cseq.number) else {
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
            let callee = Callee {
                to,
                dialog: &dialog,
                number,
                account,
            };
            let call_id = response.call_id().unwrap_or_default();
            self.hang_up_on(&callee, call_id, again, now);
        }
    }

    /// The ACK to a 2xx and, unless it came before, the BYE.
    pub(super) fn hang_up_on(
        &mut self,
        callee: &Callee<'_>,
        call_id: &str,
        again: bool,
        now: Instant,
    ) {
        let Callee { dialog, number, .. } = callee;
        let (to, account) = (callee.to, &callee.account);
        let via = self.new_via(to);
        let ack = dialog.request(Method::Ack, side(to), call_id, via, *number);
        if let Ok(mut ack) = ack.build()
            && self.name_for(to, &mut ack).is_ok()
        {
            self.send(to, ack.into_bytes());
        }
        let via = self.new_via(to);
        if let Ok(bye) = dialog.bye(side(to), call_id, via).build()
            && !again
        {
            self.hang_up_by(to, bye, account.clone(), now);
        }
    }

    /// The Via of a request of our own.
    pub(super) fn new_via(&mut self, to: Source) -> String {
        let branch = self.names.branch();
        self.via(to, &branch)
    }
}
