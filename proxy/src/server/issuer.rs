//! The keys of whoever signs browsers' tokens: read from a file or fetched by HTTPS, again and again, and at once when a
//! token names a key that nobody knows, but never often. With them goes the time of day, which the core does not have.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::Request;
use http::header::ACCEPT;
use net::https::Client;
use tokio::sync::{Notify, mpsc};

use super::users::stamp;
use crate::core::{IssuerNews, Keys};

/// How often the time is told, and a file looked at.
const LOOK: Duration = Duration::from_secs(2);
/// How often keys are fetched when nothing is wrong.
const USUAL: Duration = Duration::from_secs(600);
/// The shortest time from one fetch to the next, whoever asks for it.
const LEAST: Duration = Duration::from_secs(20);

/// Where an issuer's keys (a JWK set) stand.
#[derive(Clone, Debug)]
pub enum KeysAt {
    /// In a file.
    File(PathBuf),
    /// At a URL, whose server is trusted by this.
    Url(String, Arc<rustls::ClientConfig>),
}

impl KeysAt {
    /// Reads or fetches them; an error is a sentence with the cure.
    async fn read(&self) -> Result<Keys, String> {
        match self {
            Self::File(path) => {
                let told = |why| format!("[sign_in] jwks {}: {why}", path.display());
                let json =
                    std::fs::read(path).map_err(|e| told(format!("cannot be read ({e})")))?;
                Keys::parse(&json).map_err(told)
            }
            Self::Url(url, trust) => {
                let told = |why: String| format!("[sign_in] jwks {url}: {why}");
                let request = Request::get(url).header(ACCEPT, "application/json");
                let request = request
                    .body(Bytes::new())
                    .map_err(|e| told(e.to_string()))?;
                let answer = Client::new(trust.clone()).request(request).await;
                let answer = answer.map_err(|e| told(e.to_string()))?;
                if !answer.status().is_success() {
                    return Err(told(format!("the server answers {}", answer.status())));
                }
                Keys::parse(answer.body()).map_err(told)
            }
        }
    }

    /// Tells whatever is new, as long as somebody listens; `hurry` asks for keys before their time.
    pub(super) fn watch(self, hurry: Arc<Notify>) -> mpsc::Receiver<IssuerNews> {
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            let mut visits = Visits::default();
            while !sender.is_closed() {
                let keys = match self.is_due(&mut visits) {
                    true => self.visit(&mut visits).await,
                    false => None,
                };
                let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                let time = time.unwrap_or_default().as_secs();
                // Nobody listens any more: the loop sees that itself.
                _ = sender.send(IssuerNews { keys, time }).await;
                tokio::select! {
                    () = tokio::time::sleep(LOOK) => {}
                    () = hurry.notified() => visits.wanted = true,
                }
            }
        });
        receiver
    }

    fn is_due(&self, visits: &mut Visits) -> bool {
        match self {
            Self::File(path) => {
                let now = stamp(path);
                visits.seen.replace(now) != Some(now)
            }
            Self::Url(..) => {
                let pause = if visits.wanted { LEAST } else { USUAL };
                visits.last.is_none_or(|last| last.elapsed() >= pause)
            }
        }
    }

    async fn visit(&self, visits: &mut Visits) -> Option<Keys> {
        visits.last = Some(Instant::now());
        let keys = self.read().await;
        // What has failed is tried again soon.
        visits.wanted = keys.is_err();
        keys.map_err(|why| tracing::error!("the keys for tokens stay as they were: {why}"))
            .ok()
    }
}

/// When keys were read last, and how a file looked then.
#[derive(Default)]
struct Visits {
    last: Option<Instant>,
    seen: Option<Option<(SystemTime, u64)>>,
    /// They are wanted before their time.
    wanted: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: &str = r#"{"keys": [{"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB"}]}"#;

    #[tokio::test]
    async fn a_file_of_keys_is_read_again_when_it_has_changed_and_a_bad_one_changes_nothing() {
        let path = std::env::temp_dir().join(format!("causeway-keys-{}", std::process::id()));
        std::fs::write(&path, SET).unwrap();
        let at = KeysAt::File(path.clone());
        let mut visits = Visits::default();
        assert!(at.is_due(&mut visits));
        assert_eq!(at.visit(&mut visits).await.unwrap().len(), 1);
        assert!(!at.is_due(&mut visits));
        std::fs::write(&path, "{\"keys\": []}").unwrap();
        assert!(at.is_due(&mut visits));
        let why = at.read().await.unwrap_err();
        assert!(why.contains("there is no key"), "{why}");
        assert!(at.visit(&mut visits).await.is_none());
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn keys_are_fetched_soon_when_they_are_wanted_and_never_often() {
        let trust = net::tls::client_config(None, None);
        let Ok(trust) = trust else { return };
        let at = KeysAt::Url("https://login.example.com/keys".to_owned(), trust);
        let mut visits = Visits::default();
        assert!(at.is_due(&mut visits));
        let ago = |seconds| Instant::now().checked_sub(Duration::from_secs(seconds));
        for (age, wanted, due) in [
            (1, true, false),
            (19, true, false),
            (21, true, true),
            (21, false, false),
            (601, false, true),
        ] {
            (visits.last, visits.wanted) = (ago(age), wanted);
            assert_eq!(at.is_due(&mut visits), due, "{age} {wanted}");
        }
    }
}
