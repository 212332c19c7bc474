//! An ordinary SIP phone: UDP, RTP/AVP, G.711, digits by RFC 4733. It knows nothing of WebRTC.
//!
//! The demo calls it, and tests script it: it can be busy, ring for ever, give early media, hold, hang up. It is an
//! endpoint and no part of the product's data path, so it holds its own sockets. In [`Config::strict`] mode it refuses
//! what an old phone would choke on, and counts it.

mod agent;
mod body;
mod call;
mod dialog;
pub(crate) mod digits;
pub(crate) mod ear;
pub mod g711;
mod incoming;
mod media;
mod outgoing;
pub(crate) mod sound;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

use agent::Command;
pub use body::Violation;
pub use call::{Call, End, State};
pub use ear::{Heard, Pauses};
pub use g711::Codec;

/// How a phone behaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where SIP is received: an IP address that others reach, port 0 for any. Media uses the same IP address.
    pub address: SocketAddr,
    /// The user part of its own address.
    pub user: String,
    /// The domain of its own address.
    pub domain: String,
    /// For digest; without one it cannot register.
    pub password: Option<String>,
    /// Where requests outside of dialogs go: the SIP server.
    pub server: Option<SocketAddr>,
    /// What it does when called, by the user part that is called.
    pub lines: Vec<Line>,
    /// In order of preference.
    pub codecs: Vec<Codec>,
    /// Whether to refuse (488) and count what is no plain RTP/AVP.
    pub strict: bool,
    /// Whether its own calls send the INVITE without an offer; the other side then offers.
    pub late_offer: bool,
}

/// What happens when somebody calls.
#[derive(Debug, Clone)]
pub struct Line {
    /// The user part that is called; empty for any.
    pub user: String,
    /// What the caller gets.
    pub answer: Answer,
    /// How long it rings before.
    pub ring: Duration,
    /// What it sends once media flows.
    pub voice: Voice,
    /// Hangs up so long after the answer.
    pub hang_up_after: Option<Duration>,
}

/// How a call is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// 180, then 200.
    Accept,
    /// 183 with SDP and sound, then 200.
    EarlyMedia,
    /// 180, then this status.
    Refuse(u16),
    /// 180 and nothing more until the caller cancels.
    Never,
}

/// What a phone sends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Voice {
    /// Back what it hears, packet by packet.
    Echo,
    /// A synthesised tune, over and over.
    Music,
    /// A tone of so many Hz.
    Tone(f32),
    /// Nothing at all.
    Silent,
}

impl Config {
    /// A phone named `user` at `address`, with the demo's two lines `echo` and `music` and nothing strict.
    #[must_use]
    pub fn new(user: &str, domain: &str, address: SocketAddr) -> Self {
        Self {
            address,
            user: user.to_owned(),
            domain: domain.to_owned(),
            password: None,
            server: None,
            lines: vec![
                Line::new("echo", Voice::Echo),
                Line::new("music", Voice::Music),
            ],
            codecs: vec![Codec::Pcmu, Codec::Pcma],
            strict: false,
            late_offer: false,
        }
    }
}

impl Line {
    /// A line that rings for half a second, then answers with `voice`.
    #[must_use]
    pub fn new(user: &str, voice: Voice) -> Self {
        Self {
            user: user.to_owned(),
            answer: Answer::Accept,
            ring: Duration::from_millis(500),
            voice,
            hang_up_after: None,
        }
    }
}

/// What can go wrong between a phone and those who use it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The other side refused.
    #[error("refused with {0}")]
    Refused(u16),
    /// Nobody answered, or the call ended before it was answered.
    #[error("no answer")]
    NoAnswer,
    /// The phone has no server or no password for what it was asked to do.
    #[error("the phone has no server or no password; set them in its Config")]
    NotConfigured,
    /// The phone was dropped.
    #[error("the phone is switched off")]
    Off,
}

/// A running phone. Ends, without goodbyes, when dropped.
#[derive(Debug)]
pub struct Phone {
    address: SocketAddr,
    commands: mpsc::UnboundedSender<Command>,
    incoming: Mutex<mpsc::Receiver<Call>>,
    violations: Arc<AtomicU32>,
    task: JoinHandle<()>,
}

impl Phone {
    /// Binds the phone's SIP socket and switches it on.
    ///
    /// # Errors
    /// The socket cannot be bound, or the system gives no randomness.
    pub async fn start(config: Config) -> io::Result<Self> {
        let socket = tokio::net::UdpSocket::bind(config.address).await?;
        let address = socket.local_addr()?;
        let (commands, inbox) = mpsc::unbounded_channel();
        let (announce, incoming) = mpsc::channel(agent::MAX_CALLS);
        let violations = Arc::default();
        let agent = agent::Agent::new(
            config,
            address,
            commands.clone(),
            announce,
            Arc::clone(&violations),
        )?;
        let task = tokio::spawn(agent.run(socket, inbox));
        Ok(Self {
            address,
            commands,
            incoming: Mutex::new(incoming),
            violations,
            task,
        })
    }

    /// Where it receives SIP.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Registers with the server, and goes on renewing it.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::NoAnswer`], [`Error::NotConfigured`] or [`Error::Off`].
    pub async fn register(&self) -> Result<(), Error> {
        let (done, outcome) = oneshot::channel();
        self.command(Command::Register(done))?;
        outcome.await.map_err(|_| Error::Off)?
    }

    /// Calls an address, sending `voice` once media flows. See [`Call::answered`].
    ///
    /// # Errors
    /// [`Error::Off`] or [`Error::NotConfigured`].
    pub async fn call(&self, uri: &str, voice: Voice) -> Result<Call, Error> {
        let (done, outcome) = oneshot::channel();
        let uri = uri.to_owned();
        self.command(Command::Call { uri, voice, done })?;
        outcome.await.map_err(|_| Error::Off)?
    }

    /// The next call that came in, from its first ring on. `None` when the phone is off.
    pub async fn incoming(&self) -> Option<Call> {
        self.incoming.lock().await.recv().await
    }

    /// What a strict phone found fault with, in SIP bodies and on its media ports.
    #[must_use]
    pub fn violations(&self) -> u32 {
        self.violations.load(Ordering::Relaxed)
    }

    fn command(&self, command: Command) -> Result<(), Error> {
        self.commands.send(command).map_err(|_| Error::Off)
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        self.task.abort();
    }
}
