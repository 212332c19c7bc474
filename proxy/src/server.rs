//! The I/O shell of the proxy: sockets and the clock around [`Core`]. It decides nothing.
//!
//! One task owns the core. Everything that happens reaches it in one `select!`: WebSocket events, SIP datagrams, what
//! comes over connections to the SIP server, relay replies, the timer; and after each the core's commands are carried out in order.

mod alarm;
mod counting;
mod draining;
mod flows;
mod held;
mod hops;
mod issuer;
mod memory;
mod records;
mod relays;
mod report;
mod resolver;
mod status;
mod udp;
mod users;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use net::status::{Door, Place};
use net::{tcp, tls, ws};
use rustls::ServerConfig;
use tokio::sync::{Notify, mpsc};

use crate::core::{self, Command, Core, Event, Hop, Input, Source, Transport};
use alarm::Alarm;
use counting::Counts;
pub use draining::Drain;
use flows::Flows;
pub use hops::TlsUpstream;
use hops::{Hops, News};
pub use issuer::KeysAt;
use memory::Memory;
use records::Records;
use relays::Relays;
use resolver::{Found, Resolver, Service};
pub use resolver::{Listed, ListedPlace};
use udp::{MAX_DATAGRAM, Udp};
pub use users::{AccountsFile, UsersFile};

/// Events of all flows that wait for the core; beyond it browsers wait, each in its own socket.
const EVENTS: usize = 4096;
/// News of the connections to the SIP server that wait for the core.
const NEWS: usize = 1024;
/// Connections that are accepted and not judged yet.
const NEWCOMERS: usize = 64;
/// Messages taken from one source before the others get their turn.
const BATCH: usize = 64;
/// Questions at the status door that wait for the core.
const QUESTIONS: usize = 16;
/// How the names of our metrics begin.
const METRICS_PREFIX: &str = "causeway_proxy_";

/// What the shell must be told. All addresses are of this machine but `relays`.
pub struct Config {
    /// The core's part.
    pub core: core::Config,
    /// Signs tokens and seeds branches.
    pub secrets: core::Secrets,
    /// The SIP server's addresses and names.
    pub upstreams: Vec<Listed>,
    /// Name servers that are asked for those names; empty: those that the system asks.
    pub dns: Vec<SocketAddr>,
    /// SIP over UDP towards the SIP server.
    pub udp: Vec<SocketAddr>,
    /// SIP over TCP towards the SIP server.
    pub tcp: Vec<SocketAddr>,
    /// SIP over TLS towards the SIP server.
    pub tls: Vec<(SocketAddr, Arc<ServerConfig>)>,
    /// For a SIP server that is connected to by TLS.
    pub tls_upstream: Option<TlsUpstream>,
    /// WS and WSS listeners.
    pub listeners: Vec<(SocketAddr, ws::Options)>,
    /// The file for call records; `None`: they stand in the log.
    pub records: Option<PathBuf>,
    /// The file with the users, where the edge is its own registrar and they stand in one.
    pub users: Option<UsersFile>,
    /// The keys of whoever signs tokens, where browsers sign in by them.
    pub keys: Option<KeysAt>,
    /// The file with the accounts of those who do.
    pub accounts: Option<AccountsFile>,
    /// The relays, by UDP; calls are spread over them by weight.
    pub relays: Vec<Listed>,
    /// Fresh random octets for the cookies of control requests.
    pub cookie_seed: [u8; 8],
    /// Where `/metrics`, `/health` and `/ready` are served; `None`: nowhere.
    pub status: Option<Place>,
    /// Until when the listeners' certificate holds.
    pub certificate_expires: Option<tls::Expires>,
    /// The gate of all the listeners.
    pub gate: Arc<ws::Gate>,
    /// What control requests are signed with, and replies must be. Every relay must have it.
    pub relay_key: Option<control_proto::Key>,
}

/// Why the proxy cannot start: one sentence with the cure.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A WebSocket listener cannot be bound.
    #[error("WebSocket: {0}")]
    Listen(#[source] net::bind::BindError),
    /// The SIP address cannot be bound.
    #[error(
        "SIP over UDP cannot use {address} ({error}); set [listen] udp to a free address that the SIP server can reach"
    )]
    Udp {
        /// The address asked for.
        address: SocketAddr,
        /// The kernel's answer.
        error: std::io::Error,
    },
    /// The file for call records cannot be written.
    #[error(
        "call records cannot be written to {} ({error}); set [calls] records to a file that the proxy may write, or leave it out", path.display()
    )]
    Records {
        /// The file asked for.
        path: PathBuf,
        /// The system's answer.
        error: std::io::Error,
    },
    /// A TCP or TLS address cannot be bound.
    #[error("SIP: {0}")]
    Stream(#[source] net::bind::BindError),
    /// The status door's port cannot be had.
    #[error("the proxy's /metrics: {0} (setting [listen] metrics)")]
    Status(#[source] net::bind::BindError),
    /// Names cannot be looked up.
    #[error(
        "no name server for the upstream's name ({0}); write dns = [\"10.0.0.2\"], or see /etc/resolv.conf"
    )]
    Dns(#[source] hickory_resolver::net::NetError),
    /// There is no way to send to a relay.
    #[error("no socket for the relay's control port {address} ({error}); see [relay] control")]
    Relay {
        /// The relay's control address.
        address: SocketAddr,
        /// The kernel's answer.
        error: std::io::Error,
    },
}

