//! What a witness believes of two agents whose checks pass it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use causeway_ice::{
    Agent, Candidate, Config, Credentials, Kind, Local, Output, Pair, Reason, Witness,
};

use crate::network::{credentials, pair};

const PORT: &str = "192.0.2.1:30000";
const HERE: &str = "198.51.100.7:4000";
const THERE: &str = "198.51.100.7:4999";
const LITE: &str = "203.0.113.8:5000";

/// A check that the side with `own` credentials makes of the one with `other`; with USE-CANDIDATE only after an answer.
fn agent(own: &Credentials, other: &Credentials, now: Instant) -> Agent {
    let mut agent = Agent::new(Config::full(own.clone(), true, 1));
    agent.add_local(Local::host(at(HERE))).unwrap();
    agent.set_remote(other.clone(), now);
    let port = Candidate::local(Kind::Host, 1, 0, at(PORT));
    agent.add_remote(&port, now).unwrap();
    agent
}

fn check(own: &Credentials, other: &Credentials, now: Instant) -> Vec<u8> {
    sent(&mut agent(own, other, now), now)
}

fn sent(agent: &mut Agent, mut now: Instant) -> Vec<u8> {
    loop {
        if let Some(Output::Send { bytes, .. }) = agent.poll() {
            return bytes;
        }
        now += Duration::from_millis(20);
        agent.timeout(now);
    }
}

/// What the lite side answers to a check.
fn answer(own: &Credentials, check: &[u8], now: Instant) -> Vec<u8> {
    let mut lite = Agent::new(Config::lite(own.clone()));
    lite.add_local(Local::host(at(LITE))).unwrap();
    lite.receive(at(LITE), at(PORT), check, now);
    sent(&mut lite, now)
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn witnesses() -> (Witness, Witness, Credentials, Credentials) {
    let (one, other) = (credentials(1), credentials(2));
    (
        Witness::new(one.clone(), other.clone(), at(PORT)),
        Witness::new(other.clone(), one.clone(), at(PORT)),
        one,
        other,
    )
}

#[test]
fn a_check_proves_its_sender_only_with_the_password_of_the_other_side() {
    let now = Instant::now();
    let (mut watched, far, one, other) = witnesses();
    let forged = Credentials::new(other.ufrag(), "0123456789012345678901").unwrap();
    let here = pair(PORT, HERE);
    let said = watched.receive(here, &check(&one, &forged, now), &far, now);
    assert_eq!(said, Err(Reason::BadIntegrity));
    let said = watched.receive(here, &check(&other, &one, now), &far, now);
    assert_eq!(said, Err(Reason::WrongUfrag));
    assert!(!watched.validated(at(HERE)) && watched.destination().is_none());
    let said = watched.receive(here, &check(&one, &other, now), &far, now);
    assert_eq!(said, Ok(None), "nobody knows where the other is");
    assert!(watched.validated(at(HERE)) && !watched.validated(at(THERE)));
    assert_eq!(watched.destination(), Some(here));
}

#[test]
fn an_answer_goes_to_who_asked_and_proves_who_answers() {
    let now = Instant::now();
    let (mut asking, mut answering, one, other) = witnesses();
    let question = check(&one, &other, now);
    let here = pair(PORT, HERE);
    let there = pair(PORT, LITE);
    answering.expect(there);
    let reply = answer(&other, &question, now);
    let early = answering.receive(there, &reply, &asking, now);
    assert_eq!(early, Err(Reason::UnknownTransaction), "nobody has asked");
    let said = asking.receive(here, &question, &answering, now);
    assert_eq!(
        said,
        Ok(Some(there)),
        "a lite side is asked where it says it is"
    );
    assert_eq!(answering.destination(), None, "but nothing else goes there");
    let mut forged = reply.clone();
    forged[25] ^= 1;
    let said = answering.receive(there, &forged, &asking, now);
    assert_eq!(said, Err(Reason::BadFingerprint));
    assert_eq!(
        answering.receive(there, &reply, &asking, now),
        Ok(Some(here))
    );
    assert_eq!(answering.destination(), Some(there));
}

#[test]
fn a_side_stays_where_it_was_first_unless_it_nominates_or_falls_silent_there() {
    let now = Instant::now();
    let (mut watched, far, one, other) = witnesses();
    let (here, there) = (pair(PORT, HERE), pair(PORT, THERE));
    let prove = |watched: &mut Witness, pair: Pair, seconds: u64| {
        let now = now + Duration::from_secs(seconds);
        let said = watched.receive(pair, &check(&one, &other, now), &far, now);
        assert!(said.is_ok());
        watched.destination()
    };
    assert_eq!(prove(&mut watched, here, 0), Some(here));
    assert_eq!(prove(&mut watched, there, 1), Some(here));
    assert_eq!(prove(&mut watched, here, 5), Some(here));
    assert_eq!(prove(&mut watched, there, 16), Some(here));
    assert_eq!(prove(&mut watched, there, 18), Some(there), "it has moved");
    let over = now + Duration::from_secs(48);
    assert_eq!(watched.deadline(), Some(now + Duration::from_secs(35)));
    watched.timeout(over);
    assert_eq!(watched.destination(), None);
    assert!(!watched.validated(at(THERE)));
}

#[test]
fn a_nomination_moves_a_side_at_once() {
    let now = Instant::now();
    let (mut watched, far, one, other) = witnesses();
    let (here, there) = (pair(PORT, HERE), pair(PORT, THERE));
    let mut controlling = agent(&one, &other, now);
    let first = sent(&mut controlling, now);
    watched.receive(here, &first, &far, now).unwrap();
    controlling.receive(at(HERE), at(PORT), &answer(&other, &first, now), now);
    let nomination = (0..200)
        .map(|_| sent(&mut controlling, now))
        .find(|bytes| causeway_ice::stun::peek(bytes).is_some_and(|peek| peek.use_candidate));
    let said = watched.receive(there, &nomination.unwrap(), &far, now);
    assert!(said.is_ok());
    assert_eq!(watched.destination(), Some(there));
}

#[test]
fn a_copied_check_proves_nothing_from_elsewhere() {
    let now = Instant::now();
    let (mut watched, far, one, other) = witnesses();
    let (here, there) = (pair(PORT, HERE), pair(PORT, THERE));
    let question = check(&one, &other, now);
    watched.receive(here, &question, &far, now).unwrap();
    let copied = watched.receive(there, &question, &far, now);
    assert_eq!(copied, Err(Reason::UnknownTransaction));
    assert!(!watched.validated(at(THERE)));
    let again = watched.receive(here, &question, &far, now);
    assert!(again.is_ok(), "sent again, it is the same");
}

#[test]
fn questions_without_number_are_not_kept_without_bound() {
    let now = Instant::now();
    let (mut watched, mut far, one, other) = witnesses();
    far.expect(pair(PORT, LITE));
    let first = check(&one, &other, now);
    watched
        .receive(pair(PORT, HERE), &first, &far, now)
        .unwrap();
    for _ in 0..300 {
        let more = check(&one, &other, now);
        watched.receive(pair(PORT, HERE), &more, &far, now).unwrap();
    }
    let late = answer(&other, &first, now);
    let said = far.receive(pair(PORT, LITE), &late, &watched, now);
    assert_eq!(said, Err(Reason::UnknownTransaction));
}
