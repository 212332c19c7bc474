//! Both kinds of ICE agent among strangers and a peer that means harm: who does not know the password is not
//! answered and not noticed, and who does is answered where it asked from, with no more than it sent.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ice::{Agent, Candidate, Config, Local, Output, Verdict};

use crate::pieces::steps;
use crate::world::{at, credentials, start};
use crate::{Reached, sign};

const STRANGER: &str = "192.0.2.66:6666";
const BOUND: &str = "203.0.113.1:30000";
/// Sends in one step: an answer, and checks of a full agent that time has made due.
const MAX_SENDS: usize = 64;

struct Scene {
    agent: Agent,
    now: Instant,
    /// Where the agent may send to: who proved itself, and who was named.
    known: HashSet<SocketAddr>,
    /// What the agent asked last.
    asked: [u8; 12],
    taken: bool,
}

/// Both agents go through the same steps.
pub(super) fn run(input: &[u8]) -> Reached {
    let lite = Scene::play(Config::lite(credentials(2)), input);
    let full = Scene::play(Config::full(credentials(2), false, 3), input);
    Reached::taken(lite || full)
}

impl Scene {
    fn play(config: Config, input: &[u8]) -> bool {
        let mut agent = Agent::new(config);
        agent.add_local(Local::host(at(BOUND))).unwrap();
        agent.set_remote(credentials(1), start());
        let mut scene = Self {
            agent,
            now: start(),
            known: HashSet::new(),
            asked: [0; 12],
            taken: false,
        };
        steps(input).for_each(|(what, with)| scene.step(what, with));
        scene.taken
    }

    fn step(&mut self, what: u8, with: &[u8]) {
        let peer = SocketAddr::from(([198, 51, 100, what >> 4], 4000));
        let (ours, theirs) = (credentials(2), credentials(1));
        let check = || {
            let mut attributes = sign::check(ours.ufrag(), theirs.ufrag());
            attributes.extend(with);
            attributes
        };
        match what % 8 {
            0 => self.stranger(with),
            1 => self.stranger(&sign::message(
                sign::BINDING_REQUEST,
                [1; 12],
                &check(),
                theirs.pwd(),
            )),
            2 => self.stranger(&sign::message(
                sign::BINDING_SUCCESS,
                self.asked,
                with,
                ours.pwd(),
            )),
            3 => self.peer(
                peer,
                &sign::message(sign::BINDING_REQUEST, [2; 12], &check(), ours.pwd()),
            ),
            4 => self.peer(
                peer,
                &sign::message(sign::BINDING_REQUEST, [3; 12], with, ours.pwd()),
            ),
            5 => self.peer(
                peer,
                &sign::message(sign::BINDING_SUCCESS, self.asked, with, theirs.pwd()),
            ),
            6 => self.named(with),
            _ => self.pass(Duration::from_millis(
                10 * with.iter().map(|b| u64::from(*b)).sum::<u64>(),
            )),
        }
    }

    fn stranger(&mut self, bytes: &[u8]) {
        let (before, candidates) = (self.agent.selected(), self.agent.candidates().len());
        let verdict = self.agent.receive(at(BOUND), at(STRANGER), bytes, self.now);
        assert!(matches!(verdict, Verdict::Dropped(_)), "{verdict:?}");
        assert!(!self.agent.validated(at(STRANGER)));
        assert_eq!(self.agent.poll(), None, "in silence");
        assert_eq!(
            (self.agent.selected(), self.agent.candidates().len()),
            (before, candidates)
        );
    }

    fn peer(&mut self, from: SocketAddr, bytes: &[u8]) {
        let verdict = self.agent.receive(at(BOUND), from, bytes, self.now);
        if verdict == Verdict::Accepted {
            self.taken = true;
            self.known.insert(from);
        }
        self.drain();
    }

    /// A line of the peer's SDP; whom it names may be checked, as ICE has it.
    fn named(&mut self, line: &[u8]) {
        let Some(candidate) = str::from_utf8(line)
            .ok()
            .and_then(|line| Candidate::parse(line).ok())
        else {
            return;
        };
        let again = Candidate::parse(&candidate.to_string()).unwrap();
        assert_eq!(again.to_string(), candidate.to_string());
        if candidate.address != at(STRANGER) && self.agent.add_remote(&candidate, self.now).is_ok()
        {
            self.known.insert(candidate.address);
        }
        self.drain();
    }

    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        for _ in 0..MAX_SENDS {
            let Some(due) = self.agent.deadline().filter(|due| *due <= end) else {
                break;
            };
            self.now = self.now.max(due);
            self.agent.timeout(self.now);
            self.drain();
        }
        self.now = end;
        self.agent.timeout(end);
        self.drain();
    }

    fn drain(&mut self) {
        let mut sends = 0;
        while let Some(output) = self.agent.poll() {
            match output {
                Output::Send { from, to, bytes } => {
                    sends += 1;
                    assert_eq!(from, at(BOUND));
                    assert!(self.known.contains(&to), "{to} asked for nothing");
                    assert!(bytes.len() <= 256);
                    self.asked = bytes[8..20].try_into().unwrap();
                }
                Output::Validated(address) => assert!(self.known.contains(&address)),
                Output::Selected(pair) => assert!(self.known.contains(&pair.remote)),
                Output::Disconnected => {}
            }
        }
        assert!(sends <= MAX_SENDS, "{sends}");
        assert!(!self.agent.validated(at(STRANGER)));
    }
}
