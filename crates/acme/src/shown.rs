//! What connections are shown: the certificate as it is at the time, and to a CA's validator that of its challenge.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::PrivateKeyDer;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    certificate: RwLock<Option<Arc<CertifiedKey>>>,
    challenges: RwLock<HashMap<String, Arc<CertifiedKey>>>,
}

impl Shown {
    /// From now on this one; connections that stand keep theirs.
    pub(crate) fn renew(&self, key: Arc<CertifiedKey>) {
        let current = self.certificate.write();
        *current.unwrap_or_else(PoisonError::into_inner) = Some(key);
    }

    /// Answers a challenge for this name until [`clear`](Self::clear): by a certificate with the digest of what only the
    /// account's owner knows (RFC 8737 section 3).
    pub(crate) fn challenge(&self, name: &str, digest: &[u8]) -> Result<(), String> {
        let mut params =
            CertificateParams::new(vec![name.to_owned()]).map_err(|e| e.to_string())?;
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        let key = KeyPair::generate().map_err(|e| e.to_string())?;
        let certificate = params.self_signed(&key).map_err(|e| e.to_string())?;
        let key = PrivateKeyDer::try_from(key.serialize_der())?;
        // rustls reads no certificate with this extension, which is critical, to see whether the key is its own.
        let key = any_supported_type(&key).map_err(|e| e.to_string())?;
        let certified = Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key));
        let challenges = self.challenges.write();
        let mut challenges = challenges.unwrap_or_else(PoisonError::into_inner);
        challenges.insert(name.to_ascii_lowercase(), certified);
        Ok(())
    }

    /// No challenge is answered any more.
    pub(crate) fn clear(&self) {
        let challenges = self.challenges.write();
        challenges.unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// When the certificate expires.
    pub(crate) fn expires(&self) -> Option<SystemTime> {
        let current = self.certificate.read();
        let current = current.unwrap_or_else(PoisonError::into_inner);
        net::tls::expires(current.as_ref()?)
    }

    /// What is shown to somebody who asks for this name, and offers these protocols.
    fn of<'a>(
        &self,
        name: Option<&str>,
        mut protocols: impl Iterator<Item = &'a [u8]>,
    ) -> Option<Arc<CertifiedKey>> {
        // A validator offers this and nothing else; it must never be shown the certificate.
        if (protocols.next(), protocols.next()) == (Some(net::tls::CHALLENGE), None) {
            let challenges = self.challenges.read();
            let challenges = challenges.unwrap_or_else(PoisonError::into_inner);
            return challenges.get(&name?.to_ascii_lowercase()).cloned();
        }
        let current = self.certificate.read();
        current.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let protocols = hello.alpn();
        self.of(hello.server_name(), protocols.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Held;

    #[test]
    fn a_challenge_is_shown_to_a_validator_of_its_name_alone_and_only_while_it_lasts() {
        let shown = Shown::default();
        let of = |name, protocols: &[&'static [u8]]| {
            shown
                .of(name, protocols.iter().copied())
                .map(|key| key.cert[0].to_vec())
        };
        let validator: &[&[u8]] = &[b"acme-tls/1"];
        assert_eq!(of(Some("a.example"), &[]), None, "nothing to show yet");
        shown.challenge("A.example", &[7; 32]).unwrap();
        let challenge = of(Some("a.example"), validator).unwrap();
        assert!(challenge.windows(32).any(|part| part == [7; 32]));
        assert_eq!(of(Some("b.example"), validator), None);
        assert_eq!(of(None, validator), None);
        assert_eq!(of(Some("a.example"), &[]), None);

        let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
        let pem = made.signing_key.serialize_pem() + &made.cert.pem();
        let certificate = Some(made.cert.der().to_vec());
        shown.renew(Held::read(pem.as_bytes()).unwrap().key);
        let both: &[&[u8]] = &[b"acme-tls/1", b"http/1.1"];
        assert_eq!(of(Some("a.example"), both), certificate);
        assert_eq!(of(None, &[]), certificate);
        assert_eq!(of(Some("a.example"), validator), Some(challenge));
        shown.clear();
        assert_eq!(of(Some("a.example"), validator), None);
        assert_eq!(of(Some("a.example"), &[]), certificate);
    }
}
