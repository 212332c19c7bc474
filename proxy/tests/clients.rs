//! What `CLIENTS.md` says of tests is true: each that it names is there, and no row is without one and without a reason.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may stop on the first surprise

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Files with one of these endings, build directories aside.
fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir()
            && !["target", "node_modules"].contains(&name.as_str())
            && !name.starts_with('.')
        {
            files(&path, ending, found);
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
}

/// `file::function` of everything that has `#[test]` or `#[tokio::test]` above it.
fn tests() -> HashSet<String> {
    let mut sources = Vec::new();
    for folder in ["proxy", "relay", "crates"] {
        files(&root().join(folder), ".rs", &mut sources);
    }
    let mut tests = HashSet::new();
    for source in sources {
        let stem = source.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&source).unwrap();
        for after in text.split("test]\n").skip(1) {
            let name = after
                .split_once("fn ")
                .and_then(|(_, name)| name.split_once('('));
            tests.extend(name.map(|(name, _)| format!("{stem}::{name}")));
        }
    }
    tests
}

fn cases() -> String {
    let mut sources = Vec::new();
    files(&root().join("tests/e2e/cases"), ".mjs", &mut sources);
    sources
        .iter()
        .map(|source| fs::read_to_string(source).unwrap())
        .collect()
}

/// The rows of all tables: what, and what holds it.
fn rows(text: &str) -> Vec<(&str, &str)> {
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix('|'));
    let rows = lines.filter_map(|line| line.rsplit_once(" | "));
    rows.filter(|(_, holds)| holds.trim() != "held by")
        .collect()
}

#[test]
fn every_row_names_a_test_that_exists_or_says_why_there_is_none() {
    let text = fs::read_to_string(root().join("proxy/CLIENTS.md")).unwrap();
    let (tests, cases) = (tests(), cases());
    let mut wrong = Vec::new();
    let rows = rows(&text);
    assert!(
        rows.len() > 40,
        "the tables have another shape: {} rows",
        rows.len()
    );
    for (what, holds) in rows {
        let names: Vec<&str> = holds.split('`').skip(1).step_by(2).collect();
        if names.is_empty() && !what.starts_with("*No*") {
            wrong.push(format!("nothing holds: {what}"));
        }
        for name in names {
            let is_there = match name.strip_prefix("e2e: ") {
                Some(part) => cases.contains(part),
                None => tests.contains(name),
            };
            if !is_there {
                wrong.push(format!("there is no {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
