//! A browser's softphone without the browser: SIP over a WebSocket, ICE, DTLS-SRTP, G.711.
//!
//! It writes what browsers write and refuses what browsers refuse, so that a call it can make is a call a browser can
//! make. The demo calls with it once, tests script it. Like the plain phone it is an endpoint and no part of the
//! product's data path, so it holds its own sockets.
//!
//! ```no_run
//! # use causeway_demo as demo;
//! # async fn example() -> Result<(), demo::webphone::Error> {
//! use demo::phone::Voice;
//! use demo::webphone::{Config, Webphone};
//!
//! let phone = Webphone::connect(Config::new("ws://127.0.0.1:8080/", "alice", "secret", "localhost")).await?;
//! phone.register().await?;
//! let call = phone.call("sip:echo@localhost", Voice::Tone(440.0)).await?;
//! call.answered().await?;
//! call.until_heard(50).await;
//! println!("{}: {:?}", call.timeline(), call.heard().frequency);
//! call.hang_up()?;
//! # Ok(())
//! # }
//! ```

mod agent;
mod call;
mod description;
mod dialog;
mod incoming;
mod link;
mod media;
mod outgoing;
mod progress;
mod transport;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::phone::Voice;
use agent::{Agent, Command};
pub use call::{Call, End, State};
pub use description::Unacceptable;
pub use progress::Timeline;

/// Who the phone is and where it connects.
#[derive(Debug, Clone)]
pub struct Config {
    /// `ws://host:port/` or `wss://host:port/`.
    pub url: String,
    /// The user part of its own address, and the digest user.
    pub user: String,
    /// For digest.
    pub password: String,
    /// The domain of its own address.
    pub domain: String,
    /// Where its media sockets are bound: an address that the relay reaches.
    pub address: IpAddr,
    /// Whether to write SDP as a browser that hides its addresses: port 9, `0.0.0.0`, a `.local` candidate.
    pub is_hiding: bool,
    /// Whether its own calls send the INVITE without an offer (sip.js: `inviteWithoutSdp`); the other side then offers.
    pub late_offer: bool,
}

impl Config {
    /// A phone on loopback that shows its address.
    #[must_use]
    pub fn new(url: &str, user: &str, password: &str, domain: &str) -> Self {
        Self {
            url: url.to_owned(),
            user: user.to_owned(),
            password: password.to_owned(),
            domain: domain.to_owned(),
            address: Ipv4Addr::LOCALHOST.into(),
            is_hiding: false,
            late_offer: false,
        }
    }
}

/// What can go wrong between a web phone and those who use it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Neither `ws:` nor `wss:`, or without a host.
    #[error("{0} is no ws: or wss: URL")]
    BadUrl(String),
    /// The server cannot be reached, or does not speak SIP over WebSocket there.
    #[error("{0} cannot be reached: {1}")]
    Unreachable(String, String),
    /// The WebSocket is gone.
    #[error("the WebSocket is closed")]
    Disconnected,
    /// The other side refused.
    #[error("refused with {0}")]
    Refused(u16),
    /// Nobody answered, or the call ended before it was answered.
    #[error("no answer")]
    NoAnswer,
    /// The 200 to REGISTER does not have our Contact with `expires`: browsers do not count that as registered.
    #[error("the 200 to REGISTER lacks our Contact with expires")]
    NoBinding,
    /// What a browser would not take as SDP.
    #[error("the SDP is not acceptable to a browser: {0}")]
    Unacceptable(#[from] Unacceptable),
    /// The phone was dropped, or this machine has no socket or randomness to give.
    #[error("the phone is switched off")]
    Off,
}

/// A running web phone. Ends, without goodbyes, when dropped.
#[derive(Debug)]
pub struct Webphone {
    commands: mpsc::UnboundedSender<Command>,
    incoming: Mutex<mpsc::Receiver<Call>>,
    oddities: Arc<AtomicU32>,
    task: JoinHandle<()>,
}

impl Webphone {
    /// Opens the WebSocket and switches the phone on.
    ///
    /// # Errors
    /// [`Error::BadUrl`], [`Error::Unreachable`], or [`Error::Off`] when the system gives no randomness.
    pub async fn connect(config: Config) -> Result<Self, Error> {
        let (commands, inbox) = mpsc::unbounded_channel();
        let (announce, incoming) = mpsc::channel(agent::MAX_CALLS);
        let oddities = Arc::default();
        let agent = Agent::connect(
            config,
            announce,
            commands.downgrade(),
            Arc::clone(&oddities),
        )
        .await?;
        let task = tokio::spawn(agent.run(inbox));
        Ok(Self {
            commands,
            incoming: Mutex::new(incoming),
            oddities,
            task,
        })
    }

    /// Registers, and goes on renewing it.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::NoAnswer`], [`Error::NoBinding`], [`Error::Disconnected`] or [`Error::Off`].
    pub async fn register(&self) -> Result<(), Error> {
        self.ask(Command::Register).await?
    }

    /// Calls an address, sending `voice` once media flows. See [`Call::answered`].
    ///
    /// # Errors
    /// [`Error::Disconnected`] or [`Error::Off`].
    pub async fn call(&self, uri: &str, voice: Voice) -> Result<Call, Error> {
        let uri = uri.to_owned();
        self.ask(|done| Command::Call { uri, voice, done }).await?
    }

    /// The next call that came in: it rings, see [`Call::answer`]. `None` when the phone is off.
    pub async fn incoming(&self) -> Option<Call> {
        self.incoming.lock().await.recv().await
    }

    /// Cuts the WebSocket without a word and opens a new one, as a browser after a network change. Calls live on;
    /// register anew afterwards.
    ///
    /// # Errors
    /// [`Error::Unreachable`] or [`Error::Off`].
    pub async fn reconnect(&self) -> Result<(), Error> {
        self.ask(Command::Reconnect).await?
    }

    /// Messages that sip.js or JsSIP would drop: a response with more than one Via or with another's, a provisional
    /// response without tag, a request for somebody else.
    #[must_use]
    pub fn oddities(&self) -> u32 {
        self.oddities.load(Ordering::Relaxed)
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Error> {
        let (done, outcome) = oneshot::channel();
        self.commands.send(command(done)).map_err(|_| Error::Off)?;
        outcome.await.map_err(|_| Error::Off)
    }
}

impl Drop for Webphone {
    fn drop(&mut self) {
        self.task.abort();
    }
}
