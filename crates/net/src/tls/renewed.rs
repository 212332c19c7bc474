//! A certificate whose files are looked at while it is in use: connections that begin after a change get the new one, all
//! others stay as they are. What cannot be used is not taken, and the operator is told why.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::{TlsError, certified_key, expires, identity, provider, with_protocols};

/// From one look to the next.
const INTERVAL: Duration = Duration::from_secs(5);

/// A certificate chain and its key, in two PEM files.
#[derive(Debug)]
pub struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<CertifiedKey>>,
}

/// What tells a file from another one at the same path.
type Stamp = [Option<(SystemTime, u64, u64)>; 2];

/// What a look at the files has found.
#[derive(Debug)]
pub enum Look {
    /// They are as they were, or are being written.
    Same,
    /// They were changed, and are in use.
    Renewed,
    /// They were changed, and cannot be used: what was in use stays.
    Refused(TlsError),
}

/// What the looks remember.
#[derive(Debug)]
pub struct Looks {
    taken: Stamp,
    last: Stamp,
}

impl Certificate {
    /// Reads both files.
    pub fn read(chain: &Path, key: &Path) -> Result<Arc<Self>, TlsError> {
        Ok(Arc::new(Self {
            chain: chain.to_owned(),
            key: key.to_owned(),
            current: RwLock::new(certified(chain, key)?),
        }))
    }

    /// A server configuration for TLS 1.2 and 1.3 that shows this certificate as it is at the time.
    pub fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, TlsError> {
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        Ok(with_protocols(config))
    }

    /// When the certificate in use expires, as far as it can be read.
    pub fn expires(&self) -> Option<SystemTime> {
        let current = self.current.read();
        expires(&current.unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at the files every few seconds, for as long as it is let.
    pub async fn watch(self: Arc<Self>) {
        let mut looks = self.looks();
        loop {
            tokio::time::sleep(INTERVAL).await;
            match self.look(&mut looks) {
                Look::Same => {}
                Look::Renewed => {
                    tracing::info!(certificate = %self.chain.display(), "the certificate was renewed")
                }
                Look::Refused(error) => {
                    tracing::error!(%error, "the certificate was changed and cannot be used; the one before stays in use")
                }
            }
        }
    }

    /// The beginning of looks.
    pub fn looks(&self) -> Looks {
        let now = self.stamp();
        Looks {
            taken: now,
            last: now,
        }
    }

    /// One look. A change is taken when the look after it finds the same: two files are never written at once.
    pub fn look(&self, looks: &mut Looks) -> Look {
        let now = self.stamp();
        let settled = std::mem::replace(&mut looks.last, now) == now;
        if !settled || now == looks.taken {
            return Look::Same;
        }
        looks.taken = now;
        match certified(&self.chain, &self.key) {
            Ok(renewed) => {
                let current = self.current.write();
                *current.unwrap_or_else(PoisonError::into_inner) = renewed;
                Look::Renewed
            }
            Err(error) => Look::Refused(error),
        }
    }

    fn stamp(&self) -> Stamp {
        [&self.chain, &self.key].map(|path| {
            let data = std::fs::metadata(path).ok()?;
            Some((data.modified().ok()?, data.len(), number(&data)))
        })
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.read();
        Some(current.unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// The file's own number, which a file that takes another's place does not share.
#[cfg(unix)]
fn number(data: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(data)
}

#[cfg(not(unix))]
fn number(_: &std::fs::Metadata) -> u64 {
    0
}

fn certified(chain: &Path, key: &Path) -> Result<Arc<CertifiedKey>, TlsError> {
    let (chain, key) = identity(chain, key)?;
    Ok(certified_key(chain, key)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Files {
        folder: PathBuf,
    }

    impl Files {
        fn new() -> Self {
            let name = format!("causeway-renewed-{}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&folder).unwrap();
            Self { folder }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.join(name)
        }

        /// Puts a new certificate and key in the place of the old ones.
        fn renew(&self) -> Vec<u8> {
            let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
            self.put("cert.pem", &made.cert.pem());
            self.put("key.pem", &made.signing_key.serialize_pem());
            made.cert.der().to_vec()
        }

        fn put(&self, name: &str, text: &str) {
            std::fs::write(self.path("new"), text).unwrap();
            std::fs::rename(self.path("new"), self.path(name)).unwrap();
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            _ = std::fs::remove_dir_all(&self.folder);
        }
    }

    #[test]
    fn a_changed_certificate_is_taken_when_it_has_settled_and_a_broken_one_never() {
        let files = Files::new();
        let first = files.renew();
        let certificate =
            Certificate::read(&files.path("cert.pem"), &files.path("key.pem")).unwrap();
        let shown = || certificate.current.read().unwrap().cert[0].to_vec();
        assert_eq!(shown(), first);
        let mut looks = certificate.looks();
        assert!(matches!(certificate.look(&mut looks), Look::Same));

        let second = files.renew();
        assert!(matches!(certificate.look(&mut looks), Look::Same));
        assert_eq!(shown(), first, "it may be half written");
        assert!(matches!(certificate.look(&mut looks), Look::Renewed));
        assert_eq!(shown(), second);
        assert!(matches!(certificate.look(&mut looks), Look::Same));

        // The key of another certificate; then none at all.
        let third = files.renew();
        let key = std::fs::read_to_string(files.path("key.pem")).unwrap();
        files.renew();
        files.put("key.pem", &key);
        certificate.look(&mut looks);
        assert!(matches!(certificate.look(&mut looks), Look::Refused(_)));
        assert!(
            matches!(certificate.look(&mut looks), Look::Same),
            "told once"
        );
        std::fs::remove_file(files.path("cert.pem")).unwrap();
        certificate.look(&mut looks);
        assert!(matches!(certificate.look(&mut looks), Look::Refused(_)));
        assert_ne!(shown(), third);
        assert_eq!(shown(), second);
    }
}
