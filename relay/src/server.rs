//! The I/O shell of the relay: sockets, threads and the clock around [`Shard`]. It decides nothing.
//!
//! One thread takes ng commands ([`control`]), which are answered by the shard that their call-id
//! hashes to; what comes by TCP, HTTP or WebSocket reaches it through the [`doors`]. Each shard has a thread of its own ([`worker`]) with its media ports ([`backend`]);
//! nothing is shared between them but queues: two to the control thread, and two to each other ([`neighbours`]), since all have the
//! same port for browsers ([`sharing`]).

mod address;
mod backend;
mod control;
mod doors;
mod figures;
mod gathering;
mod guard;
mod handshakes;
mod lengths;
mod load;
mod neighbours;
mod rates;
mod recorder;
mod sharing;
mod tally;
mod unserved;
mod worker;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use net::poll::Waker;
use net::status;
use net::tcp::Listener;
use net::udp::{BindError, Options, UdpSocket};
use tokio::sync::oneshot;

use crate::core::{self, Among, Anchor, Random, Shard};
pub use address::{ControlAddress, ControlTransport, NotAnAddress};
pub use backend::Choice as BackendChoice;
use backend::{Backend, Opened};
use control::{Control, Outlook, ShardDoor};
/// What commands are signed with.
pub use control_proto::Key as ControlKey;
use doors::Doors;
use handshakes::Handshaking;
use load::Load;
use recorder::{Writing, recorder};
use worker::{Queues, Worker};

/// Media threads when nothing is said: more than four cores are better spent on another relay.
const MAX_DEFAULT_SHARDS: usize = 4;

/// Bytes of ng commands that the kernel may hold for us: a burst of a few hundred offers.
const CONTROL_BUFFER: usize = 1 << 20;

/// Commands that wait for one shard. At a millisecond each it is a second's worth; whoever waits
/// longer has sent his command again.
const JOBS: usize = 1024;

/// Between two looks at the calls that are left.
const DRAIN_LOOK: Duration = Duration::from_millis(100);

/// Questions at the status door that wait for the control thread.
const QUESTIONS: usize = 16;

/// How the names of our metrics begin.
const METRICS_PREFIX: &str = "causeway_relay_";

/// What of a core may be in use when a call is still taken: the rest is for what those that are there may yet need.
const MAX_LOAD: u8 = 95;

/// The one port, on every address of every interface, for all browsers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SharedPort {
    /// There is none: every leg has a port of its own.
    #[default]
    None,
    /// The first of the media ports that is free on all addresses at the start.
    First,
    /// This one, which need not be one of the media ports.
    At(u16),
}

/// What the relay is told once, at its start.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where ng commands come to, at least one address. Whoever can reach one commands the relay:
    /// none may face the public network, unless there is a key.
    pub controls: Vec<ControlAddress>,
    /// Whether they may all the same, since something else keeps strangers away.
    pub public_control: bool,
    /// What commands must be signed with, and replies are. With it a control port may face the public network.
    pub control_key: Option<ControlKey>,
    /// Media threads: at least one, [`Among::MOST`](core::Among::MOST) at most.
    pub shards: usize,
    /// Whether browsers share a port.
    pub shared_port: SharedPort,
    /// Percent of its core from which on a media thread takes no new call; 100 for never, or as good as never.
    pub max_load: u8,
    /// Whether each media thread stays on a processor of its own.
    pub pin: bool,
    /// Which way media takes through the system.
    pub backend: BackendChoice,
    /// Where recordings are written: a directory that is there. Without one, nothing can be recorded.
    pub recordings: Option<PathBuf>,
    /// Where `/metrics`, `/health` and `/ready` are served; `None`: nowhere.
    pub status: Option<status::Place>,
    /// What each of them is told, but for the port that they share.
    pub core: core::Config,
}

