//! DTLS endpoints among strangers who have found a way past ICE: they never get keys, never end an endpoint, and are
//! not sent more than a few flights.

use std::time::{Duration, Instant};

use dtls::{Endpoint, Failure, Hash, Output, Role, Verdict};

use crate::Reached;
use crate::pieces::steps;
use crate::world::{identities, start};

/// Bytes that one datagram may cause: a server's whole flight with its certificate, and its repetition.
const MAX_ANSWER: usize = 8 * 1024;

/// The first byte of each step says who gets the rest and how much time passes before.
pub(super) fn run(input: &[u8]) -> Reached {
    let [ours, theirs] = identities();
    let expected = || Some(vec![theirs.fingerprint(Hash::Sha256)]);
    let mut now = start();
    let mut passive = Endpoint::new(ours, Role::Passive, expected(), now);
    let mut active = Endpoint::new(ours, Role::Active, expected(), now);
    active.start(now);
    drain(&mut active);
    let mut taken = false;
    for (what, datagram) in steps(input) {
        now += Duration::from_millis(u64::from(what >> 1));
        let endpoint = if what & 1 == 0 {
            &mut passive
        } else {
            &mut active
        };
        taken |= endpoint.receive(datagram, now) == Verdict::Taken;
        let answered = drain(endpoint);
        assert!(answered <= MAX_ANSWER, "{answered} bytes");
        for endpoint in [&mut passive, &mut active] {
            pass(endpoint, now);
        }
    }
    Reached::taken(taken)
}

fn pass(endpoint: &mut Endpoint, now: Instant) {
    if endpoint.deadline().is_some_and(|due| due <= now) {
        endpoint.timeout(now);
        drain(endpoint);
    }
}

/// How many bytes it wants to send.
fn drain(endpoint: &mut Endpoint) -> usize {
    let mut bytes = 0;
    while let Some(output) = endpoint.poll() {
        match output {
            Output::Send(datagram) => bytes += datagram.len(),
            Output::Failed(Failure::TimedOut) => assert_eq!(endpoint.role(), Role::Active),
            other => panic!("{other:?}"),
        }
    }
    bytes
}
