//! TLS: a certificate chain and key become a rustls server configuration; trusted roots and perhaps a certificate of
//! our own become a client's. It never generates certificates and never talks to a CA: `crates/acme` does.

pub(crate) mod aside;
mod renewed;

pub use renewed::{Certificate, Look, Looks};

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::server::ResolvesServerCert;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use x509_cert::der::Decode as _;

/// What a CA's validator negotiates, to see the certificate of its challenge (RFC 8737 section 3).
pub const CHALLENGE: &[u8] = b"acme-tls/1";

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
    /// The system's trusted certificates cannot be had.
    #[error(
        "the system's trusted certificates cannot be read ({0}); install ca-certificates, or name a file with those to trust ([tls] upstream_ca, [acme] ca)"
    )]
    NoRoots(String),
    /// What was written is neither a host name nor an address.
    #[error("no certificate can be for '{0}'; write the SIP server's host name or address")]
    NoName(String),
    /// Chain and key do not belong together, or rustls refuses one of them.
    #[error(
        "certificate and key do not fit together ({0}); the key must be the one the certificate was issued for"
    )]
    Refused(#[from] rustls::Error),
}

/// A client's configuration for TLS 1.2 and 1.3. Servers are trusted that have a certificate from `roots`, a PEM file,
/// or without one from whom the system trusts. `own` is a PEM chain and its key, shown to a server that asks for one.
pub fn client_config(
    roots: Option<&Path>,
    own: Option<(&Path, &Path)>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(trusted(roots)?);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let (chain, key) = identity(chain, key)?;
            builder.with_client_auth_cert(chain, key)?
        }
    };
    Ok(Arc::new(config))
}

fn trusted(roots: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    match roots {
        Some(file) => {
            for certificate in certificates(file)? {
                store.add(certificate)?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            store.add_parsable_certificates(found.certs);
            if store.is_empty() {
                let why = found.errors.first().map(ToString::to_string);
                let why = why.unwrap_or_else(|| "there are none".to_owned());
                return Err(TlsError::NoRoots(why));
            }
        }
    }
    Ok(store)
}

/// The name, or address, that a server's certificate must be for.
pub fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned());
    name.map_err(|_| TlsError::NoName(host.to_owned()))
}

/// When what is shown to clients expires, asked at any time.
pub type Expires = Arc<dyn Fn() -> Option<SystemTime> + Send + Sync>;

/// When a certificate expires, if it can be read.
pub fn expires(key: &CertifiedKey) -> Option<SystemTime> {
    let certificate = x509_cert::Certificate::from_der(key.cert.first()?).ok()?;
    let end = certificate.tbs_certificate().validity().not_after;
    SystemTime::UNIX_EPOCH.checked_add(end.to_unix_duration())
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity(chain: &Path, key: &Path) -> Result<Identity, TlsError> {
    let chain = certificates(chain)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| TlsError::Unreadable {
        path: key.to_owned(),
        what: "private key",
        reason: error.to_string(),
    })?;
    Ok((chain, key))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| TlsError::Unreadable {
            path: path.to_owned(),
            what: "certificate chain",
            reason: error.to_string(),
        })?;
    match certificates.is_empty() {
        true => Err(TlsError::Empty(path.to_owned())),
        false => Ok(certificates),
    }
}

/// The provider is named rather than taken from the process: a library must not depend on which other crate installed
/// a default first.
fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// A server configuration for TLS 1.2 and 1.3 from certificates and a key that are in memory.
pub fn server_config_from(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(with_protocols(config))
}

/// A server configuration for TLS 1.2 and 1.3 that shows whatever `resolver` says at the time, also to a CA's validator,
/// who must be given the certificate of his challenge or none.
pub fn server_config_of(
    resolver: Arc<dyn ResolvesServerCert>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = [PROTOCOLS, &[CHALLENGE]]
        .concat()
        .into_iter()
        .map(Vec::from)
        .collect();
    Ok(Arc::new(config))
}

/// A chain and its key, ready to be shown; an error where they do not belong together.
pub fn certified_key(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<CertifiedKey>, rustls::Error> {
    CertifiedKey::from_der(chain, key, &provider()).map(Arc::new)
}

/// Whether a connection was made by a CA's validator, to see a certificate; nothing is said on it (RFC 8737 section 3).
pub(crate) fn is_challenge(connection: &ServerConnection) -> bool {
    connection.alpn_protocol() == Some(CHALLENGE)
}

/// WebSocket is an HTTP/1.1 upgrade (RFC 6455); h2 must not be chosen.
const PROTOCOLS: &[&[u8]] = &[b"http/1.1", b"sip/2"];

fn with_protocols(mut config: ServerConfig) -> Arc<ServerConfig> {
    config.alpn_protocols = PROTOCOLS.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config)
}
