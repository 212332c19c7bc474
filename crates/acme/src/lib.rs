//! The edge's certificate from a CA, got and renewed by itself (RFC 8555). The CA sees that a name is ours by a connection
//! to its port 443, on which it is shown a certificate that only we could make (TLS-ALPN-01, RFC 8737): no other port, no
//! web server, no DNS.
//!
//! `pace.rs` says when to ask, `order.rs` asks, `store.rs` keeps what came, `shown.rs` shows it.

// What a packet can reach neither indexes, nor overflows, nor cuts a number short: such a thing is a `get`, a
// saturating, wrapping or checked operation, or a `try_from`, chosen on purpose.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::get_unwrap,
        clippy::unreachable,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss
    )
)]

mod ca;
mod failure;
mod held;
mod keeper;
mod order;
mod pace;
mod shown;
mod store;

use std::path::PathBuf;

pub use held::Held;
pub use keeper::Keeper;
pub use pace::Pace;
pub use store::{Store, StoreError};

/// Let's Encrypt, for certificates that browsers trust.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// What certificate is wanted, and of whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The host names that it is to be for; at least one.
    pub names: Vec<String>,
    /// The URL of the CA's directory (RFC 8555 section 7.1.1).
    pub directory: String,
    /// A mail address that the CA may write to.
    pub contact: Option<String>,
    /// A directory of ours for the account, its key, the certificate and its key.
    pub store: PathBuf,
    /// PEM file with whom to trust as the CA's server; `None`: whom the system trusts.
    pub ca: Option<PathBuf>,
}

/// Why the edge cannot even begin to get a certificate.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No way to trust the CA's server.
    #[error(transparent)]
    Trust(#[from] net::tls::TlsError),
    /// rustls refuses its own defaults.
    #[error("TLS cannot be set up ({0})")]
    Tls(#[from] rustls::Error),
}
