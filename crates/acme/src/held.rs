//! A certificate that we have: what there is to know of it.

use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

/// A certificate with its chain and its key.
#[derive(Clone, Debug)]
pub struct Held {
    pub(crate) key: Arc<CertifiedKey>,
    from: u64,
    until: u64,
}

impl Held {
    /// Of a key and a chain in one PEM text; an error says what is wrong with it.
    pub(crate) fn read(pem: &[u8]) -> Result<Self, String> {
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|e| format!("no private key: {e}"))?;
        let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|e| format!("no certificate: {e}"))?;
        let first = chain.first().ok_or("there is no certificate in it")?;
        let parsed = Certificate::from_der(first).map_err(|e| format!("no X.509: {e}"))?;
        let validity = parsed.tbs_certificate().validity();
        let (from, until) = (&validity.not_before, &validity.not_after);
        Ok(Self {
            from: from.to_unix_duration().as_secs(),
            until: until.to_unix_duration().as_secs(),
            key: net::tls::certified_key(chain, key).map_err(|e| e.to_string())?,
        })
    }

    /// When it ends, in seconds since 1970.
    #[must_use]
    pub fn until(&self) -> u64 {
        self.until
    }

    /// When it is to be renewed: after two thirds of its time.
    pub(crate) fn due(&self) -> u64 {
        let third = self.until.saturating_sub(self.from) / 3;
        self.until.saturating_sub(third)
    }

    /// Whether it is for all these names.
    #[must_use]
    pub fn is_for(&self, names: &[String]) -> bool {
        let Some(Ok(parsed)) = self.key.cert.first().map(ParsedCertificate::try_from) else {
            return false;
        };
        names.iter().all(|name| {
            ServerName::try_from(name.as_str())
                .is_ok_and(|name| verify_server_name(&parsed, &name).is_ok())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(names: &[&str]) -> String {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        made.signing_key.serialize_pem() + &made.cert.pem()
    }

    #[test]
    fn a_certificate_is_for_its_names_and_due_after_two_thirds_of_its_time() {
        let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2026, 4, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let held = Held::read((key.serialize_pem() + &certificate.pem()).as_bytes()).unwrap();
        let is_for = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            held.is_for(&names)
        };
        assert!(is_for(&["a.example"]));
        assert!(!is_for(&["a.example", "b.example"]));
        let first_of_march = rcgen::date_time_ymd(2026, 3, 2).unix_timestamp();
        assert_eq!(i64::try_from(held.due()).unwrap(), first_of_march);
    }

    #[test]
    fn what_is_broken_or_does_not_belong_together_is_not_held() {
        let (one, two) = (pem(&["a.example"]), pem(&["a.example"]));
        assert!(Held::read(one.as_bytes()).is_ok());
        let of = |text: &str, from: &str| text[text.find(from).unwrap()..].to_owned();
        let key = one.replace(&of(&one, "-----BEGIN CERTIFICATE"), "");
        let mixed = key.clone() + &of(&two, "-----BEGIN CERTIFICATE");
        for bad in ["", "rubbish", &key, &mixed, &of(&one, "-----BEGIN CERT")] {
            assert!(Held::read(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
