//! What must hold of every parser and core whatever bytes come: one function for each, which panics where it does
//! not. `tests/corpus.rs` replays the inputs that are kept; `guided` looks for new ones (CONTRIBUTING.md, "Fuzzing").
//!
//! A target says more than "does not panic": what is written is read again, what proves nothing changes nothing,
//! and what a peer sends ends no call but its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "to stop at what should not be is what this is for"
)]

mod call;
mod pieces;
mod sign;
mod sockets;
mod targets;
mod world;

pub use targets::{TARGETS, target};

/// Something that takes bytes from strangers, and what must hold of it.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name of its folder in `corpus` and `regressions`.
    pub name: &'static str,
    /// Takes one input; panics when something does not hold.
    pub run: fn(&[u8]) -> Reached,
}

/// How far an input came. A corpus of which nothing is taken tests little more than the first check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// It was refused for its form.
    Refused,
    /// It, or a part of it, was what the target is there for.
    Taken,
}

impl Reached {
    fn taken(taken: bool) -> Self {
        if taken { Self::Taken } else { Self::Refused }
    }
}
