//! Steps 8 to 10 of the walk: rewrite, give the request to a client transaction, and let its bytes out.

use std::time::Instant;

use sip::transaction::{Client, ClientEvent, ClientKey, Failure, Output};
use sip::{Message, Method};

use super::Core;
use super::deadline::after;
use super::event::Event;
use super::face::{Command, Source};
use super::fork::failed_flow;
use super::loops;
use super::refusal::Answer;
use super::request::{side, transport};
use super::transactions::{Branch, ContextId};

impl Core {
    /// Sends a request on. An error means that it could not be written, which is its sender's doing (it is too large
    /// with what we have to add).
    pub(super) fn forward(
        &mut self,
        id: ContextId,
        request: Message,
        now: Instant,
    ) -> Result<(), Answer> {
        match self.in_turn(id, request, now)? {
            Some(request) => self.go_on(id, request, now),
            None => Ok(()),
        }
    }

    /// Sends a request on whose turn it is.
    pub(super) fn go_on(
        &mut self,
        id: ContextId,
        request: Message,
        now: Instant,
    ) -> Result<(), Answer> {
        self.prepare_failover(id, &request, now);
        self.send_branch(id, request, now)
    }

    /// Sends a request to where its route says, under a branch of its own.
    pub(super) fn send_branch(
        &mut self,
        id: ContextId,
        mut request: Message,
        now: Instant,
    ) -> Result<(), Answer> {
        self.prepare_proof(id, &request);
        let Some(context) = self.transactions.get_mut(id) else {
            return Ok(());
        };
        let mark = loops::mark(&self.names, &context.request, side(context.from));
        let name = self.names.marked_branch(&mark);
        let Some(mut route) = context.route.clone() else {
            return Ok(());
        };
        if let Some(registration) = &context.registration {
            route.client = registration.client();
        }
        let (from, invite) = (context.from, context.method == Method::Invite);
        if let Source::Flow(flow) = route.to
            && self.flows.get(flow).is_none()
        {
            // It closed while the relay was asked.
            return Err(self.connection_closed(id));
        }
        let too_large = |_| Answer::new(513, "Message Too Large");
        self.rewrite_request(&mut request, from, &route, &name)
            .map_err(too_large)?;
        self.number(id, &mut request, &route).map_err(too_large)?;
        self.prove(id, &mut request).map_err(too_large)?;
        if let Source::Upstream(hop) = route.to {
            let by = Source::Upstream(self.hop_for_size(hop, request.as_bytes().len(), now));
            if by != route.to {
                route.to = by;
                let via = self.via(by, &name);
                request.set_value("Via", 0, via).map_err(too_large)?;
            }
        }

        let wire = request.as_bytes().into();
        let machine = Client::new(invite, wire, transport(route.to), self.config.timers, now);
        let key = ClientKey::new(&name, request.method().map_or("", Method::as_str));
        let branch = Branch {
            to: route.to,
            sent: request,
            machine: Some(machine),
            key,
        };
        self.transactions.sent(id, branch);
        if let Some(context) = self.transactions.get_mut(id).filter(|_| invite) {
            context.give_up = Some(after(now, self.config.limits.ringing));
        }
        self.drain_client(id, None, now);
        Ok(())
    }

    /// Gives an event to a context's client transaction. `response` is what the event is about.
    pub(super) fn ask(
        &mut self,
        id: ContextId,
        event: ClientEvent,
        response: Option<Message>,
        now: Instant,
    ) {
        if let Some(machine) = self.client_of(id) {
            machine.receive(event, now);
            self.drain_client(id, response, now);
        }
    }

    fn client_of(&mut self, id: ContextId) -> Option<&mut Client> {
        self.transactions
            .get_mut(id)?
            .branch
            .as_mut()?
            .machine
            .as_mut()
    }

    pub(super) fn drain_client(
        &mut self,
        id: ContextId,
        mut response: Option<Message>,
        now: Instant,
    ) {
        while let Some(output) = self.client_of(id).and_then(Client::poll) {
            match output {
                Output::Send(bytes) => {
                    let to = self
                        .transactions
                        .get_mut(id)
                        .and_then(|c| c.branch.as_ref())
                        .map(|b| b.to);
                    to.into_iter().for_each(|to| self.send(to, bytes.to_vec()));
                }
                Output::Deliver => {
                    if let Some(response) = response.take() {
                        self.arrived(id, response, now);
                    }
                }
                Output::Failed(failure) => self.unanswered(id, failure, now),
                Output::Ended => self.client_ended(id),
            }
        }
        self.tidy(id);
    }

    fn client_ended(&mut self, id: ContextId) {
        if let Some(branch) = self
            .transactions
            .get_mut(id)
            .and_then(|context| context.branch.as_mut())
        {
            branch.machine = None;
        }
    }

    /// Nobody answered: the caller is told by us.
    fn unanswered(&mut self, id: ContextId, failure: Failure, now: Instant) {
        self.upstream_failed_request(id, now);
        if self.fail_over(id, now) {
            return;
        }
        let Some(context) = self.transactions.get_mut(id) else {
            return;
        };
        let to = context.branch.as_ref().map(|branch| branch.to);
        if let (Some(_), Some(Source::Flow(_))) = (context.parent, to) {
            return self.answer(id, &failed_flow(), now);
        }
        let method = context.method.to_string();
        let answer = match (failure, to) {
            (Failure::TimedOut, Some(Source::Upstream(upstream))) => {
                self.commands
                    .push_back(Command::Report(Event::UpstreamSilent { upstream, method }));
                Answer::new(408, "The SIP Server Did Not Answer")
            }
            (Failure::TimedOut, _) => Answer::new(408, "The Browser Did Not Answer"),
            (Failure::Transport, Some(Source::Upstream(_))) => {
                Answer::busy("The SIP Server Cannot Be Reached")
            }
            (Failure::Transport, _) => self.connection_closed(id),
        };
        self.answer(id, &answer, now);
    }
}
