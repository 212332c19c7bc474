//! The control thread: ng over UDP, and what comes in through the other doors. It opens envelopes,
//! executes each command once, however often it comes and by whichever way, answers `ping` itself and leaves everything else to the shard that has the call.

mod memory;
mod status;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};
use std::time::{Duration, Instant, SystemTime};

use control_proto::{Admission, Command, Envelope, Key, MAX_DATAGRAM, Replay, Request, Response};
use net::poll::{Poller, Waker};
use net::udp::UdpSocket;

use super::BackendChoice;
use super::doors::{self, Incoming};
use super::gathering::{self, Gathering, Part};
use super::guard::Guard;
use super::tally::{Asked, Tally};
use super::unserved;
use super::worker::{Body, Job, Reply, encode};
use memory::Memory;
pub(super) use status::Outlook;

/// Commands that are taken in before replies have their turn.
const BATCH: usize = 64;

/// Words that are remembered as already logged. Nobody has that many; whoever makes them up fills
/// no log and no memory.
const MAX_LOGGED: usize = 1024;

/// The most that UDP over IPv4 carries.
const MAX_DATAGRAM_REPLY: usize = 65_507;

/// The longest reply over a connection: a call with every branch and stream has a tenth of it.
const MAX_REPLY: usize = 1 << 20;

/// What a `ping` may ask for, and the key of its answer: another in each process.
const INSTANCE: &str = "instance";

/// What Kamailio and OpenSIPS read as "try another relay".
const OVERLOADED: &str = "Parallel session limit reached";

/// The way to one shard.
pub(super) struct ShardDoor {
    pub(super) jobs: SyncSender<Job>,
    pub(super) waker: Waker,
}

impl ShardDoor {
    /// Hands a job in; gives it back if the shard cannot take it.
    fn send(&self, job: Job) -> Option<Job> {
        match self.jobs.try_send(job) {
            Ok(()) => {
                if let Err(error) = self.waker.wake() {
                    tracing::error!(%error, "a shard cannot be woken");
                }
                None
            }
            Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => Some(job),
        }
    }
}

/// Whom a reply goes to.
#[derive(Clone, PartialEq)]
enum Asker {
    Datagram { socket: usize, from: SocketAddr },
    Connection(doors::Asker),
}

impl Asker {
    fn address(&self) -> SocketAddr {
        match self {
            Self::Datagram { from, .. } => *from,
            Self::Connection(asker) => asker.address,
        }
    }

    /// Ends what a stranger has begun: a connection that does not speak for us must not take up a place.
    fn hang_up(&self) {
        if let Self::Connection(asker) = self {
            asker.hang_up();
        }
    }

    fn max_reply(&self) -> usize {
        match self {
            Self::Datagram { .. } => MAX_DATAGRAM_REPLY,
            Self::Connection(_) => MAX_REPLY,
        }
    }
}

/// The control ports and all that they need to answer.
pub(super) struct Control {
    poller: Poller,
    sockets: Vec<UdpSocket>,
    /// What comes over connections.
    incoming: tokio::sync::mpsc::Receiver<Incoming>,
    guard: Guard,
    replay: Replay<Asker>,
    shards: Vec<ShardDoor>,
    replies: Receiver<Reply>,
    /// Keyed by this process's own secret: nobody can choose call-ids that all meet in one shard.
    spread: RandomState,
    logged: Logged,
    /// This process, for those who want to know whether the one that has their calls still runs.
    instance: String,
    /// Names that `direction` may have.
    interfaces: Vec<String>,
    tally: Tally,
    /// Replies that every shard has a part in, by cookie.
    gathering: HashMap<Box<[u8]>, Gathering>,
    /// What is asked at the status door, and what is told there.
    outlook: Outlook,
    memory: Memory,
}

impl Control {
    pub(super) fn new(
        incoming: tokio::sync::mpsc::Receiver<Incoming>,
        replies: Receiver<Reply>,
        interfaces: Vec<String>,
        backend: BackendChoice,
        key: Option<Key>,
        outlook: Outlook,
    ) -> io::Result<(Self, Waker)> {
        let poller = Poller::new()?;
        let waker = poller.waker();
        let spread = RandomState::new();
        let control = Self {
            poller,
            sockets: Vec::new(),
            incoming,
            replay: match key {
                Some(_) => Replay::strict(Instant::now()),
                None => Replay::new(Instant::now()),
            },
            guard: Guard::new(key),
            shards: Vec::new(),
            replies,
            instance: format!("{:016x}", spread.hash_one(INSTANCE)),
            spread,
            logged: Logged::default(),
            interfaces,
            tally: Tally::new(backend, Instant::now()),
            gathering: HashMap::new(),
            outlook,
            memory: Memory::default(),
        };
        Ok((control, waker))
    }

    /// Takes commands from this port too.
    pub(super) fn add_socket(&mut self, mut socket: UdpSocket) -> io::Result<()> {
        let key = u32::try_from(self.sockets.len()).map_err(io::Error::other)?;
        self.poller.watch(&mut socket, key)?;
        self.sockets.push(socket);
        Ok(())
    }

