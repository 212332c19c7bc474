//! Step 4 of the walk: the server transaction. Retransmissions end here; a new request goes on.

use std::sync::Arc;
use std::time::Instant;

use sip::transaction::{Server, ServerEvent, ServerKey, Transport};
use sip::{Message, Method};

use super::Core;
use super::event::Drop;
use super::face::Source;
use super::guesses::Guesser;
use super::names::Side;
use super::refusal::Answer;
use super::route::{Route, Unroutable};
use super::token::Token;
use super::transactions::{ContextId, Payer};
use super::{guard, hop, local, loops, reliable};

impl Core {
    /// Takes a valid request.
    pub(super) fn request(&mut self, from: Source, mut request: Message, now: Instant) {
        if let Source::Flow(_) = from
            && self.meant(&mut request, now).is_err()
        {
            return self.drop_message(from, Drop::OverLimit);
        }
        let (Some(method), Some(key)) = (request.method().cloned(), server_key(from, &request))
        else {
            return self.drop_message(from, Drop::Unanswerable);
        };
        let known = self.transactions.by_request(&key);
        match (method, known) {
            (Method::Ack, Some(id)) => self.ack_to_transaction(id, from, request, now),
            (Method::Ack, None) => self.ack_to_success(from, request, now),
            (_, Some(id)) => self.serve(id, ServerEvent::Retransmitted, now),
            (Method::Cancel, None) => self.cancel(from, &key, &request, now),
            (method, None) => self.begin(from, key, request, method, now),
        }
    }

    fn begin(
        &mut self,
        from: Source,
        key: ServerKey,
        request: Message,
        method: Method,
        now: Instant,
    ) {
        let (guesser, payers) = match self.begins(from, &request, &method, now) {
            Ok(begins) => begins,
            Err(answer) => return self.answer_stateless(from, &request, &answer),
        };
        if let Source::Flow(flow) = from
            && let Some(flow) = self.flows.get_mut(flow)
        {
            reliable::learn(flow, &request);
        }
        let source = answer_to(from, &request);
        let invite = method == Method::Invite;
        if invite && request.to_tag().is_none() {
            self.counted.begun();
        }
        let server = Server::new(invite, transport(from), self.config.timers);
        let id =
            self.transactions
                .open(source, key, Arc::new(request.clone()), method, server, now);
        self.pending(from, 1);
        self.transactions.charge(id, payers);
        if let Some(context) = self.transactions.get_mut(id) {
            context.guesser = guesser;
        }
        if invite {
            self.answer(id, &Answer::new(100, "Trying"), now);
        }
        if let Err(answer) = self.walk(id, from, request, now) {
            self.answer(id, &answer, now);
        }
    }

    /// Whether a request may begin, whose password it tries, and who is charged for it as long as it rings.
    fn begins(
        &mut self,
        from: Source,
        request: &Message,
        method: &Method,
        now: Instant,
    ) -> Result<(Option<Guesser>, Vec<Payer>), Answer> {
        if let Source::Flow(flow) = from
            && let Some(flow) = self.flows.get_mut(flow)
        {
            flow.has_spoken = true;
        }
        self.may(from, request, method)?;
        self.stays(from, request, method)?;
        self.room_for(from)?;
        let guesser = self.may_guess(from, request, now)?;
        self.has_signed_in(from, request, now)?;
        Ok((guesser, self.may_ring(from, request, now)?))
    }

    /// Bounds on what one flow, and all peers together, may have under way.
    fn room_for(&self, from: Source) -> Result<(), Answer> {
        let limits = &self.config.limits;
        if let Source::Flow(flow) = from {
            let pending = self.flows.get(flow).map_or(0, |flow| flow.pending);
            if pending >= limits.pending_per_flow {
                return Err(Answer::busy("Too Many Requests At Once"));
            }
        }
        if self.transactions.len() >= limits.transactions {
            return Err(Answer::busy("The Edge Is Full"));
        }
        Ok(())
    }

    /// Steps 5 to 10, one line each.
    fn walk(
        &mut self,
        id: ContextId,
        from: Source,
        mut request: Message,
        now: Instant,
    ) -> Result<(), Answer> {
        guard::check(&request, side(from), &self.config.advertised)?;
        if let Some(answer) = local::answer(&request, side(from), &self.config) {
            self.answer(id, &answer, now);
            return Ok(());
        }
        loops::check(&self.names, &request, side(from))?;
        if let Some(answer) = self.at_home(from, &mut request, now)? {
            self.answer(id, &answer, now);
            return Ok(());
        }
        self.deliver(id, from, request, now)
    }

