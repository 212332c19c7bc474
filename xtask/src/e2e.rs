//! Runs the end-to-end tests: builds the release binary and hands it to the harness in `tests/e2e`,
//! which makes network namespaces and therefore wants root.

use std::process::Command;

use crate::install::{end_to_end_folder, everything, is_root};
use crate::steps::{Outcome, command, target_directory};

/// `arguments` go to the harness: parts of the names of the cases to run, or its options. Without any, all
/// cases run over our own edge, and a choice of them over the two edges of which one half is ours.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    if !is_root() {
        return Err("the browser tests make network namespaces: run this as root".to_owned());
    }
    everything()?;
    command(Command::new(env!("CARGO")).args([
        "build",
        "--release",
        "--quiet",
        "--package",
        "causeway",
    ]))?;
    let harness = end_to_end_folder().join("run.mjs");
    command(
        Command::new("node")
            .arg(harness)
            .args(arguments)
            .env("CAUSEWAY", target_directory()?.join("release/causeway")),
    )
}
