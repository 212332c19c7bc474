//! Counts the instructions of the packet path under callgrind and compares them with the numbers that are committed.
//! A count does not depend on the machine's speed or load, so a change of a few percent is a change of the code.
//!
//! It does depend on the compiler, on the C library, and on which instructions the libraries find. Valgrind shows them a
//! processor of its own (AVX2 and AES-NI, where the real one has them, and no AVX-512, VAES or SHA extensions), so
//! SHA-1 counts more here than it costs.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::install;
use crate::lab::{build_release, is_there};
use crate::steps::Outcome;

/// What a route may cost more than is committed, in percent.
const MAX_GROWTH: f64 = 3.0;

const ROUTES: [&str; 5] = [
    "plain-to-plain",
    "plain-to-sdes",
    "sdes-to-plain",
    "plain-to-browser",
    "browser-to-plain",
];

/// Packets that are counted; the number below is for one.
const PACKETS: u64 = 2000;

/// Instructions for one packet, by route.
type Counts = BTreeMap<String, f64>;

/// `--accept` writes the numbers instead of comparing them.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let accept = match arguments {
        [] => false,
        [word] if word == "--accept" => true,
        _ => return Err("there is one option: --accept".to_owned()),
    };
    if !is_there("valgrind") {
        install::packages(&["valgrind"])?;
    }
    let program = build_release()?.join("causeway-bench");
    let mut counts = Counts::new();
    for route in ROUTES {
        counts.insert(route.to_owned(), count(&program, route)?);
    }
    if accept {
        let text = write(&counts);
        return std::fs::write(file(), text).map_err(|e| format!("{}: {e}", file().display()));
    }
    let text = std::fs::read_to_string(file()).map_err(|e| format!("{}: {e}", file().display()))?;
    let outcome = compare(&read(&text), &counts);
    match outcome {
        Err(grown) if !text.contains(&compiler()) => {
            println!(
                "{grown}\nbut another compiler made the numbers that are committed: no failure"
            );
            Ok(())
        }
        outcome => outcome,
    }
}

/// What rustc says of itself.
fn compiler() -> String {
    let said = Command::new("rustc").arg("--version").output();
    said.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default()
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench/instructions.toml")
}

/// Runs a route under callgrind, which counts inside of one function of `bench/src/path.rs` alone.
fn count(program: &Path, route: &str) -> Result<f64, String> {
    let mut run = Command::new("valgrind");
    run.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    run.args([
        "--collect-atstart=no",
        "--toggle-collect=*path*led_through*",
    ]);
    run.arg(program).args(["path", route, &PACKETS.to_string()]);
    let output = run
        .output()
        .map_err(|error| format!("valgrind cannot be run ({error})"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| {
        let (_, number) = line.split_once("Collected :")?;
        number.trim().parse::<u64>().ok()
    });
    match collected {
        Some(number) if number > 0 && output.status.success() => Ok(number as f64 / PACKETS as f64),
        _ => Err(format!("callgrind has counted nothing of {route}:\n{said}")),
    }
}

fn compare(committed: &Counts, counts: &Counts) -> Outcome {
    let mut grown = Vec::new();
    println!("instructions for one packet");
    for (route, now) in counts {
        let Some(then) = committed.get(route) else {
            grown.push(format!("{route} has no number yet"));
            continue;
        };
        let percent = 100.0 * (now - then) / then;
        println!("  {now:>8.0}  {percent:>+6.1} %  {route}");
        if percent > MAX_GROWTH {
            grown.push(format!("{route} costs {percent:.1} % more"));
        }
    }
    if grown.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{}; where that is meant, or the compiler is another, commit what `cargo xtask instructions --accept` writes",
        grown.join(", ")
    ))
}

fn write(counts: &Counts) -> String {
    let mut text = "\
# Instructions of the packet path for one packet of G.711, from Shard::receive's begin to its end, as callgrind counts
# them. `cargo xtask instructions` fails when one has grown by more than 3 %, with the same compiler; with --accept it
# writes this file anew.
"
    .to_owned();
    _ = writeln!(text, "# {}", compiler());
    for (route, count) in counts {
        // Writing to a string cannot fail.
        _ = writeln!(text, "{route} = {count:.0}");
    }
    text
}

fn read(text: &str) -> Counts {
    let lines = text.lines().filter_map(|line| line.split_once(" = "));
    let counts = lines.filter_map(|(route, count)| Some((route.to_owned(), count.parse().ok()?)));
    counts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(number: f64) -> Counts {
        Counts::from([("a-to-b".to_owned(), number)])
    }

    #[test]
    fn more_than_three_percent_are_noticed() {
        assert_eq!(compare(&counts(1000.0), &counts(1029.0)), Ok(()));
        assert_eq!(compare(&counts(1000.0), &counts(500.0)), Ok(()));
        assert!(compare(&counts(1000.0), &counts(1031.0)).is_err());
        assert!(
            compare(&Counts::new(), &counts(1.0)).is_err(),
            "a new route"
        );
    }

    #[test]
    fn the_file_is_read_as_it_was_written() {
        assert_eq!(read(&write(&counts(1234.0))), counts(1234.0));
    }
}
