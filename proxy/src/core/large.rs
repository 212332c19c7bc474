//! Requests that are too large for a datagram (RFC 3261 section 18.1.1): towards a SIP server that is spoken to by UDP
//! they go over TCP, once it is known to take connections. Until then, and where it takes none, they go by UDP as any
//! other, in fragments that networks may lose. No request waits for a connection to be tried.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip::transaction::Client;

use super::Core;
use super::deadline::after;
use super::event::Event;
use super::face::{Command, Source};
use super::hop::{Hop, Transport};
use super::transactions::ContextId;

/// With an unknown path, what is larger goes over a transport that knows congestion.
const LARGEST: usize = 1300;

/// After so long a server that took no connection is asked again.
const AGAIN: Duration = Duration::from_secs(600);

/// What is known of the addresses that large requests were to go to: as many as the SIP server has.
#[derive(Default)]
pub(super) struct Large(HashMap<SocketAddr, Known>);

struct Known {
    takes: Takes,
    /// The request that made us ask, in octets.
    size: usize,
    /// Whether the operator was told.
    told: bool,
}

/// Whether an address takes TCP.
#[derive(Clone, Copy)]
enum Takes {
    Asked,
    Connections,
    None { until: Instant },
}

impl Core {
    /// What a request of this size goes to this hop by.
    pub(super) fn hop_for_size(&mut self, hop: Hop, size: usize, now: Instant) -> Hop {
        if size <= LARGEST || hop.transport != Transport::Udp || self.config.udp_only {
            return hop;
        }
        let by_tcp = Hop {
            transport: Transport::Tcp,
            ..hop
        };
        let known = self.large.0.entry(hop.address).or_insert(Known {
            takes: Takes::None { until: now },
            size,
            told: false,
        });
        match known.takes {
            Takes::Connections => return by_tcp,
            Takes::None { until } if until <= now => {
                (known.takes, known.size) = (Takes::Asked, size);
                self.commands.push_back(Command::Connect { to: by_tcp });
            }
            Takes::None { .. } | Takes::Asked => {}
        }
        hop
    }

    /// A connection was made.
    pub(super) fn hop_opened(&mut self, hop: Hop) {
        if let Some(known) = self.large_at(hop) {
            known.takes = Takes::Connections;
        }
    }

    /// A connection cannot be made: if it was for large requests, this is what they go by instead.
    pub(super) fn instead(&mut self, hop: Hop, now: Instant) -> Option<Hop> {
        let known = self.large_at(hop)?;
        let until = after(now, AGAIN);
        known.takes = Takes::None { until };
        let instead = Hop::udp(hop.address);
        if !std::mem::replace(&mut known.told, true) {
            let (upstream, size) = (instead, known.size);
            self.report(Event::TooLarge { upstream, size });
        }
        Some(instead)
    }

    fn large_at(&mut self, hop: Hop) -> Option<&mut Known> {
        let known = self.large.0.get_mut(&hop.address);
        known.filter(|_| hop.transport == Transport::Tcp)
    }

    /// Sends a request that nothing has become of by another transport, as the same branch.
    pub(super) fn send_instead(&mut self, id: ContextId, hop: Hop, now: Instant) {
        let (to, timers) = (Source::Upstream(hop), self.config.timers);
        let context = self.transactions.get_mut(id);
        let sent = context.and_then(|context| context.branch.as_ref());
        let name = sent.and_then(|branch| Some(branch.sent.top_via()?.branch()?.to_owned()));
        let via = name.map(|name| self.via(to, &name));
        let Some((context, via)) = self.transactions.get_mut(id).zip(via) else {
            return;
        };
        let invite = context.method == sip::Method::Invite;
        let Some(branch) = &mut context.branch else {
            return;
        };
        // What made the way there in one Via makes it in another.
        if branch.sent.set_value("Via", 0, via).is_ok() {
            let wire = branch.sent.as_bytes().into();
            let transport = hop.transport.for_transactions();
            branch.to = to;
            branch.machine = Some(Client::new(invite, wire, transport, timers, now));
        }
        self.drain_client(id, None, now);
    }
}
