//! What passes is looked at: a call stands from its 2xx on, its ends count and move, and a BYE takes it away.

use std::time::Instant;

use sip::{Message, Method};

use super::super::Core;
use super::super::alarms::Due;
use super::super::deadline::after;
use super::super::face::Source;
use super::super::names::{MediaId, Side};
use super::super::refusal::Answer;
use super::super::request::side;
use super::super::route::Route;
use super::super::token::Token;
use super::super::transactions::ContextId;
use super::{Begun, Call, Dialog, MAX_DIALOGS, Standing};

impl Core {
    /// Whether one more call may begin.
    pub(in crate::core) fn room_for_call(&self, request: &Message) -> Result<(), Answer> {
        let begins = request.is(&Method::Invite) && request.to_tag().is_none();
        match begins && self.calls.standing() >= self.config.limits.calls {
            true => Err(Answer::busy("Too Many Calls")),
            false => Ok(()),
        }
    }

    /// A request passes: inside a call, its sender has counted on.
    pub(in crate::core) fn heard(&mut self, route: &Route, request: &Message) {
        let call = route.media.and_then(|media| self.calls.standing_mut(media));
        let (Some(call), Some(cseq)) = (call, request.cseq()) else {
            return;
        };
        let sender = call.sender(route);
        if let Some(dialog) = call.dialog_mut(request) {
            dialog.counted(sender, cseq.number);
        }
    }

    /// The end of a call that a request of this route comes from; `None` if it belongs to none that stands.
    pub(in crate::core) fn sender(&mut self, route: &Route) -> Option<Side> {
        let call = self.calls.standing_mut(route.media?)?;
        Some(call.sender(route))
    }

    /// A final response was passed back. `first` is false for the further 2xx of a forked call.
    pub(in crate::core) fn follow(
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
        let (method, in_dialog) = (context.method.clone(), context.in_dialog);
        let media = context.route.as_ref().and_then(|route| route.media);
        match (method, status, media) {
            (Method::Invite, 200..=299, Some(media)) if !in_dialog => {
                self.answered(id, media, response, now);
            }
            (Method::Invite, 300.., _) if first && !in_dialog => {
                self.never_answered(id, response, now);
            }
            (Method::Invite | Method::Update, 200..=299, Some(media)) if first => {
                self.refreshed(id, media, response);
            }
            (Method::Bye, _, Some(media)) if first && !matches!(status, 401 | 407) => {
                let (by, bye) = (side(context.from), context.request.clone());
                if let Some(call) = self.calls.hung_up(media, response) {
                    self.write_down_bye(&call, by, &bye, now);
                    self.remember_end(media, call, now);
                }
                let call_id = bye.call_id().unwrap_or_default();
                self.calls.swaps_mut().forget_learned(call_id, media);
            }
            (Method::Invite | Method::Update | Method::Info, 481, Some(media)) if first => {
                let route = context.route.clone().filter(|_| !context.answered_here);
                if let Some(asking) = route.and_then(|route| self.sender(&route)) {
                    self.forgotten(media, asking.other(), response, now);
                }
            }
            (Method::Register, 200..=299, _) => self.returned(now),
            _ => {}
        }
    }

    /// The dialog that this 2xx makes of a context's INVITE.
    pub(in crate::core) fn dialog_of(
        &mut self,
        id: ContextId,
        response: &Message,
    ) -> Option<Dialog> {
        let context = self.transactions.get_mut(id)?;
        let route = context.route.as_ref()?;
        // Of two browsers the caller stands where a phone would.
        let caller = match route.beside {
            Some(_) => Side::Phone,
            None => side(context.from),
        };
        let (names, media) = (&self.names, route.media);
        let numbered = route.numbered.is_some();
        let mut dialog = Dialog::new(&context.request, response, caller, |value| {
            Token::is_of_pass(value, names, media)
        })?;
        dialog.numbered = numbered;
        if let (Side::Phone, Some(own)) = (caller, self.name_behind(response)) {
            dialog.moved_to(Side::Browser, own);
        }
        Some(dialog)
    }

    fn answered(&mut self, id: ContextId, media: MediaId, response: &Message, now: Instant) {
        let tags = [response.from_tag(), response.to_tag()];
        if let Some(call) = self.calls.standing_mut(media) {
            let known = call.dialogs.iter().any(|dialog| dialog.is_between(tags));
            if known || call.dialogs.len() >= MAX_DIALOGS {
                return;
            }
        }
        let Some(dialog) = self.dialog_of(id, response) else {
            if self.calls.standing_mut(media).is_none() {
                self.write_down_unfollowed(id, response, now);
            }
            return;
        };
        if let Some(call) = self.calls.standing_mut(media) {
            return call.dialogs.push(dialog);
        }
        let Some(context) = self.transactions.get_mut(id) else {
            return;
        };
        let (Some(route), Some(call_id)) = (&context.route, response.call_id()) else {
            return;
        };
        let (client, flow, call_id) = (route.client, route.flow, call_id.to_owned());
        let peer = route.beside.clone();
        let phone = match route.to {
            Source::Flow(_) => context.from,
            upstream => upstream,
        };
        let begun = Begun::new(context, response, now);
        let swap = context.swap.clone();
        let account = self.account_of(flow);
        let call = Call {
            account,
            call_id,
            client,
            flow,
            peer,
            upstream: self.upstream_behind(phone),
            dialogs: vec![dialog],
            begun,
            swap,
            standing: Standing::There,
            until: after(now, self.config.limits.longest_call),
        };
        self.calls.insert(media, call);
        self.alarms.arm(Due::Calls, self.calls.deadline());
    }

    /// Both ends of a re-INVITE or UPDATE have said where they are.
    fn refreshed(&mut self, id: ContextId, media: MediaId, response: &Message) {
        let Some(context) = self.transactions.get_mut(id) else {
            return;
        };
        let request = context.request.clone();
        let Some(route) = context.route.clone() else {
            return;
        };
        let own = self.name_behind(response).map(str::to_owned);
        let Some(call) = self.calls.standing_mut(media) else {
            return;
        };
        let asking = call.sender(&route);
        if let Some(dialog) = call.dialog_mut(response) {
            dialog.moved(asking, &request);
            dialog.moved(asking.other(), response);
            if let (Side::Phone, Some(own)) = (asking, own) {
                dialog.moved_to(Side::Browser, &own);
            }
        }
    }
}

impl Call {
    /// The end that a request of this route comes from.
    fn sender(&self, route: &Route) -> Side {
        match (&route.beside, route.to) {
            (Some(sender), _) if sender.client == self.client => Side::Browser,
            (Some(_), _) | (None, Source::Flow(_)) => Side::Phone,
            (None, Source::Upstream(_)) => Side::Browser,
        }
    }

    /// The dialog that a message belongs to.
    pub(super) fn dialog_mut(&mut self, message: &Message) -> Option<&mut Dialog> {
        let tags = [message.from_tag(), message.to_tag()];
        let mut dialogs = self.dialogs.iter_mut();
        dialogs.find(|dialog| dialog.is_between(tags))
    }
}
