//! Our own certificate: one for a whole process, self-signed, known to peers by its fingerprint alone.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use dimpl::{Config, DtlsCertificate};

use crate::{Error, Fingerprint, Hash};

/// A lost flight is repeated after this, then after twice as long. Browsers wait 50 to 100 ms; 200 spares slow paths.
pub(crate) const FLIGHT_RTO: Duration = Duration::from_millis(200);
/// The clock alone gets to seven before the end of the handshake; repetitions that the peer's own cause count too.
const FLIGHT_RETRIES: usize = 20;
/// A call that has no keys by then has no caller either.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(40);
/// Below every path's MTU with room for tunnels; a certificate flight fits one or two datagrams.
pub(crate) const MTU: usize = 1150;

/// A certificate with its key, and what every handshake made with it shares. Cheap to clone.
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

struct Inner {
    certificate: DtlsCertificate,
    /// The key once more, read.
    key: EcdsaKeyPair,
    /// Checked and built once: that costs more than a handshake.
    config: Arc<Config>,
}

impl Identity {
    /// Makes a new self-signed certificate (ECDSA P-256, valid for a year).
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn generate() -> Result<Self, Error> {
        let made = dimpl::certificate::generate_self_signed_certificate();
        Identity::with(made.map_err(|error| Error::Generation(error.to_string()))?)
    }

    /// Takes a stored identity, so that several processes can show one fingerprint.
    ///
    /// # Errors
    /// [`Error::BadIdentity`] unless both are DER, of P-256, and belong together.
    pub fn from_der(certificate: Vec<u8>, private_key: Vec<u8>) -> Result<Self, Error> {
        let key = read(&private_key)?;
        let public = key.public_key().as_ref();
        let is_its_key = certificate
            .windows(public.len())
            .any(|window| window == public);
        if !is_its_key {
            return Err(Error::BadIdentity);
        }
        Identity::with(DtlsCertificate {
            certificate,
            private_key,
        })
    }

    fn with(certificate: DtlsCertificate) -> Result<Self, Error> {
        let key = read(&certificate.private_key)?;
        let config = Config::builder()
            .mtu(MTU)
            .flight_start_rto(FLIGHT_RTO)
            .flight_retries(FLIGHT_RETRIES)
            .handshake_timeout(HANDSHAKE_TIMEOUT)
            // ICE has proved the source already; a cookie would cost a round trip to prove it again.
            .use_server_cookie(false)
            .build()
            .map_err(|error| Error::Generation(error.to_string()))?;
        Ok(Identity(Arc::new(Inner {
            certificate,
            key,
            config: Arc::new(config),
        })))
    }

    /// The certificate, X.509 in DER.
    pub fn certificate(&self) -> &[u8] {
        &self.0.certificate.certificate
    }

    /// The private key, PKCS #8 in DER. A secret: store it readable to nobody else.
    pub fn private_key(&self) -> &[u8] {
        &self.0.certificate.private_key
    }

    /// What our SDP says of the certificate. Keep to one hash for a call: browsers take another for another key.
    pub fn fingerprint(&self, hash: Hash) -> Fingerprint {
        Fingerprint::of(hash, self.certificate())
    }

    /// Signs with `ecdsa_secp256r1_sha256`; `None` if the library has no randomness.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let signature = self.0.key.sign(&SystemRandom::new(), message).ok()?;
        Some(signature.as_ref().to_vec())
    }

    pub(crate) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.0.config)
    }

    pub(crate) fn dtls_certificate(&self) -> DtlsCertificate {
        self.0.certificate.clone()
    }
}

fn read(private_key: &[u8]) -> Result<EcdsaKeyPair, Error> {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, private_key)
        .map_err(|_| Error::BadIdentity)
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.fingerprint(Hash::Sha256))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_survives_storage() {
        let ours = Identity::generate().unwrap();
        let again =
            Identity::from_der(ours.certificate().to_vec(), ours.private_key().to_vec()).unwrap();
        assert_eq!(
            ours.fingerprint(Hash::Sha256),
            again.fingerprint(Hash::Sha256)
        );
        assert_ne!(
            ours.fingerprint(Hash::Sha256),
            Identity::generate().unwrap().fingerprint(Hash::Sha256)
        );
    }

    #[test]
    fn debug_shows_nothing_of_the_key() {
        let ours = Identity::generate().unwrap();
        let shown = format!("{ours:?}");
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let decimal = |bytes: &[u8]| format!("{bytes:?}").trim_matches(['[', ']']).to_owned();
        for part in ours.private_key().windows(8) {
            let plain = shown.to_ascii_lowercase().replace(':', "");
            // The certificate, which everybody may see, holds the public half.
            let is_public = ours.certificate().windows(8).any(|window| window == part);
            assert!(is_public || !plain.contains(&hex(part)) && !shown.contains(&decimal(part)));
        }
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (one, other) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        let mixed = Identity::from_der(one.certificate().to_vec(), other.private_key().to_vec());
        assert_eq!(mixed.unwrap_err(), Error::BadIdentity);
        assert_eq!(
            Identity::from_der(vec![], vec![]).unwrap_err(),
            Error::BadIdentity
        );
    }
}
