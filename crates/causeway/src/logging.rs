//! Log lines to standard error. Standard output belongs to what a program prints for its user.

use std::io::IsTerminal as _;
use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;

use crate::cli::Program;

/// What was asked for, so that a child process can be told the same.
static FILTER: OnceLock<String> = OnceLock::new();

/// `filter` as given, or what suits the program: servers say what happens, the demo keeps its page readable.
pub(crate) fn start(filter: Option<&str>, program: &Program) {
    let usual = match program {
        Program::Proxy { .. } | Program::Relay(_) => "info",
        Program::Demo(_) | Program::Check { .. } => "warn",
    };
    let filter = FILTER.get_or_init(|| filter.unwrap_or(usual).to_owned());
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

/// The filter in force.
pub(crate) fn filter() -> &'static str {
    FILTER.get().map_or("info", String::as_str)
}
