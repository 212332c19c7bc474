//! The thread of one shard: commands, datagrams and timers reach the core here, and its datagrams
//! leave. Nothing waits for anything: what cannot be sent now is lost, as the network would lose it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use control_proto::{Dictionary, Format, MAX_DATAGRAM, Request, Response};
use net::poll::{Key, Waker};

use super::gathering::{self, Part};
use super::load::Load;
use super::recorder::Recorder;
use super::sockets::Sockets;
use super::tally::Asked;
use crate::core::{Event, EventKind, HEADROOM, Output, Shard, SocketId};

/// Datagrams that are taken from one socket before the others have their turn, so that a flood at
/// one port delays the others by less than a millisecond.
const BATCH: usize = 32;

/// Commands that are executed before media has its turn.
const COMMANDS: usize = 16;

/// How often a failure to send is worth a line in the log.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);

/// A command on its way to a shard.
pub(super) struct Job {
    pub(super) cookie: Box<[u8]>,
    pub(super) format: Format,
    pub(super) request: Box<Request>,
    /// Bytes that the reply may have: what carries it takes no more.
    pub(super) max_reply: usize,
    pub(super) asked: Asked,
}

/// Its reply on the way back.
pub(super) struct Reply {
    pub(super) cookie: Box<[u8]>,
    pub(super) asked: Asked,
    pub(super) body: Body,
}

/// What a shard has to say to a command.
pub(super) enum Body {
    /// The whole message.
    Message { bytes: Arc<[u8]>, is_error: bool },
    /// This shard's part of it.
    Part(Part),
}

/// One shard with all it needs.
pub(super) struct Worker {
    shard: Shard,
    sockets: Sockets,
    jobs: Receiver<Job>,
    replies: Sender<Reply>,
    /// Wakes the control thread for a reply.
    control: Waker,
    /// Sockets that may hold datagrams still.
    readable: Vec<Key>,
    /// Whether commands may be waiting still.
    more_jobs: bool,
    recorder: Option<Recorder>,
    load: Load,
    lost: Lost,
    buffer: Box<[u8]>,
}

impl Worker {
    pub(super) fn new(
        shard: Shard,
        jobs: Receiver<Job>,
        replies: Sender<Reply>,
        control: Waker,
        recorder: Option<Recorder>,
        load: Load,
    ) -> io::Result<Self> {
        Ok(Self {
            shard,
            sockets: Sockets::new()?,
            jobs,
            replies,
            control,
            readable: Vec::new(),
            more_jobs: false,
            recorder,
            load,
            lost: Lost::default(),
            buffer: vec![0; MAX_DATAGRAM + HEADROOM].into(),
        })
    }

    /// See [`Shard::share_ports`]: once, before [`run`](Self::run).
    pub(super) fn share_ports(&mut self) -> Result<(), SocketAddr> {
        self.shard.share_ports(&mut self.sockets)?;
        for address in self.shard.shared_ports() {
            tracing::info!(%address, "the one port of this shard for browsers");
        }
        Ok(())
    }

    /// Ends the wait of this thread.
    pub(super) fn waker(&self) -> Waker {
        self.sockets.waker()
    }

    /// Serves until `stopping`.
    pub(super) fn run(mut self, stopping: &AtomicBool) {
        while !stopping.load(Ordering::Acquire) {
            let idle_from = Instant::now();
            let timeout = self.timeout(idle_from);
            if let Err(error) = self.sockets.wait(timeout, &mut self.readable) {
                tracing::error!(%error, "the shard cannot wait for its sockets");
                return;
            }
            let now = Instant::now();
            if let Some(is_over) = self.load.waited(idle_from, now) {
                self.take_calls(!is_over);
            }
            self.commands(now);
            self.datagrams(now);
            if self
                .shard
                .deadline()
                .is_some_and(|deadline| deadline <= now)
            {
                self.shard.timeout(now, &mut self.sockets);
            }
            self.outputs(now);
        }
    }

    /// How long there is nothing to do unless something comes.
    fn timeout(&self, now: Instant) -> Option<Duration> {
        if self.more_jobs || !self.readable.is_empty() {
            return Some(Duration::ZERO);
        }
        Some(self.shard.deadline()?.saturating_duration_since(now))
    }

    /// New calls are the first thing that a full core goes without.
    fn take_calls(&mut self, again: bool) {
        self.shard.set_overloaded(!again);
        if again {
            tracing::info!("this shard has time again and takes new calls");
        } else {
            tracing::warn!(
                "this shard's core is full: new calls are refused (setting [relay] max_load)"
            );
        }
    }

