//! Keeps a certificate in use: asks for one where there is none, and for the next one in time.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use net::https::Client;
use rustls::ServerConfig;

use crate::ca::Ca;
use crate::failure::Failure;
use crate::pace::Diary;
use crate::shown::Shown;
use crate::{Held, Pace, Settings, StartError, Store, order};

/// The clock is looked at this often at least: it may be set, and machines sleep.
const LOOK: Duration = Duration::from_secs(600);
/// The longest that one try may take.
const TRY: Duration = Duration::from_secs(300);

/// See the module.
pub struct Keeper {
    settings: Settings,
    pace: Pace,
    store: Store,
    ca: Ca,
    shown: Arc<Shown>,
    held: Option<Held>,
    diary: Diary,
}

impl Keeper {
    /// Takes what is kept from before; nothing is asked yet.
    ///
    /// # Errors
    /// The store or the CA's trusted certificates cannot be used.
    pub fn new(settings: Settings, pace: Pace) -> Result<Self, StartError> {
        let store = Store::of(&settings);
        store.open()?;
        let trust = net::tls::client_config(settings.ca.as_deref(), None)?;
        let shown = Arc::new(Shown::default());
        let held = store.certificate();
        let held = held.filter(|held| held.is_for(&settings.names));
        if let Some(held) = &held {
            shown.renew(held.key.clone());
        }
        Ok(Self {
            pace,
            ca: Ca::new(Client::new(trust)),
            shown,
            held,
            diary: store.diary().mended(now()),
            store,
            settings,
        })
    }

    /// For all listeners with TLS: shows the certificate as it is at the time, and nothing while there is none.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, StartError> {
        Ok(net::tls::server_config_of(self.shown.clone())?)
    }

    /// When the certificate that is shown expires, asked at any time; `None` while there is none.
    pub fn expires(&self) -> net::tls::Expires {
        let shown = self.shown.clone();
        Arc::new(move || shown.expires())
    }

    /// Asks whenever it is time, for as long as it is let. The listeners must be bound.
    pub async fn run(mut self) {
        let names = self.settings.names.join(", ");
        if self.held.is_none() {
            tracing::warn!(%names, directory = self.settings.directory, "there is no certificate yet, and nobody can connect with TLS before the CA has given one");
        }
        loop {
            let now = now();
            let wish = self.held.as_ref().map_or(now, Held::due);
            let wait = Duration::from_secs(self.diary.due(wish, &self.pace).saturating_sub(now));
            if !wait.is_zero() {
                tokio::time::sleep(wait.min(LOOK)).await;
                continue;
            }
            if let Err(failure) = self.renew(now).await {
                self.failed(&failure);
            }
        }
    }

    async fn renew(&mut self, now: u64) -> Result<(), Failure> {
        self.diary.begin(now, &self.pace);
        // Before it is made: a try that ends the process counts too.
        self.store.keep_diary(&self.diary)?;
        let made = order::certificate(&self.settings, &self.ca, &self.store, &self.shown);
        let made = tokio::time::timeout(TRY, made).await;
        let (pem, held) = made.map_err(|_| Failure::Late)??;
        self.shown.renew(held.key.clone());
        let days = days(held.until());
        self.held = Some(held);
        self.diary.succeeded();
        // It is in use whether it can be kept or not.
        self.store.keep_certificate(&pem)?;
        self.store.keep_diary(&self.diary)?;
        let names = self.settings.names.join(", ");
        tracing::info!(%names, days, "a certificate was issued by the CA, and is in use");
        Ok(())
    }

    fn failed(&mut self, failure: &Failure) {
        let mut chance = [128];
        // Without it edges that fail together come back together.
        _ = getrandom::fill(&mut chance);
        let (now, [chance]) = (now(), chance);
        let after = self.ca.retry_after();
        self.diary.failed(now, after, chance, &self.pace);
        _ = self.store.keep_diary(&self.diary);
        let wish = self.held.as_ref().map_or(now, Held::due);
        let again = self.diary.due(wish, &self.pace).saturating_sub(now);
        let names = self.settings.names.join(", ");
        match &self.held {
            _ if matches!(failure, Failure::Store(_)) => {
                tracing::error!(%names, "what must outlive a restart is not kept: {failure}");
            }
            None => {
                tracing::error!(%names, again_in_seconds = again, "no certificate: {failure}");
            }
            Some(held) => {
                let days = days(held.until());
                tracing::error!(%names, again_in_seconds = again, days, "the certificate was not renewed, and stays in use for those days: {failure}");
            }
        }
    }
}

/// Whole days from now until then.
fn days(until: u64) -> u64 {
    until.saturating_sub(now()) / 86_400
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}
