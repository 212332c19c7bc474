//! What every run has alike: a moment to begin at, credentials, certificates, addresses.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Instant;

use dtls::Identity;
use ice::Credentials;
use testkit::Dice;

/// When every run begins.
pub(crate) fn start() -> Instant {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    *START
}

/// Certificates of two sides.
pub(crate) fn identities() -> &'static [Identity; 2] {
    static IDENTITIES: LazyLock<[Identity; 2]> =
        LazyLock::new(|| [(); 2].map(|()| Identity::generate().unwrap()));
    &IDENTITIES
}

/// Credentials that differ by their number.
pub(crate) fn credentials(number: u64) -> Credentials {
    let mut random = [0; Credentials::RANDOM_BYTES];
    Dice::new(number).fill(&mut random);
    Credentials::from_random(&random)
}

pub(crate) fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}
