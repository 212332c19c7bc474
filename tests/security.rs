//! What `SECURITY.md` says of attacks is true: each test that it names is there, and so is each attack that is made live.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may stop on the first surprise

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Files with this ending, build directories aside.
fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !["target", "node_modules"].contains(&name.as_str()) {
            files(&path, ending, found);
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
}

fn sources(folders: &[&str], ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in folders {
        files(&root().join(folder), ending, &mut found);
    }
    let stem = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    let read = |path: PathBuf| (stem(&path), fs::read_to_string(&path).unwrap());
    found.into_iter().map(read).collect()
}

/// `file::function` of everything that a test macro stands above, and of properties.
fn tests() -> HashSet<String> {
    let folders = [
        "proxy",
        "relay",
        "crates",
        "control-proto",
        "fuzz",
        "tests",
        "xtask",
    ];
    let mut tests = HashSet::new();
    for (stem, text) in sources(&folders, ".rs") {
        let text = text.replace("test(start_paused = true)]", "test]");
        for after in text.split("test]\n").skip(1) {
            let name = after.split_once("fn ");
            let name = name.and_then(|(_, name)| name.split_once('('));
            tests.extend(name.map(|(name, _)| format!("{stem}::{name}")));
        }
    }
    tests
}

/// The rows of the tables whose first column is a number of the catalogue: number, and what holds it.
fn rows(text: &str) -> Vec<(&str, &str)> {
    let is_number = |cell: &str| {
        let digits = cell.get(1..).unwrap_or_default();
        cell.starts_with(['S', 'M', 'C'])
            && !digits.is_empty()
            && digits.bytes().all(|c| c.is_ascii_digit())
    };
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix('|'));
    let cells =
        lines.filter_map(|line| Some((line.split_once(" |")?.0, line.rsplit_once("| ")?.1)));
    cells.filter(|(number, _)| is_number(number)).collect()
}

#[test]
fn every_attack_of_the_catalogue_has_its_row_and_every_row_tests_that_exist() {
    let text = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let tests = tests();
    let live: String = sources(&["attack"], ".rs")
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    let rows = rows(&text);
    let mut wrong = Vec::new();
    for (kind, count) in [('S', 26), ('M', 20), ('C', 6)] {
        let of_kind = || rows.iter().filter(|(number, _)| number.starts_with(kind));
        // A table that is there is there as a whole.
        let missing = (1..=count).map(|n| format!("{kind}{n}"));
        let missing = missing.filter(|n| !of_kind().any(|(number, _)| number == n));
        if of_kind().next().is_some() || kind == 'S' {
            wrong.extend(missing.map(|n| format!("there is no row {n}")));
        }
    }
    for (number, holds) in rows {
        let names: Vec<&str> = holds.split('`').skip(1).step_by(2).collect();
        if names.is_empty() {
            wrong.push(format!("nothing holds {number}"));
        }
        for name in names {
            let is_there = match name.strip_prefix("attack: ") {
                Some(part) => live.contains(part),
                None => tests.contains(name),
            };
            if !is_there {
                wrong.push(format!("{number}: there is no {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