/// A proxy whose sockets are bound.
pub struct Server {
    core: Core,
    udp: Udp,
    streams: Vec<(tcp::Listener, Option<Arc<ServerConfig>>)>,
    tls_upstream: Option<TlsUpstream>,
    listeners: Vec<ws::Listener>,
    relays: Relays,
    records: Records,
    users: Option<UsersFile>,
    keys: Option<KeysAt>,
    accounts: Option<AccountsFile>,
    resolver: Resolver,
    /// Where the relays are.
    fleet: Resolver,
    door: Option<Door>,
    certificate_expires: Option<tls::Expires>,
    gate: Arc<ws::Gate>,
    orders: draining::Orders,
}

impl Server {
    /// Binds everything; nothing is served before [`Server::run`].
    pub async fn bind(mut config: Config) -> Result<Self, StartError> {
        let mut udp = Udp::bind(&config.udp)?;
        let plain = config.tcp.into_iter().map(|address| (address, None));
        let secure = config.tls.into_iter();
        let secure = secure.map(|(address, tls)| (address, Some(tls)));
        let mut streams = Vec::new();
        for (address, tls) in plain.chain(secure) {
            let listener = tcp::Listener::bind(address).map_err(StartError::Stream)?;
            streams.push((listener, tls));
        }
        let mut listeners = Vec::new();
        for (address, options) in config.listeners {
            listeners.push(
                ws::Listener::bind(address, options)
                    .await
                    .map_err(StartError::Listen)?,
            );
        }
        // With port 0 (tests, demo) the real one is known only now.
        let bound = hops_of(&udp, &streams, &listeners);
        for own in &mut config.core.advertised {
            let is_it =
                |hop: &&Hop| hop.transport == own.transport && hop.address.ip() == own.address.ip();
            if let (0, Some(hop)) = (own.address.port(), bound.iter().find(is_it)) {
                own.address.set_port(hop.address.port());
            }
        }
        let fleet = Resolver::new(config.relays, &config.dns, Service::Ng)?;
        let listed = fleet.found().relays();
        let relays = Relays::connect(&listed, config.cookie_seed, config.relay_key)?;
        let records = Records::to(config.records)?;
        let door = config.status.map(|place| place.open(METRICS_PREFIX));
        let door = door.transpose().map_err(StartError::Status)?.flatten();
        let own = config.core.advertised.clone();
        let resolver = Resolver::new(config.upstreams, &config.dns, Service::Sip(own))?;
        let mut core = Core::new(config.core, &config.secrets);
        let targets = resolver.found().targets();
        udp.serve(&targets);
        core.receive(Input::Upstreams(targets), Instant::now());
        core.receive(Input::Relays(listed), Instant::now());
        Ok(Self {
            core,
            udp,
            streams,
            tls_upstream: config.tls_upstream,
            listeners,
            relays,
            records,
            users: config.users,
            keys: config.keys,
            accounts: config.accounts,
            resolver,
            fleet,
            door,
            certificate_expires: config.certificate_expires,
            gate: config.gate,
            orders: draining::Orders::default(),
        })
    }

    /// Where the SIP server reaches us, as bound: UDP, TCP, TLS, each in the order of the configuration, then those that are
    /// shared with WebSockets.
    pub fn sip_addrs(&self) -> Vec<Hop> {
        hops_of(&self.udp, &self.streams, &self.listeners)
    }

    /// The WebSocket addresses as bound, in the order of the configuration.
    pub fn ws_addrs(&self) -> Vec<SocketAddr> {
        self.listeners
            .iter()
            .map(ws::Listener::local_addr)
            .collect()
    }

    /// Where `/metrics`, `/health` and `/ready` are, with the port that was taken.
    pub fn status_addr(&self) -> Option<SocketAddr> {
        self.door.as_ref().map(Door::local_addr)
    }

    /// Lets it come to its end: no new call begins, and those that stand go on.
    pub fn drain(&self) -> Drain {
        self.orders.drain()
    }

