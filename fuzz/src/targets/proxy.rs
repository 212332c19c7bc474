//! The SIP edge among browsers and an upstream that say what they like: what it sends goes to the upstream or to a flow
//! and is a SIP message, no deadline stands still, and in the end nothing is left to be done.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use control_proto::{Command as Ng, Response};
use proxy::core::{
    AskId, Callers, Command, Config, Core, FlowId, Hop, Input, Relay, RelayFailure, Secrets,
    Source, Target,
};
use sip::{Framing, Message};

use crate::Reached;
use crate::pieces::steps;
use crate::world::{at, start};

const UPSTREAM: &str = "192.0.2.5:5060";
/// Another address of it.
const OTHER: &str = "192.0.2.5:5070";
const BODY: &str = "v=0\r\no=- 1 1 IN IP4 203.0.113.1\r\ns=relay\r\nt=0 0\r\nm=audio 30000 RTP/AVP 0\r\n\
    c=IN IP4 203.0.113.1\r\n";

struct Scene {
    core: Core,
    now: Instant,
    /// Every flow that ever was; the shell forgets what is sent to one that has closed.
    flows: HashSet<FlowId>,
    asked: Vec<AskId>,
    relay_lives: bool,
    sent: usize,
}

pub(super) fn run(input: &[u8]) -> Reached {
    let mut config = Config::new("example.com", vec![Hop::udp(at("192.0.2.1:5060"))]);
    // What is to be found lies behind these doors.
    config.policy.callers = Callers::Anyone;
    config.limits.messages_per_flow = u32::MAX;
    config.limits.messages_per_address = u32::MAX;
    let secrets = Secrets {
        token_key: [1; 32],
        seed: [2; 32],
    };
    let mut scene = Scene {
        core: Core::new(config, &secrets),
        now: start(),
        flows: HashSet::new(),
        asked: Vec::new(),
        relay_lives: true,
        sent: 0,
    };
    let upstreams = [UPSTREAM, OTHER].map(|address| Target::new(Hop::udp(at(address))));
    scene.input(Input::Upstreams(upstreams.to_vec()));
    scene.input(Input::Relays(vec![Relay::new(at("192.0.2.7:2223"))]));
    (0..2).for_each(|flow| scene.open(FlowId(flow)));
    steps(input).for_each(|(what, with)| scene.step(what, with));
    scene.pass(Duration::from_secs(600));
    // Of two addresses each is asked for ever whether it lives, and so is one that is silent.
    scene.input(Input::Upstreams(Vec::new()));
    // And so is a relay, until it has left the list and is dead.
    scene.relay_lives = false;
    scene.input(Input::Relays(Vec::new()));
    scene.pass(Duration::from_secs(3600));
    assert_eq!(scene.core.deadline(), None, "nothing is left to be done");
    Reached::taken(scene.sent > 0)
}

impl Scene {
    fn step(&mut self, what: u8, with: &[u8]) {
        let flow = FlowId(u64::from(what >> 3));
        let from_upstream = Source::Upstream(Hop::udp(at(UPSTREAM)));
        match what & 7 {
            0 | 1 => self.message(Source::Flow(FlowId(u64::from(what & 1))), with),
            2 => self.message(from_upstream, with),
            3 => self.message(Source::Upstream(Hop::udp(at("192.0.2.66:5060"))), with),
            4 => self.relay_answers(with),
            5 if !self.flows.contains(&flow) => self.open(flow),
            6 => self.input(Input::FlowClosed { flow }),
            _ => self.pass(Duration::from_millis(u64::from(what >> 3) * 250)),
        }
    }

    fn open(&mut self, flow: FlowId) {
        self.flows.insert(flow);
        let peer: SocketAddr = at("198.51.100.9:50000");
        let host = "edge.example.com".to_owned();
        self.input(Input::FlowOpened {
            flow,
            peer,
            secure: true,
            host,
        });
    }

    fn message(&mut self, from: Source, bytes: &[u8]) {
        let bytes = bytes.to_vec();
        self.input(Input::Message { from, bytes });
    }

    /// The oldest question is answered: well, with a refusal, or not at all.
    fn relay_answers(&mut self, with: &[u8]) {
        if self.asked.is_empty() {
            return;
        }
        let id = self.asked.remove(0);
        let reply = match with.first() {
            None => Ok(Response::ok().with_sdp(BODY)),
            Some(0) => Err(RelayFailure::Silent),
            Some(1) => Ok(Response::error("Unknown call-id")),
            Some(_) => Ok(Response::ok().with_sdp(with)),
        };
        self.input(Input::Relayed { id, reply });
    }

    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        let mut stood = 0;
        while let Some(due) = self.core.deadline().filter(|due| *due <= end) {
            stood = if due <= self.now { stood + 1 } else { 0 };
            assert!(stood < 100, "a deadline that is never over");
            self.now = self.now.max(due);
            self.input(Input::Timer);
        }
        self.now = end;
    }

    fn input(&mut self, input: Input) {
        self.core.receive(input, self.now);
        while let Some(command) = self.core.poll() {
            match command {
                Command::SendFlow { flow, bytes } => {
                    assert!(self.flows.contains(&flow), "{flow:?} never was");
                    self.sends(bytes);
                }
                Command::Send { to, bytes } => {
                    assert_eq!(
                        to.address.ip(),
                        at(UPSTREAM).ip(),
                        "the next hop never comes from a message"
                    );
                    self.sends(bytes);
                }
                Command::AskRelay { id, request, .. } if request.command == Ng::Ping => {
                    if self.relay_lives {
                        let reply = Ok(Response::pong());
                        self.core.receive(Input::Relayed { id, reply }, self.now);
                    }
                }
                Command::AskRelay { id, .. } => self.asked.push(id),
                Command::Connect { .. }
                | Command::CloseFlow { .. }
                | Command::FetchKeys
                | Command::Report(_) => {}
            }
        }
    }

    fn sends(&mut self, bytes: Vec<u8>) {
        self.sent += 1;
        assert!(
            Message::parse_framed(bytes, Framing::Exact).is_ok(),
            "what it sends is SIP"
        );
    }
}
