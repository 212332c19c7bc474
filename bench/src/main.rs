//! Measures relays: drives any that speaks ng with many calls (`run`, `saturate`, `control`, `churn`), or leads packets
//! through the core of ours for a counter of instructions (`path`). Measures proxies by web clients that register and
//! call (`proxy`). `cargo xtask bench-relay`, `bench-proxy`, `soak` and `instructions` are who calls it.

mod args;
mod calls;
mod engine;
mod figures;
mod leg;
mod modes;
mod path;
mod proxy;
mod setup;
mod traffic;

use std::path::PathBuf;
use std::process::ExitCode;

use args::{Arguments, Mode};
use clap::Parser;
use figures::Figures;
use peers::kernel;

fn main() -> ExitCode {
    kernel::wake_on_time();
    match measure(Arguments::parse().mode) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("causeway-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(mode: Mode) -> Result<(), String> {
    let mut figures = Figures::default();
    let (result, file) = match mode {
        Mode::Run(run) => (modes::run(&run, &mut figures), run.common.figures),
        Mode::Saturate(saturate) => (
            modes::saturate(&saturate, &mut figures),
            saturate.common.figures,
        ),
        Mode::Control(control) => (
            modes::control(&control, &mut figures),
            control.common.figures,
        ),
        Mode::Churn(churn) => (modes::churn(&churn, &mut figures), churn.common.figures),
        Mode::Proxy(proxy) => (proxy::run(&proxy, &mut figures), proxy.figures()),
        Mode::Path { route, packets } => (path::lead(route, packets), None),
    };
    save(&figures, file)?;
    result
}

fn save(figures: &Figures, file: Option<PathBuf>) -> Result<(), String> {
    file.map_or(Ok(()), |file| figures.save(&file))
}