    /// Serves until `stop` is done. Open flows are closed on return.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let (sender, mut events) = mpsc::channel(EVENTS);
        for listener in self.listeners {
            tokio::spawn(listener.run(sender.clone()));
        }
        drop(sender);
        let (sender, mut news) = mpsc::channel(NEWS);
        for (listener, tls) in self.streams {
            tokio::spawn(greet(listener, tls, sender.clone()));
        }
        let hops = Hops::new(sender, self.tls_upstream);
        let mut users = self.users.map(UsersFile::watch);
        let mut accounts = self.accounts.map(AccountsFile::watch);
        let hurry = Arc::new(Notify::new());
        let mut issuer = self.keys.map(|keys| keys.watch(hurry.clone()));
        let (sender, mut found) = mpsc::channel(1);
        tokio::spawn(self.resolver.run(sender));
        let (sender, mut fleet) = mpsc::channel(1);
        tokio::spawn(self.fleet.run(sender));
        let mut shell = Shell {
            core: self.core,
            udp: self.udp,
            hops,
            flows: Flows::default(),
            relays: self.relays,
            records: self.records,
            counts: Counts::default(),
            certificate_expires: self.certificate_expires,
            gate: self.gate,
            hurry,
        };
        let (sender, mut questions) = mpsc::channel(QUESTIONS);
        let mut served = tokio::task::JoinSet::new();
        if let Some(door) = self.door {
            served.spawn(door.run(move |question| _ = sender.try_send(question)));
        }
        let mut message = vec![0; MAX_DATAGRAM];
        let mut reply = vec![0; control_proto::MAX_DATAGRAM];
        let mut batch = Vec::with_capacity(BATCH);
        let mut alarm = Alarm::new();
        let mut memory = Memory::new();
        let (mut begun, mut leaving) = (self.orders.begun(), None);
        let mut step = tokio::time::interval(draining::STEP);
        step.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        tokio::pin!(stop);
        loop {
            let wake = shell.deadline();
            tokio::select! {
                () = &mut stop => break,
                count = events.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        break;
                    }
                    for event in batch.drain(..) {
                        shell.flow_event(event);
                    }
                }
                received = shell.udp.receive(&mut message) => shell.datagram(received, &message),
                Some(news) = news.recv() => shell.hop_news(news),
                Some(found) = found.recv() => shell.upstreams(found),
                Some(found) = fleet.recv() => shell.relays_are(&found),
                received = shell.relays.receive(&mut reply) => shell.relay_datagram(received, &reply),
                Some(news) = next(&mut issuer) => shell.core.receive(Input::Issuer(news), Instant::now()),
                Some(known) = next(&mut accounts) => shell.core.receive(Input::KnownUsers(known), Instant::now()),
                Some(users) = next(&mut users) => shell.core.receive(Input::Users(users), Instant::now()),
                Some(question) = questions.recv() => {
                    let queues = status::Queues { flows: events.len(), connections: news.len() };
                    shell.tell(question, queues);
                }
                Ok(()) = begun.changed(), if leaving.is_none() => leaving = Some(shell.drain()),
                _ = step.tick(), if leaving.is_some() => {
                    if shell.drain_on(leaving.unwrap_or(1)) {
                        self.orders.over();
                    }
                }
                () = alarm.until(wake) => shell.core.receive(Input::Timer, Instant::now()),
                () = memory.due() => {
                    memory.give_back();
                    continue;
                }
            }
            shell.obey();
            memory.used();
        }
        shell.core.receive(Input::Stopping, Instant::now());
        shell.obey();
        shell.records.finish();
    }
}

/// The core and what its commands act on.
struct Shell {
    core: Core,
    udp: Udp,
    hops: Hops,
    flows: Flows,
    relays: Relays,
    records: Records,
    counts: Counts,
    certificate_expires: Option<tls::Expires>,
    gate: Arc<ws::Gate>,
    /// Asks for the issuer's keys before their time.
    hurry: Arc<Notify>,
}

