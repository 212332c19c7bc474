//! The control thread: ng over UDP. It opens envelopes, executes each command once, however often it
//! comes, answers `ping` itself and leaves everything else to the shard that has the call.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};
use std::time::{Duration, Instant};

use control_proto::{Admission, Command, Envelope, MAX_DATAGRAM, Replay, Request, Response};
use net::poll::{Poller, Waker};
use net::udp::UdpSocket;

use super::worker::{Job, Reply};

/// Commands that are taken in before replies have their turn.
const BATCH: usize = 64;

/// Words that are remembered as already logged. Nobody has that many; whoever makes them up fills
/// no log and no memory.
const MAX_LOGGED: usize = 1024;

/// What Kamailio and OpenSIPS read as "try another relay".
const OVERLOADED: &str = "Parallel session limit reached";

/// The way to one shard.
pub(super) struct ShardDoor {
    pub(super) jobs: SyncSender<Job>,
    pub(super) waker: Waker,
}

/// The control port and all that it needs to answer.
pub(super) struct Control {
    poller: Poller,
    socket: UdpSocket,
    replay: Replay,
    shards: Vec<ShardDoor>,
    replies: Receiver<Reply>,
    /// Keyed by this process's own secret: nobody can choose call-ids that all meet in one shard.
    spread: RandomState,
    logged: Logged,
}

impl Control {
    pub(super) fn new(
        mut socket: UdpSocket,
        replies: Receiver<Reply>,
    ) -> io::Result<(Self, Waker)> {
        let poller = Poller::new()?;
        poller.watch(&mut socket, 0)?;
        let waker = poller.waker();
        let control = Self {
            poller,
            socket,
            replay: Replay::new(Instant::now()),
            shards: Vec::new(),
            replies,
            spread: RandomState::new(),
            logged: Logged::default(),
        };
        Ok((control, waker))
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
            if let Err(error) = self
                .poller
                .wait(more.then_some(Duration::ZERO), &mut readable)
            {
                tracing::error!(%error, "the control thread cannot wait for its socket");
                return;
            }
            if more || !readable.is_empty() {
                more = self.requests(&mut buffer);
            }
            while let Ok(reply) = self.replies.try_recv() {
                self.finish(&reply.cookie, reply.datagram);
            }
        }
    }

    /// Takes a batch of requests; whether there may be more.
    fn requests(&mut self, buffer: &mut [u8]) -> bool {
        for _ in 0..BATCH {
            match self.socket.receive(buffer) {
                Ok(Some((len, from))) => self.request(buffer.get(..len).unwrap_or_default(), from),
                Ok(None) => return false,
                Err(error) => tracing::debug!(%error, "control port"),
            }
        }
        true
    }

    fn request(&mut self, datagram: &[u8], from: SocketAddr) {
        let Some(envelope) = Envelope::open(datagram) else {
            tracing::debug!(%from, "dropped at the control port: no cookie");
            return;
        };
        match self.replay.admit(envelope.cookie, from, Instant::now()) {
            Admission::Answered(reply) => self.send(&reply, from),
            Admission::Executing => {}
            Admission::New => {
                if let Some(response) = self.execute(envelope, from) {
                    let reply = response.encode(envelope.cookie, envelope.format);
                    self.finish(envelope.cookie, reply.into());
                }
            }
        }
    }

    /// The response, or `None` if a shard will give it.
    fn execute(&mut self, envelope: Envelope<'_>, from: SocketAddr) -> Option<Response> {
        let request = match envelope.request() {
            Ok(request) => request,
            Err(refusal) => {
                let reason = refusal.to_string();
                if self.logged.first_time(&reason) {
                    tracing::warn!(%from, reason, "refused at the control port; said once for each reason");
                }
                return Some(refusal.into());
            }
        };
        self.log_unknown(&request, from);
        if request.command == Command::Ping {
            return Some(Response::pong());
        }
        let job = Job {
            cookie: envelope.cookie.into(),
            format: envelope.format,
            request: Box::new(request),
        };
        self.dispatch(job)
    }

    fn dispatch(&self, job: Job) -> Option<Response> {
        let hash = self
            .spread
            .hash_one(job.request.call_id.as_deref().unwrap_or_default());
        let shards = u64::try_from(self.shards.len()).ok()?;
        let index = usize::try_from(hash.checked_rem(shards)?).ok()?;
        let door = self.shards.get(index)?;
        match door.jobs.try_send(job) {
            Ok(()) => {
                if let Err(error) = door.waker.wake() {
                    tracing::error!(%error, "a shard cannot be woken");
                }
                None
            }
            Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => {
                Some(overloaded(&job.request))
            }
        }
    }

    /// Stores the reply and sends it to all who asked.
    fn finish(&mut self, cookie: &[u8], reply: Arc<[u8]>) {
        for peer in self.replay.finish(cookie, Arc::clone(&reply)) {
            self.send(&reply, peer);
        }
    }

    fn send(&self, reply: &[u8], to: SocketAddr) {
        // Whoever misses it asks again.
        if let Err(error) = self.socket.send(reply, to) {
            tracing::warn!(%to, %error, length = reply.len(), "control reply not sent");
        }
    }

    fn log_unknown(&mut self, request: &Request, from: SocketAddr) {
        for word in &request.unknown {
            if self.logged.first_time(word) {
                tracing::warn!(%from, command = request.command.name(), ?word, "ignored: not known here");
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
