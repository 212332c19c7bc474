//! ICE (RFC 8445, RFC 8489, RFC 7675) without sockets, clock or randomness.
//!
//! An [`Agent`] is fed datagrams, the time and what the SDP said; it queues STUN messages to send and reports which
//! addresses have proved themselves. It never resolves a name, never sends to an address its [`AddressPolicy`]
//! forbids, and never answers anybody who does not know its password.
//!
//! ```
//! use std::time::Instant;
//! use causeway_ice as ice;
//!
//! let credentials = ice::Credentials::from_random(&[7; ice::Credentials::RANDOM_BYTES]);
//! let mut agent = ice::Agent::new(ice::Config::lite(credentials));
//! let bound = "192.0.2.1:30000".parse().unwrap();
//! agent.add_local(ice::Local::host(bound)).unwrap();
//! let verdict = agent.receive(bound, "198.51.100.7:4000".parse().unwrap(), b"not stun", Instant::now());
//! assert_eq!(verdict, ice::Verdict::Dropped(ice::Reason::NotStun));
//! assert!(agent.poll().is_none());
//! ```

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

mod address;
mod agent;
mod candidate;
mod common;
mod credentials;
mod full;
mod guesses;
mod lite;
mod paths;
mod state;
pub mod stun;
mod verdict;
mod witness;

pub use address::{AddressPolicy, Forbidden};
pub use agent::{Agent, Config, Local, MAX_REMOTE_CANDIDATES, Output, Role};
pub use candidate::{Candidate, Kind, Skipped};
pub use credentials::Credentials;
pub use state::{Pair, State};
pub use verdict::{Error, Reason, Verdict};
pub use witness::Witness;
