//! What the tests of several crates share: chance by a seed and a bad network with a clock of its own, so that what
//! went wrong once goes wrong again. Development only: nothing that is shipped depends on it.

mod dice;
mod network;

pub use dice::Dice;
pub use network::{Datagram, Network, Peer};
