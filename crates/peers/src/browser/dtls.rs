//! DTLS-SRTP (RFC 5764) by dimpl: handshake in, keys out. The certificate's fingerprint is given out to be compared
//! with what SDP said.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use dimpl::{Config, DtlsCertificate, Output, SrtpProfile};
use sha2::{Digest, Sha256};

use super::Keys;
use crate::srtp::{Srtp, Suite};

/// A certificate that all browsers share, as the handshake's cost does not depend on it.
#[derive(Clone)]
pub struct Identity {
    certificate: DtlsCertificate,
    config: Arc<Config>,
    fingerprint: String,
}

impl Identity {
    /// A new certificate and what handshakes with it have in common.
    ///
    /// # Errors
    /// What the library says.
    pub fn generate() -> Result<Self, String> {
        let certificate = dimpl::certificate::generate_self_signed_certificate()
            .map_err(|error| error.to_string())?;
        let config = Config::builder()
            .use_server_cookie(false)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            fingerprint: fingerprint(&certificate.certificate),
            certificate,
            config: Arc::new(config),
        })
    }

    /// SHA-256, in upper case with colons.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

/// What has come of a step.
#[derive(Default)]
pub(crate) struct Step {
    pub(crate) send: Vec<Vec<u8>>,
    /// The peer's, as SDP writes it, in lower case.
    pub(crate) fingerprint: Option<String>,
    pub(crate) keys: Option<Keys>,
}

/// One handshake. DTLS 1.2, which every relay speaks.
pub(crate) struct Dtls {
    engine: dimpl::Dtls,
    client: bool,
    buffer: Vec<u8>,
}

impl Dtls {
    pub(crate) fn new(identity: &Identity, client: bool) -> Self {
        let (config, certificate) = (Arc::clone(&identity.config), identity.certificate.clone());
        let mut engine = dimpl::Dtls::new_12(config, certificate, Instant::now());
        engine.set_active(client);
        Self {
            engine,
            client,
            buffer: vec![0; 2048],
        }
    }

    pub(crate) fn receive(&mut self, datagram: &[u8]) -> Result<Step, String> {
        let done = self
            .engine
            .handle_timeout(Instant::now())
            .and_then(|()| self.engine.handle_packet(datagram));
        done.map_err(|error| error.to_string())?;
        self.drain()
    }

    pub(crate) fn tick(&mut self) -> Result<Step, String> {
        let done = self.engine.handle_timeout(Instant::now());
        done.map_err(|error| error.to_string())?;
        self.drain()
    }

    fn drain(&mut self) -> Result<Step, String> {
        let mut step = Step::default();
        loop {
            match self.engine.poll_output(&mut self.buffer) {
                Output::Packet(bytes) => step.send.push(bytes.to_vec()),
                Output::PeerCert(der) => {
                    let text = format!("sha-256 {}", fingerprint(der));
                    step.fingerprint = Some(text.to_ascii_lowercase());
                }
                Output::KeyingMaterial(material, profile) => {
                    step.keys = Some(keys(&material, profile, self.client)?);
                }
                Output::BufferTooSmall { needed } => self.buffer.resize(needed, 0),
                Output::Timeout(_) => return Ok(step),
                _ => {}
            }
        }
    }
}

/// Client key, server key, client salt, server salt (RFC 5764 section 4.2).
fn keys(material: &[u8], profile: SrtpProfile, client: bool) -> Result<Keys, String> {
    let suite = match profile {
        SrtpProfile::AES128_CM_SHA1_80 => Suite::CmSha1_80,
        SrtpProfile::AEAD_AES_128_GCM => Suite::Gcm128,
        SrtpProfile::AEAD_AES_256_GCM => Suite::Gcm256,
        other => return Err(format!("{other:?} is not spoken here")),
    };
    let (keys, salts) = material
        .split_at_checked(2 * suite.key_len())
        .ok_or("too little keying material")?;
    let half = |side: usize| {
        let key = keys.chunks(suite.key_len()).nth(side);
        let salt = salts.chunks(suite.salt_len()).nth(side);
        let master = [key.unwrap_or_default(), salt.unwrap_or_default()].concat();
        Srtp::new(suite, &master).ok_or("too little keying material")
    };
    let (ours, theirs) = if client { (0, 1) } else { (1, 0) };
    Ok(Keys {
        outbound: half(ours)?,
        inbound: half(theirs)?,
    })
}

fn fingerprint(der: &[u8]) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(der) {
        // Writing to a string cannot fail.
        _ = write!(text, "{}{byte:02X}", if text.is_empty() { "" } else { ":" });
    }
    text
}
