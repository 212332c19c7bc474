//! Each guard of SECURITY.md can be taken out (`cargo xtask guards` does, and sees who notices): its patch is there, and holds.

#![allow(clippy::unwrap_used)] // a test may stop on the first surprise

#[allow(dead_code)] // the rest is for other documents
#[path = "parts/named.rs"]
mod named;
#[allow(dead_code)] // the rest is for those who apply it
#[path = "../xtask/src/guards/patch.rs"]
mod patch;

use std::collections::BTreeSet;

use named::{files, read, rows};
use patch::Patch;

/// The rows of the catalogue: how many of each kind.
const ROWS: [(&str, u32); 3] = [("S", 26), ("M", 20), ("C", 6)];

fn row(stem: &str) -> &str {
    stem.split_once('-').map_or(stem, |(row, _)| row)
}

#[test]
fn each_row_has_a_patch_that_takes_out_its_guard_or_a_reason_why_there_is_none() {
    let reasons = read("tests/guards/README.md");
    let excused = rows(&reasons).into_iter().map(|(row, _)| row.to_owned());
    let mut known: BTreeSet<String> = excused.collect();
    for path in files("tests/guards", ".patch") {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        known.insert(row(&stem).to_owned());
    }
    let all = ROWS
        .into_iter()
        .flat_map(|(kind, count)| (1..=count).map(move |number| format!("{kind}{number}")));
    let without: Vec<_> = all.filter(|row| !known.contains(row)).collect();
    assert!(without.is_empty(), "no patch and no reason: {without:?}");
}

#[test]
fn each_patch_says_what_it_takes_out_and_applies_to_the_project_as_it_is() {
    let mut wrong = Vec::new();
    for path in files("tests/guards", ".patch") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let patch = Patch::parse(&std::fs::read_to_string(&path).unwrap());
        if patch.says.trim().is_empty() || patch.hunks.is_empty() {
            wrong.push(format!("{name}: says nothing, or changes nothing"));
        }
        for hunk in &patch.hunks {
            let text = std::fs::read_to_string(named::root().join(&hunk.file));
            let text = text.unwrap_or_default();
            wrong.extend(hunk.apply(&text).err().map(|why| format!("{name}: {why}")));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