impl Config {
    /// Commands over UDP at this address, as many media threads as this machine has cores, and the
    /// usual limits.
    #[must_use]
    pub fn new(control: SocketAddr, interfaces: Vec<core::Interface>) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            controls: vec![ControlAddress::udp(control)],
            public_control: false,
            control_key: None,
            shards: cores.min(MAX_DEFAULT_SHARDS),
            shared_port: SharedPort::None,
            max_load: MAX_LOAD,
            pin: false,
            backend: BackendChoice::Auto,
            recordings: None,
            status: None,
            core: core::Config::new(interfaces, anchor()),
        }
    }
}

/// Why the relay cannot start, or had to end: one sentence with the cure.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The control port cannot be had.
    #[error("the relay's control port: {0} (setting [relay] listen)")]
    Control(#[source] BindError),
    /// The status door's port cannot be had.
    #[error("the relay's /metrics: {0} (setting [relay] metrics)")]
    Status(#[source] net::bind::BindError),
    /// No address is named for commands.
    #[error("the relay takes commands nowhere; name an address under [relay] listen")]
    NoControl,
    /// ng has no passwords: whoever reaches the control port can end every call.
    #[error(
        "the relay's control port {0} can be reached from public networks, and whoever reaches it commands the relay; \
         bind a loopback or private address (setting [relay] listen), or give relay and proxy a key (setting [relay] control_key)"
    )]
    Public(ControlAddress),
    /// A media address is not of this machine.
    #[error("the relay's interface '{name}': {source} (settings under [media])")]
    Interface {
        /// The interface's name.
        name: String,
        /// What is wrong with its address.
        source: BindError,
    },
    /// The port that browsers are to share is taken.
    #[error(
        "the relay's port for browsers, udp {0}, is held by another program; end that, or name another port \
         (setting [media] browser_port)"
    )]
    SharedPortTaken(SocketAddr),
    /// The port that browsers are to share cannot be had for another reason.
    #[error("the relay's port for browsers: {0} (setting [media] browser_port)")]
    SharedPort(#[source] Box<BindError>),
    /// There is nowhere to open a media port.
    #[error("the relay has no interface; name at least one address under [media]")]
    NoInterface,
    /// The directory of the recordings cannot be written to.
    #[error(
        "recordings cannot be written to '{0}': {1}; make the directory, and let the relay's user write there"
    )]
    Recordings(PathBuf, #[source] io::Error),
    /// Media ports cannot be steered, and nothing else is wanted.
    #[error(
        "this process may not steer media ports ({0}); give it CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW, or leave out \
         [relay] backend"
    )]
    Steered(io::Error),
    /// The system gives no random bytes, without which every key could be guessed.
    #[error(
        "the system gives no random bytes ({0}); mount /dev or allow the getrandom system call"
    )]
    Random(getrandom::Error),
    /// The DTLS certificate could not be made.
    #[error("the relay's DTLS certificate cannot be made: {0}")]
    Certificate(String),
    /// The system gives no thread or no poller.
    #[error("the relay cannot start a thread: {0}; raise the limits of processes and open files")]
    System(#[from] io::Error),
    /// A thread ended although nobody asked it to: a bug of ours.
    #[error("the thread '{0}' ended unasked; this is a bug, see the log above")]
    Died(String),
}

/// What a thread does until it is told to stop.
type Body = Box<dyn FnOnce(&AtomicBool) + Send>;

/// A relay whose control ports are bound.
pub struct Server {
    control: Control,
    workers: Vec<Body>,
    handshaking: Handshaking,
    writing: Option<Writing>,
    wakers: Vec<Waker>,
    addresses: Vec<ControlAddress>,
    doors: Doors,
    incoming: tokio::sync::mpsc::Sender<doors::Incoming>,
    status: Option<(status::Door, tokio::sync::mpsc::Sender<status::Question>)>,
    seats: core::Seats,
}

