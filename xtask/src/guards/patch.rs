//! A unified diff that finds its places by their text: line numbers are not looked at, so that a patch holds until the lines
//! around its change are others.

/// What a file of `tests/guards` says.
pub(crate) struct Patch {
    /// What stands above the first file: which guard goes.
    pub(crate) says: String,
    pub(crate) hunks: Vec<Hunk>,
}

/// One change of one file.
pub(crate) struct Hunk {
    /// From the project's root.
    pub(crate) file: String,
    old: String,
    new: String,
}

impl Patch {
    pub(crate) fn parse(text: &str) -> Self {
        let mut says = String::new();
        let mut hunks: Vec<Hunk> = Vec::new();
        let mut file = String::new();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("+++ b/") {
                name.clone_into(&mut file);
            } else if line.starts_with("@@ ") {
                hunks.push(Hunk {
                    file: file.clone(),
                    old: String::new(),
                    new: String::new(),
                });
            } else if let Some(hunk) = hunks.last_mut() {
                hunk.take(line);
            } else if !line.starts_with("--- a/") {
                says.push_str(line);
                says.push('\n');
            }
        }
        Self { says, hunks }
    }

    /// Whether the guard is a type, so that what goes round it does not compile.
    pub(crate) fn is_of_a_type(&self) -> bool {
        self.says.contains("does not compile")
    }
}

impl Hunk {
    fn take(&mut self, line: &str) {
        // A file's head in the middle of a patch is the next file's.
        if line.starts_with("--- a/") {
            return;
        }
        let (kind, text) = match line.split_at_checked(1) {
            Some(("+" | "-" | " ", text)) => (&line[..1], text),
            // Editors cut the space of an empty line.
            _ => (" ", line),
        };
        for side in match kind {
            "-" => vec![&mut self.old],
            "+" => vec![&mut self.new],
            _ => vec![&mut self.old, &mut self.new],
        } {
            side.push_str(text);
            side.push('\n');
        }
    }

    /// The file's text without the guard; `Err` with what is wrong.
    pub(crate) fn apply(&self, text: &str) -> Result<String, String> {
        let file = &self.file;
        match text.matches(&self.old).count() {
            _ if self.old == self.new => Err(format!("changes nothing in {file}")),
            0 => Err(format!("{file} has not these lines:\n{}", self.old)),
            1 => Ok(text.replacen(&self.old, &self.new, 1)),
            times => Err(format!(
                "{file} has these lines {times} times:\n{}",
                self.old
            )),
        }
    }
}
