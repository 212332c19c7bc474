//! The door at which a program says how it is: `GET /metrics` in OpenMetrics text, as Prometheus reads it, `/health`
//! and `/ready`. Nothing can be changed here.
//!
//! Every question goes to the program's own loop, which answers with numbers; they are written down here. So an
//! answer also proves that the loop turns, and a loop that does not answer in time is not healthy.

mod door;
mod page;
mod process;

use std::fmt;
use std::net::SocketAddr;

use tokio::sync::oneshot;

use crate::bind::BindError;
pub use door::Door;
pub use page::Page;

/// Where a door is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its address.
    pub address: SocketAddr,
    /// Whether the operator named it. Where he did not, another program that has the port stops nobody.
    pub named: bool,
}

impl Place {
    /// Binds the door; see [`Door::bind`]. `None`: nobody named this place, and it cannot be had.
    pub fn open(self, prefix: &'static str) -> Result<Option<Door>, BindError> {
        match Door::bind(self.address, prefix) {
            Ok(door) => Ok(Some(door)),
            Err(error) if self.named => Err(error),
            Err(error) => {
                tracing::warn!(%error, "no /metrics, /health and /ready of this program; name an address for them (setting metrics), or \"off\"");
                Ok(None)
            }
        }
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// All numbers.
    Metrics,
    /// Whether the program lives and its loops turn.
    Health,
    /// Whether it would take a new call.
    Ready,
}

/// One question to a program's loop.
#[derive(Debug)]
pub struct Question {
    /// What is asked.
    pub about: About,
    answer: oneshot::Sender<Answer>,
}

/// Writes a program's numbers on a page.
pub type Write = Box<dyn Fn(&mut Page<'_>) -> fmt::Result + Send + Sync>;

/// What a loop has to say.
pub enum Answer {
    /// These are the numbers.
    Metrics(Write),
    /// It is as it should be.
    Yes,
    /// It is not: why, in one line.
    No(String),
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Metrics(_) => f.write_str("Metrics"),
            Self::Yes => f.write_str("Yes"),
            Self::No(why) => write!(f, "No({why:?})"),
        }
    }
}

impl Question {
    /// Says it. Whoever asked may be gone.
    pub fn answer(self, answer: Answer) {
        _ = self.answer.send(answer);
    }

    /// Says that all is well, or why not.
    pub fn judge(self, fault: Option<String>) {
        self.answer(fault.map_or(Answer::Yes, Answer::No));
    }

    /// Whether nobody waits for the answer any more.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }
}
