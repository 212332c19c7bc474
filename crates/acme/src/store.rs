//! What must outlive a restart: the account with its key, the certificate with its key, and when the CA was asked. Each is
//! a file that is written whole or not at all, readable by us alone, in a directory for each CA: a certificate of its
//! staging directory is never taken for one of the real thing.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use instant_acme::AccountCredentials;

use crate::pace::Diary;
use crate::{Held, Settings};

/// A store that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "{path}: {what} ({error}); set [acme] store to a directory that the proxy alone may read and write",
    path = .path.display()
)]
pub struct StoreError {
    path: PathBuf,
    what: &'static str,
    error: String,
}

/// The directory for one CA.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// Where it is; nothing is looked at.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        let url = settings.directory.trim_start_matches("https://");
        let plain = |c: char| {
            let is_plain = c.is_ascii_alphanumeric() || "-.".contains(c);
            if is_plain { c } else { '_' }
        };
        // Of dots alone it would be another directory.
        let name: String = url.chars().map(plain).collect();
        let folder = settings.store.join(format!("ca-{name}"));
        Self { folder }
    }

    /// Makes the directory where there is none, and sees that it can be written to.
    pub(crate) fn open(&self) -> Result<(), StoreError> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .create(&self.folder)
            .map_err(|error| self.wrong("", "this directory cannot be made", &error))?;
        self.write("probe", b"")?;
        _ = std::fs::remove_file(self.folder.join("probe"));
        Ok(())
    }

    /// The certificate that is kept, if there is one that can be used.
    #[must_use]
    pub fn certificate(&self) -> Option<Held> {
        let path = self.certificate_path();
        let pem = self.read(&path)?;
        let held = Held::read(&pem);
        held.map_err(|why| tracing::warn!(path = %path.display(), why, "the certificate that was kept cannot be used; another one is asked for"))
            .ok()
    }

    /// Its file: the key, then the chain.
    #[must_use]
    pub fn certificate_path(&self) -> PathBuf {
        self.folder.join("certificate.pem")
    }

    pub(crate) fn keep_certificate(&self, pem: &str) -> Result<(), StoreError> {
        self.write("certificate.pem", pem.as_bytes())
    }

    pub(crate) fn account(&self) -> Option<AccountCredentials> {
        let json = self.read(&self.folder.join("account.json"))?;
        serde_json::from_slice(&json).ok()
    }

    pub(crate) fn keep_account(&self, account: &AccountCredentials) -> Result<(), StoreError> {
        let json = serde_json::to_vec(account)
            .map_err(|error| self.wrong("account.json", "the account cannot be written", &error))?;
        self.write("account.json", &json)
    }

    /// The CA knows the account no more. It is kept beside: its key may be wanted to revoke something.
    pub(crate) fn forget_account(&self) {
        let path = self.folder.join("account.json");
        _ = std::fs::rename(&path, path.with_extension("json.unknown"));
    }

    pub(crate) fn diary(&self) -> Diary {
        let json = self.read(&self.folder.join("tries.json"));
        json.and_then(|json| serde_json::from_slice(&json).ok())
            .unwrap_or_default()
    }

    pub(crate) fn keep_diary(&self, diary: &Diary) -> Result<(), StoreError> {
        let json = serde_json::to_vec(diary)
            .map_err(|error| self.wrong("tries.json", "it cannot be written", &error))?;
        self.write("tries.json", &json)
    }

    fn read(&self, path: &Path) -> Option<Vec<u8>> {
        match std::fs::read(path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "what was kept cannot be read");
                None
            }
        }
    }

    /// By another name first, and on the disk before it takes its own: never half a file, also when the power fails.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let wrong = |error| self.wrong(name, "it cannot be written", &error);
        let (path, new) = (
            self.folder.join(name),
            self.folder.join(format!("{name}.new")),
        );
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        // What a write that was cut off has left, or somebody has put there.
        _ = std::fs::remove_file(&new);
        let mut file = options.open(&new).map_err(wrong)?;
        file.write_all(bytes).map_err(wrong)?;
        file.sync_all().map_err(wrong)?;
        std::fs::rename(&new, &path).map_err(wrong)?;
        // Not every file system can; the file is whole in any case.
        _ = File::open(&self.folder).and_then(|folder| folder.sync_all());
        Ok(())
    }

    fn wrong(&self, name: &str, what: &'static str, error: &dyn std::error::Error) -> StoreError {
        StoreError {
            path: self.folder.join(name),
            what,
            error: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(name: &str, directory: &str) -> Settings {
        let name = format!("causeway-acme-{name}-{}", std::process::id());
        Settings {
            names: vec!["a.example".to_owned()],
            directory: directory.to_owned(),
            contact: None,
            store: std::env::temp_dir().join(name),
            ca: None,
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_kept_is_ours_alone_and_whole() {
        use std::os::unix::fs::PermissionsExt as _;
        let settings = settings("store", "https://ca.example/dir");
        let store = Store::of(&settings);
        store.open().unwrap();
        assert!(store.certificate().is_none());
        let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
        let pem = made.signing_key.serialize_pem() + &made.cert.pem();
        // What a write that was cut off has left.
        std::fs::write(store.folder.join("certificate.pem.new"), "half").unwrap();
        store.keep_certificate(&pem).unwrap();
        assert!(store.certificate().unwrap().is_for(&settings.names));
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&settings.store), 0o700);
        assert_eq!(mode(&store.folder), 0o700);
        assert_eq!(mode(&store.certificate_path()), 0o600);
        let names = std::fs::read_dir(&store.folder).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["certificate.pem"]);
        std::fs::write(store.certificate_path(), "rubbish").unwrap();
        assert!(store.certificate().is_none());
        std::fs::remove_dir_all(&settings.store).unwrap();
    }

    #[test]
    fn each_ca_has_a_directory_of_its_own_within_the_store() {
        let folder = |directory: &str| Store::of(&settings("cas", directory)).folder;
        let (real, staging) = (
            folder("https://ca.example/directory"),
            folder("https://staging.ca.example/directory"),
        );
        assert_ne!(real, staging);
        for directory in ["https://..", "https:///../../etc", "https://a/../.."] {
            let folder = folder(directory);
            assert_eq!(folder.parent(), real.parent(), "{directory}");
            assert_ne!(folder.file_name(), None);
        }
    }

    #[test]
    fn a_store_that_cannot_be_made_is_told_with_its_cure() {
        let mut settings = settings("nowhere", "https://ca.example/dir");
        settings.store = PathBuf::from("/proc/nowhere");
        let error = Store::of(&settings).open().unwrap_err().to_string();
        assert!(error.contains("set [acme] store to a directory"), "{error}");
    }
}
