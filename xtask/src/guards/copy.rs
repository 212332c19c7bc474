//! A copy of the project below the target directory, in which guards can be taken out: what it is built into is its own, too.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What is no part of the sources.
const LEFT_OUT: [&str; 3] = ["target", "node_modules", ".git"];

pub(super) struct Copy {
    from: PathBuf,
    pub(super) at: PathBuf,
}

impl Copy {
    pub(super) fn new(from: PathBuf, at: PathBuf) -> Self {
        Self { from, at }
    }

    /// Makes the copy what the project is. A file that has not changed is not written, so that it is not built again.
    pub(super) fn renew(&self) -> io::Result<()> {
        let (ours, theirs) = (files(&self.from)?, files(&self.at).unwrap_or_default());
        for file in theirs.difference(&ours) {
            fs::remove_file(self.at.join(file))?;
        }
        for file in ours {
            let (from, to) = (self.from.join(&file), self.at.join(&file));
            let text = fs::read(from)?;
            if fs::read(&to).is_ok_and(|there| there == text) {
                continue;
            }
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(to, text)?;
        }
        Ok(())
    }
}

/// Everything below this folder, from there.
fn files(folder: &Path) -> io::Result<HashSet<PathBuf>> {
    let mut found = HashSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next)? {
            let path = entry?.path();
            let is_left_out = path
                .file_name()
                .is_some_and(|name| LEFT_OUT.iter().any(|out| name == *out));
            if is_left_out {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(file) = path.strip_prefix(folder) {
                found.insert(file.to_owned());
            }
        }
    }
    Ok(found)
}
