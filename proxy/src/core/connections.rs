//! News of the connections on the SIP server's side: one has closed, or none can be had. Nothing is connected here.

use std::time::Instant;

use sip::Message;
use sip::transaction::{ClientEvent, ServerEvent};

use super::Core;
use super::calls::Party;
use super::face::Source;
use super::hop::Hop;

impl Core {
    /// A connection has closed. Who asked on it is answered on another (RFC 3261 section 18.2.2); what was asked on it
    /// may be lost, and is asked again on another, once.
    pub(super) fn hop_closed(&mut self, hop: Hop, now: Instant) {
        let place = Source::Upstream(hop);
        for id in self.transactions.at(place) {
            let Some(context) = self.transactions.get_mut(id) else {
                continue;
            };
            let asks = context.branch.as_ref().is_some_and(|b| b.to == place);
            if context.from == place {
                context.from = Source::Upstream(called_back(hop, &context.request));
            }
            if asks {
                self.ask(id, ClientEvent::ConnectionClosed, None, now);
            }
        }
        for id in self.transactions.errands_to(place) {
            let errand = self.transactions.errand_mut(id);
            // An INVITE that has gone elsewhere must not ring here again.
            if errand.is_some_and(|errand| !errand.only_listens()) {
                self.ask_errand(id, ClientEvent::ConnectionClosed, now);
            }
        }
    }

    /// No connection can be made, so that what was to go over it is lost: who waits for it is told, in both directions.
    /// A call that rings already goes on: its answer may come by a connection of the other side's.
    pub(super) fn hop_unreachable(&mut self, hop: Hop, now: Instant) {
        let place = Source::Upstream(hop);
        let instead = self.instead(hop, now);
        for id in self.transactions.at(place) {
            let Some(context) = self.transactions.get_mut(id) else {
                continue;
            };
            let machine = context.branch.as_ref().filter(|b| b.to == place);
            let machine = machine.and_then(|branch| branch.machine.as_ref());
            let waits = machine.is_some_and(|m| !m.proceeding() && !m.answered());
            if context.from == place {
                let by = (Party::Phone, "The SIP Server Cannot Be Reached");
                self.take_back(id, Vec::new(), by, now);
                self.serve(id, ServerEvent::TransportFailed, now);
            }
            match instead {
                Some(hop) if waits => self.send_instead(id, hop, now),
                None if waits => self.ask(id, ClientEvent::TransportFailed, None, now),
                _ => {}
            }
        }
        for id in self.transactions.errands_to(place) {
            self.ask_errand(id, ClientEvent::TransportFailed, now);
        }
        // Where the SIP server calls back from is no place that requests go to.
        if let (None, Some(target)) = (instead, self.upstreams.at(hop))
            && self.upstreams.address(target) == Some(hop)
        {
            self.upstream_is_down(target, now);
        }
    }
}

/// Where whoever sent this request over a connection takes connections himself.
fn called_back(mut hop: Hop, request: &Message) -> Hop {
    let port = request.top_via().and_then(|via| via.port());
    hop.address
        .set_port(port.unwrap_or(hop.transport.default_port()));
    hop
}
