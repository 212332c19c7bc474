//! The tests that a row of SECURITY.md names, run in the copy: those of one program of tests at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{fmt, fs};

/// Seconds for the tests of one program, when they have been built.
const PATIENCE: &str = "300";

/// A program of tests.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Program {
    /// `--lib` or `--test=name`: a library's own tests are the first, being the fewest files to build.
    target: String,
    package: String,
    /// The package's folder, from the project's root.
    pub(super) folder: PathBuf,
}

/// The tests of each program that are to be run.
pub(super) type Suites = BTreeMap<Program, BTreeSet<String>>;

/// What came of a suite.
pub(super) enum Outcome {
    /// These failed. None: nobody saw anything.
    Ran(Vec<String>),
    /// It was not built.
    NotBuilt,
    /// It did not come to its end.
    Endless,
}

/// Adds the test of this name, which stands in this file.
pub(super) fn add(suites: &mut Suites, root: &Path, file: &Path, name: &str) {
    let folder = file.ancestors().skip(1);
    let folder = folder
        .filter(|folder| folder.starts_with(root))
        .find(|folder| folder.join("Cargo.toml").is_file());
    let (Some(folder), Some((_, function))) = (folder, name.split_once("::")) else {
        return;
    };
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    let package = manifest
        .lines()
        .find_map(|line| line.strip_prefix("name = "));
    let package = package.unwrap_or_default().trim_matches('"').to_owned();
    let within = file.strip_prefix(folder).unwrap_or(file);
    let mut parts = within.iter().map(|part| part.to_string_lossy());
    let target = match (parts.next().as_deref(), parts.next()) {
        (Some("src"), _) if folder.join("src/lib.rs").is_file() => "--lib".to_owned(),
        (Some("src"), _) => "--bins".to_owned(),
        (Some("tests"), Some(part)) => format!("--test={}", part.trim_end_matches(".rs")),
        (Some(part), _) => format!("--test={}", part.trim_end_matches(".rs")),
        (None, _) => return,
    };
    let place = folder.strip_prefix(root).unwrap_or(folder).to_owned();
    let program = Program {
        target,
        package,
        folder: place,
    };
    let functions = suites.entry(program).or_default();
    functions.insert(function.to_owned());
}

impl Program {
    /// Builds it in this copy, into this target directory, and runs these tests of it.
    pub(super) fn run(
        &self,
        functions: &BTreeSet<String>,
        copy: &Path,
        into: &Path,
    ) -> Result<Outcome, String> {
        let cargo = |words: &[&str]| {
            let mut command = Command::new("timeout");
            // Building may take what it takes.
            command.arg(if words.is_empty() { PATIENCE } else { "0" });
            command
                .args([env!("CARGO"), "test", "-p", &self.package, &self.target])
                .args(words);
            if words.is_empty() {
                command.arg("--").args(functions);
            }
            command
                .current_dir(copy)
                .env("CARGO_TARGET_DIR", into)
                .stdin(Stdio::null())
                .output()
                .map_err(|e| format!("timeout cargo test: {e}"))
        };
        if !cargo(&["--no-run"])?.status.success() {
            return Ok(Outcome::NotBuilt);
        }
        let output = cargo(&[])?;
        match output.status.code() {
            Some(124) => Ok(Outcome::Endless),
            _ => Ok(Outcome::Ran(failed(functions, &output))),
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.package, self.target)
    }
}

fn failed(functions: &BTreeSet<String>, output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"));
    let ours = |line: &&str| functions.contains(line.rsplit("::").next().unwrap_or(line));
    let mut failed: Vec<_> = lines.filter(ours).map(str::to_owned).collect();
    // The process itself may end of it.
    if failed.is_empty() && !text.contains("test result: ") {
        failed.push("the run ended before its tests did".to_owned());
    }
    failed
}
