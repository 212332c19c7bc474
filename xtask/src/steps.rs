//! Chores as sequences of named steps, each timed, with a table at the end that says what ran.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::{e2e, install, instructions, soak};

/// What a step says when it fails.
pub(crate) type Outcome = Result<(), String>;

type Step = (&'static str, fn() -> Outcome);

const EVERYDAY: [Step; 4] = [
    ("formatting", formatting),
    ("units of deploy/", deployment),
    ("clippy", clippy),
    ("unit, property and interop tests", tests),
];

/// Everything, in the order in which a failure costs least time.
pub(crate) fn test() -> Outcome {
    let mut steps: Vec<Step> = vec![("install", install::everything)];
    steps.extend(EVERYDAY);
    steps.push(("demo call", demo));
    steps.push(("instructions of the packet path", || instructions::run(&[])));
    steps.push(("soak", || soak::run(&[])));
    steps.push(("end to end", || e2e::run(&[])));
    run(&steps)
}

/// What one runs before each commit.
pub(crate) fn check() -> Outcome {
    run(&EVERYDAY)
}

/// The README's main job, in the form that needs no browser.
pub(crate) fn demo() -> Outcome {
    cargo(&["run", "--release", "--quiet", "--", "demo", "--once"])
}

/// `cargo deny` is a tool of its own; its advisory database is fetched from the net, so that part is left to those who have one.
pub(crate) fn deny() -> Outcome {
    cargo(&[
        "deny",
        "--all-features",
        "check",
        "bans",
        "licenses",
        "sources",
    ])
    .map_err(|e| format!("{e}; install it with: cargo install --locked cargo-deny"))
}

/// The test of how calls are shared over relays, at its full size.
pub(crate) fn relays() -> Outcome {
    let test = "core::relays::tests::a_relay_that_comes_or_goes_moves_its_own_share_of_many_calls_and_no_other";
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "test",
        "--release",
        "--quiet",
        "-p",
        "causeway-proxy",
        "--lib",
    ]);
    cargo.args(["--", "--exact", "--nocapture", test]);
    command(cargo.env("CAUSEWAY_RELAYS_AND_CALLS", "100 1000000"))
}

/// What stands in deploy/: units by systemd's own check where that is installed, which finds settings that it does not know.
fn deployment() -> Outcome {
    let units = ["proxy", "relay"].map(|half| format!("deploy/systemd/causeway-{half}.service"));
    let scratch = target_directory()?.join("units");
    std::fs::create_dir_all(&scratch).map_err(|error| error.to_string())?;
    let mut copies = Vec::new();
    for unit in &units {
        // The program need not be installed here.
        let text = std::fs::read_to_string(unit).map_err(|error| format!("{unit}: {error}"))?;
        let text = text.replace("/usr/local/bin/causeway", "/bin/true");
        let copy = scratch.join(unit.rsplit('/').next().unwrap_or(unit));
        std::fs::write(&copy, text).map_err(|error| error.to_string())?;
        copies.push(copy);
    }
    let is_there = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if !is_there("systemd-analyze") {
        println!("systemd-analyze is not installed: the units are not checked");
        return Ok(());
    }
    let verify = Command::new("systemd-analyze")
        .arg("verify")
        .args(&copies)
        .output()
        .map_err(|error| error.to_string())?;
    // It ends well also where it has complained of a setting.
    let said = String::from_utf8_lossy(&verify.stderr);
    match verify.status.success() && !said.contains("deploy") && !said.contains("causeway-") {
        true => Ok(()),
        false => Err(format!("systemd-analyze verify: {said}")),
    }
}

fn formatting() -> Outcome {
    cargo(&["fmt", "--all", "--check"])
}

fn clippy() -> Outcome {
    cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ])
}

fn tests() -> Outcome {
    cargo(&["test", "--workspace", "--quiet", "--no-fail-fast"])
}

fn cargo(arguments: &[&str]) -> Outcome {
    command(Command::new(env!("CARGO")).args(arguments))
}

/// Runs to the end; its output is the user's to see.
pub(crate) fn command(command: &mut Command) -> Outcome {
    let shown = format!("{command:?}").replace('"', "");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{shown}` failed ({status})")),
        Err(error) => Err(format!("`{shown}` cannot be run ({error})")),
    }
}

/// Where cargo puts what it builds, whatever the environment or a configuration says.
pub(crate) fn target_directory() -> Result<PathBuf, String> {
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

fn run(steps: &[Step]) -> Outcome {
    let mut table: Vec<(&str, &str, Duration)> = Vec::new();
    let mut failure = None;
    for (name, step) in steps {
        println!("\n== {name}");
        let began = Instant::now();
        let outcome = step();
        table.push((
            name,
            if outcome.is_ok() { "passed" } else { "FAILED" },
            began.elapsed(),
        ));
        if let Err(what) = outcome {
            failure = Some(what);
            break;
        }
    }
    println!("\nwhat ran");
    for (name, outcome, took) in &table {
        println!("  {outcome}  {:>7.1} s  {name}", took.as_secs_f64());
    }
    for (name, _) in steps.iter().skip(table.len()) {
        println!("  not run           {name}");
    }
    failure.map_or(Ok(()), Err)
}