impl Server {
    /// Binds the control ports and makes the shards; nothing is served before [`run`](Self::run).
    pub fn bind(config: Config) -> Result<Self, Error> {
        check_interfaces(&config.core)?;
        check_controls(&config)?;
        getrandom::fill(&mut [0; 32]).map_err(Error::Random)?;
        let shared = sharing::bind(&config)?;
        let port = shared.port;
        let (backend, backends) = backend::open(&config, shared)?;
        let shard_wakers: Vec<Waker> = backends.iter().map(Opened::waker).collect();
        let (reply_sender, replies) = mpsc::channel();
        let (incoming, received) = doors::queue();
        let names = config
            .core
            .interfaces
            .iter()
            .map(|interface| &interface.name)
            .chain(config.core.aliases.iter().map(|(alias, _)| alias))
            .cloned()
            .collect();
        let key = config.control_key.clone();
        let recorder = config.recordings.as_ref().map(|directory| {
            recorder(directory).map_err(|error| Error::Recordings(directory.clone(), error))
        });
        let (recorder, writing) = recorder.transpose()?.unzip();
        let (mut desks, mut handshaking) = handshakes::handshaking();
        let (questions_in, questions) = tokio::sync::mpsc::channel(QUESTIONS);
        let outlook = Outlook {
            questions,
            seats: config.core.seats.clone(),
            handshakes: handshaking.measures(),
            recorder: recorder.clone(),
            asked: 0,
        };
        let (mut control, control_waker) =
            Control::new(received, replies, names, backend, key, outlook)?;
        let mut doors = Doors::default();
        let mut addresses = Vec::new();
        for asked in &config.controls {
            let bound = bind(*asked, &mut control, &mut doors)?;
            addresses.push(ControlAddress {
                address: bound,
                ..*asked
            });
        }
        let status = config.status.map(|place| place.open(METRICS_PREFIX));
        let status = status.transpose().map_err(Error::Status)?.flatten();
        let mut wakers = vec![control_waker.clone()];
        let mut workers: Vec<Body> = Vec::new();
        let shards = make_shards(&config, port)?.into_iter();
        let neighbours = neighbours::neighbours(&shard_wakers);
        let parts = shards.zip(backends).zip(neighbours);
        for (number, ((mut shard, backend), neighbours)) in parts.enumerate() {
            let (desk, news) = desks.give();
            let endpoints = shard.give_handshakes();
            let (jobs_sender, jobs) = mpsc::sync_channel(JOBS);
            let queues = Queues {
                shard: number,
                jobs,
                replies: reply_sender.clone(),
                control: control_waker.clone(),
                recorder: recorder.clone(),
                handshakes: desk,
                neighbours,
                load: Load::new(config.max_load, Instant::now()),
                processor: config.pin.then_some(number),
            };
            let (waker, body) = match backend {
                Opened::Sockets(backend) => body(shard, *backend, queues)?,
                #[cfg(target_os = "linux")]
                Opened::Steered(backend) => body(shard, *backend, queues)?,
            };
            if let Some(endpoints) = endpoints {
                handshaking.seat(endpoints, news, waker.clone());
            }
            control.add_shard(ShardDoor {
                jobs: jobs_sender,
                waker: waker.clone(),
            });
            wakers.push(waker);
            workers.push(body);
        }
        Ok(Self {
            control,
            workers,
            handshaking,
            writing,
            wakers,
            addresses,
            doors,
            incoming,
            status: status.map(|door| (door, questions_in)),
            seats: config.core.seats.clone(),
        })
    }

    /// Where ng commands come to first of all, with the port that was taken.
    #[must_use]
    pub fn control_addr(&self) -> SocketAddr {
        let unspecified = SocketAddr::from(([0, 0, 0, 0], 0));
        self.addresses
            .first()
            .map_or(unspecified, |control| control.address)
    }

    /// Where ng commands come to, with the ports that were taken, in the order of the configuration.
    #[must_use]
    pub fn control_addrs(&self) -> &[ControlAddress] {
        &self.addresses
    }

    /// Lets it come to its end: it refuses new calls as if it were full, and those that stand go on.
    #[must_use]
    pub fn drain(&self) -> Drain {
        Drain {
            seats: self.seats.clone(),
        }
    }

