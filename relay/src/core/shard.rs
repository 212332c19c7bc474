//! One shard: it owns calls and legs outright and is driven by one thread.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use control_proto::{Command, Request, Response};
use dtls::Identity;

use super::call::Call;
use super::deadline::after;
use super::leg::{Component, Leg, Tools};
use super::ports::PortPool;
use super::recording::Recording;
use super::refused::Refused;
use super::table::{Key, Table};
use super::timers::Timers;
use super::{
    Config, Drop, Event, EventKind, HandshakeId, Handshakes, Output, Ports, Random, SocketId,
    Statistics,
};

/// The relay core of one thread. See the [module](super) for how it is driven.
pub struct Shard {
    pub(super) config: Config,
    /// One certificate for every call of the process: browsers know a leg again by it.
    identity: Identity,
    pub(super) random: Random,
    pub(super) pool: PortPool,
    pub(super) calls: Table<Call>,
    pub(super) by_id: HashMap<String, Key<Call>>,
    pub(super) legs: Table<Leg>,
    /// By socket: what a datagram that comes in belongs to.
    places: Vec<Option<Place>>,
    /// What bodies are marked with that must not pass here twice.
    pub(super) mark: sdp::Attribute,
    /// Trickled candidates that came before their body.
    pub(super) fragments: VecDeque<super::trickle::Waiting>,
    timers: Timers<Timer>,
    /// The DTLS endpoints, unless they were given away.
    pub(super) handshakes: Option<Handshakes>,
    /// Which port's they are.
    pub(super) handshaking: HashMap<HandshakeId, Place>,
    last_handshake: u64,
    pub(super) outputs: VecDeque<Output>,
    /// The ports that many legs share.
    pub(super) shared: super::shared::Shared,
    /// Datagrams for sockets that are closed.
    pub(super) strays: u64,
    /// See [`set_overloaded`](Self::set_overloaded).
    pub(super) overloaded: bool,
    /// What was counted of calls and legs that are gone.
    pub(super) past: Statistics,
}

/// The port of a leg that a socket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) leg: Key<Leg>,
    pub(super) component: Component,
}

impl Place {
    /// On a port that many share: there RTCP is multiplexed.
    pub(super) fn of(leg: Key<Leg>) -> Self {
        Self {
            leg,
            component: Component::Rtp,
        }
    }
}

/// What has a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    Call(Key<Call>),
    Leg(Key<Leg>),
}

impl Shard {
    /// An empty shard. All shards of a process share one `identity`.
    #[must_use]
    pub fn new(config: Config, identity: Identity, mut random: Random) -> Self {
        let shared = super::shared::Shared::new(config.among);
        let pool = PortPool::new(config.ports.clone(), config.quarantine);
        let mark = super::exchange::mark(&mut random);
        let handshakes = Some(Handshakes::new(identity.clone()));
        Self {
            config,
            identity,
            random,
            pool,
            calls: Table::new(),
            by_id: HashMap::new(),
            legs: Table::new(),
            places: Vec::new(),
            mark,
            fragments: VecDeque::new(),
            timers: Timers::new(),
            handshakes,
            handshaking: HashMap::new(),
            last_handshake: 0,
            outputs: VecDeque::new(),
            shared,
            strays: 0,
            overloaded: false,
            past: Statistics::default(),
        }
    }

    /// Executes one ng command and gives the reply it is owed. Commands repeated by a client must be caught before
    /// (by [`control_proto::Replay`]); an `offer` repeated under a new cookie gives the same SDP again.
    pub fn command(&mut self, request: &Request, now: Instant, ports: &mut dyn Ports) -> Response {
        self.pool.timeout(now);
        let done = match request.command {
            Command::Ping => Ok(Response::pong()),
            Command::Offer => self.offer(request, now, ports),
            Command::Answer => self.answer(request, now, ports),
            Command::Delete => self.delete(request, now, ports),
            Command::Query => self.query(request, now),
            Command::BlockMedia
            | Command::UnblockMedia
            | Command::BlockDtmf
            | Command::UnblockDtmf
            | Command::SilenceMedia
            | Command::UnsilenceMedia => self.order(request),
            Command::PlayDtmf => self.play_dtmf(request, now),
            Command::RequestPicture => self.request_picture(request, now),
            Command::Publish => self.publish(request, now, ports),
            Command::SubscribeRequest => self.subscribe_request(request, now, ports),
            Command::SubscribeAnswer => self.subscribe_answer(request, now),
            Command::Unsubscribe => self.unsubscribe(request, now, ports),
            Command::StartRecording | Command::PauseRecording | Command::StopRecording => {
                self.recording(request, now)
            }
            other => Err(Refused::Unsupported(other.name())),
        };
        let opens_ports = matches!(
            request.command,
            Command::Offer
                | Command::Answer
                | Command::Publish
                | Command::SubscribeRequest
                | Command::SubscribeAnswer
        );
        let call = request.call_id.as_ref().and_then(|id| self.by_id.get(id));
        if let Some(key) = call.copied().filter(|_| opens_ports) {
            if let Some(call) = self.calls.get_mut(key) {
                call.take_tos(request);
            }
            self.tend_ports(key, now, ports);
        }
        match (done, request.command) {
            (Ok(reply), Command::Offer | Command::Answer) => self.take_wishes(request, reply, now),
            (Ok(reply), _) => reply,
            (Err(refused), _) => {
                self.past.command_refused(&refused);
                refusal(refused, request)
            }
        }
    }

