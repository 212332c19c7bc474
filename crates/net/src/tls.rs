//! TLS for the listeners: a certificate chain and key become a rustls server
//! configuration. It never generates certificates and never talks to a CA.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Why a certificate or key could not be used. Each says what to mend.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be opened or is not PEM.
    #[error("{path}: {what} cannot be read ({reason}); give the path of a readable PEM file", path = .path.display())]
    Unreadable {
        /// The file named in the configuration.
        path: PathBuf,
        /// `certificate chain` or `private key`.
        what: &'static str,
        /// What the PEM reader or the file system said.
        reason: String,
    },
    /// The PEM file has no certificate in it.
    #[error("{path}: no certificate in it; the file must hold the server's certificate and its chain", path = .0.display())]
    Empty(PathBuf),
    /// Chain and key do not belong together, or rustls refuses one of them.
    #[error(
        "certificate and key do not fit together ({0}); the key must be the one the certificate was issued for"
    )]
    Refused(#[from] rustls::Error),
}

/// Reads a PEM chain and a PEM key into a server configuration for TLS 1.2 and 1.3.
pub fn server_config(chain: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let unreadable = |path: &Path, what, reason: String| TlsError::Unreadable {
        path: path.to_owned(),
        what,
        reason,
    };
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect)
        .map_err(|e| unreadable(chain, "certificate chain", e.to_string()))?;
    if certificates.is_empty() {
        return Err(TlsError::Empty(chain.to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|e| unreadable(key, "private key", e.to_string()))?;
    Ok(server_config_from(certificates, key)?)
}

/// The same from certificates and a key that are already in memory.
pub fn server_config_from(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    // The provider is named rather than taken from the process: a library must
    // not depend on which other crate installed a default first.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    // WebSocket is an HTTP/1.1 upgrade (RFC 6455); h2 must not be chosen.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
