//! What goes wrong for a client, by its name: a load generator that only counts what came would call loss success.

use std::fmt;

/// Why a client's registration or call has failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Failure {
    /// No connection, or none that became a WebSocket.
    NotConnected(String),
    /// The connection ended while this was expected.
    Closed(String),
    /// This was expected and never came.
    Lost(String),
    /// This was expected and something else came.
    Wrong { expected: String, came: String },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected(why) => write!(f, "not connected: {why}"),
            Self::Closed(expected) => write!(f, "closed before {expected}"),
            Self::Lost(expected) => write!(f, "lost: {expected}"),
            Self::Wrong { expected, came } => write!(f, "instead of {expected} came {came}"),
        }
    }
}

/// What became of many.
#[derive(Default, Debug)]
pub(crate) struct Tally {
    pub(crate) done: u64,
    /// Each failure that occurred, and how often.
    pub(crate) failures: Vec<(Failure, u64)>,
}

impl Tally {
    pub(crate) fn add<T>(&mut self, result: Result<T, Failure>) -> Option<T> {
        match result {
            Ok(value) => {
                self.done += 1;
                Some(value)
            }
            Err(failure) => {
                match self
                    .failures
                    .iter_mut()
                    .find(|(known, _)| *known == failure)
                {
                    Some((_, count)) => *count += 1,
                    None => self.failures.push((failure, 1)),
                }
                None
            }
        }
    }

    /// How many failed.
    pub(crate) fn failed(&self) -> u64 {
        self.failures.iter().map(|(_, count)| count).sum()
    }

    /// One line for each kind of failure.
    pub(crate) fn report(&self) -> String {
        let lines = self.failures.iter();
        lines
            .map(|(failure, count)| format!("\n  {count} x {failure}"))
            .collect()
    }
}
