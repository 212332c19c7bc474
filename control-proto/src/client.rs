//! The asking side: one cookie for each request, sent again until it is answered or given up.
//!
//! Many requests may be on their way at once, and none waits for another. Never decides what a
//! failure means: it says that there was no answer, and its owner chooses another relay or none.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::envelope::{Envelope, Format};
use crate::request::Request;
use crate::response::Response;
use crate::signature::Key;

/// When a request is sent again, counted from when it was last sent. The first comes early, since a
/// relay answers within milliseconds and a lost datagram should not be heard in the call; the others
/// come every second, as Kamailio and OpenSIPS have it.
const RETRY_AFTER: [Duration; 5] = [
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(1),
    Duration::from_secs(1),
    Duration::from_secs(1),
];

/// How long the last of them is waited for.
const GIVE_UP_AFTER: Duration = Duration::from_secs(1);

/// More requests than these at once mean that the relay is gone, not that it is slow: at a thousand
/// calls a second it is four seconds' worth.
const MAX_IN_FLIGHT: usize = 4096;

/// Names a request until its [`Event::Answered`] or [`Event::Failed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(u64);

/// Why a request has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It was sent six times in 5.3 seconds.
    #[error("the relay does not answer")]
    NoAnswer,
    /// Too many requests are waiting for their answers already.
    #[error("too many requests are waiting for the relay")]
    TooManyInFlight,
    /// A datagram holds no more than 65,507 bytes.
    #[error("the request is too long for a datagram")]
    TooLong,
}

/// What is to be done, or has come of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Send this datagram to the relay.
    Send(Arc<[u8]>),
    /// The relay has answered.
    Answered(Ticket, Response),
    /// There is no answer and there will be none.
    Failed(Ticket, Failure),
}

/// The requests to one relay.
#[derive(Debug)]
pub struct Client {
    /// What makes our cookies different from everybody else's: relays know requests by cookie alone.
    prefix: String,
    /// Signs requests, and is wanted of replies.
    key: Option<Key>,
    /// The time since the Unix epoch, for signatures.
    unix: Duration,
    next: u64,
    in_flight: HashMap<u64, InFlight>,
    /// The same requests by when they are due.
    due: BTreeSet<(Instant, u64)>,
    events: VecDeque<Event>,
}

#[derive(Debug)]
struct InFlight {
    datagram: Arc<[u8]>,
    due: Instant,
    /// How often it was sent again.
    retries: usize,
}

impl Client {
    /// A client whose cookies begin with `random`, which must be different for every client there
    /// has been in the last minute, and not to be guessed.
    #[must_use]
    pub fn new(random: [u8; 8]) -> Self {
        Self {
            prefix: format!("{:016x}_", u64::from_be_bytes(random)),
            key: None,
            unix: Duration::ZERO,
            next: 0,
            in_flight: HashMap::new(),
            due: BTreeSet::new(),
            events: VecDeque::new(),
        }
    }

    /// The same, for a relay that has this key too. It must be [told the time](Self::tell_time).
    #[must_use]
    pub fn signing(random: [u8; 8], key: Key) -> Self {
        Self {
            key: Some(key),
            ..Self::new(random)
        }
    }

    /// The time since the Unix epoch. A client that signs is to be told before it is asked: the relay's
    /// clock must not be more than some ten seconds away.
    pub fn tell_time(&mut self, unix: Duration) {
        self.unix = unix;
    }

