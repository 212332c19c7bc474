//! Connections that bring nothing: one on which no request comes is closed after a moment, one on which nobody registers
//! after another. Where callers need not register, a visitor may take his time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Core;
use super::alarms::Due;
use super::deadline::after;
use super::face::FlowId;
use super::flows::Flow;
use super::policy::Callers;

/// The connections that have not proven themselves, the oldest first.
#[derive(Default)]
pub(super) struct Strangers {
    silent: VecDeque<(Instant, FlowId)>,
    unregistered: VecDeque<(Instant, FlowId)>,
}

impl Strangers {
    fn deadline(&self) -> Option<Instant> {
        let ends = [self.silent.front(), self.unregistered.front()];
        ends.into_iter().flatten().map(|(at, _)| *at).min()
    }
}

/// Those whose moment has come.
fn due(queue: &mut VecDeque<(Instant, FlowId)>, now: Instant) -> Vec<FlowId> {
    let count = queue.iter().take_while(|(at, _)| *at <= now).count();
    let due = queue.drain(..count).map(|(_, flow)| flow).collect();
    if queue.is_empty() {
        queue.shrink_to_fit();
    }
    due
}

impl Core {
    /// A connection has opened.
    pub(super) fn is_strange(&mut self, flow: FlowId, now: Instant) {
        if self.config.policy.callers == Callers::Anyone {
            return;
        }
        let limits = &self.config.limits;
        let strangers = &mut self.strangers;
        strangers
            .silent
            .push_back((after(now, limits.silent), flow));
        let until = after(now, limits.unregistered);
        strangers.unregistered.push_back((until, flow));
        self.alarms.arm(Due::Strangers, strangers.deadline());
    }

    /// The moment of some has come.
    pub(super) fn strangers_due(&mut self, now: Instant) {
        for flow in due(&mut self.strangers.silent, now) {
            if self.is(flow, |it| !it.has_spoken) {
                self.hear_no_more(flow, "no request came");
            }
        }
        for flow in due(&mut self.strangers.unregistered, now) {
            // Its REGISTER may wait for its turn.
            let waits = self.is(flow, |it| it.pending > 0);
            match self.is(flow, |it| !it.has_registered()) {
                true if waits => {
                    let again = after(now, Duration::from_secs(1).max(self.config.limits.silent));
                    self.strangers.unregistered.push_back((again, flow));
                }
                true => self.hear_no_more(flow, "nobody registered"),
                false => {}
            }
        }
        self.alarms.arm(Due::Strangers, self.strangers.deadline());
    }

    fn is(&self, flow: FlowId, what: impl Fn(&Flow) -> bool) -> bool {
        self.flows.get(flow).is_some_and(what)
    }
}
