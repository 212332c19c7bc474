//! Replays every kept input through its target: what fuzzing found to be worth keeping (`corpus`), and what was once
//! wrong (`regressions`, each by the name of what it broke).

#![allow(clippy::unwrap_used, clippy::panic)] // a test may stop on the first surprise

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use causeway_fuzz::{Reached, TARGETS, Target, target};

/// A corpus is part of every clone: small, or it would be left out of it one day.
const MAX_CORPUS: usize = 300 * 1024;

#[test]
fn what_was_kept_holds() {
    let mut failures = Vec::new();
    for target in &TARGETS {
        for file in ["corpus", "regressions"]
            .into_iter()
            .flat_map(|kind| files(kind, target))
        {
            let input = std::fs::read(&file).unwrap();
            if catch_unwind(|| (target.run)(&input)).is_err() {
                failures.push(format!("{}: {}", target.name, file.display()));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "these no longer hold:\n{}",
        failures.join("\n")
    );
}

#[test]
fn every_corpus_is_small_and_goes_past_the_first_check() {
    for target in &TARGETS {
        let inputs: Vec<_> = files("corpus", target)
            .iter()
            .map(|file| std::fs::read(file).unwrap())
            .collect();
        let size: usize = inputs.iter().map(Vec::len).sum();
        assert!(
            size <= MAX_CORPUS,
            "{}: {size} bytes; run cargo xtask fuzz merge",
            target.name
        );
        let is_taken = |input: &Vec<u8>| (target.run)(input) == Reached::Taken;
        assert!(
            inputs.iter().any(is_taken),
            "{}: every input is refused",
            target.name
        );
    }
}

#[test]
fn every_folder_is_a_targets() {
    for kind in ["corpus", "regressions"] {
        let folders: BTreeSet<String> = entries(&folder(kind))
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        let strays: Vec<_> = folders
            .iter()
            .filter(|name| target(name).is_none())
            .collect();
        assert!(strays.is_empty(), "{kind} of no target: {strays:?}");
    }
}

fn files(kind: &str, target: &Target) -> Vec<PathBuf> {
    let mut files: Vec<_> = entries(&folder(kind).join(target.name)).collect();
    files.sort();
    files
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let found = std::fs::read_dir(folder).into_iter().flatten();
    found.map(|entry| entry.unwrap().path())
}

fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(kind)
}