    /// Sends a request. Exactly one [`Event::Answered`] or [`Event::Failed`] will bear its ticket,
    /// unless it is [forgotten](Self::forget).
    pub fn ask(&mut self, request: &Request, now: Instant) -> Ticket {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        let cookie = format!("{}{number}", self.prefix);
        let plain = request.encode(cookie.as_bytes(), Format::Bencode);
        let signed = self
            .key
            .as_ref()
            .map(|key| key.sign_request(&plain, self.unix));
        let datagram: Arc<[u8]> = signed.flatten().unwrap_or(plain).into();
        // The most that UDP over IPv4 carries.
        let failure = if datagram.len() > 65_507 {
            Failure::TooLong
        } else if self.in_flight.len() >= MAX_IN_FLIGHT {
            Failure::TooManyInFlight
        } else {
            self.events.push_back(Event::Send(Arc::clone(&datagram)));
            let due = retry_at(now, 0);
            self.due.insert((due, number));
            self.in_flight.insert(
                number,
                InFlight {
                    datagram,
                    due,
                    retries: 0,
                },
            );
            return Ticket(number);
        };
        self.events
            .push_back(Event::Failed(Ticket(number), failure));
        Ticket(number)
    }

    /// Stops waiting for an answer.
    pub fn forget(&mut self, ticket: Ticket) {
        self.take(ticket.0);
    }

    /// A datagram has come from the relay. What is no answer to anything we asked is ignored: false.
    pub fn receive(&mut self, datagram: &[u8], _now: Instant) -> bool {
        let Some((number, response)) = self.read(datagram) else {
            return false;
        };
        if self.take(number).is_none() {
            return false;
        }
        self.events
            .push_back(Event::Answered(Ticket(number), response));
        true
    }

    /// What is to be done next, until there is nothing.
    pub fn poll(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`timeout`](Self::timeout) is to be called.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Time has passed: sends again what is due, gives up what was sent often enough.
    pub fn timeout(&mut self, now: Instant) {
        while let Some(&(due, number)) = self.due.first()
            && due <= now
        {
            self.due.remove(&(due, number));
            let Some(request) = self.in_flight.get_mut(&number) else {
                continue;
            };
            if request.retries < RETRY_AFTER.len() {
                request.retries = request.retries.saturating_add(1);
                request.due = retry_at(now, request.retries);
                self.due.insert((request.due, number));
                self.events
                    .push_back(Event::Send(Arc::clone(&request.datagram)));
            } else {
                self.in_flight.remove(&number);
                self.events
                    .push_back(Event::Failed(Ticket(number), Failure::NoAnswer));
            }
        }
    }

    fn read(&self, datagram: &[u8]) -> Option<(u64, Response)> {
        let opened = match &self.key {
            None => Cow::Borrowed(datagram),
            Some(key) => Cow::Owned(key.open_reply(datagram)?),
        };
        let envelope = Envelope::open(&opened)?;
        let number = envelope.cookie.strip_prefix(self.prefix.as_bytes())?;
        // The time and the signature stand behind it.
        let number = number.split(|byte| *byte == b'.').next()?;
        let number = std::str::from_utf8(number).ok()?.parse().ok()?;
        Some((number, Response::decode(envelope.reply().ok()?)?))
    }

    fn take(&mut self, number: u64) -> Option<InFlight> {
        let request = self.in_flight.remove(&number)?;
        self.due.remove(&(request.due, number));
        Some(request)
    }
}