    pub(super) fn add_shard(&mut self, door: ShardDoor) {
        self.shards.push(door);
    }

    /// Serves until `stopping`.
    pub(super) fn run(mut self, stopping: &AtomicBool) {
        let mut buffer = vec![0; MAX_DATAGRAM];
        let mut readable = Vec::new();
        let mut more = false;
        while !stopping.load(Ordering::Acquire) {
            readable.clear();
            let timeout = if more {
                Some(Duration::ZERO)
            } else {
                self.forget()
            };
            if let Err(error) = self.poller.wait(timeout, &mut readable) {
                tracing::error!(%error, "the control thread cannot wait for its sockets");
                return;
            }
            let look = more || !readable.is_empty();
            more = self.messages();
            self.questions();
            for socket in (0..self.sockets.len()).filter(|_| look) {
                more |= self.datagrams(socket, &mut buffer);
            }
            while let Ok(reply) = self.replies.try_recv() {
                self.replied(reply);
            }
        }
    }

    /// Forgets what is over; how long until there is more of it.
    fn forget(&mut self) -> Option<Duration> {
        let now = Instant::now();
        self.replay.timeout(now);
        let calls = self.outlook.seats.taken();
        let look = self.memory.look(self.replay.len().saturating_add(calls));
        let over = self.replay.deadline();
        let over = over.map(|over| over.saturating_duration_since(now));
        look.into_iter().chain(over).min()
    }

    /// Takes a batch of datagrams; whether there may be more.
    fn datagrams(&mut self, socket: usize, buffer: &mut [u8]) -> bool {
        for _ in 0..BATCH {
            let Some(port) = self.sockets.get(socket) else {
                return false;
            };
            match port.receive(buffer) {
                Ok(Some((len, from))) => {
                    let datagram = buffer.get(..len).unwrap_or_default();
                    self.request(datagram, &Asker::Datagram { socket, from });
                }
                Ok(None) => {
                    self.poller
                        .emptied(u32::try_from(socket).unwrap_or(u32::MAX));
                    return false;
                }
                Err(error) => tracing::debug!(%error, "control port"),
            }
        }
        true
    }

    /// Takes a batch of what came over connections; whether there may be more.
    fn messages(&mut self) -> bool {
        for _ in 0..BATCH {
            let Ok(Incoming { message, asker }) = self.incoming.try_recv() else {
                return false;
            };
            self.request(&message, &Asker::Connection(asker));
        }
        true
    }

    fn request(&mut self, message: &[u8], asker: &Asker) {
        let (from, now) = (asker.address(), Instant::now());
        let unix = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        if !self.guard.admits(message, from, unix, now) {
            return asker.hang_up();
        }
        let Some(envelope) = Envelope::open(message) else {
            tracing::debug!(%from, "dropped at the control port: no cookie");
            return;
        };
        match self.replay.admit(envelope.cookie, asker.clone(), now) {
            Admission::Answered(reply) => self.send(&reply, asker),
            Admission::Executing => {}
            Admission::Full => {
                if self.logged.first_time("full") {
                    tracing::warn!(
                        "too many commands to remember; they are dropped until there is room"
                    );
                }
            }
            Admission::New => {
                if let Some(response) = self.execute(envelope, asker) {
                    let reply = response.encode(envelope.cookie, envelope.format);
                    self.finish(envelope.cookie, reply.into());
                }
            }
        }
    }

    /// The response, or `None` if a shard will give it.
    fn execute(&mut self, envelope: Envelope<'_>, asker: &Asker) -> Option<Response> {
        let from = asker.address();
        let request = match envelope.request() {
            Ok(request) => request,
            Err(refusal) => {
                self.tally.refused(from.ip());
                let reason = refusal.to_string();
                if self.logged.first_time(&reason) {
                    tracing::warn!(%from, reason, "refused at the control port; said once for each reason");
                }
                return Some(refusal.into());
            }
        };
        self.log_unknown(&request, from);
        let asked = Asked {
            host: from.ip(),
            command: request.command,
            at: Instant::now(),
        };
        if request.command == Command::Ping {
            self.tally.answered(asked, false, Instant::now());
            return Some(self.pong(&request));
        }
        let job = Job {
            cookie: envelope.cookie.into(),
            format: envelope.format,
            request: Box::new(request),
            max_reply: self.guard.max_unsigned(asker.max_reply()),
            asked,
        };
        let refused = if gathering::is_for_all(&job.request) {
            self.ask_all(&job)
        } else {
            self.dispatch(job)
        };
        if refused.is_some() {
            self.tally.answered(asked, true, Instant::now());
        }
        refused
    }

