//! The files with the users of an edge that is its own registrar, and with the accounts of those who sign in by token: read at the start, and again whenever it has changed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;

use crate::core::{KnownUsers, Users};

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Where the users stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsersFile {
    /// A user in each line: the name, a space, and a password or hashes of it.
    pub path: PathBuf,
    /// What the hashes are made with: the domain.
    pub realm: String,
}

impl UsersFile {
    /// Reads it; an error is a sentence with the file, the line and the cure.
    pub fn read(&self) -> Result<Users, String> {
        let path = self.path.display();
        let text = std::fs::read_to_string(&self.path).map_err(|error| {
            format!("{path} cannot be read ({error}); give `users` a file with a name and a password in each line")
        })?;
        Users::parse(&text, &self.realm).map_err(|(line, fault)| format!("{path}:{line}: {fault}"))
    }

    /// Reads it again whenever it has changed, as long as somebody listens. What cannot be used is told, and those users
    /// stay who there were.
    pub(super) fn watch(self) -> mpsc::Receiver<Arc<Users>> {
        self.watch_every(LOOK)
    }

    fn watch_every(self, look: Duration) -> mpsc::Receiver<Arc<Users>> {
        let path = self.path.clone();
        follow(path, look, move || {
            let users = self.read()?;
            Ok((users.len(), users))
        })
    }
}

/// Where the accounts of those stand who sign in by token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountsFile {
    /// An account in each line: the token's name, the SIP user, his password.
    pub path: PathBuf,
}

impl AccountsFile {
    /// Reads it; an error is a sentence with the file, the line and the cure.
    pub fn read(&self) -> Result<KnownUsers, String> {
        let path = self.path.display();
        let text = std::fs::read_to_string(&self.path).map_err(|error| {
            format!("{path} cannot be read ({error}); give [sign_in] accounts a file with the token's name, the SIP user and his password in each line")
        })?;
        KnownUsers::parse(&text).map_err(|(line, fault)| format!("{path}:{line}: {fault}"))
    }

    /// As [`UsersFile::watch`].
    pub(super) fn watch(self) -> mpsc::Receiver<Arc<KnownUsers>> {
        let path = self.path.clone();
        follow(path, LOOK, move || {
            let known = self.read()?;
            Ok((known.len(), known))
        })
    }
}

/// Reads a file again whenever it has changed.
fn follow<T: Send + Sync + 'static>(
    path: PathBuf,
    look: Duration,
    read: impl Fn() -> Result<(usize, T), String> + Send + 'static,
) -> mpsc::Receiver<Arc<T>> {
    let (sender, receiver) = mpsc::channel(1);
    let mut seen = stamp(&path);
    tokio::spawn(async move {
        while !sender.is_closed() {
            tokio::time::sleep(look).await;
            let now = stamp(&path);
            if now == seen {
                continue;
            }
            seen = now;
            match read() {
                Ok((count, users)) => {
                    tracing::info!(count, "the users were read again");
                    // Nobody listens any more: the loop sees that itself.
                    let _ = sender.send(Arc::new(users)).await;
                }
                Err(why) => tracing::warn!("the users stay as they were: {why}"),
            }
        }
    });
    receiver
}

/// What changes when a file does; `None` while there is none.
pub(super) fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_changes_is_read_again_and_a_bad_one_changes_nothing() {
        let path = std::env::temp_dir().join(format!("causeway-users-{}", std::process::id()));
        std::fs::write(&path, "alice one\n").unwrap();
        let realm = "example.com".to_owned();
        let file = UsersFile {
            path: path.clone(),
            realm,
        };
        assert_eq!(file.read().unwrap().len(), 1);
        let mut changes = file.clone().watch_every(Duration::from_millis(5));
        std::fs::write(&path, "alice one\nbob\n").unwrap();
        let why = file.read().unwrap_err();
        assert!(why.contains(":2: user 'bob' has no password"), "{why}");
        std::fs::write(&path, "alice one\nbob two\ncarol three\n").unwrap();
        let users = changes.recv().await.unwrap();
        assert_eq!(users.len(), 3);
        std::fs::remove_file(&path).unwrap();
    }
}
