//! Log lines to standard error. Standard output belongs to what a program prints for its user.

use tracing_subscriber::EnvFilter;

use crate::cli::Program;

/// `filter` as given, or what suits the program: servers say what happens, the demo keeps its page readable.
pub(crate) fn start(filter: Option<&str>, program: &Program) {
    let usual = match program {
        Program::Proxy { .. } | Program::Relay(_) => "info",
        Program::Demo(_) | Program::Check { .. } => "warn",
    };
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter.unwrap_or(usual)))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
}
