//! The asking side of ng over UDP, one request at a time or many at once.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use control_proto::{Client, Command, Event, Key, MAX_DATAGRAM, Request, Response, Ticket};

use crate::histogram::Histogram;
use crate::random;

/// How long is waited for datagrams before time is looked at again.
const WAIT: Duration = Duration::from_millis(2);

/// The control port of a relay.
pub struct Ng {
    socket: UdpSocket,
    client: Client,
    buffer: Vec<u8>,
}

/// What became of many requests.
pub struct Outcome {
    /// From the first request to the last reply.
    pub took: Duration,
    /// Nanoseconds from request to reply.
    pub latency: Histogram,
    /// By the request's place in the list; `None` where none came.
    pub replies: Vec<Option<Response>>,
}

impl Outcome {
    /// Requests that were refused or not answered.
    pub fn failed(&self) -> usize {
        let done = |reply: &&Option<Response>| reply.as_ref().is_some_and(Response::is_ok);
        self.replies.len() - self.replies.iter().filter(done).count()
    }

    /// Why, of the first of them.
    pub fn first_failure(&self) -> Option<String> {
        let failed = |reply: &&Option<Response>| !reply.as_ref().is_some_and(Response::is_ok);
        let reply = self.replies.iter().find(failed)?;
        Some(reason(reply.as_ref()))
    }
}

impl Ng {
    /// A relay that answers a ping. With a key, what is asked is signed, and so must replies be.
    ///
    /// # Errors
    /// In words, also below: no socket, no answer, or what the relay refused.
    pub fn connect(relay: SocketAddr, key: Option<Key>) -> Result<Self, String> {
        let open = || {
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            socket.connect(relay)?;
            socket.set_read_timeout(Some(WAIT))?;
            Ok::<_, std::io::Error>(socket)
        };
        let mut ng = Self {
            socket: open().map_err(|error| format!("{relay}: {error}"))?,
            client: match key {
                Some(key) => Client::signing(random::bytes(), key),
                None => Client::new(random::bytes()),
            },
            buffer: vec![0; MAX_DATAGRAM],
        };
        match ng.ask(&Request::new(Command::Ping), || {}) {
            Ok((reply, _)) if reply.is_pong() => Ok(ng),
            Ok((reply, _)) => Err(format!("ping: {}", reason(Some(&reply)))),
            Err(error) => Err(format!("ping: {error}")),
        }
    }

    /// One request and its reply, with the time in between; `idle` runs while there is nothing.
    pub fn ask(
        &mut self,
        request: &Request,
        mut idle: impl FnMut(),
    ) -> Result<(Response, Duration), String> {
        let began = Instant::now();
        self.tell_time();
        let ticket = self.client.ask(request, began);
        loop {
            match self.next() {
                Some((of, Ok(reply))) if of == ticket => return Ok((reply, began.elapsed())),
                Some((of, Err(error))) if of == ticket => return Err(error),
                Some(_) => {}
                None => idle(),
            }
        }
    }

    /// The body of the reply to one request, which must succeed.
    pub fn body(
        &mut self,
        request: &Request,
        idle: impl FnMut(),
    ) -> Result<(String, Duration), String> {
        let (reply, took) = self.ask(request, idle)?;
        body_of(&reply).map(|body| (body, took))
    }

    /// All of these, `in_flight` at once.
    pub fn ask_all(&mut self, requests: &[Request], in_flight: usize) -> Outcome {
        let began = Instant::now();
        let mut outcome = Outcome {
            took: Duration::ZERO,
            latency: Histogram::new(),
            replies: vec![None; requests.len()],
        };
        let mut waiting: HashMap<Ticket, (usize, Instant)> = HashMap::new();
        let mut rest = requests.iter().enumerate();
        loop {
            while waiting.len() < in_flight.max(1)
                && let Some((place, request)) = rest.next()
            {
                let now = Instant::now();
                self.tell_time();
                waiting.insert(self.client.ask(request, now), (place, now));
            }
            if waiting.is_empty() {
                break;
            }
            if let Some((ticket, reply)) = self.next()
                && let Some((place, asked)) = waiting.remove(&ticket)
            {
                let took = u64::try_from(asked.elapsed().as_nanos()).unwrap_or(u64::MAX);
                outcome.latency.add(took);
                outcome.replies[place] = reply.ok();
            }
        }
        outcome.took = began.elapsed();
        outcome
    }

    /// Signatures hold for some seconds.
    fn tell_time(&mut self) {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        self.client.tell_time(unix.unwrap_or_default());
    }

    /// Sends what is to be sent, and waits a little for a reply.
    fn next(&mut self) -> Option<(Ticket, Result<Response, String>)> {
        while let Some(event) = self.client.poll() {
            match event {
                // What is lost is sent again by the client.
                Event::Send(datagram) => _ = self.socket.send(&datagram),
                Event::Answered(ticket, reply) => return Some((ticket, Ok(reply))),
                Event::Failed(ticket, failure) => return Some((ticket, Err(failure.to_string()))),
            }
        }
        match self.socket.recv(&mut self.buffer) {
            Ok(len) => _ = self.client.receive(&self.buffer[..len], Instant::now()),
            // The relay is not there yet: do not ask in circles.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => std::thread::sleep(WAIT),
            Err(_) => {}
        }
        self.client.timeout(Instant::now());
        None
    }
}

/// The body of a reply that says `ok`.
pub fn body_of(reply: &Response) -> Result<String, String> {
    match (&reply.sdp, reply.is_ok()) {
        (Some(sdp), true) => Ok(String::from_utf8_lossy(sdp).into_owned()),
        _ => Err(reason(Some(reply))),
    }
}

fn reason(reply: Option<&Response>) -> String {
    match reply {
        Some(reply) => reply
            .error_reason()
            .unwrap_or("a reply without a body")
            .to_owned(),
        None => "the relay does not answer".to_owned(),
    }
}
