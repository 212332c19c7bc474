//! The I/O shell of the proxy: sockets and the clock around [`Core`]. It decides nothing.
//!
//! One task owns the core. Everything that happens reaches it in one `select!`: WebSocket events, SIP
//! datagrams, relay replies, the timer; and after each the core's commands are carried out in order.

mod flows;
mod records;
mod relays;
mod report;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Instant;

use net::ws;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use crate::core::{self, Command, Core, Event, Hop, Input, Source, Transport};
use flows::Flows;
use records::Records;
use relays::Relays;

/// Events of all flows that wait for the core; beyond it browsers wait, each in its own socket.
const EVENTS: usize = 4096;
/// A SIP datagram cannot be larger.
const MAX_DATAGRAM: usize = 65_535;
/// Messages taken from one source before the others get their turn.
const BATCH: usize = 64;

/// What the shell must be told. All addresses are of this machine but `relays`.
pub struct Config {
    /// The core's part.
    pub core: core::Config,
    /// Signs tokens and seeds branches.
    pub secrets: core::Secrets,
    /// The SIP server's addresses.
    pub upstreams: Vec<core::Target>,
    /// SIP over UDP towards the SIP server.
    pub udp: SocketAddr,
    /// WS and WSS listeners.
    pub listeners: Vec<(SocketAddr, ws::Options)>,
    /// The file for call records; `None`: they stand in the log.
    pub records: Option<PathBuf>,
    /// Control addresses of the relays; calls are spread over them by Call-ID.
    pub relays: Vec<SocketAddr>,
    /// Fresh random octets for the cookies of control requests.
    pub cookie_seed: [u8; 8],
    /// What control requests are signed with, and replies must be. Every relay must have it.
    pub relay_key: Option<control_proto::Key>,
}

/// Why the proxy cannot start: one sentence with the cure.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A WebSocket listener cannot be bound.
    #[error("WebSocket: {0}")]
    Listen(#[source] std::io::Error),
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
    udp: UdpSocket,
    local_udp: SocketAddr,
    listeners: Vec<ws::Listener>,
    relays: Relays,
    records: Records,
}

impl Server {
    /// Binds everything; nothing is served before [`Server::run`].
    pub async fn bind(mut config: Config) -> Result<Self, StartError> {
        let wrong = |error| StartError::Udp {
            address: config.udp,
            error,
        };
        let udp = UdpSocket::bind(config.udp).await.map_err(wrong)?;
        let local_udp = udp.local_addr().map_err(wrong)?;
        // With port 0 (tests, demo) the real one is known only now.
        for own in &mut config.core.advertised {
            if own.transport == Transport::Udp && own.address.port() == 0 {
                own.address.set_port(local_udp.port());
            }
        }
        let mut listeners = Vec::new();
        for (address, options) in config.listeners {
            listeners.push(
                ws::Listener::bind(address, options)
                    .await
                    .map_err(StartError::Listen)?,
            );
        }
        let relays = Relays::connect(&config.relays, config.cookie_seed, config.relay_key).await?;
        let records = Records::to(config.records)?;
        let mut core = Core::new(config.core, &config.secrets);
        core.receive(Input::Upstreams(config.upstreams), Instant::now());
        Ok(Self {
            core,
            udp,
            local_udp,
            listeners,
            relays,
            records,
        })
    }

    /// The SIP address as bound.
    pub fn udp_addr(&self) -> SocketAddr {
        self.local_udp
    }

    /// The WebSocket addresses as bound, in the order of the configuration.
    pub fn ws_addrs(&self) -> Vec<SocketAddr> {
        self.listeners
            .iter()
            .map(ws::Listener::local_addr)
            .collect()
    }

    /// Serves until `stop` is done. Open flows are closed on return.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let (sender, mut events) = mpsc::channel(EVENTS);
        for listener in self.listeners {
            tokio::spawn(listener.run(sender.clone()));
        }
        drop(sender);
        let mut shell = Shell {
            core: self.core,
            udp: self.udp,
            flows: Flows::default(),
            relays: self.relays,
            records: self.records,
        };
        let mut buffer = vec![0; MAX_DATAGRAM];
        let mut batch = Vec::with_capacity(BATCH);
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
                received = shell.udp.recv_from(&mut buffer) => shell.datagram(received, &buffer),
                reply = shell.relays.receive() => shell.relay_datagram(reply),
                () = sleep_until(wake) => shell.core.receive(Input::Timer, Instant::now()),
            }
            shell.obey().await;
        }
        shell.core.receive(Input::Stopping, Instant::now());
        shell.obey().await;
        shell.records.finish();
    }
}

/// The core and what its commands act on.
struct Shell {
    core: Core,
    udp: UdpSocket,
    flows: Flows,
    relays: Relays,
    records: Records,
}

impl Shell {
    fn deadline(&self) -> Option<Instant> {
        [self.core.deadline(), self.relays.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    fn flow_event(&mut self, event: ws::Event) {
        let input = match event {
            ws::Event::Opened(opened) => self.flows.opened(opened),
            ws::Event::Message { flow, bytes } => Input::Message {
                from: Source::Flow(core::FlowId(flow.0)),
                bytes,
            },
            ws::Event::Closed { flow, why } => self.flows.closed(flow, why),
        };
        self.core.receive(input, Instant::now());
    }

    fn datagram(&mut self, received: std::io::Result<(usize, SocketAddr)>, buffer: &[u8]) {
        match received {
            Ok((length, from)) => {
                let bytes = buffer.get(..length).unwrap_or_default().to_vec();
                let input = Input::Message {
                    from: Source::Upstream(Hop::udp(from)),
                    bytes,
                };
                self.core.receive(input, Instant::now());
            }
            // An ICMP error for something sent earlier; the transaction's timer tells the caller.
            Err(error) => tracing::debug!(%error, "SIP socket"),
        }
    }

    fn relay_datagram(&mut self, reply: relays::Received) {
        self.relays.received(reply, Instant::now());
    }

    /// Carries out what the core wants, and what the relays' clients want, until both are content.
    async fn obey(&mut self) {
        loop {
            let now = Instant::now();
            self.relays.tick(now);
            while let Some(reply) = self.relays.answered().await {
                self.core.receive(reply, now);
            }
            let Some(command) = self.core.poll() else {
                return;
            };
            match command {
                Command::SendFlow { flow, bytes } => self.flows.send(flow, bytes),
                Command::Send { to, bytes } => self.send(to, &bytes).await,
                Command::AskRelay { id, request } => self.relays.ask(id, &request, now),
                Command::CloseFlow { flow, why } => self.flows.close(flow, why),
                Command::Report(Event::CallEnded(record)) => self.records.take(&record),
                Command::Report(event) => report::log(&event),
            }
        }
    }
}

impl Shell {
    async fn send(&self, to: Hop, bytes: &[u8]) {
        let sent = match to.transport {
            Transport::Udp => self.udp.send_to(bytes, to.address).await,
            Transport::Tcp | Transport::Tls => Err(std::io::ErrorKind::Unsupported.into()),
        };
        if let Err(error) = sent {
            tracing::warn!(%to, %error, length = bytes.len(), "SIP message not sent");
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