/// When it is looked at again; a clock that ends within a second makes it be at once.
fn retry_at(now: Instant, retries: usize) -> Instant {
    let pause = RETRY_AFTER.get(retries).copied().unwrap_or(GIVE_UP_AFTER);
    now.checked_add(pause).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Command;

    fn sent(client: &mut Client) -> Arc<[u8]> {
        match client.poll() {
            Some(Event::Send(datagram)) => datagram,
            other => panic!("{other:?}"),
        }
    }

    fn answer(datagram: &[u8], response: &Response) -> Vec<u8> {
        let envelope = Envelope::open(datagram).unwrap();
        response.encode(envelope.cookie, envelope.format)
    }

    #[test]
    fn an_unanswered_request_is_sent_again_with_its_cookie_and_then_given_up() {
        let start = Instant::now();
        let mut client = Client::new([1; 8]);
        let ticket = client.ask(&Request::new(Command::Ping), start);
        let first = sent(&mut client);
        let mut again = 0;
        let failed = loop {
            let now = client.deadline().unwrap();
            client.timeout(now);
            match client.poll().unwrap() {
                Event::Send(datagram) => {
                    assert_eq!(datagram, first);
                    again += 1;
                }
                Event::Failed(failed, Failure::NoAnswer) => {
                    assert_eq!(now - start, Duration::from_millis(5300));
                    break failed;
                }
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((failed, again), (ticket, 5));
        assert_eq!(client.deadline(), None);
        assert!(
            !client.receive(&answer(&first, &Response::pong()), start),
            "an answer that came too late"
        );
    }

    #[test]
    fn answers_find_their_requests_in_any_order() {
        let now = Instant::now();
        let mut client = Client::new([2; 8]);
        let tickets: Vec<_> = (0..3)
            .map(|_| client.ask(&Request::new(Command::Ping), now))
            .collect();
        let datagrams: Vec<_> = (0..3).map(|_| sent(&mut client)).collect();
        for index in [2, 0, 1] {
            assert!(client.receive(&answer(&datagrams[index], &Response::pong()), now));
            assert_eq!(
                client.poll(),
                Some(Event::Answered(tickets[index], Response::pong()))
            );
        }
        assert_eq!(client.deadline(), None);
    }

    #[test]
    fn an_answer_counts_once() {
        let now = Instant::now();
        let mut client = Client::new([3; 8]);
        client.ask(&Request::new(Command::Ping), now);
        let reply = answer(&sent(&mut client), &Response::pong());
        assert!(client.receive(&reply, now));
        assert!(!client.receive(&reply, now));
    }

    #[test]
    fn what_is_no_answer_is_ignored() {
        let now = Instant::now();
        let mut client = Client::new([4; 8]);
        client.ask(&Request::new(Command::Ping), now);
        let datagram = sent(&mut client);
        let stranger = answer(&datagram, &Response::pong())[1..].to_vec();
        for datagram in [&b""[..], b"x", b"x d6:result4:ponge", &datagram, &stranger] {
            assert!(!client.receive(datagram, now));
        }
        assert_eq!(client.poll(), None);
    }

    #[test]
    fn too_many_or_too_long_requests_fail_at_once() {
        let now = Instant::now();
        let mut client = Client::new([5; 8]);
        let mut long = Request::new(Command::Offer);
        long.sdp = Some(vec![b'x'; 70_000]);
        let ticket = client.ask(&long, now);
        assert_eq!(client.poll(), Some(Event::Failed(ticket, Failure::TooLong)));
        for _ in 0..MAX_IN_FLIGHT {
            client.ask(&Request::new(Command::Ping), now);
            sent(&mut client);
        }
        let ticket = client.ask(&Request::new(Command::Ping), now);
        assert_eq!(
            client.poll(),
            Some(Event::Failed(ticket, Failure::TooManyInFlight))
        );
    }

    #[test]
    fn with_a_key_only_signed_replies_are_answers() {
        let (now, unix) = (Instant::now(), Duration::from_secs(1_700_000_000));
        let key = Key::new(&[b'k'; 32]).unwrap();
        let mut client = Client::signing([7; 8], key.clone());
        client.tell_time(unix);
        let ticket = client.ask(&Request::new(Command::Ping), now);
        let datagram = sent(&mut client);
        assert_eq!(key.check_request(&datagram, unix), Ok(()));

        let reply = answer(&datagram, &Response::pong());
        assert!(
            !client.receive(&reply, now),
            "whoever saw the request can write this"
        );
        let other = Key::new(&[b'o'; 32]).unwrap();
        assert!(!client.receive(&other.sign_reply(&reply), now));
        assert!(client.receive(&key.sign_reply(&reply), now));
        assert_eq!(
            client.poll(),
            Some(Event::Answered(ticket, Response::pong()))
        );
    }

    #[test]
    fn a_forgotten_request_is_heard_of_no_more() {
        let now = Instant::now();
        let mut client = Client::new([6; 8]);
        let ticket = client.ask(&Request::new(Command::Ping), now);
        sent(&mut client);
        client.forget(ticket);
        assert_eq!((client.deadline(), client.poll()), (None, None));
    }
}
