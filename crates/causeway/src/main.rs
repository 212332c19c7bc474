//! The one binary `causeway`: which of its programs to run, and how to stop it. No logic.

mod check;
mod child;
mod cli;
mod config;
mod demo;
mod logging;
mod programs;
mod signals;

use std::process::ExitCode;

use clap::Parser as _;
use cli::{Arguments, Program};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    logging::start(arguments.log.as_deref(), &arguments.program());
    let outcome = match arguments.program() {
        Program::Demo(options) => demo::run(options).await,
        Program::Proxy { file } => on_a_worker(programs::proxy(file)).await,
        Program::Relay(options) => programs::relay(options).await,
        Program::Check { file, message } => check::run(&file, message.as_deref()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("causeway: {what}");
            ExitCode::FAILURE
        }
    }
}

/// As a task beside those of the connections. What runs in `main` itself has a thread of its own, which every message of
/// every flow would have to wake.
async fn on_a_worker(
    program: impl Future<Output = Result<(), String>> + Send + 'static,
) -> Result<(), String> {
    let ended = tokio::spawn(program).await;
    ended.unwrap_or_else(|error| Err(format!("the program has stopped ({error})")))
}
