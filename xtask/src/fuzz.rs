//! Coverage-guided fuzzing on stable Rust: `fuzz/guided` built with LLVM's coverage instrumentation, and libFuzzer
//! run over one target after the other. What it finds along the way stays in the target directory; `merge` takes into
//! the committed corpus what adds to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::install;
use crate::steps::{Outcome, command, target_directory};

/// What `cargo fuzz` would set, but for the sanitizers: those need nightly, and find little without `unsafe`.
const COVERAGE: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Longer inputs find nothing that several shorter ones would not, and are slow.
const MAX_INPUT: &str = "-max_len=4096";

/// Nothing that one input does may take as long, or as much memory.
const BOUNDS: [&str; 2] = ["-timeout=10", "-rss_limit_mb=1024"];

/// As `fuzz/tests/corpus.rs` allows.
const MAX_CORPUS: u64 = 300 * 1024;

const USAGE: &str = "cargo xtask fuzz [TARGET] [SECONDS], or cargo xtask fuzz merge [TARGET]";

/// `[TARGET] [SECONDS]`: all targets and a minute for each, if nothing else is said.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let (merges, rest) = match arguments.split_first() {
        Some((first, rest)) if first == "merge" => (true, rest),
        _ => (false, arguments),
    };
    let seconds = rest.last().and_then(|last| last.parse().ok());
    let name = rest.first().filter(|first| first.parse::<u32>().is_err());
    let named = usize::from(name.is_some()) + usize::from(seconds.is_some());
    if named != rest.len() || (merges && seconds.is_some()) {
        return Err(USAGE.to_owned());
    }
    let targets = targets(name.map(String::as_str))?;
    let fuzzer = build()?;
    for target in targets {
        if merges {
            merge(&fuzzer, &target)?;
        } else {
            fuzz(&fuzzer, &target, seconds.unwrap_or(60))?;
        }
    }
    Ok(())
}

/// Each target has a folder of that name in `fuzz/corpus`.
fn targets(name: Option<&str>) -> Result<Vec<String>, String> {
    let folders =
        fs::read_dir(folder("corpus")).map_err(|error| format!("fuzz/corpus: {error}"))?;
    let mut all: Vec<String> = folders
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    all.sort();
    let Some(name) = name else { return Ok(all) };
    if !all.iter().any(|known| known == name) {
        return Err(format!(
            "no target is named {name}; there are {}",
            all.join(", ")
        ));
    }
    Ok(vec![name.to_owned()])
}

/// The fuzzer; built for a target that is named, so that build scripts go without its flags.
fn build() -> Result<PathBuf, String> {
    install::cpp()?;
    let (host, directory) = (host()?, target_directory()?.join("fuzz"));
    command(
        Command::new(env!("CARGO"))
            .args(["build", "--release", "--quiet", "--target", &host])
            .current_dir(folder("guided"))
            .env("CARGO_TARGET_DIR", &directory)
            .env("RUSTFLAGS", COVERAGE),
    )?;
    Ok(directory.join(host).join("release/causeway-guided"))
}

fn fuzz(fuzzer: &Path, target: &str, seconds: u32) -> Outcome {
    println!("\n== {target}, {seconds} s");
    let (finds, crashes) = (finds(target)?, folder("regressions").join(target));
    make(&crashes)?;
    let run = command(
        Command::new(fuzzer)
            .args([
                &format!("-max_total_time={seconds}"),
                MAX_INPUT,
                "-len_control=20",
            ])
            .args(BOUNDS)
            .args(["-verbosity=0", "-print_final_stats=1"])
            .arg(format!("-artifact_prefix={}/", crashes.display()))
            .arg(finds)
            .arg(folder("corpus").join(target))
            .env("FUZZ_TARGET", target)
            .env("RUST_BACKTRACE", "1"),
    );
    // Only one with a find in it is worth keeping.
    let _ = fs::remove_dir(&crashes);
    run.map_err(|error| {
        format!(
            "{error}\nthe input is in {}: mend the code, call the file by what was wrong, keep it",
            crashes.display()
        )
    })
}

/// The fewest inputs that together reach what all of them do become the corpus: cut shorter when they would be too
/// much for a clone.
fn merge(fuzzer: &Path, target: &str) -> Outcome {
    let (corpus, finds) = (folder("corpus").join(target), finds(target)?);
    let merged = finds.with_extension("merged");
    for longest in [4096, 2048, 1024] {
        let _ = fs::remove_dir_all(&merged);
        make(&merged)?;
        command(
            Command::new(fuzzer)
                // Which places of the code are reached, and not how often: that would keep a file for every number.
                .args(["-set_cover_merge=1", "-use_counters=0", "-verbosity=0"])
                .arg(format!("-max_len={longest}"))
                .args(BOUNDS)
                .args([&merged, &corpus, &finds])
                .env("FUZZ_TARGET", target),
        )?;
        if size(&merged) <= MAX_CORPUS {
            break;
        }
    }
    let replace = || {
        for entry in fs::read_dir(&corpus)? {
            let entry = entry?;
            if is_named_by_hash(&entry.file_name().to_string_lossy()) {
                fs::remove_file(entry.path())?;
            }
        }
        for entry in fs::read_dir(&merged)? {
            let entry = entry?;
            fs::copy(entry.path(), corpus.join(entry.file_name()))?;
        }
        fs::remove_dir_all(&merged)
    };
    replace().map_err(|error| format!("{}: {error}", corpus.display()))
}

/// As libFuzzer names what it writes; what somebody gave a name to is kept.
fn is_named_by_hash(name: &str) -> bool {
    name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Bytes of all files of a folder.
fn size(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files
        .flat_map(|file| file.metadata())
        .map(|file| file.len())
        .sum()
}

/// Where a target's finds are kept between runs.
fn finds(target: &str) -> Result<PathBuf, String> {
    let folder = target_directory()?.join("fuzz/finds").join(target);
    make(&folder)?;
    Ok(folder)
}

fn make(folder: &Path) -> Outcome {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz")
        .join(name)
}

/// The triple that rustc builds for by itself.
fn host() -> Result<String, String> {
    let output = Command::new("rustc").arg("-vV").output();
    let text = output
        .map_err(|error| format!("rustc cannot be run ({error})"))?
        .stdout;
    String::from_utf8_lossy(&text)
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .ok_or_else(|| "rustc -vV names no host".to_owned())
}
