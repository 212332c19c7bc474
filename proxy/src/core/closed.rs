//! A browser's connection closed. Its calls in the making are taken back, those who wait for it are told, and its
//! registered clients are remembered for a while in case they come back.

use std::time::Instant;

use sip::transaction::{ClientEvent, ServerEvent};

use super::Core;
use super::alarms::Due;
use super::calls::Party;
use super::face::{FlowId, Source};

impl Core {
    /// Takes the news.
    pub(super) fn flow_closed(&mut self, flow: FlowId, now: Instant) {
        let Some(closed) = self.flows.close(flow, &self.config.limits, now) else {
            return;
        };
        self.alarms.arm(Due::Suspended, self.flows.deadline());
        let place = Source::Flow(flow);
        for id in self.transactions.of_flow(flow) {
            let Some(context) = self.transactions.get_mut(id) else {
                continue;
            };
            let (asked, asks) = (
                context.from == place,
                context.branch.as_ref().is_some_and(|b| b.to == place),
            );
            if asked {
                let by = (Party::Browser, "The Browser's Connection Closed");
                self.take_back(id, Vec::new(), by, now);
                self.serve(id, ServerEvent::TransportFailed, now);
            }
            if asks {
                self.ask(id, ClientEvent::TransportFailed, None, now);
            }
        }
        for client in closed.clients() {
            self.left(client, now);
        }
    }
}