    /// Where `/metrics`, `/health` and `/ready` are, with the port that was taken.
    #[must_use]
    pub fn status_addr(&self) -> Option<SocketAddr> {
        self.status.as_ref().map(|(door, _)| door.local_addr())
    }

    /// Serves until `stop` is done, then closes every port and returns. An error means that a thread
    /// of ours died: its calls are gone, and the process should be started anew.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), Error> {
        let stopping = Arc::new(AtomicBool::new(false));
        let (alive, mut ended) = tokio::sync::mpsc::channel(1);
        let mut threads = Vec::new();
        let mut spawn = |name: String, body: Body| {
            let (stopping, last_words) = (
                Arc::clone(&stopping),
                LastWords {
                    name: name.clone(),
                    alive: alive.clone(),
                },
            );
            let thread = thread::Builder::new().name(name).spawn(move || {
                body(&stopping);
                drop(last_words);
            })?;
            threads.push(thread);
            Ok::<_, io::Error>(())
        };
        let mut started = Ok(());
        for (number, worker) in self.workers.into_iter().enumerate() {
            started = started.and_then(|()| spawn(format!("shard {number}"), worker));
        }
        let (end_doors, doors_end) = oneshot::channel::<()>();
        if !self.doors.is_empty() {
            let (doors, incoming) = (self.doors, self.incoming);
            let wakes = self.wakers.first().cloned();
            let body = move |_: &AtomicBool| {
                let Some(control) = wakes else { return };
                if let Err(error) = doors.run(incoming, control, async { _ = doors_end.await }) {
                    tracing::error!(%error, "the doors cannot be served");
                }
            };
            started = started.and_then(|()| spawn("doors".to_owned(), Box::new(body)));
        }
        let control = self.control;
        started = started.and_then(|()| {
            spawn(
                "control".to_owned(),
                Box::new(|stopping| control.run(stopping)),
            )
        });
        let handshaking = self.handshaking;
        started = started.and_then(|()| {
            // It ends when the last shard has.
            spawn("handshakes".to_owned(), Box::new(|_| handshaking.run()))
        });
        if let Some(writing) = self.writing {
            // It ends when the last shard has.
            started =
                started.and_then(|()| spawn("recorder".to_owned(), Box::new(|_| writing.run())));
        }
        let result = match started {
            Err(error) => Err(error.into()),
            Ok(()) => {
                let shards = self.wakers.len().saturating_sub(1);
                for control in &self.addresses {
                    tracing::info!(%control, shards, "the relay is ready");
                }
                tokio::select! {
                    () = stop => Ok(()),
                    () = served(self.status, self.wakers.first().cloned()) => Ok(()),
                    name = ended.recv() => Err(Error::Died(name.unwrap_or_default())),
                }
            }
        };
        stopping.store(true, Ordering::Release);
        drop(end_doors);
        for waker in &self.wakers {
            if let Err(error) = waker.wake() {
                tracing::error!(%error, "a thread cannot be woken to end");
            }
        }
        // Each is within a batch of its end.
        threads.into_iter().for_each(|thread| _ = thread.join());
        result
    }
}

/// Lets a relay come to its end. See [`Server::drain`].
#[derive(Debug)]
pub struct Drain {
    seats: core::Seats,
}

impl Drain {
    /// From now on no new call begins there, and `ping` says so.
    pub fn begin(&self) {
        tracing::info!(
            calls = self.seats.taken(),
            "no new calls from now on; ends when those that stand are over"
        );
        self.seats.close();
    }

    /// Done when no call is left. Needs a tokio runtime with time.
    pub async fn over(self) {
        while self.seats.taken() > 0 {
            tokio::time::sleep(DRAIN_LOOK).await;
        }
    }
}

