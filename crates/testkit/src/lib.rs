//! What the tests of several crates share: chance by a seed and a bad network with a clock of its own, so that what
//! went wrong once goes wrong again; OpenSSL as a peer, and Pebble as a CA; and a strict reader of metrics. Development only: nothing that
//! is shipped depends on it.

mod dice;
mod network;
pub mod open_metrics;
mod openssl;
mod pebble;

pub use dice::Dice;
pub use network::{Datagram, Network, Peer};
pub use openssl::{Certificate, OpenSsl, has_openssl};
pub use pebble::{Pebble, has_pebble};
