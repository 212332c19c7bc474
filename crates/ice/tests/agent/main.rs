//! The agent seen from outside.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at the first thing that is not as it should be"
)]

mod guesses;
mod hostile;
mod meeting;
mod network;
mod witness;
