//! The thread of one shard: commands, datagrams and timers reach the core here, and its datagrams
//! leave. Nothing waits for anything: what cannot be sent now is lost, as the network would lose it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use control_proto::{Dictionary, Format, Request, Response};
use net::poll::Waker;

use super::backend::{Backend, Relay};
use super::gathering::{self, Part, Turning};
use super::handshakes::Desk;
use super::load::Load;
use super::neighbours::Neighbours;
use super::recorder::Recorder;
use super::tally::Asked;
use crate::core::{Event, EventKind, Output, Received, Send, Shard, Shards, SocketId};

/// Commands that are executed before media has its turn.
const COMMANDS: usize = 16;

/// News of handshakes that are heard before media has its turn.
const NEWS: usize = 64;

/// Datagrams from other shards that are taken before the own sockets have their turn.
const PARCELS: usize = 256;

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
    /// Whose it is.
    pub(super) shard: usize,
    pub(super) body: Body,
}

/// What a shard has to say to a command.
pub(super) enum Body {
    /// The whole message.
    Message { bytes: Arc<[u8]>, is_error: bool },
    /// This shard's part of it.
    Part(Part),
}

/// What a shard's thread has besides: its ways to other threads, and its measure.
pub(super) struct Queues {
    /// Which shard's they are.
    pub(super) shard: usize,
    pub(super) jobs: Receiver<Job>,
    pub(super) replies: Sender<Reply>,
    /// Wakes the control thread for a reply.
    pub(super) control: Waker,
    pub(super) recorder: Option<Recorder>,
    /// Who does the handshakes.
    pub(super) handshakes: Desk,
    /// The other shards.
    pub(super) neighbours: Neighbours,
    /// What of its core it uses.
    pub(super) load: Load,
    /// The number of the processor that it stays on.
    pub(super) processor: Option<usize>,
}

/// One shard with all it needs.
pub(super) struct Worker<B> {
    shard: Shard,
    backend: B,
    queues: Queues,
    /// Whether commands may be waiting still.
    more_jobs: bool,
    /// Whether news of handshakes may be waiting still.
    more_news: bool,
    /// Whether datagrams from other shards may be waiting still.
    more_parcels: bool,
    lost: Lost,
    /// Timers served, and how late they were all together.
    timers: u64,
    lateness: Duration,
}

impl<B: Backend> Worker<B> {
    pub(super) fn new(shard: Shard, backend: B, queues: Queues) -> Self {
        Self {
            shard,
            backend,
            queues,
            more_jobs: false,
            more_news: false,
            more_parcels: false,
            lost: Lost::default(),
            timers: 0,
            lateness: Duration::ZERO,
        }
    }

    /// See [`Shard::share_ports`]: once, before [`run`](Self::run).
    pub(super) fn share_ports(&mut self) -> Result<(), SocketAddr> {
        self.shard.share_ports(&mut self.backend)?;
        for (socket, _) in self.shard.shared_ports() {
            self.backend.crowd(socket);
        }
        Ok(())
    }

    /// Serves until `stopping`. The clock is read before and after each wait, and nowhere else.
    pub(super) fn run(mut self, stopping: &AtomicBool) {
        if let Some(number) = self.queues.processor
            && let Err(error) = net::cpu::pin(number)
        {
            tracing::warn!(%error, number, "a media thread cannot be kept on one processor");
        }
        while !stopping.load(Ordering::Acquire) {
            let idle_from = Instant::now();
            let timeout = self.timeout(idle_from);
            if let Err(error) = self.backend.wait(timeout) {
                tracing::error!(%error, "the shard cannot wait for its sockets");
                return;
            }
            let now = Instant::now();
            if let Some(is_over) = self.queues.load.waited(idle_from, now) {
                self.take_calls(!is_over);
            }
            self.commands(now);
            self.handshakes(now);
            self.parcels(now);
            self.datagrams(now);
            if let Some(due) = self.shard.deadline().filter(|due| *due <= now) {
                self.timers = self.timers.wrapping_add(1);
                let late = now.saturating_duration_since(due);
                self.lateness = self.lateness.saturating_add(late);
                self.shard.timeout(now, &mut self.backend);
            }
            self.outputs();
            self.queues.neighbours.wake();
            self.lost.complain(now);
        }
    }

    /// How long there is nothing to do unless something comes.
    fn timeout(&self, now: Instant) -> Option<Duration> {
        if self.more_jobs || self.more_news || self.more_parcels {
            return Some(Duration::ZERO);
        }
        Some(self.shard.deadline()?.saturating_duration_since(now))
    }

    /// New calls are the first thing that a full core goes without; the next is what has waited for too long.
    fn take_calls(&mut self, again: bool) {
        self.shard.set_overloaded(!again);
        self.backend.set_overloaded(!again);
        if again {
            tracing::info!("this shard has time again and takes new calls");
        } else {
            tracing::warn!(
                "this shard's core is full: new calls are refused, and packets that waited too long are dropped (setting [relay] max_load)"
            );
        }
    }

