//! An INVITE that was sent to another address of the SIP server because this one was silent. Should it speak after all,
//! nobody must be left ringing or waiting: what rings is cancelled, what was answered is hung up on.

use std::sync::Arc;
use std::time::Instant;

use sip::transaction::{Client, Wire};
use sip::{Message, Method};

use super::Core;
use super::calls::Dialog;
use super::deadline::after;
use super::errand::Purpose;
use super::hangup::Callee;
use super::names::{MediaId, Side};
use super::sign_in::Account;
use super::token::Token;
use super::transactions::{Branch, ContextId, ErrandId};

/// What is known of it.
pub(super) struct LeftInvite {
    /// As it went out.
    sent: Message,
    /// The media session of its call.
    media: Option<MediaId>,
    cancelled: bool,
    /// By what a BYE can be proved.
    account: Option<Arc<Account>>,
    /// To-tags of those who were hung up on.
    hung_up: Vec<String>,
}

impl LeftInvite {
    /// The ACK to a failure.
    pub(super) fn ack_to(&self, response: &Message) -> Option<Wire> {
        let ack = Message::ack_to_failure(&self.sent, response).ok()?;
        Some(ack.as_bytes().into())
    }
}

impl Core {
    /// Takes a context's branch away. That of an INVITE is listened to for as long as it may be answered.
    pub(super) fn leave_branch(&mut self, id: ContextId, now: Instant) {
        let Some(branch) = self.transactions.part(id) else {
            return;
        };
        let context = self.transactions.get_mut(id);
        let route = context.and_then(|context| context.route.as_ref());
        let media = route.and_then(|route| route.media);
        let account = self.transactions.get_mut(id).and_then(|it| it.account());
        let Branch {
            to,
            sent,
            machine: Some(machine),
            key,
        } = branch
        else {
            return;
        };
        if !sent.is(&Method::Invite) {
            return;
        }
        let left = LeftInvite {
            sent,
            media,
            cancelled: false,
            account,
            hung_up: Vec::new(),
        };
        let purpose = Purpose::Left(Box::new(left));
        let until = Some(after(now, self.config.timers.timeout()));
        let errand = self.transactions.errand(key, to, machine, purpose, until);
        self.drain_errand(errand, None, now);
    }

    /// It has been answered after all.
    pub(super) fn left_invite_answered(&mut self, id: ErrandId, response: &Message, now: Instant) {
        let end = after(now, self.config.timers.timeout());
        let Some(errand) = self.transactions.errand_mut(id) else {
            return;
        };
        let to = errand.to;
        let Purpose::Left(left) = &mut errand.purpose else {
            return;
        };
        match response.status() {
            Some(100..=199) if Client::proceeding(&errand.machine) && !left.cancelled => {
                left.cancelled = true;
                errand.until = Some(end);
                if let Ok(cancel) = Message::cancel(&left.sent) {
                    self.send_errand(to, &cancel, now);
                }
            }
            Some(200..=299) => {
                let callee = response.to_tag().unwrap_or_default().to_owned();
                let again = left.hung_up.contains(&callee);
                if !again {
                    left.hung_up.push(callee);
                }
                let (names, media) = (&self.names, left.media);
                let dialog = Dialog::new(&left.sent, response, Side::Browser, |value| {
                    Token::is_of_pass(value, names, media)
                });
                let number = left.sent.cseq().map(|cseq| cseq.number);
                let account = left.account.clone();
                if let (Some(dialog), Some(number)) = (&dialog, number) {
                    let callee = Callee {
                        to,
                        dialog,
                        number,
                        account,
                    };
                    let call_id = response.call_id().unwrap_or_default();
                    self.hang_up_on(&callee, call_id, again, now);
                }
            }
            _ => {}
        }
    }
}
