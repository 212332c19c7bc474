//! A call that was answered when nobody wanted it any more: its caller is gone, was refused by us, or could not be
//! shown the answer. The callee gets the ACK that it waits for, and a BYE.

use std::time::Instant;

use sip::{Error, Message, Method, RequestBuilder};

use super::Core;
use super::face::Source;
use super::refusal::Answer;
use super::token::Token;
use super::transactions::{ContextId, client_key};

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
        if let Ok(ack) = self.in_dialog(Method::Ack, 0, to, response) {
            self.send(to, ack.into_bytes());
        }
        if let Some(bye) = self
            .in_dialog(Method::Bye, 1, to, response)
            .ok()
            .filter(|bye| !again && client_key(bye).is_some())
        {
            self.send_errand(to, &bye, now);
        }
    }

    /// A request within the dialog of a 2xx, as its caller would send it from where we are.
    fn in_dialog(
        &mut self,
        method: Method,
        further: u32,
        to: Source,
        response: &Message,
    ) -> Result<Message, Error> {
        let branch = self.names.branch();
        let contact = response.contacts().next().ok_or(Error::Missing)??;
        let number = response
            .cseq()
            .ok_or(Error::Missing)?
            .number
            .saturating_add(further);
        let mut builder =
            RequestBuilder::new(method, contact.uri_text()).header("Via", self.via(to, &branch));
        for route in self.route_set(to, response) {
            builder = builder.header("Route", route);
        }
        for name in ["From", "To", "Call-ID"] {
            builder = builder.header(name, response.raw(name).ok_or(Error::Missing)?);
        }
        builder.cseq(number).build()
    }

    /// The hops between us and the callee: what was recorded after us, nearest first.
    fn route_set(&self, to: Source, response: &Message) -> Vec<String> {
        if let Source::Flow(_) = to {
            return Vec::new();
        }
        let beyond_us = response.values("Record-Route").take_while(|value| {
            !sip::NameAddr::parse(value.as_bytes())
                .is_ok_and(|value| Token::is_ours(&value, &self.names))
        });
        let mut routes: Vec<String> = beyond_us.map(|value| value.into_owned()).collect();
        routes.reverse();
        routes
    }
}
