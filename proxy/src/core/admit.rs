//! Steps 1 to 3 of the walk: may this be here at all, is it SIP, is it valid. Then: request or response?

use std::time::Instant;

use sip::{Error, Framing, Message};

use super::Core;
use super::crowd::Weight;
use super::event::Drop;
use super::face::{Command, FlowId, Source};
use super::hop::{Hop, Transport};

/// A keep-alive and its answer (RFC 5626 section 3.5.1; over WebSocket by JsSIP and sip.js).
const PING: &[u8] = b"\r\n\r\n";
const PONG: &[u8] = b"\r\n";

/// After so many messages that are not SIP a flow is closed: whatever is on it, it is no SIP client.
const MAX_OFFENCES: u32 = 16;

impl Core {
    /// Takes one message.
    pub(super) fn admit(&mut self, from: Source, bytes: Vec<u8>, now: Instant) {
        if let Err(reason) = self.known(from) {
            return self.drop_message(from, reason);
        }
        if let Source::Flow(flow) = from {
            match self.weigh(flow, now) {
                Weight::Fair => {}
                Weight::TooMuch => return self.turn_away(from, bytes),
                Weight::Unheard => return self.drop_message(from, Drop::OverLimit),
            }
        }
        let framing = match from {
            Source::Upstream(Hop {
                transport: Transport::Udp,
                ..
            }) => Framing::Datagram,
            Source::Upstream(_) => Framing::Stream,
            Source::Flow(_) => Framing::Exact,
        };
        match Message::read(bytes, framing) {
            Ok(message) => self.valid(from, message, now),
            Err((Error::KeepAlive, bytes)) => self.keep_alive(from, &bytes),
            Err((error, bytes)) => self.unparsable(from, &bytes, error),
        }
    }

    fn known(&self, from: Source) -> Result<(), Drop> {
        match from {
            Source::Flow(flow) if self.flows.get(flow).is_none() => Err(Drop::UnknownFlow),
            Source::Upstream(source) if !self.is_upstream(source) => Err(Drop::NotUpstream),
            _ => Ok(()),
        }
    }

    /// Neither transport nor port is looked at: a server behind NAT, or one that answers from another socket, is still the
    /// same server.
    pub(super) fn is_upstream(&self, source: Hop) -> bool {
        let ip = source.address.ip().to_canonical();
        let mut others = self.config.upstream_sources.iter();
        self.upstreams.has(ip) || others.any(|known| known.to_canonical() == ip)
    }

    fn valid(&mut self, from: Source, message: Message, now: Instant) {
        self.counted.message(from, &message);
        match (sip::validate(&message), message.is_request()) {
            (Ok(()), true) => self.request(from, message, now),
            (Ok(()), false) => self.response(from, message, now),
            (Err(_), false) => self.drop_message(from, Drop::Unparsable),
            (Err(refusal), true) => {
                let tag = self.tag_for(&message);
                // Where it came from is known, whatever its Via says.
                let owed = !message.is(&sip::Method::Ack);
                match owed.then(|| refusal.response(&message, &tag)) {
                    Some(Ok(response)) => self.refuse_unserved(from, response),
                    _ => self.drop_message(from, Drop::Unanswerable),
                }
            }
        }
    }

    fn keep_alive(&mut self, from: Source, bytes: &[u8]) {
        match from {
            Source::Flow(flow) if bytes == PING => {
                self.commands.push_back(Command::SendFlow {
                    flow,
                    bytes: PONG.to_vec(),
                });
            }
            _ => self.drop_message(from, Drop::KeepAlive),
        }
    }

    fn unparsable(&mut self, from: Source, bytes: &[u8], error: Error) {
        let tag = self.names.tag("", "unparsable");
        match sip::refusal_to_unparsable(bytes, error, &tag) {
            Some(response) => self.refuse_unserved(from, response),
            None => self.drop_message(from, Drop::Unparsable),
        }
        if let Source::Flow(flow) = from {
            self.offended(flow);
        }
    }

    fn offended(&mut self, flow: FlowId) {
        let Some(state) = self.flows.get_mut(flow) else {
            return;
        };
        state.offences = state.offences.saturating_add(1);
        if state.offences == MAX_OFFENCES {
            self.hear_no_more(flow, "too many messages that are not SIP");
        }
    }
}
