//! Measures proxies: web clients that register and call through any SIP edge over WebSocket, what is behind it, and what
//! the edge spends and holds meanwhile. It knows nothing of the edge but SIP and WebSocket; `cargo xtask bench-proxy`
//! runs it beside ours and others.

mod bodies;
mod certificate;
mod client;
mod clients;
mod digest;
mod edge;
mod failure;
mod message;
mod socket;
mod traffic;
mod upstream;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use tokio::time::{Instant, sleep};

use client::Client;
use edge::Edge;
use failure::Failure;
use socket::Target;

use crate::figures::Figures;

/// How long an edge that was just started may take until a client is registered.
const START: Duration = Duration::from_secs(20);

/// How long a client waits for anything that it expects.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Subcommand, Debug)]
pub(crate) enum Proxy {
    /// Writes cert.pem and key.pem for an edge on 127.0.0.1
    Certificate { folder: PathBuf },
    /// The SIP server and the relay's stand-in behind the edge, until it is ended
    Upstream {
        /// The SIP server's UDP address
        #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:5060")]
        sip: SocketAddr,
        /// The relay's ng address
        #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:2223")]
        ng: SocketAddr,
    },
    /// Registrations or calls of connected clients at a rate, measured over a window
    Traffic(Traffic),
    /// Clients that connect, register, stay a while and leave
    Clients(Clients),
}

#[derive(Args, Debug)]
pub(crate) struct To {
    /// The edge's WebSocket address
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8080")]
    edge: SocketAddr,
    /// Connect by TLS
    #[arg(long)]
    secure: bool,
    /// The edge's process; its children count as well
    #[arg(long)]
    pid: u32,
    /// Also write the figures here, a name and a number to the line
    #[arg(long, value_name = "FILE")]
    figures: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Traffic {
    #[command(flatten)]
    to: To,
    #[arg(value_enum)]
    what: What,
    /// Clients that are connected
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    clients: u32,
    /// Registrations or calls a second
    #[arg(long, default_value_t = 200.0)]
    rate: f64,
    /// Seconds of the same traffic before: what an edge remembers of it must have begun to be forgotten
    #[arg(long, default_value_t = 7.0)]
    warmup: f64,
    /// Seconds that are measured
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
}

/// Of what the traffic is.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    /// REGISTER, 401, REGISTER, 200
    Registrations,
    /// INVITE, 407, ACK, INVITE, 180, 200, ACK, BYE, 200
    Calls,
}

#[derive(Args, Debug)]
pub(crate) struct Clients {
    #[command(flatten)]
    to: To,
    /// How many
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    clients: u32,
    /// How many of them connect at once
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    at_once: u32,
}

impl Proxy {
    /// Where its figures are to be written.
    pub(crate) fn figures(&self) -> Option<PathBuf> {
        match self {
            Self::Traffic(traffic) => traffic.to.figures.clone(),
            Self::Clients(clients) => clients.to.figures.clone(),
            Self::Certificate { .. } | Self::Upstream { .. } => None,
        }
    }
}

/// Does what was asked for.
pub(crate) fn run(proxy: &Proxy, figures: &mut Figures) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        match proxy {
            Proxy::Certificate { folder } => certificate::write(folder),
            Proxy::Upstream { sip, ng } => upstream::serve(*sip, *ng).await,
            Proxy::Traffic(traffic) => traffic::run(traffic, figures).await,
            Proxy::Clients(clients) => clients::run(clients, figures).await,
        }
    })
}

impl To {
    /// The edge, once it serves a first client.
    async fn ready(&self) -> Result<(Target, Edge), String> {
        let target = Target::new(self.edge, self.secure)?;
        let edge = Edge(self.pid);
        let end = Instant::now() + START;
        loop {
            let failed = match first(&target).await {
                Ok(()) => return Ok((target, edge)),
                Err(failure) => failure,
            };
            if !edge.is_there() {
                return Err(format!("there is no edge with process {}", self.pid));
            }
            if Instant::now() > end {
                return Err(format!("no client was registered: {failed}"));
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn first(target: &Target) -> Result<(), Failure> {
    let mut client = Client::connect(target, 0, Duration::from_secs(3)).await?;
    client.register().await?;
    client.stay(async {}).await
}