/// Carries questions from the status door to the control thread; never done.
async fn served(
    status: Option<(status::Door, tokio::sync::mpsc::Sender<status::Question>)>,
    control: Option<Waker>,
) {
    if let (Some((door, questions)), Some(control)) = (status, control) {
        let ask = move |question| {
            // Who asks while too many do is told so.
            if questions.try_send(question).is_ok()
                && let Err(error) = control.wake()
            {
                tracing::error!(%error, "the control thread cannot be woken");
            }
        };
        if let Err(error) = door.run(ask).await {
            tracing::error!(%error, "the status door cannot be served");
        }
    }
    std::future::pending().await
}

/// Tells that a thread has ended, however it did.
struct LastWords {
    name: String,
    alive: tokio::sync::mpsc::Sender<String>,
}

impl std::ops::Drop for LastWords {
    fn drop(&mut self) {
        // Only the first is heard.
        _ = self.alive.try_send(std::mem::take(&mut self.name));
    }
}

/// Opens and closes a port on each interface, so that a wrong address is found now and not in the
/// first call.
fn check_interfaces(config: &core::Config) -> Result<(), Error> {
    if config.interfaces.is_empty() {
        return Err(Error::NoInterface);
    }
    for interface in &config.interfaces {
        UdpSocket::bind(SocketAddr::new(interface.bind.0, 0), Options::default()).map_err(
            |source| Error::Interface {
                name: interface.name.clone(),
                source,
            },
        )?;
    }
    Ok(())
}

/// A relay that strangers can command must not start.
fn check_controls(config: &Config) -> Result<(), Error> {
    if config.controls.is_empty() {
        return Err(Error::NoControl);
    }
    if config.control_key.is_some() {
        return Ok(());
    }
    match config.controls.iter().find(|control| control.is_public()) {
        Some(control) if !config.public_control => Err(Error::Public(*control)),
        Some(control) => {
            tracing::warn!(%control, "whoever reaches this control port commands the relay");
            Ok(())
        }
        None => Ok(()),
    }
}

/// Binds one control port; returns its address with the port that was taken.
fn bind(
    asked: ControlAddress,
    control: &mut Control,
    doors: &mut Doors,
) -> Result<SocketAddr, Error> {
    if asked.transport == ControlTransport::Udp {
        let options = Options {
            receive_buffer: Some(CONTROL_BUFFER),
            send_buffer: None,
        };
        let socket = UdpSocket::bind(asked.address, options).map_err(Error::Control)?;
        let bound = socket.local_addr();
        control.add_socket(socket)?;
        return Ok(bound);
    }
    let listener = Listener::bind(asked.address).map_err(Error::Control)?;
    let bound = listener.local_addr();
    doors.add(asked.transport, listener);
    Ok(bound)
}

/// What a shard's thread does, and what wakes it. From here on its code is that of one backend.
fn body<B: Backend>(shard: Shard, backend: B, queues: Queues) -> Result<(Waker, Body), Error> {
    let waker = backend.waker();
    let mut worker = Worker::new(shard, backend, queues);
    worker.share_ports().map_err(Error::SharedPortTaken)?;
    Ok((waker, Box::new(|stopping| worker.run(stopping))))
}

/// One certificate for the whole process.
fn make_shards(config: &Config, shared_port: Option<u16>) -> Result<Vec<Shard>, Error> {
    let identity =
        dtls::Identity::generate().map_err(|error| Error::Certificate(error.to_string()))?;
    let mut core = config.core.clone();
    core.recording = config.recordings.is_some();
    core.shared_port = shared_port;
    let count = u8::try_from(sharing::shards(config)).unwrap_or(u8::MAX);
    let shard = |number| {
        let mut core = core.clone();
        core.among = Among { number, count };
        Shard::new(core, identity.clone(), random())
    };
    Ok((0..count).map(shard).collect())
}

/// The system's randomness. Its absence was an error at the start; later there is no such thing on
/// any system that we run on, and going on without would mean keys that can be guessed.
fn random() -> Random {
    Box::new(|buffer| {
        while getrandom::fill(buffer).is_err() {
            thread::yield_now();
        }
    })
}

/// Ties the clock that is used to the time of day.
fn anchor() -> Anchor {
    let unix = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Anchor {
        instant: Instant::now(),
        unix,
    }
}
