//! The phone's one task: its SIP socket, its calls, their timers.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sdp::{Direction, Session};
use sip::transaction::{ClientKey, ServerKey};
use sip::{Message, Method};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep_until;

use super::body::{self, Local};
use super::dialog::Dialog;
use super::media::{Flow, Listening, Media};
use super::outgoing::Registration;
use super::{Call, Config, End, Error, Line, State, Voice};
use crate::exchange::{Exchange, Received};
use crate::names::Names;

/// How many calls a phone has at once; more are answered busy.
pub(super) const MAX_CALLS: usize = 256;

/// Nothing is due for that long when nothing is due.
const IDLE: Duration = Duration::from_secs(3600);

/// The first interval and the end of repeating a 2xx that was not acknowledged (RFC 3261 section 13.3.1.4).
const T1: Duration = Duration::from_millis(500);
const GIVE_UP: Duration = Duration::from_secs(32);

/// What users of the phone ask for.
#[derive(Debug)]
pub(super) enum Command {
    Register(oneshot::Sender<Result<(), Error>>),
    Call {
        uri: String,
        voice: Voice,
        done: oneshot::Sender<Result<Call, Error>>,
    },
    HangUp(u64),
    Hold(u64, bool),
    Digits(u64, String),
}

/// What a request of ours was for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Register,
    Invite(u64),
    Reinvite(u64),
    /// Its answer changes nothing.
    Goodbye,
}

/// The phone.
pub(super) struct Agent {
    pub(super) config: Config,
    pub(super) address: SocketAddr,
    pub(super) names: Names,
    pub(super) exchange: Exchange,
    pub(super) calls: HashMap<u64, Ongoing>,
    pub(super) asked: HashMap<ClientKey, Purpose>,
    pub(super) registration: Option<Registration>,
    pub(super) announce: mpsc::Sender<Call>,
    commands: mpsc::UnboundedSender<Command>,
    violations: Arc<AtomicU32>,
    next_id: u64,
}

/// One call.
pub(super) struct Ongoing {
    pub(super) dialog: Dialog,
    pub(super) state: watch::Sender<State>,
    pub(super) media: Option<Media>,
    listening: Listening,
    pub(super) line: Line,
    session: u64,
    version: u32,
    pub(super) held: bool,
    /// Our offer is out and unanswered.
    pub(super) offered: bool,
    /// The caller's INVITE, until it has a final answer.
    pub(super) invite: Option<(ServerKey, Message)>,
    /// Our INVITE, until it has one.
    pub(super) asking: Option<ClientKey>,
    /// Hung up before a provisional response came.
    pub(super) cancelled: bool,
    /// A 2xx that nobody acknowledged yet.
    pub(super) unacknowledged: Option<Unacknowledged>,
    pub(super) answer_at: Option<Instant>,
    pub(super) hang_up_at: Option<Instant>,
}

pub(super) struct Unacknowledged {
    pub(super) key: ServerKey,
    pub(super) response: Message,
    again: Instant,
    interval: Duration,
    end: Instant,
}

impl Agent {
    pub(super) fn new(
        config: Config,
        address: SocketAddr,
        commands: mpsc::UnboundedSender<Command>,
        announce: mpsc::Sender<Call>,
        violations: Arc<AtomicU32>,
    ) -> io::Result<Self> {
        Ok(Self {
            config,
            address,
            names: Names::random()?,
            exchange: Exchange::default(),
            calls: HashMap::new(),
            asked: HashMap::new(),
            registration: None,
            announce,
            commands,
            violations,
            next_id: 0,
        })
    }

