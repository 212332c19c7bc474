//! A secret in a file that the program makes itself if it is not there: what it signs now it knows again after a restart.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use proxy::core::Secrets;

use super::Fault;
use super::judge::{Text, beside, wrong};

/// Longer texts are no secrets but a wrong file.
const MAX_SIZE: u64 = 4096;

/// Where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyFile(PathBuf);

impl KeyFile {
    /// A file that can be used, or that is not there yet.
    pub(super) fn judge(text: &Text, config: &Path) -> Result<Self, Fault> {
        let file = Self(beside(text, config));
        match file.read() {
            Ok(_) => Ok(file),
            Err(what) => Err(wrong(text, what)),
        }
    }

    /// What will be done with it.
    pub(crate) fn described(&self) -> String {
        let path = self.0.display();
        match self.0.exists() {
            true => format!("in {path}"),
            false => format!("in {path}, which the first start makes"),
        }
    }

    /// The key of the file; one that is not there is made of these octets, for its owner's eyes only.
    pub(crate) fn read_or_make(&self, octets: [u8; 32]) -> Result<[u8; 32], String> {
        if let Some(key) = self.read()? {
            return Ok(key);
        }
        let text: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        let mut options = OpenOptions::new();
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.write(true).create_new(true).open(&self.0);
        match file.and_then(|mut file| file.write_all(format!("{text}\n").as_bytes())) {
            Ok(()) => {}
            // Another one was faster.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => {
                let path = self.0.display();
                return Err(format!(
                    "token_key {path} cannot be made ({error}); let this user write there, or make it with: openssl rand -hex 32 > {path}"
                ));
            }
        }
        self.read()?
            .ok_or_else(|| format!("token_key {} has gone", self.0.display()))
    }

    /// `None` if it is not there.
    fn read(&self) -> Result<Option<[u8; 32]>, String> {
        let path = self.0.display();
        let make = format!("make one with: openssl rand -hex 32 > {path}");
        let mut text = String::new();
        let read = std::fs::File::open(&self.0)
            .and_then(|file| file.take(MAX_SIZE).read_to_string(&mut text));
        match read {
            Ok(_) => match Secrets::key_of(text.trim()) {
                Some(key) => Ok(Some(key)),
                None => Err(format!(
                    "the key in {path} has fewer than 32 characters; {make}"
                )),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("token_key {path} cannot be read ({error}); {make}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> KeyFile {
        let folder =
            std::env::temp_dir().join(format!("causeway-key-{}-{name}", std::process::id()));
        let _old = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        KeyFile(folder.join("token.key"))
    }

    #[test]
    fn the_first_start_makes_a_key_for_its_owners_eyes_and_every_other_reads_it() {
        let file = file("made");
        assert!(file.described().contains("first start"));
        let made = file.read_or_make([1; 32]).unwrap();
        assert_eq!(file.read_or_make([2; 32]).unwrap(), made);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&file.0).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_key_that_can_be_guessed_or_made_nowhere_is_refused() {
        let short = file("short");
        std::fs::write(&short.0, "secret\n").unwrap();
        let what = short.read_or_make([1; 32]).unwrap_err();
        assert!(what.contains("fewer than 32 characters"), "{what}");
        let nowhere = KeyFile(short.0.with_file_name("no").join("token.key"));
        let what = nowhere.read_or_make([1; 32]).unwrap_err();
        assert!(what.contains("cannot be made"), "{what}");
    }
}
