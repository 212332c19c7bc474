//! Takes out one guard of SECURITY.md after the other and sees that a test which its row names fails: `tests/guards` has a
//! patch for each. All is done in a copy of the project.

mod copy;
#[allow(dead_code, reason = "the everyday test uses the rest of it")]
#[path = "../../tests/parts/named.rs"]
mod named;
pub(crate) mod patch;
mod suite;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use copy::Copy;
use patch::Patch;
use suite::{Outcome, Suites};

use crate::steps::{self, target_directory};

/// A patch, and the row that it is for.
struct Guard {
    row: String,
    /// What is taken out, by its file's name.
    name: String,
    patch: Patch,
}

/// What has been copied, and where it is built.
struct Bench {
    root: PathBuf,
    copy: Copy,
    build: PathBuf,
    /// The tests of each row, and the files that have them.
    rows: HashMap<String, Vec<(String, PathBuf)>>,
}

/// Rows to be looked at, all if there are none.
pub(crate) fn run(words: &[String]) -> steps::Outcome {
    let guards = guards(words)?;
    let bench = Bench::new()?;
    println!("with all guards in place:");
    bench.measure_zero(&guards)?;
    let mut unseen = Vec::new();
    for guard in &guards {
        let began = Instant::now();
        let verdict = bench.judge(guard);
        let (seen, what) = match verdict {
            Ok(seen) => ("seen", seen),
            Err(what) => {
                unseen.push(format!("{} {}", guard.row, guard.name));
                ("UNSEEN", what)
            }
        };
        let seconds = began.elapsed().as_secs();
        println!(
            "{:4} {:52} {seen:7} {seconds:4} s  {what}",
            guard.row, guard.name
        );
    }
    match unseen.is_empty() {
        true => Ok(()),
        false => Err(format!("nobody sees these gone: {}", unseen.join(", "))),
    }
}

/// The patches of these rows, in the order of their numbers.
fn guards(rows: &[String]) -> Result<Vec<Guard>, String> {
    let mut guards = Vec::new();
    for path in named::files("tests/guards", ".patch") {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let (row, name) = stem
            .split_once('-')
            .ok_or_else(|| format!("{stem}: call it ROW-what-is-taken-out.patch"))?;
        // A letter is all rows of its table.
        let is_wanted = |wanted: &String| {
            wanted == row || *wanted == stem || (wanted.len() == 1 && row.starts_with(wanted))
        };
        if !rows.is_empty() && !rows.iter().any(is_wanted) {
            continue;
        }
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        guards.push(Guard {
            row: row.to_owned(),
            name: name.to_owned(),
            patch: Patch::parse(&text),
        });
    }
    if guards.is_empty() {
        return Err(
            "no patch in tests/guards begins so: say rows, as in S16, or nothing".to_owned(),
        );
    }
    guards.sort_by_key(|guard| {
        let (kind, number) = guard.row.split_at(1);
        let kind = ["S", "M", "C"].iter().position(|it| *it == kind);
        let number = number.parse::<u32>().unwrap_or_default();
        (kind, number, guard.name.clone())
    });
    Ok(guards)
}

impl Bench {
    fn new() -> Result<Self, String> {
        let root = named::root();
        let root = root.canonicalize().map_err(|e| e.to_string())?;
        let place = target_directory()?.join("guards");
        let copy = Copy::new(root.clone(), place.join("tree"));
        copy.renew()
            .map_err(|e| format!("{}: {e}", place.display()))?;
        let tests = named::tests();
        let document = named::read("SECURITY.md");
        let rows = named::rows(&document).into_iter().map(|(row, holds)| {
            let names = named::names(holds).into_iter();
            let found = names.flat_map(|name| {
                let files = tests.get(name).into_iter().flatten();
                files.map(|file| (name.to_owned(), file.clone()))
            });
            (row.to_owned(), found.collect())
        });
        Ok(Self {
            rows: rows.collect(),
            root,
            copy,
            build: place.join("build"),
        })
    }

    fn suites(&self, row: &str, suites: &mut Suites) {
        for (name, file) in self.rows.get(row).into_iter().flatten() {
            let file = file.canonicalize().unwrap_or_else(|_| file.clone());
            suite::add(suites, &self.root, &file, name);
        }
    }

    /// Runs everything once as it is: what fails then shows nothing later.
    fn measure_zero(&self, guards: &[Guard]) -> Result<(), String> {
        let (mut suites, mut unfit) = (BTreeMap::new(), Vec::new());
        for guard in guards {
            self.suites(&guard.row, &mut suites);
        }
        for (program, functions) in &suites {
            match program.run(functions, &self.copy.at, &self.build)? {
                Outcome::Ran(failed) => {
                    println!(
                        "  {program}: {} tests, {} failed",
                        functions.len(),
                        failed.len()
                    );
                    unfit.extend(failed);
                }
                Outcome::NotBuilt => return Err(format!("{program} does not build as it is")),
                Outcome::Endless => return Err(format!("{program} does not end as it is")),
            }
        }
        match unfit.is_empty() {
            true => Ok(()),
            false => Err(format!("with all guards in place these fail: {unfit:?}")),
        }
    }

    /// Who sees this guard gone; `Err` if nobody does.
    fn judge(&self, guard: &Guard) -> Result<String, String> {
        let outcome = self
            .take_out(&guard.patch)
            .and_then(|()| self.who_sees(guard));
        self.copy.renew().map_err(|e| e.to_string())?;
        outcome
    }

    fn take_out(&self, patch: &Patch) -> Result<(), String> {
        for hunk in &patch.hunks {
            let file = self.copy.at.join(&hunk.file);
            let text = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", hunk.file))?;
            fs::write(&file, hunk.apply(&text)?).map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    /// The packages that the patch touches come first: what they do not see, others may.
    fn who_sees(&self, guard: &Guard) -> Result<String, String> {
        let mut suites = BTreeMap::new();
        self.suites(&guard.row, &mut suites);
        let touched = |folder: &Path| {
            let mut hunks = guard.patch.hunks.iter();
            hunks.any(|hunk| Path::new(&hunk.file).starts_with(folder))
        };
        let mut suites: Vec<_> = suites.into_iter().collect();
        suites.sort_by_key(|(program, _)| !touched(&program.folder));
        for (program, functions) in suites {
            match program.run(&functions, &self.copy.at, &self.build)? {
                Outcome::Ran(failed) if failed.is_empty() => {}
                Outcome::Ran(failed) => return Ok(failed.join(" ")),
                Outcome::Endless => return Ok(format!("{program} does not end any more")),
                Outcome::NotBuilt if guard.patch.is_of_a_type() => {
                    return Ok("the compiler: the guard is a type".to_owned());
                }
                Outcome::NotBuilt => return Err(format!("{program} does not build without it")),
            }
        }
        Err("no test that the row names has failed".to_owned())
    }
}