    /// Brings a request to where its tokens say, or up.
    pub(super) fn deliver_by_route(
        &mut self,
        id: ContextId,
        from: Source,
        mut request: Message,
        now: Instant,
    ) -> Result<(), Answer> {
        let preloaded = side(from) == Side::Browser && request.to_tag().is_none();
        let forged = preloaded && self.bears_forged(from, &request);
        let route = match self.route(&mut request, from, now) {
            Ok(route) => route,
            Err(Unroutable {
                client: Some(client),
                media: None,
                ..
            }) => return self.wait_for(id, vec![client], now),
            Err(unroutable) => {
                if !forged {
                    self.bears_forged(from, &request);
                }
                return self.meanwhile(id, request, unroutable, now);
            }
        };
        self.send_on(id, route, request, now)
    }

    /// Counts a token that is not ours.
    fn bears_forged(&mut self, from: Source, request: &Message) -> bool {
        let forged = Token::is_forged(request, &self.names);
        if forged {
            self.drop_message(from, Drop::ForgedToken);
        }
        forged
    }

    /// Steps 7 to 10.
    pub(super) fn send_on(
        &mut self,
        id: ContextId,
        route: Route,
        request: Message,
        now: Instant,
    ) -> Result<(), Answer> {
        self.once_for_each(id, &request, route.to)?;
        self.room_for_call(&request)?;
        self.remember(id, &route, &request);
        self.heard(&route, &request);
        if let Some(ask) = self.media_of_info(id, &request, route.media, now) {
            return self.hold(id, ask, request);
        }
        if let Some(answer) = self.refreshes_dialog(id, &route, &request) {
            self.answer(id, &answer, now);
            return Ok(());
        }
        let request = match self.media_of_request(id, &request, &route, now)? {
            Some(ask) => return self.hold(id, ask, request),
            None => request,
        };
        self.forward(id, request, now)
    }

    fn remember(&mut self, id: ContextId, route: &Route, request: &Message) {
        let registration = match request.is(&Method::Register) {
            true => self.asked_for(id, request),
            false => None,
        };
        if let Some(context) = self.transactions.get_mut(id) {
            context.route = Some(route.clone());
            context.registration = registration.map(Arc::new);
        }
    }
}

/// The side a message comes from.
pub(super) fn side(from: Source) -> Side {
    match from {
        Source::Flow(_) => Side::Browser,
        Source::Upstream(_) => Side::Phone,
    }
}

/// What the hop to or from there does with messages.
pub(super) fn transport(place: Source) -> Transport {
    match place {
        Source::Flow(_) => Transport::Reliable,
        Source::Upstream(hop) => hop.transport.for_transactions(),
    }
}

/// Where the responses go (RFC 3261 section 18.2.2, RFC 3581): back through the flow or the connection; of a datagram to
/// the source address with the port that Via names, or with the source port if the sender asks for that.
pub(super) fn answer_to(from: Source, request: &Message) -> Source {
    let Source::Upstream(mut source) = from else {
        return from;
    };
    let Some(via) = request.top_via() else {
        return from;
    };
    if source.transport == hop::Transport::Udp && !via.wants_rport() {
        source
            .address
            .set_port(via.port().unwrap_or(source.transport.default_port()));
    }
    Source::Upstream(source)
}

/// RFC 3261 section 17.2.3. A branch without the magic cookie is an old client's, unique in no way: the rest of what
/// makes its transaction stands in for it.
fn server_key(from: Source, request: &Message) -> Option<ServerKey> {
    let via = request.top_via()?;
    let flow = match from {
        Source::Flow(flow) => Some(flow.0),
        Source::Upstream(_) => None,
    };
    let method = request.method()?.as_str();
    let key = |branch| ServerKey::new(branch, via.host(), via.port(), method, flow);
    let is_unique = |branch: &&str| {
        let start = branch.get(..7);
        start.is_some_and(|start| start.eq_ignore_ascii_case("z9hG4bK"))
    };
    if let Some(branch) = via.branch().filter(is_unique) {
        return Some(key(branch));
    }
    let (call, tag) = (request.call_id()?, request.from_tag().unwrap_or_default());
    let number = request.cseq()?.number;
    let rest = via.branch().unwrap_or_default();
    Some(key(&format!("{call} {tag} {number} {rest}")))
}
