//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use peers::browser::Identity;
use peers::random;
use peers::scenario::Scenario;

use crate::leg::MAX_CALLS;
use crate::path::Route;
use crate::proxy::Proxy;
use crate::setup::Setup;
use crate::traffic::Pace;

/// Drives a relay that speaks ng with many calls, and reports loss, latency and what the relay spent. It knows nothing
/// of the relay beyond the protocol, so one run measures any of them. Run it as root in a network namespace of its own,
/// where `lo` is up; `cargo xtask bench-relay` does, and compares.
#[derive(Parser, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) mode: Mode,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Mode {
    /// Calls that talk, measured over a window
    Run(Run),
    /// Raises the rate until packets are lost
    Saturate(Saturate),
    /// Offers, answers and deletes as fast as they go
    Control(Control),
    /// Sets calls up and tears them down, and looks at what stays behind
    Churn(Churn),
    /// Web clients that register and call through a SIP edge
    #[command(subcommand)]
    Proxy(Proxy),
    /// Leads packets through the relay's core in this process, for counting instructions
    Path {
        #[arg(value_enum)]
        route: Route,
        /// Packets that are led through
        #[arg(default_value_t = 1000)]
        packets: u64,
    },
}

#[derive(Args, Debug, Clone)]
pub(crate) struct Common {
    /// The relay's ng port
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:2223")]
    pub(crate) ng: SocketAddr,
    /// The relay's process, for its CPU time and memory
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    #[arg(long, value_enum, default_value_t = Scenario::AvpAvp)]
    pub(crate) scenario: Scenario,
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=MAX_CALLS as i64))]
    pub(crate) calls: u32,
    /// UDP port of all simulated endpoints; RTCP is one above
    #[arg(long, default_value_t = 20_000)]
    pub(crate) port: u16,
    /// Also write the figures here, a name and a number to the line
    #[arg(long, value_name = "FILE")]
    pub(crate) figures: Option<PathBuf>,
}

#[derive(Args, Debug, Clone)]
pub(crate) struct Sending {
    /// Packets that share a send call at most: the fewer, the truer the latency
    #[arg(long, default_value_t = 8)]
    pub(crate) burst: usize,
    /// Microseconds between looks at the clock
    #[arg(long, default_value_t = 200)]
    pub(crate) tick: u64,
    /// DTLS handshakes under way at once
    #[arg(long, default_value_t = 4)]
    pub(crate) handshakes: usize,
    /// First RTP sequence number; left out: random, far from the wrap
    #[arg(long)]
    pub(crate) first_sequence: Option<u16>,
}

#[derive(Args, Debug)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) sending: Sending,
    /// Seconds that are measured
    #[arg(long, default_value_t = 10.0)]
    pub(crate) seconds: f64,
    /// Seconds of traffic before
    #[arg(long, default_value_t = 4.0)]
    pub(crate) warmup: f64,
    /// Packets a second, of each leg
    #[arg(long, default_value_t = 50.0)]
    pub(crate) pps: f64,
}

#[derive(Args, Debug)]
pub(crate) struct Saturate {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) sending: Sending,
    /// Packets a second at the start, of all legs together
    #[arg(long, default_value_t = 140_000.0)]
    pub(crate) from: f64,
    /// Seconds for each rate
    #[arg(long, default_value_t = 1.0)]
    pub(crate) seconds: f64,
    /// Percent of packets whose loss is borne
    #[arg(long, default_value_t = 0.1)]
    pub(crate) max_loss: f64,
}

#[derive(Args, Debug)]
pub(crate) struct Control {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Commands under way at once
    #[arg(long, default_value_t = 8)]
    pub(crate) in_flight: usize,
}

#[derive(Args, Debug)]
pub(crate) struct Churn {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Calls that stand at once
    #[arg(long, default_value_t = 500)]
    pub(crate) at_once: u32,
    /// Seconds of rest before the last look; without rest the relay is given other things to remember
    #[arg(long, default_value_t = 0.0)]
    pub(crate) rest: f64,
}

impl Common {
    pub(crate) fn calls(&self) -> usize {
        self.calls as usize
    }

    pub(crate) fn setup(&self, handshakes: usize) -> Result<Setup, String> {
        Ok(Setup {
            scenario: self.scenario,
            prefix: random::token(10),
            identity: Identity::generate()?,
            handshakes,
        })
    }
}

impl Sending {
    /// `rate` is of all legs together.
    pub(crate) fn pace(&self, rate: f64, warmup: f64, window: f64) -> Pace {
        Pace {
            rate,
            warmup,
            window,
            tick: self.tick * 1000,
        }
    }
}
