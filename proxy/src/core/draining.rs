//! An edge that is about to stop: what begins something is refused, so that it goes to another edge at once; calls that stand
//! go on, and browsers that have none are let go.

use sip::{Message, Method};

use super::Core;
use super::face::{FlowId, Source};
use super::refusal::Answer;

impl Core {
    /// No new calls and registrations from now on.
    pub(super) fn drain(&mut self) {
        self.draining = true;
    }

    /// Whether that is so.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining
    }

    /// Whether a request would begin what will not be here for long. Who is registered already may say so again: his call
    /// may depend on it.
    pub(super) fn stays(
        &self,
        from: Source,
        request: &Message,
        method: &Method,
    ) -> Result<(), Answer> {
        let begins = match (method, from) {
            (Method::Invite, _) => request.to_tag().is_none(),
            (Method::Register, Source::Flow(flow)) => !self
                .flows
                .get(flow)
                .is_some_and(super::flows::Flow::has_registered),
            _ => false,
        };
        match self.draining && begins {
            true => Err(Answer::busy("The Edge Is Being Stopped")),
            false => Ok(()),
        }
    }

    /// Whether no call stands, and none is being set up.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.calls.standing() == 0 && !self.transactions.has_open_invite()
    }

    /// Some of the WebSockets that nothing depends on, as many as this.
    #[must_use]
    pub fn idle_flows(&self, limit: usize) -> Vec<FlowId> {
        let idle = self.flows.all().filter(|(_, flow)| {
            flow.pending == 0 && flow.clients().all(|client| !self.calls.has_of(client))
        });
        idle.map(|(flow, _)| flow).take(limit).collect()
    }
}