    /// The answer to `ping`; with the name of this process for those who ask for it.
    fn pong(&self, ping: &Request) -> Response {
        let pong = match self.outlook.seats.is_closed() {
            // Our proxy then gives its new calls to others; an rtpengine's client reads nothing but the result.
            true => Response::pong().with("draining", 1),
            false => Response::pong(),
        };
        match ping.supports.iter().any(|feature| feature == INSTANCE) {
            true => pong.with(INSTANCE, self.instance.as_str()),
            false => pong,
        }
    }

    /// Asks every shard for its part of the reply.
    fn ask_all(&mut self, job: &Job) -> Option<Response> {
        for door in &self.shards {
            let copy = Job {
                cookie: job.cookie.clone(),
                request: job.request.clone(),
                ..*job
            };
            if door.send(copy).is_some() {
                // What the others say is dropped: nobody gathers it.
                return Some(overloaded(&job.request));
            }
        }
        let gathering = Gathering::new(&job.request, job.format, job.max_reply, self.shards.len());
        self.gathering.insert(job.cookie.clone(), gathering);
        None
    }

    /// A shard has answered.
    fn replied(&mut self, reply: Reply) {
        let now = Instant::now();
        match reply.body {
            Body::Message { bytes, is_error } => {
                self.tally.answered(reply.asked, is_error, now);
                self.finish(&reply.cookie, bytes);
            }
            Body::Part(part) => self.gather(&reply.cookie, reply.asked, (reply.shard, part), now),
        }
    }

    fn gather(&mut self, cookie: &[u8], asked: Asked, (shard, part): (usize, Part), now: Instant) {
        let Some(gathering) = self.gathering.get_mut(cookie) else {
            return;
        };
        if !gathering.add(shard, part) {
            return;
        }
        let Some(mut gathering) = self.gathering.remove(cookie) else {
            return;
        };
        if let Some(question) = gathering.question.take() {
            return self.tell(question, gathering);
        }
        let (format, max_reply) = (gathering.format, gathering.max_reply);
        let response = if gathering.command == Command::Statistics {
            let mut statistics = self.tally.dictionary(gathering.statistics(), now);
            if let Some(unauthentic) = self.guard.told() {
                statistics.push("unauthentic", unauthentic);
            }
            statistics.push("handover", gathering.handed());
            Response::ok().with("statistics", statistics)
        } else {
            gathering.calls()
        };
        self.tally.answered(asked, false, now);
        let message = encode(response, cookie, format, max_reply);
        self.finish(cookie, message.into());
    }

    fn dispatch(&self, job: Job) -> Option<Response> {
        let hash = self
            .spread
            .hash_one(job.request.call_id.as_deref().unwrap_or_default());
        let shards = u64::try_from(self.shards.len()).ok()?;
        let index = usize::try_from(hash.checked_rem(shards)?).ok()?;
        let job = self.shards.get(index)?.send(job)?;
        Some(overloaded(&job.request))
    }

    /// Stores the reply and sends it to all who asked.
    fn finish(&mut self, cookie: &[u8], reply: Arc<[u8]>) {
        let reply = self.guard.sign(reply);
        for peer in self.replay.finish(cookie, Arc::clone(&reply)) {
            self.send(&reply, &peer);
        }
    }

    fn send(&self, reply: &Arc<[u8]>, to: &Asker) {
        match to {
            Asker::Connection(asker) => asker.reply(Arc::clone(reply)),
            Asker::Datagram { socket, from } => {
                let sent = self
                    .sockets
                    .get(*socket)
                    .map(|port| port.send(reply, *from));
                // Whoever misses it asks again.
                if let Some(Err(error)) = sent {
                    tracing::warn!(to = %from, %error, length = reply.len(), "control reply not sent");
                }
            }
        }
    }

    fn log_unknown(&mut self, request: &Request, from: SocketAddr) {
        for word in &request.unknown {
            if self.logged.first_time(word) {
                tracing::warn!(%from, command = request.command.name(), ?word, "ignored: not known here");
            }
        }
        for word in unserved::of(request, &self.interfaces) {
            if self.logged.first_time(&word) {
                tracing::warn!(%from, command = request.command.name(), word, "not done here");
            }
        }
    }
}

/// What the log has said already: each thing once, since it comes again with every call.
#[derive(Default)]
struct Logged(HashSet<String>);

impl Logged {
    fn first_time(&mut self, word: &str) -> bool {
        self.0.len() < MAX_LOGGED && !self.0.contains(word) && self.0.insert(word.to_owned())
    }
}

fn overloaded(request: &Request) -> Response {
    if request
        .supports
        .iter()
        .any(|feature| feature == "load limit")
    {
        Response::load_limit(OVERLOADED)
    } else {
        Response::error(OVERLOADED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_logged_once_and_made_up_words_fill_nothing() {
        let mut logged = Logged::default();
        assert!(logged.first_time("frobnicate"));
        assert!(!logged.first_time("frobnicate"));
        let told = (0..10 * MAX_LOGGED)
            .filter(|number| logged.first_time(&number.to_string()))
            .count();
        assert_eq!(told, MAX_LOGGED - 1);
    }
}
