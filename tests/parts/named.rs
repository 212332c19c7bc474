//! Tests that documents name, and where they are: `file::function`, in tables of Markdown.

#![allow(clippy::unwrap_used)] // who reads the project's own files may stop on the first surprise

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Files with this ending below a folder of the project, build directories and hidden ones aside.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let is_ours =
                !["target", "node_modules"].contains(&name.as_str()) && !name.starts_with('.');
            if path.is_dir() && is_ours {
                folders.push(path);
            } else if name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    found
}

/// All that these files say.
pub(crate) fn text(folder: &str, ending: &str) -> String {
    let read = |path: PathBuf| fs::read_to_string(path).unwrap();
    files(folder, ending).into_iter().map(read).collect()
}

/// `file::function` of everything that a test macro stands above, and of properties; and the files: two may have one of that name.
pub(crate) fn tests() -> HashMap<String, Vec<PathBuf>> {
    let folders = [
        "proxy",
        "relay",
        "crates",
        "control-proto",
        "fuzz",
        "tests",
        "xtask",
    ];
    let mut tests: HashMap<String, Vec<PathBuf>> = HashMap::new();
    for path in folders.into_iter().flat_map(|folder| files(folder, ".rs")) {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let text = text.replace("test(start_paused = true)]", "test]");
        for after in text.split("test]\n").skip(1) {
            let name = after.split_once("fn ");
            let name = name.and_then(|(_, name)| name.split_once('('));
            if let Some((name, _)) = name {
                let files = tests.entry(format!("{stem}::{name}")).or_default();
                files.push(path.clone());
            }
        }
    }
    tests
}

/// The rows of all tables: their first column, and their last.
pub(crate) fn rows(text: &str) -> Vec<(&str, &str)> {
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix('|'));
    let cells =
        lines.filter_map(|line| Some((line.split_once(" |")?.0, line.rsplit_once("| ")?.1)));
    cells.collect()
}

/// What stands between backquotes.
pub(crate) fn names(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}
