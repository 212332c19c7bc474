//! What the certificate is, or would be. Nobody is asked, and nothing is written.

use std::time::{Duration, SystemTime};

use crate::config::{Certificate, OwnCertificate};

/// In the operator's words.
pub(super) struct Described {
    /// What listeners with TLS show.
    pub(super) with: String,
    /// What else there is to know, a line each.
    pub(super) more: Vec<String>,
}

pub(super) fn described(certificate: &OwnCertificate) -> Result<Described, String> {
    match certificate {
        OwnCertificate::Files(Certificate { cert, key }) => {
            net::tls::Certificate::read(cert, key).map_err(|e| e.to_string())?;
            let (with, more) = (cert.display().to_string(), Vec::new());
            Ok(Described { with, more })
        }
        OwnCertificate::Acme(settings) => {
            net::tls::client_config(settings.ca.as_deref(), None).map_err(|e| e.to_string())?;
            let names = settings.names.join(", ");
            let store = acme::Store::of(settings);
            let path = store.certificate_path();
            let held = store.certificate();
            let kept = match held.filter(|held| held.is_for(&settings.names)) {
                Some(held) => format!(
                    "kept in {}, for {} more days; it is renewed after two thirds of its time",
                    path.display(),
                    days(held.until())
                ),
                None => format!(
                    "none yet: the CA would be asked at the start, and it would be kept in {}",
                    path.display()
                ),
            };
            let reached = format!(
                "the CA connects to port 443 of {names}, which must lead to an address of wss or tls"
            );
            Ok(Described {
                with: format!("a certificate for {names} of {}", settings.directory),
                more: vec![kept, reached],
            })
        }
    }
}

/// Whole days from now.
fn days(until: u64) -> u64 {
    let until = SystemTime::UNIX_EPOCH + Duration::from_secs(until);
    until
        .duration_since(SystemTime::now())
        .unwrap_or_default()
        .as_secs()
        / 86_400
}
