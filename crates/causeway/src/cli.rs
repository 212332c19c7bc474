//! The command line. Everything that describes an edge is in its TOML file, so there is little here.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Joins web browsers to the telephone world: SIP over WebSocket and WebRTC media on one side, an
/// existing SIP server and plain RTP on the other.
#[derive(Parser, Debug)]
#[command(version, about)]
pub(crate) struct Arguments {
    /// What to log, as in `debug` or `causeway_proxy=debug,info`
    #[arg(long, global = true, env = "CAUSEWAY_LOG", value_name = "FILTER")]
    pub(crate) log: Option<String>,
    #[command(subcommand)]
    program: Option<Program>,
}

#[derive(Subcommand, Debug, Clone)]
pub(crate) enum Program {
    /// A whole edge with a SIP server, phones and a web page to call them from; needs nothing else
    Demo(DemoOptions),
    /// The SIP half; starts a relay of its own unless the file names others
    Proxy {
        /// The edge's TOML file
        file: PathBuf,
    },
    /// The media half, commanded over the ng protocol
    Relay(RelayOptions),
    /// Says what would run, and what would be made of a message
    Check {
        /// The edge's TOML file
        file: PathBuf,
        /// A SIP request or an SDP in a file; prints both SDPs that would be sent
        #[arg(long, value_name = "FILE")]
        message: Option<PathBuf>,
    },
}

#[derive(Args, Debug, Clone, Default)]
pub(crate) struct DemoOptions {
    /// Place one call with the built-in web client, and exit 0 only if audio came back
    #[arg(long)]
    pub(crate) once: bool,
    /// Address that the page and the WebSockets listen on
    #[arg(long, value_name = "IP")]
    pub(crate) listen: Option<IpAddr>,
}

impl DemoOptions {
    pub(crate) fn address(&self) -> IpAddr {
        self.listen.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }
}

#[derive(Args, Debug, Clone)]
pub(crate) struct RelayOptions {
    /// The edge's TOML file
    pub(crate) file: PathBuf,
    /// Take commands here instead of at the file's [relay] listen
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) control: Option<SocketAddr>,
    /// Say on standard output when ready, and stop when standard input ends (set by the proxy for its own relay)
    #[arg(long, hide = true)]
    pub(crate) child: bool,
}

impl Arguments {
    /// Without a word it is the demo.
    pub(crate) fn program(&self) -> Program {
        self.program
            .clone()
            .unwrap_or_else(|| Program::Demo(DemoOptions::default()))
    }
}
