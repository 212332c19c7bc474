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
use tokio::runtime::{Builder, Runtime};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let program = arguments.program();
    logging::start(arguments.log.as_deref(), &program);
    let outcome = match runtime(&program) {
        Ok(runtime) => runtime.block_on(run(program)),
        Err(error) => Err(format!("the system gives no threads and timers ({error})")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("causeway: {what}");
            ExitCode::FAILURE
        }
    }
}

async fn run(program: Program) -> Result<(), String> {
    match program {
        Program::Demo(options) => demo::run(options).await,
        Program::Proxy { file } => as_a_task(programs::proxy(file)).await,
        Program::Relay(options) => programs::relay(options).await,
        Program::Check { file, message } => check::run(&file, message.as_deref()),
    }
}

/// The proxy is one thread: its core is, and a message that changes threads on its way costs more than all that is done with
/// it. (Handshakes of TLS have threads of their own.)
fn runtime(program: &Program) -> std::io::Result<Runtime> {
    let mut runtime = match program {
        Program::Proxy { .. } => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    runtime.enable_all().build()
}

/// A task among those of the connections. The runtime would ask the system for news before it went on with `run` itself.
async fn as_a_task(
    program: impl Future<Output = Result<(), String>> + Send + 'static,
) -> Result<(), String> {
    let ended = tokio::spawn(program).await;
    ended.unwrap_or_else(|error| Err(format!("the program has stopped ({error})")))
}