    /// The next datagram or event, until there is none.
    pub fn poll(&mut self) -> Option<Output> {
        // What others must know of comes before what makes a peer send.
        let claim = self.shared.news().map(Output::Claim);
        claim.or_else(|| self.outputs.pop_front())
    }

    /// When [`timeout`](Self::timeout) wants to be called next.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.timers
            .deadline()
            .into_iter()
            .chain(self.pool.deadline())
            .chain(self.handshakes.as_ref().and_then(Handshakes::deadline))
            .min()
    }

    /// Does what is due at `now`: ICE and DTLS timers, the freeing of unanswered, silent and deleted calls, the end of
    /// port quarantines.
    pub fn timeout(&mut self, now: Instant, ports: &mut dyn Ports) {
        self.pool.timeout(now);
        if let Some(handshakes) = &mut self.handshakes {
            handshakes.timeout(now);
            self.hear_handshakes(now);
        }
        let mut due = Vec::new();
        while let Some(timer) = self.timers.take_due(now) {
            due.push(timer);
        }
        for timer in due {
            match timer {
                Timer::Call(call) => self.call_is_due(call, now, ports),
                Timer::Leg(leg) => self.leg_is_due(leg, now),
            }
        }
    }

    /// Whether this shard's thread has no time for more calls: it then takes none, and goes on with those that it has.
    pub fn set_overloaded(&mut self, overloaded: bool) {
        self.overloaded = overloaded;
    }

    /// How many calls this shard holds.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// How many datagrams came for sockets that were closed, or never opened.
    #[must_use]
    pub fn strays(&self) -> u64 {
        self.strays
    }

    pub(super) fn place(&self, socket: SocketId) -> Option<Place> {
        self.places.get(socket.0 as usize).copied().flatten()
    }

    pub(super) fn set_place(&mut self, socket: SocketId, place: Option<Place>) {
        let index = socket.0 as usize;
        if index >= self.places.len() {
            self.places.resize(index.saturating_add(1), None);
        }
        if let Some(slot) = self.places.get_mut(index) {
            *slot = place;
        }
    }

    pub(super) fn count_drop(&mut self, place: Place, reason: Drop) {
        let transport = self
            .legs
            .get_mut(place.leg)
            .and_then(|leg| leg.transport_mut(place.component));
        if let Some(transport) = transport {
            transport.received.drop(reason);
        }
    }

    /// A leg together with what it needs to negotiate.
    pub(super) fn leg_and_tools(
        &mut self,
        leg: Key<Leg>,
        now: Instant,
    ) -> Option<(&mut Leg, Tools<'_>)> {
        let tools = Tools {
            identity: &self.identity,
            random: &mut self.random,
            ice: self.config.ice,
            among: self.config.among,
            handshake: &mut self.last_handshake,
            now,
        };
        Some((self.legs.get_mut(leg)?, tools))
    }

    /// Sets the deadlines of a call and its legs after something has changed.
    pub(super) fn arm_call(&mut self, key: Key<Call>) {
        let Some(call) = self.calls.get(key) else {
            return;
        };
        let (deadline, _) = self.call_deadline(call);
        let legs: Vec<Key<Leg>> = call
            .parties
            .iter()
            .flat_map(|party| party.legs.iter().copied())
            .collect();
        self.timers.arm(Timer::Call(key), Some(deadline));
        self.set_gates(key);
        self.set_taps(key);
        legs.into_iter().for_each(|leg| self.arm_leg(leg));
    }

    pub(super) fn arm_leg(&mut self, leg: Key<Leg>) {
        let deadline = self.legs.get(leg).and_then(Leg::deadline);
        self.timers.arm(Timer::Leg(leg), deadline);
    }

    /// Frees a call with all its legs and ports.
    pub(super) fn free_call(
        &mut self,
        key: Key<Call>,
        why: EventKind,
        now: Instant,
        ports: &mut dyn Ports,
    ) {
        let Some(call) = self.calls.remove(key) else {
            return;
        };
        self.timers.arm(Timer::Call(key), None);
        self.by_id.remove(&call.id);
        if call.answered.is_some()
            && let Some(fault) = self.diagnosis_of(&call)
        {
            self.outputs.push_back(Output::Event(Event {
                call_id: call.id.clone(),
                kind: EventKind::Soundless(fault),
            }));
        }
        self.past.call_ended(&call, &why, &self.legs, now);
        self.outputs.extend(call.recording.map(Recording::end));
        let legs = call.parties.into_iter().flat_map(|party| party.legs);
        for leg in legs.chain(call.sinks) {
            self.free_leg(leg, now, ports);
        }
        self.outputs.push_back(Output::Event(Event {
            call_id: call.id,
            kind: why,
        }));
        if self.calls.is_sparse() {
            self.calls.shrink();
            self.legs.shrink();
            self.by_id.shrink_to_fit();
            self.timers.shrink();
        }
    }

    pub(super) fn free_leg(&mut self, key: Key<Leg>, now: Instant, ports: &mut dyn Ports) {
        self.close_ports(key, now, ports);
        self.timers.arm(Timer::Leg(key), None);
        self.legs.remove(key);
    }

    fn call_is_due(&mut self, key: Key<Call>, now: Instant, ports: &mut dyn Ports) {
        let Some(call) = self.calls.get(key) else {
            return;
        };
        let (deadline, why) = self.call_deadline(call);
        if deadline > now {
            return self.timers.arm(Timer::Call(key), Some(deadline));
        }
        self.free_call(key, why, now, ports);
    }

    /// When the call is to be freed if nothing happens until then, and why.
    fn call_deadline(&self, call: &Call) -> (Instant, EventKind) {
        let silence = self.silence_deadline(call);
        let age = self.config.final_timeout;
        match age.and_then(|age| call.created.checked_add(age)) {
            Some(too_old) if too_old < silence.0 => (too_old, EventKind::TooLong),
            _ => silence,
        }
    }

    /// The same, however long it lasts.
    fn silence_deadline(&self, call: &Call) -> (Instant, EventKind) {
        if let Some(ends) = call.ends {
            return (ends, EventKind::Deleted);
        }
        if call.answered.is_none() {
            let gives_up = after(call.last_signal, self.config.answer_timeout);
            return (gives_up, EventKind::Unanswered);
        }
        let legs = || {
            call.parties
                .iter()
                .flat_map(|party| &party.legs)
                .filter_map(|leg| self.legs.get(*leg))
        };
        let heard = legs()
            .filter_map(Leg::last_heard)
            .max()
            .unwrap_or(call.last_signal);
        let flows = legs().any(|leg| {
            // Where ICE is the two sides' own, they may have found a way without us.
            let comes_here = leg.rtp.is_some() && leg.passing.is_none();
            comes_here && !leg.terms.held && leg.terms.direction == sdp::Direction::SendRecv
        });
        let (patience, why) = if flows {
            (self.config.silence_timeout, EventKind::Silent)
        } else {
            (self.config.hold_timeout, EventKind::SilentOnHold)
        };
        (after(heard.max(call.last_signal), patience), why)
    }

    fn leg_is_due(&mut self, key: Key<Leg>, now: Instant) {
        let Some(leg) = self.legs.get_mut(key) else {
            return;
        };
        for (_, transport) in leg.transports_mut() {
            if let Some(agent) = &mut transport.agent {
                agent.timeout(now);
            }
            if let Some(witness) = &mut transport.witness {
                witness.timeout(now);
            }
        }
        self.drain(key, now);
        self.report(key, now);
        self.play_on(key, now);
    }
}

/// The reply to a refused command. A full relay says so in the way the asker understands, so that it tries another.
fn refusal(refused: Refused, request: &Request) -> Response {
    let knows_load_limit = request.supports.iter().any(|word| word == "load limit");
    match refused {
        Refused::TooManyCalls | Refused::Overloaded if knows_load_limit => {
            Response::load_limit(refused.to_string())
        }
        // The one reason of the kind that those who do not know the load limit read as "try the next".
        Refused::Overloaded => Response::error(Refused::TooManyCalls.to_string()),
        Refused::NotFound if !request.flags.has(control_proto::flag::FATAL) => {
            Response::ok().with_warning(refused.to_string())
        }
        _ => Response::error(refused.to_string()),
    }
}