    pub(super) async fn run(
        mut self,
        socket: UdpSocket,
        mut inbox: mpsc::UnboundedReceiver<Command>,
    ) {
        let mut buffer = vec![0; 65_536];
        loop {
            while let Some((bytes, to)) = self.exchange.poll_send() {
                // Lost is lost: SIP over UDP sends again.
                let _ = socket.send_to(&bytes, to).await;
            }
            let due = self.deadline().unwrap_or_else(|| Instant::now() + IDLE);
            tokio::select! {
                received = socket.recv_from(&mut buffer) => {
                    if let Ok((len, from)) = received {
                        let datagram = buffer.get(..len).unwrap_or_default();
                        self.receive(datagram, from, Instant::now());
                    }
                }
                command = inbox.recv() => match command {
                    Some(command) => self.command(command, Instant::now()),
                    None => return,
                },
                () = sleep_until(due.into()) => self.timer(Instant::now()),
            }
        }
    }

    fn receive(&mut self, datagram: &[u8], from: SocketAddr, now: Instant) {
        match self.exchange.receive(datagram, from, now) {
            Received::Request(key, message) => self.request(key, message, from, now),
            Received::Ack(message) => self.acknowledged(&message),
            Received::Response(key, message) => self.response(&key, &message, now),
            Received::Nothing => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let calls = self.calls.values().filter_map(Ongoing::deadline);
        let renewal = self.registration.as_ref().and_then(|it| it.renew_at);
        calls.chain(self.exchange.deadline()).chain(renewal).min()
    }

    fn timer(&mut self, now: Instant) {
        self.exchange.timer(now);
        while let Some(key) = self.exchange.poll_unanswered() {
            self.unanswered(&key);
        }
        self.renew_if_due(now);
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let ids: Vec<u64> = self.calls.keys().copied().collect();
        for id in ids {
            let Some(call) = self.calls.get_mut(&id) else {
                continue;
            };
            if due(call.answer_at) {
                call.answer_at = None;
                self.answer(id, now);
            } else if due(call.hang_up_at) {
                call.hang_up_at = None;
                self.hang_up(id, now);
            } else if call.unacknowledged.as_ref().is_some_and(|it| it.end <= now) {
                call.unacknowledged = None;
                self.hang_up(id, now);
            } else if let Some(repeat) = call.unacknowledged.as_mut().filter(|it| it.again <= now) {
                repeat.interval = (repeat.interval * 2).min(8 * T1);
                repeat.again = now + repeat.interval;
                self.exchange.respond(&repeat.key, &repeat.response, now);
            }
        }
    }

    /// Adds a call and gives those who use the phone their end of it.
    pub(super) fn add(
        &mut self,
        dialog: Dialog,
        line: Line,
        state: State,
        uris: (String, String),
    ) -> (u64, Call) {
        self.next_id += 1;
        let id = self.next_id;
        let (sender, receiver) = watch::channel(state);
        let listening = Listening::default();
        let call = Call {
            id,
            caller: uris.0,
            called: uris.1,
            commands: self.commands.clone(),
            state: receiver,
            listening: listening.clone(),
        };
        let ongoing = Ongoing {
            dialog,
            state: sender,
            media: None,
            listening,
            line,
            session: self.names.number() >> 2,
            version: 0,
            held: false,
            offered: false,
            invite: None,
            asking: None,
            cancelled: false,
            unacknowledged: None,
            answer_at: None,
            hang_up_at: None,
        };
        self.calls.insert(id, ongoing);
        (id, call)
    }

    /// Ends a call here; media and state go with it.
    pub(super) fn end(&mut self, id: u64, end: End) {
        if let Some(call) = self.calls.remove(&id) {
            call.state.send_replace(State::Ended(end));
            self.asked.retain(|_, purpose| match purpose {
                Purpose::Invite(of) | Purpose::Reinvite(of) => *of != id,
                Purpose::Register | Purpose::Goodbye => true,
            });
        }
    }

    /// Whether a body is what this phone takes; otherwise it is counted.
    pub(super) fn takes(&self, body: &[u8]) -> bool {
        let fault = body::violation(body).filter(|_| self.config.strict);
        if let Some(violation) = fault {
            tracing::warn!(?violation, "a body that no plain phone takes");
            self.violations.fetch_add(1, Ordering::Relaxed);
        }
        fault.is_none()
    }

    /// Our offer for a call, whose media it starts. `None`: no ports.
    pub(super) fn offer(&mut self, id: u64) -> Option<String> {
        let port = self.start_media(id)?;
        let call = self.calls.get_mut(&id)?;
        call.offered = true;
        let local = call.local(&self.config, self.address, port);
        Some(body::offer(&local))
    }

    /// Our answer to an offer, by which media flows from now on. `None`: nothing in common, or no ports.
    pub(super) fn answer_to(&mut self, id: u64, offer: &[u8]) -> Option<String> {
        let offer = Session::parse(offer).ok()?;
        let port = self.start_media(id)?;
        let call = self.calls.get_mut(&id)?;
        let local = call.local(&self.config, self.address, port);
        let (answer, flow) = body::answer(&local, &offer)?;
        call.let_flow(flow);
        Some(answer)
    }

    /// Takes the other side's answer to our offer; whether it was one.
    pub(super) fn answered_with(&mut self, id: u64, answer: &[u8]) -> bool {
        if !self.takes(answer) {
            return false;
        }
        let (Ok(answer), Some(call)) = (Session::parse(answer), self.calls.get_mut(&id)) else {
            return false;
        };
        let port = call.media.as_ref().map_or(0, |media| media.port);
        let local = call.local(&self.config, self.address, port);
        call.offered = false;
        let flow = body::flow(&local, &answer);
        flow.map(|flow| call.let_flow(flow)).is_some()
    }

    fn start_media(&mut self, id: u64) -> Option<u16> {
        let call = self.calls.get_mut(&id)?;
        call.version += 1;
        if let Some(media) = &call.media {
            return Some(media.port);
        }
        let strangers = Arc::clone(&self.violations);
        let listening = call.listening.clone();
        let ip = self.address.ip();
        let media = Media::start(ip, call.line.voice, listening, strangers, &mut self.names);
        let media = media.inspect_err(|error| tracing::warn!(%error, "no ports for media"));
        Some(call.media.insert(media.ok()?).port)
    }

    /// Repeats a 2xx until its ACK comes.
    pub(super) fn respond_ok(&mut self, id: u64, key: ServerKey, response: Message, now: Instant) {
        self.exchange.respond(&key, &response, now);
        if let Some(call) = self.calls.get_mut(&id) {
            call.unacknowledged = Some(Unacknowledged {
                key,
                response,
                again: now + T1,
                interval: T1,
                end: now + GIVE_UP,
            });
        }
    }

    /// Asks within a call's dialog.
    pub(super) fn ask_in(
        &mut self,
        id: u64,
        method: Method,
        body: Option<String>,
        now: Instant,
    ) -> Option<ClientKey> {
        let call = self.calls.get_mut(&id)?;
        let mut request = call.dialog.request(method, &mut self.names);
        if let Some(body) = body {
            request = request.body("application/sdp", body);
        }
        let to = call.dialog.next_hop();
        self.exchange.ask(request.build().ok()?, to, now)
    }
}

impl Ongoing {
    fn deadline(&self) -> Option<Instant> {
        let repeat = self.unacknowledged.as_ref().map(|it| it.again.min(it.end));
        let timers = [self.answer_at, self.hang_up_at, repeat];
        timers.into_iter().flatten().min()
    }

    fn local<'a>(&self, config: &'a Config, address: SocketAddr, port: u16) -> Local<'a> {
        Local {
            ip: address.ip(),
            port,
            session: self.session,
            version: self.version,
            codecs: &config.codecs,
            direction: Direction::new(true, !self.held),
        }
    }

    fn let_flow(&self, flow: Flow) {
        if let Some(media) = &self.media {
            media.flow(flow);
        }
    }

    pub(super) fn set(&self, state: State) {
        self.state.send_replace(state);
    }

    pub(super) fn is_up(&self) -> bool {
        *self.state.borrow() == State::Up
    }
}
