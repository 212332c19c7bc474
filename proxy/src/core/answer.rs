//! The server transaction's other end: responses, ours and those passed on, on their way back to who asked.

use std::time::Instant;

use sip::transaction::{Output, Server, ServerEvent};
use sip::{Message, Method};

use super::Core;
use super::alarms::Due;
use super::event::{Drop, Event};
use super::face::{Command, Source};
use super::refusal::{Answer, SOON};
use super::request::answer_to;
use super::transactions::ContextId;

/// Retry-After is longer than it must be by less than so many seconds.
const JITTER: u32 = 11;

impl Core {
    /// Answers a request in our own name.
    pub(super) fn answer(&mut self, id: ContextId, answer: &Answer, now: Instant) {
        let Some(context) = self.transactions.get_mut(id) else {
            return;
        };
        if context.final_status.is_some() {
            return;
        }
        let (from, method) = (context.from, context.method.to_string());
        let request = context.request.clone();
        context.answered_here = answer.status >= 200;
        if answer.status >= 300 {
            let (status, reason) = (answer.status, answer.reason.to_string());
            self.commands.push_back(Command::Report(Event::Refused {
                from,
                method,
                status,
                reason,
            }));
        }
        let answer = self.spread_out(answer);
        let tag = match answer.status {
            100 => String::new(),
            _ => self.tag_for(&request),
        };
        match answer.to(&request, &tag) {
            Ok(response) => self.respond(id, &response, now),
            Err(_) => self.drop_message(from, Drop::Unanswerable),
        }
    }

    /// Gives a response to the server transaction; the first final one settles the request.
    pub(super) fn respond(&mut self, id: ContextId, response: &Message, now: Instant) {
        let Some(status) = response.status() else {
            return;
        };
        let Some(context) = self.transactions.get_mut(id) else {
            return;
        };
        if let Some(parent) = context.parent {
            // A branch gives one final response, but every 2xx: each makes a dialog.
            if status >= 300 && context.final_status.is_some() {
                return;
            }
            if status >= 200 {
                self.settle(id, status, response, now);
            }
            self.branch_answered(parent, id, response, now);
            return self.tidy(id);
        }
        let shown = self.shown(id, response);
        let bytes = shown.as_ref().unwrap_or(response).as_bytes().into();
        self.drive(id, ServerEvent::Respond { status, bytes }, now);
        if status >= 200 {
            self.settle(id, status, response, now);
        }
        self.tidy(id);
    }

    fn settle(&mut self, id: ContextId, status: u16, response: &Message, now: Instant) {
        let Some(context) = self.transactions.get_mut(id) else {
            return;
        };
        let first = context.final_status.is_none();
        context.final_status.get_or_insert(status);
        context.give_up = None;
        let (from, is_branch) = (context.from, context.parent.is_some());
        if first && !is_branch {
            self.pending(from, -1);
            self.transactions.discharge(id);
        }
        self.follow(id, status, response, first, now);
        self.settle_media(id, status, response, first, now);
    }

    /// Gives an event to a context's server transaction.
    pub(super) fn serve(&mut self, id: ContextId, event: ServerEvent, now: Instant) {
        self.drive(id, event, now);
        self.tidy(id);
    }

    fn drive(&mut self, id: ContextId, event: ServerEvent, now: Instant) {
        if let Some(server) = self.server_of(id) {
            server.receive(event, now);
        }
        while let Some(output) = self.server_of(id).and_then(Server::poll) {
            let Some(context) = self.transactions.get_mut(id) else {
                return;
            };
            match output {
                Output::Send(bytes) => {
                    let to = context.from;
                    self.send(to, bytes.to_vec());
                }
                Output::Ended => context.server = None,
                // An ACK to a 2xx is routed by whoever brought it; a missing one changes nothing for a proxy.
                Output::Deliver | Output::Failed(_) => {}
            }
        }
    }

    fn server_of(&mut self, id: ContextId) -> Option<&mut Server> {
        self.transactions.get_mut(id)?.server.as_mut()
    }

    /// Arms the context's alarm, or forgets it if it has nothing left to do.
    pub(super) fn tidy(&mut self, id: ContextId) {
        let deadline = self.transactions.close_if_done(id);
        self.alarms.arm(Due::Context(id), deadline);
    }

    /// Answers without a transaction: a retransmission gets the same answer again.
    pub(super) fn answer_stateless(&mut self, from: Source, request: &Message, answer: &Answer) {
        let (method, status) = (
            request.method().map_or("", Method::as_str).to_owned(),
            answer.status,
        );
        let answer = self.spread_out(answer);
        match answer.to(request, &self.tag_for(request)) {
            Ok(response) => {
                let reason = answer.reason.to_string();
                if status >= 300 {
                    self.commands.push_back(Command::Report(Event::Refused {
                        from,
                        method,
                        status,
                        reason,
                    }));
                }
                self.send(answer_to(from, request), response.into_bytes());
            }
            Err(_) => self.drop_message(from, Drop::Unanswerable),
        }
    }

    /// Those who are told to come again come at different times.
    fn spread_out(&mut self, answer: &Answer) -> Answer {
        let mut answer = answer.clone();
        let mut headers = answer.headers.iter_mut();
        let soon = headers.find(|(name, value)| *name == "Retry-After" && value == SOON);
        if let (Some((_, seconds)), Ok(least)) = (soon, SOON.parse::<u32>()) {
            *seconds = least.saturating_add(self.names.jitter(JITTER)).to_string();
        }
        answer
    }

    /// Sends the refusal that a request is owed which never became one of ours.
    pub(super) fn refuse_unserved(&mut self, from: Source, response: Message) {
        let status = response.status().unwrap_or_default();
        let reason = response.reason().unwrap_or_default().into_owned();
        let method = response
            .cseq()
            .map(|cseq| cseq.method.to_string())
            .unwrap_or_default();
        self.commands.push_back(Command::Report(Event::Refused {
            from,
            method,
            status,
            reason,
        }));
        // Its Vias are the request's.
        let to = answer_to(from, &response);
        self.send(to, response.into_bytes());
    }

    /// The To-tag of whatever we answer to this request.
    pub(super) fn tag_for(&self, request: &Message) -> String {
        let branch = request
            .top_via()
            .and_then(|via| via.branch())
            .unwrap_or_default();
        self.names
            .tag(request.call_id().unwrap_or_default(), branch)
    }

    /// Counts a flow's requests that wait for their final response.
    pub(super) fn pending(&mut self, from: Source, change: isize) {
        if let Source::Flow(flow) = from
            && let Some(flow) = self.flows.get_mut(flow)
        {
            flow.pending = flow.pending.saturating_add_signed(change);
        }
    }

    /// Lets bytes out.
    pub(super) fn send(&mut self, to: Source, bytes: Vec<u8>) {
        self.commands.push_back(match to {
            Source::Flow(flow) => Command::SendFlow { flow, bytes },
            Source::Upstream(to) => Command::Send { to, bytes },
        });
    }

    /// Counts what is thrown away.
    pub(super) fn drop_message(&mut self, from: Source, reason: Drop) {
        self.commands
            .push_back(Command::Report(Event::Dropped { from, reason }));
    }
}