    fn commands(&mut self, now: Instant) {
        let mut executed = 0_usize;
        for job in self.queues.jobs.try_iter().take(COMMANDS) {
            executed = executed.saturating_add(1);
            let turning = || Turning {
                load: self.queues.load.used(),
                is_full: self.queues.load.is_over(),
                timers: self.timers,
                lateness: self.lateness,
                unsent: self.lost.count,
                handed: self.queues.neighbours.handed(),
            };
            let body = match gathering::part(&self.shard, &job.request, turning) {
                Some(part) => Body::Part(part),
                None => {
                    let response = self.shard.command(&job.request, now, &mut self.backend);
                    let is_error = response.error_reason().is_some();
                    let bytes = encode(response, &job.cookie, job.format, job.max_reply).into();
                    Body::Message { bytes, is_error }
                }
            };
            // The control thread is gone only when all is ending.
            _ = self.queues.replies.send(Reply {
                cookie: job.cookie,
                asked: job.asked,
                shard: self.queues.shard,
                body,
            });
        }
        self.more_jobs = executed == COMMANDS;
        if executed > 0
            && let Err(error) = self.queues.control.wake()
        {
            tracing::error!(%error, "the control thread cannot be woken");
        }
    }

    /// Hears what came of handshakes. Packets that have waited for keys leave before those that are read next.
    fn handshakes(&mut self, now: Instant) {
        for _ in 0..NEWS {
            let Some((id, news)) = self.queues.handshakes.news() else {
                self.more_news = false;
                return self.outputs();
            };
            self.shard.take_handshake(id, news, now);
        }
        self.more_news = true;
        self.outputs();
    }

    /// Takes what came to other shards and is ours.
    fn parcels(&mut self, now: Instant) {
        let Self { shard, queues, .. } = self;
        let neighbours = &mut queues.neighbours;
        if neighbours.is_none() {
            return;
        }
        neighbours.hear(shard);
        self.more_parcels = true;
        for _ in 0..PARCELS {
            let Some(mut parcel) = neighbours.next() else {
                self.more_parcels = false;
                return;
            };
            let (at, seen) = ((parcel.socket, parcel.from), parcel.seen);
            let (len, buffer) = (parcel.len, &mut parcel.buffer);
            match shard.receive_handed(at, buffer, len, seen, now) {
                Received::Send(send) => {
                    let datagram = buffer.get(..send.len).unwrap_or_default();
                    if let Err(error) = self.backend.send(send.socket, send.to, datagram) {
                        self.lost.count(error);
                    }
                }
                Received::Nothing => {}
                Received::Elsewhere => {
                    let datagram = buffer.get(..len).unwrap_or_default();
                    if !neighbours.hand_over(shard, at, datagram, seen) {
                        shard.stray();
                    }
                }
            }
        }
    }

    fn datagrams(&mut self, now: Instant) {
        let Self {
            shard,
            backend,
            queues,
            lost,
            ..
        } = self;
        let mut turn = Turn {
            shard,
            neighbours: &mut queues.neighbours,
            now,
        };
        backend.turn(&mut turn, lost);
    }

    fn outputs(&mut self) {
        while let Some(output) = self.shard.poll() {
            match output {
                Output::Datagram { socket, to, bytes } => {
                    if let Err(error) = self.backend.send(socket, to, &bytes) {
                        self.lost.count(error);
                    }
                }
                Output::Handshake { id, order } => self.queues.handshakes.order(id, order),
                Output::Claim(claim) => {
                    self.backend.bring(claim.socket, claim.source, claim.to);
                    self.queues.neighbours.tell(claim);
                }
                Output::Event(event) => log(&event),
                Output::Record(record) => {
                    // Without a recorder the core makes none.
                    let recorder = self.queues.recorder.as_ref();
                    _ = recorder.map(|recorder| recorder.take(record));
                }
            }
        }
    }
}

/// The shard at one moment.
struct Turn<'a> {
    shard: &'a mut Shard,
    neighbours: &'a mut Neighbours,
    now: Instant,
}

impl Relay for Turn<'_> {
    fn receive(
        &mut self,
        socket: SocketId,
        from: SocketAddr,
        buffer: &mut [u8],
        len: usize,
    ) -> Option<Send> {
        match self.shard.receive(socket, from, buffer, len, self.now) {
            Received::Send(send) => Some(send),
            Received::Nothing => None,
            Received::Elsewhere => {
                let datagram = buffer.get(..len).unwrap_or_default();
                let at = (socket, from);
                let nobody = Shards::default();
                if !self.neighbours.hand_over(self.shard, at, datagram, nobody) {
                    self.shard.stray();
                }
                None
            }
        }
    }

    fn late(&mut self, socket: SocketId, from: SocketAddr, datagram: &[u8]) {
        self.shard.too_late(socket, from, datagram);
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
        EventKind::Soundless(why) => tracing::warn!(?call, %why, "somebody heard nothing"),
        EventKind::Deleted => tracing::debug!(?call, "freed: deleted"),
    }
}

/// Datagrams that the system did not take, and when the log last spoke of them.
#[derive(Default)]
pub(super) struct Lost {
    count: u64,
    /// Why the last one was not taken; `None` once the log has said so.
    unsaid: Option<io::Error>,
    complained: Option<Instant>,
}

impl Lost {
    /// One more.
    pub(super) fn count(&mut self, error: io::Error) {
        self.count = self.count.saturating_add(1);
        self.unsaid = Some(error);
    }

    fn complain(&mut self, now: Instant) {
        let is_time = |then| now.saturating_duration_since(then) >= COMPLAIN_EVERY;
        if self.unsaid.is_some()
            && self.complained.is_none_or(is_time)
            && let Some(error) = self.unsaid.take()
        {
            self.complained = Some(now);
            tracing::warn!(%error, count = self.count, "datagrams could not be sent");
        }
    }
}