    fn commands(&mut self, now: Instant) {
        let mut executed = 0_usize;
        for job in self.jobs.try_iter().take(COMMANDS) {
            executed = executed.saturating_add(1);
            let body = match gathering::part(&self.shard, &job.request) {
                Some(part) => Body::Part(part),
                None => {
                    let response = self.shard.command(&job.request, now, &mut self.sockets);
                    let is_error = response.error_reason().is_some();
                    let bytes = encode(response, &job.cookie, job.format, job.max_reply).into();
                    Body::Message { bytes, is_error }
                }
            };
            // The control thread is gone only when all is ending.
            _ = self.replies.send(Reply {
                cookie: job.cookie,
                asked: job.asked,
                body,
            });
        }
        self.more_jobs = executed == COMMANDS;
        if executed > 0
            && let Err(error) = self.control.wake()
        {
            tracing::error!(%error, "the control thread cannot be woken");
        }
    }

    fn datagrams(&mut self, now: Instant) {
        // A socket that was left half read may have been reported again.
        self.readable.sort_unstable();
        self.readable.dedup();
        let mut readable = std::mem::take(&mut self.readable);
        readable.retain(|&key| self.read(SocketId(key), now));
        self.readable = readable;
    }

    /// Takes a batch from one socket; whether there may be more.
    fn read(&mut self, id: SocketId, now: Instant) -> bool {
        for _ in 0..BATCH {
            let Some(socket) = self.sockets.get(id) else {
                return false;
            };
            let room = self.buffer.get_mut(..MAX_DATAGRAM).unwrap_or_default();
            let (len, from) = match socket.receive(room) {
                Ok(Some(received)) => received,
                Ok(None) => return false,
                // The system's news about earlier datagrams; the next one is not affected.
                Err(_) => continue,
            };
            let Some(send) = self.shard.receive(id, from, &mut self.buffer, len, now) else {
                continue;
            };
            if let (Some(socket), Some(bytes)) =
                (self.sockets.get(send.socket), self.buffer.get(..send.len))
                && let Err(error) = socket.send(bytes, send.to)
            {
                self.lost.count(&error, now);
            }
        }
        true
    }

    fn outputs(&mut self, now: Instant) {
        while let Some(output) = self.shard.poll() {
            match output {
                Output::Datagram { socket, to, bytes } => {
                    if let Some(socket) = self.sockets.get(socket)
                        && let Err(error) = socket.send(&bytes, to)
                    {
                        self.lost.count(&error, now);
                    }
                }
                Output::Event(event) => log(&event),
                Output::Record(record) => {
                    // Without a recorder the core makes none.
                    _ = self.recorder.as_ref().map(|recorder| recorder.take(record));
                }
            }
        }
    }
}

/// Writes the reply. Statistics that do not fit are left out: the command was executed,
/// and whoever asked must hear of it.
pub(super) fn encode(
    mut response: Response,
    cookie: &[u8],
    format: Format,
    max_reply: usize,
) -> Vec<u8> {
    let datagram = response.encode(cookie, format);
    if datagram.len() <= max_reply {
        return datagram;
    }
    response.other = Dictionary::new();
    let datagram = response
        .with_warning("statistics are too long for a reply")
        .encode(cookie, format);
    if datagram.len() <= max_reply {
        return datagram;
    }
    Response::error("the reply is too long").encode(cookie, format)
}

fn log(event: &Event) {
    // A call-id is the peer's text: written with its control characters escaped.
    let call = &event.call_id;
    match &event.kind {
        EventKind::DtlsConnected => tracing::debug!(?call, "DTLS has given the keys"),
        EventKind::DtlsFailed(reason) => tracing::warn!(?call, %reason, "DTLS failed"),
        EventKind::Unanswered => tracing::info!(?call, "freed: never answered"),
        EventKind::Silent => tracing::info!(?call, "freed: nothing was heard from it for too long"),
        EventKind::SilentOnHold => {
            tracing::info!(?call, "freed: on hold, and nothing was heard for too long")
        }
        EventKind::TooLong => tracing::info!(?call, "freed: it has lasted for final_timeout"),
        EventKind::Deleted => tracing::debug!(?call, "freed: deleted"),
    }
}

/// Datagrams that the system did not take, and when the log last spoke of them.
#[derive(Default)]
struct Lost {
    count: u64,
    complained: Option<Instant>,
}

impl Lost {
    fn count(&mut self, error: &io::Error, now: Instant) {
        self.count = self.count.saturating_add(1);
        if self
            .complained
            .is_none_or(|then| now.saturating_duration_since(then) >= COMPLAIN_EVERY)
        {
            self.complained = Some(now);
            tracing::warn!(%error, count = self.count, "datagrams could not be sent");
        }
    }
}
