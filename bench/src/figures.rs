//! What a run has found: names and numbers, one to a line in a file, so that whoever compares runs needs no parser.

use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Figures in the order in which they were found.
#[derive(Default)]
pub(crate) struct Figures(Vec<(String, f64)>);

impl Figures {
    pub(crate) fn put(&mut self, name: impl Into<String>, value: f64) {
        self.0.push((name.into(), value));
    }

    /// Writes `name value` lines.
    pub(crate) fn save(&self, file: &Path) -> Result<(), String> {
        let mut text = String::new();
        for (name, value) in &self.0 {
            // Writing to a string cannot fail.
            _ = writeln!(text, "{name} {value}");
        }
        fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
    }
}
