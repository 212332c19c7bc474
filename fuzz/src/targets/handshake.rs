//! A handshake of two good peers while somebody on the path loses, repeats, bends and slips in datagrams: keys, if
//! any, are the same on both sides; and where nothing was bent, both get theirs.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use dtls::{Endpoint, Failure, Hash, Keys, Output, Role};

use crate::Reached;
use crate::pieces::steps;
use crate::world::{identities, start};

/// When two peers whom nobody disturbs any more have their keys at the latest: an active endpoint's longest pause,
/// some repetitions, and its patience of 40 s not used up.
const PATIENCE: Duration = Duration::from_secs(20);

struct Side {
    endpoint: Endpoint,
    /// What is on its way to it.
    coming: VecDeque<Vec<u8>>,
    keys: Option<Keys>,
    failed: Option<Failure>,
}

struct Path {
    sides: [Side; 2],
    now: Instant,
    is_bent: bool,
}

pub(super) fn run(input: &[u8]) -> Reached {
    let mut path = Path::new();
    for (what, with) in steps(input) {
        path.step(what, with);
        path.settle();
    }
    let end = path.now + PATIENCE;
    while path.now < end && !path.sides.iter().all(|side| side.keys.is_some()) {
        (0..2).for_each(|to| path.deliver(to));
        path.pass(Duration::from_millis(10));
    }
    path.is_as_it_should_be()
}

impl Path {
    fn new() -> Self {
        let side = |own: usize, role| Side {
            endpoint: Endpoint::new(
                &identities()[own],
                role,
                Some(vec![identities()[1 - own].fingerprint(Hash::Sha256)]),
                start(),
            ),
            coming: VecDeque::new(),
            keys: None,
            failed: None,
        };
        let mut path = Self {
            sides: [side(0, Role::Active), side(1, Role::Passive)],
            now: start(),
            is_bent: false,
        };
        path.sides[0].endpoint.start(path.now);
        path.settle();
        path
    }

    fn step(&mut self, what: u8, with: &[u8]) {
        let to = usize::from(what & 1);
        let coming = &mut self.sides[to].coming;
        match what >> 1 & 7 {
            0 => self.receive(to, with),
            1 | 2 => self.deliver(to),
            3 => drop(coming.pop_front()),
            4 => coming.extend(coming.front().cloned()),
            5 => coming.rotate_left(usize::from(coming.len() > 1)),
            6 => {
                if let (Some(datagram), Some(&at)) = (coming.front_mut(), with.first()) {
                    let at = usize::from(at) * datagram.len() / 256;
                    datagram[at] ^= with.get(1).copied().unwrap_or(1);
                    self.is_bent = true;
                }
            }
            _ => self.pass(Duration::from_millis(u64::from(what >> 4) * 20)),
        }
    }

    fn deliver(&mut self, to: usize) {
        if let Some(datagram) = self.sides[to].coming.pop_front() {
            self.receive(to, &datagram);
        }
    }

    fn receive(&mut self, to: usize, datagram: &[u8]) {
        let now = self.now;
        self.sides[to].endpoint.receive(datagram, now);
        self.settle();
    }

    fn pass(&mut self, span: Duration) {
        self.now += span;
        let now = self.now;
        self.sides
            .iter_mut()
            .for_each(|side| side.endpoint.timeout(now));
        self.settle();
    }

    fn settle(&mut self) {
        for from in 0..2 {
            while let Some(output) = self.sides[from].endpoint.poll() {
                match output {
                    Output::Send(datagram) => self.sides[1 - from].coming.push_back(datagram),
                    Output::Connected(keys) => {
                        assert!(
                            self.sides[from].keys.replace(keys).is_none(),
                            "keys come once"
                        );
                    }
                    Output::Failed(failure) => self.sides[from].failed = Some(failure),
                    Output::Closed => {}
                }
            }
        }
    }

    fn is_as_it_should_be(&self) -> Reached {
        let [one, other] = &self.sides;
        if let (Some(one), Some(other)) = (&one.keys, &other.keys) {
            assert_eq!((&one.local, &one.remote), (&other.remote, &other.local));
        } else {
            assert!(self.is_bent, "{:?} {:?}", one.failed, other.failed);
        }
        Reached::taken(one.keys.is_some())
    }
}
