//! Runs the end-to-end tests: builds the release binary and hands it to the harness in `tests/e2e`,
//! which makes network namespaces and therefore wants root.

use std::path::PathBuf;
use std::process::Command;

use crate::install::{end_to_end_folder, everything, is_root};
use crate::steps::{Outcome, command};

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

/// Where cargo puts what it builds, whatever the environment or a configuration says.
fn target_directory() -> Result<PathBuf, String> {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output();
    let text = metadata
        .map_err(|error| format!("cargo metadata cannot be run ({error})"))?
        .stdout;
    let text = String::from_utf8_lossy(&text);
    let named = text
        .split_once("\"target_directory\":\"")
        .and_then(|(_, rest)| rest.split_once('"'));
    named
        .map(|(folder, _)| PathBuf::from(folder))
        .ok_or_else(|| "cargo metadata names no target directory".to_owned())
}
