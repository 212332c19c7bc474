//! The scripted world around a core: what it is given, and what it has said.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use control_proto::{Command as Ng, Request, Response};
use sip::Message;

use super::super::*;
pub(super) use super::established::*;
pub(super) use super::messages::*;

pub(super) const UPSTREAM: &str = "192.0.2.5:5060";
pub(super) const RELAY: &str = "192.0.2.7:2223";
pub(super) const EDGE: &str = "192.0.2.1:5060";
/// The core and everything that it has said and nobody has read yet.
pub(super) struct Bench {
    pub(super) core: Core,
    pub(super) now: Instant,
    /// Whether the relay answers by itself.
    pub(super) relay_answers: bool,
    to_flows: HashMap<FlowId, VecDeque<Vec<u8>>>,
    to_upstream: VecDeque<(Hop, Vec<u8>)>,
    /// The SIP server's addresses that answer when they are asked whether they live.
    pub(super) living: Vec<Hop>,
    /// Where such questions went.
    pub(super) questions: Vec<Hop>,
    listed: Vec<Hop>,
    /// Questions that the relay has not answered.
    pub(super) open_asks: VecDeque<(AskId, Request)>,
    /// Everything that the relay was ever asked.
    pub(super) asked: Vec<Request>,
    /// And which relay it was, where there are several.
    pub(super) asked_at: Vec<SocketAddr>,
    /// Relays that do not answer when they are asked whether they live.
    pub(super) dead_relays: Vec<SocketAddr>,
    /// What the others say then.
    pub(super) pong: Response,
    /// Which were asked that.
    pub(super) pings: Vec<SocketAddr>,
    pub(super) events: Vec<Event>,
    pub(super) closed: Vec<FlowId>,
    /// Where the upstream speaks from.
    pub(super) upstream: Hop,
    /// Where the last message to it went.
    pub(super) last_hop: Option<Hop>,
    /// Where connections were asked for.
    pub(super) connects: Vec<Hop>,
    /// How often the issuer's keys were.
    pub(super) fetches: usize,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    /// Browsers need not register first, and may say much at once: most tests are about something else.
    pub(super) fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::guarded(|config| {
            open_to_all(config);
            change(config);
        })
    }

    /// As an operator has it who changes nothing.
    pub(super) fn guarded(change: impl FnOnce(&mut Config)) -> Self {
        Self::started(2, change)
    }

    /// One whose process is not the same: it has the key of the others, and a seed of its own.
    pub(super) fn beside() -> Self {
        Self::started(3, open_to_all)
    }

    fn started(seed: u8, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new("example.com", vec![Hop::udp(address(EDGE))]);
        change(&mut config);
        let upstream = Hop::udp(address(UPSTREAM));
        let secrets = Secrets {
            token_key: [1; 32],
            seed: [seed; 32],
        };
        let mut bench = Self {
            core: Core::new(config, &secrets),
            now: Instant::now(),
            relay_answers: true,
            to_flows: HashMap::new(),
            to_upstream: VecDeque::new(),
            living: Vec::new(),
            questions: Vec::new(),
            listed: Vec::new(),
            open_asks: VecDeque::new(),
            asked: Vec::new(),
            asked_at: Vec::new(),
            dead_relays: Vec::new(),
            pong: Response::pong(),
            pings: Vec::new(),
            events: Vec::new(),
            closed: Vec::new(),
            upstream,
            last_hop: None,
            connects: Vec::new(),
            fetches: 0,
        };
        bench.upstreams(&[Target::new(upstream)]);
        bench.input(Input::Relays(vec![Relay::new(address(RELAY))]));
        bench.events.clear();
        bench
    }

    /// There is no relay, and so none to be asked every second in the weeks of a test.
    pub(super) fn forget_relays(&mut self) {
        self.dead_relays.push(address(RELAY));
        self.input(Input::Relays(Vec::new()));
        self.wait(Duration::from_secs(30));
        self.pings.clear();
    }

    /// These are the SIP server's addresses from now on; its requests come from the first.
    pub(super) fn upstreams(&mut self, list: &[Target]) {
        self.upstream = list.first().expect("an address").hop;
        self.listed.extend(list.iter().map(|target| target.hop));
        self.input(Input::Upstreams(list.to_vec()));
    }

    pub(super) fn input(&mut self, input: Input) {
        self.core.receive(input, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(command) = self.core.poll() {
            match command {
                Command::SendFlow { flow, bytes } => {
                    self.to_flows.entry(flow).or_default().push_back(bytes)
                }
                Command::Send { to, bytes } => {
                    let ip = to.address.ip();
                    assert!(
                        self.listed.iter().any(|hop| hop.address.ip() == ip),
                        "nothing may go anywhere but to the upstream"
                    );
                    self.sent_up(to, bytes);
                }
                Command::Connect { to } => self.connects.push(to),
                Command::AskRelay { id, relay, request } if request.command == Ng::Ping => {
                    self.pings.push(relay);
                    if !self.dead_relays.contains(&relay) {
                        let reply = Ok(self.pong.clone());
                        self.core.receive(Input::Relayed { id, reply }, self.now);
                    }
                }
                Command::AskRelay { id, relay, request } => {
                    self.asked_at.push(relay);
                    self.ask(id, *request);
                }
                Command::FetchKeys => self.fetches += 1,
                Command::CloseFlow { flow, .. } => self.closed.push(flow),
                Command::Report(event) => self.events.push(event),
            }
        }
    }

    fn sent_up(&mut self, to: Hop, bytes: Vec<u8>) {
        // A question of the edge's own, whether this address lives.
        let request = parsed(bytes.clone());
        if request.is(&sip::Method::Options)
            && request.vias().count() == 1
            && !request.has("Contact")
        {
            self.questions.push(to);
            if self.living.contains(&to) {
                let from = Source::Upstream(to);
                let bytes = reply(&request, 200, &[], "");
                self.core.receive(Input::Message { from, bytes }, self.now);
            }
            return;
        }
        self.last_hop = Some(to);
        self.to_upstream.push_back((to, bytes));
    }

    fn ask(&mut self, id: AskId, request: Request) {
        self.asked.push(request.clone());
        if self.relay_answers {
            let reply = self.reply_to(&request);
            self.core.receive(
                Input::Relayed {
                    id,
                    reply: Ok(reply),
                },
                self.now,
            );
        } else {
            self.open_asks.push_back((id, request));
        }
    }

    /// What a relay makes of a body: it can be told whose it was and for which call, and how often it was asked.
    pub(super) fn reply_to(&self, request: &Request) -> Response {
        let Some(sdp) = &request.sdp else {
            return Response::ok();
        };
        let name = String::from_utf8_lossy(sdp)
            .lines()
            .find_map(|line| line.strip_prefix("s=").map(str::to_owned));
        let count = self.asked.len();
        let call = request.call_id.clone().unwrap_or_default();
        let body = format!(
            "v=0\r\no=- {count} 1 IN IP4 198.51.100.1\r\ns={:?} of {} in {call}\r\nt=0 0\r\nm=audio 30000 RTP/AVP 0\r\na=mid:0\r\n",
            request.command,
            name.unwrap_or_default()
        );
        Response::ok().with_sdp(body)
    }

    /// Lets the relay answer the oldest open question.
    pub(super) fn relay_replies(&mut self) {
        let (id, request) = self.open_asks.pop_front().expect("an open question");
        let reply = Ok(self.reply_to(&request));
        self.input(Input::Relayed { id, reply });
    }

    /// Opens a WebSocket.
    pub(super) fn open(&mut self, number: u64) -> FlowId {
        self.open_from(number, "198.51.100.9:50000")
    }

    /// Opens a WebSocket from there.
    pub(super) fn open_from(&mut self, number: u64, peer: &str) -> FlowId {
        let flow = FlowId(number);
        let host = "edge.example.com:8443".to_owned();
        self.input(Input::FlowOpened {
            flow,
            peer: address(peer),
            secure: true,
            host,
        });
        flow
    }

    pub(super) fn close(&mut self, flow: FlowId) {
        self.input(Input::FlowClosed { flow });
    }

    pub(super) fn browser_sends(&mut self, flow: FlowId, message: impl Into<Vec<u8>>) {
        self.input(Input::Message {
            from: Source::Flow(flow),
            bytes: message.into(),
        });
    }

    pub(super) fn upstream_sends(&mut self, message: impl Into<Vec<u8>>) {
        self.input(Input::Message {
            from: Source::Upstream(self.upstream),
            bytes: message.into(),
        });
    }

    /// Turns the clock, stopping wherever the core wants it.
    pub(super) fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.core.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.input(Input::Timer);
        }
        self.now = end;
    }

    /// The next message to a browser.
    pub(super) fn browser_gets(&mut self, flow: FlowId) -> Message {
        let bytes = self.to_flows.get_mut(&flow).and_then(VecDeque::pop_front);
        parsed(bytes.unwrap_or_else(|| panic!("{flow:?} should get a message")))
    }

    /// The next message to the upstream.
    pub(super) fn upstream_gets(&mut self) -> Message {
        let (_, bytes) = self
            .to_upstream
            .pop_front()
            .expect("the upstream should get a message");
        parsed(bytes)
    }

    /// Nobody has got anything that no test has read.
    pub(super) fn silence(&self) {
        let show = |bytes: &Vec<u8>| {
            String::from_utf8_lossy(bytes)
                .lines()
                .next()
                .map(str::to_owned)
        };
        let flows: Vec<_> = self.to_flows.values().flatten().map(show).collect();
        let upstream: Vec<_> = self
            .to_upstream
            .iter()
            .map(|(_, bytes)| show(bytes))
            .collect();
        assert!(
            flows.is_empty() && upstream.is_empty(),
            "unread: {flows:?} {upstream:?}"
        );
    }

    pub(super) fn ignore_output(&mut self) {
        self.to_flows.clear();
        self.to_upstream.clear();
    }

    /// How often the relay was asked this.
    pub(super) fn count(&self, command: Ng) -> usize {
        self.asked
            .iter()
            .filter(|request| request.command == command)
            .count()
    }

    /// The calls that the relay holds: offered and not deleted.
    pub(super) fn calls_at_relay(&self) -> Vec<String> {
        let mut calls = Vec::new();
        for request in &self.asked {
            let call = request.call_id.clone().unwrap_or_default();
            calls.retain(|known| *known != call);
            if request.command != Ng::Delete {
                calls.push(call);
            }
        }
        calls
    }

    pub(super) fn dropped(&self, reason: Drop) -> usize {
        let is = |event: &&Event| matches!(event, Event::Dropped { reason: found, .. } if *found == reason);
        self.events.iter().filter(is).count()
    }

    /// After every timer has run, nothing of any call or request is left.
    pub(super) fn assert_drained(&mut self) {
        // Who is down is asked until it answers.
        self.living.extend_from_slice(&self.listed);
        self.wait(Duration::from_secs(3600));
        assert_eq!(self.core.transactions.len(), 0, "requests are left");
        assert!(self.core.transactions.is_empty(), "indexes are left");
        assert!(self.core.absent.is_empty(), "calls wait for somebody");
        assert!(self.core.bindings.is_empty() && self.core.upstairs.is_empty());
        assert_eq!(
            self.core.media.left(),
            "",
            "media sessions or questions are left"
        );
    }

    /// Nor of any call that stood.
    pub(super) fn assert_no_calls(&mut self) {
        self.assert_drained();
        assert!(self.core.calls.is_empty(), "calls are left");
    }

    /// The next message to a browser, whatever it is.
    pub(super) fn raw_to(&mut self, flow: FlowId) -> Vec<u8> {
        self.to_flows
            .get_mut(&flow)
            .and_then(VecDeque::pop_front)
            .expect("a message")
    }

    /// Everything that waits for the upstream.
    pub(super) fn upstream_has(&mut self) -> Vec<Message> {
        let sent = self.to_upstream.drain(..);
        sent.map(|(_, bytes)| parsed(bytes)).collect()
    }

    /// Everything that waits for a browser.
    pub(super) fn browser_has(&mut self, flow: FlowId) -> Vec<Message> {
        self.to_flows
            .remove(&flow)
            .into_iter()
            .flatten()
            .map(parsed)
            .collect()
    }

    /// The next message to the SIP server, and to which of its addresses.
    pub(super) fn next_up(&mut self) -> (Hop, Message) {
        let next = self.to_upstream.pop_front();
        let (to, bytes) = next.expect("the upstream should get a message");
        (to, parsed(bytes))
    }

    /// Everything that waits for this address of the SIP server.
    pub(super) fn take_up(&mut self, hop: Hop) -> Vec<Message> {
        let all = std::mem::take(&mut self.to_upstream);
        let (there, others) = all.into_iter().partition(|(to, _)| *to == hop);
        self.to_upstream = others;
        let there: VecDeque<_> = there;
        there.into_iter().map(|(_, bytes)| parsed(bytes)).collect()
    }

    /// Leaves one address, so that nobody is asked any more whether he lives.
    pub(super) fn stop_watching(&mut self) {
        let only = Target::new(self.upstream);
        self.upstreams(&[only]);
    }
}

/// Anybody may do anything, as often as he likes.
fn open_to_all(config: &mut Config) {
    config.policy.callers = Callers::Anyone;
    config.limits.messages_per_flow = u32::MAX;
    config.limits.messages_per_address = u32::MAX;
}

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn parsed(bytes: Vec<u8>) -> Message {
    let message = Message::parse_framed(bytes, sip::Framing::Exact).expect("what we send is SIP");
    // The answer to a bad request can only copy what was good in it.
    if message.status().is_none_or(|status| status < 300) {
        assert_eq!(sip::validate(&message), Ok(()), "{}", text(&message));
    }
    message
}