impl Shell {
    fn deadline(&self) -> Option<Instant> {
        let deadlines = [
            self.core.deadline(),
            self.relays.deadline(),
            self.records.deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }

    fn flow_event(&mut self, event: ws::Event) {
        let input = match event {
            ws::Event::Opened(opened) => {
                self.counts.flows_opened = self.counts.flows_opened.saturating_add(1);
                self.flows.opened(opened)
            }
            ws::Event::Message { flow, bytes } => Input::Message {
                from: Source::Flow(core::FlowId(flow.0)),
                bytes,
            },
            ws::Event::Closed { flow, why } => {
                self.counts.closed(why);
                self.flows.closed(flow, why)
            }
            ws::Event::Other {
                stream,
                peer,
                secure,
            } => {
                let (core, hop) = (&self.core, hops::stream(peer, secure));
                return self.hops.established(stream, hop, |hop| core.hears(hop));
            }
        };
        self.core.receive(input, Instant::now());
    }

    fn datagram(&mut self, received: std::io::Result<(usize, Hop)>, buffer: &[u8]) {
        match received {
            Ok((length, from)) => {
                let bytes = buffer.get(..length).unwrap_or_default().to_vec();
                let input = Input::Message {
                    from: Source::Upstream(from),
                    bytes,
                };
                self.core.receive(input, Instant::now());
            }
            // An ICMP error for something sent earlier; the transaction's timer tells the caller.
            Err(error) => tracing::debug!(%error, "SIP socket"),
        }
    }

    fn hop_news(&mut self, news: News) {
        let core = &self.core;
        if let Some(input) = self.hops.take(news, |hop| core.hears(hop)) {
            self.core.receive(input, Instant::now());
        }
    }

    /// The SIP server's addresses have changed.
    fn upstreams(&mut self, found: Found) {
        self.hops.name(found.names());
        let targets = found.targets();
        self.udp.serve(&targets);
        self.core.receive(Input::Upstreams(targets), Instant::now());
    }

    /// The relays are others.
    fn relays_are(&mut self, found: &Found) {
        let (list, now) = (found.relays(), Instant::now());
        self.relays.tidy(now);
        self.core.receive(Input::Relays(list), now);
    }

    fn relay_datagram(&mut self, received: relays::Received, buffer: &[u8]) {
        let now = Instant::now();
        if let Some(relay) = self.relays.received(received, buffer, now) {
            self.core.receive(Input::RelayUnreachable(relay), now);
        }
    }

    /// Carries out what the core wants, and what the relays' clients want, until both are content.
    fn obey(&mut self) {
        loop {
            let now = Instant::now();
            self.relays.tick(now);
            self.records.flush(now);
            for reason in self.hops.take_unheard() {
                self.counts.dropped(reason);
            }
            while let Some(reply) = self.relays.answered() {
                self.core.receive(reply, now);
            }
            let Some(command) = self.core.poll() else {
                return;
            };
            match command {
                Command::SendFlow { flow, bytes } => self.flows.send(flow, bytes),
                Command::Send { to, bytes } => self.send(to, bytes),
                Command::Connect { to } => self.hops.connect(to),
                Command::AskRelay { id, relay, request } => {
                    self.relays.ask(id, relay, &request, now);
                }
                Command::FetchKeys => self.hurry.notify_one(),
                Command::CloseFlow { flow, why } => self.flows.close(flow, why),
                Command::Report(event) => self.report(event, now),
            }
        }
    }
}

impl Shell {
    fn report(&mut self, event: Event, now: Instant) {
        self.counts.event(&event);
        report::log(&event);
        match event {
            Event::CallEnded(record) => self.records.take(record, now),
            Event::MediaSeen { media, fault, .. } => self.records.heard(&media, fault.as_deref()),
            _ => {}
        }
    }

    fn send(&mut self, to: Hop, bytes: Vec<u8>) {
        if to.transport != Transport::Udp {
            return self.hops.send(to, bytes);
        }
        if let Err(error) = self.udp.send(&bytes, to.address) {
            tracing::warn!(%to, %error, length = bytes.len(), "SIP datagram not sent");
        }
    }
}

type Streams = [(tcp::Listener, Option<Arc<ServerConfig>>)];

fn hops_of(udp: &Udp, streams: &Streams, listeners: &[ws::Listener]) -> Vec<Hop> {
    let streams = streams
        .iter()
        .map(|(listener, tls)| hops::stream(listener.local_addr(), tls.is_some()));
    let shared = listeners.iter().filter(|shared| shared.options().others);
    let shared =
        shared.map(|shared| hops::stream(shared.local_addr(), shared.options().tls.is_some()));
    let udp = udp.addresses().into_iter().map(Hop::udp);
    udp.chain(streams).chain(shared).collect()
}

/// Accepts, and shows every newcomer to the shell.
async fn greet(listener: tcp::Listener, tls: Option<Arc<ServerConfig>>, news: mpsc::Sender<News>) {
    let show = |stream, peer| {
        let (news, tls) = (news.clone(), tls.clone());
        async move {
            // The shell is gone when nobody takes it.
            _ = news.send(News::Accepted { stream, peer, tls }).await;
        }
    };
    if let Err(error) = listener.run(NEWCOMERS, show).await {
        tracing::error!(%error, "a SIP listener has ended");
    }
}

/// What comes next, where anything comes at all.
async fn next<T>(from: &mut Option<mpsc::Receiver<T>>) -> Option<T> {
    match from {
        Some(from) => from.recv().await,
        None => std::future::pending().await,
    }
}
