//! The ways in which browsers are registered, as the operator chooses one.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::super::accounts::Users;
use super::super::refusal::Answer;

/// Who registers the browsers.
#[derive(Debug, Clone, Default)]
pub enum Registering {
    /// The SIP server: each REGISTER goes there.
    #[default]
    Through,
    /// The SIP server for long, and the edge for short.
    Mid(Mid),
    /// The edge.
    Local(Local),
}

/// Times between the browsers, the edge and the SIP server, in seconds.
#[derive(Debug, Clone)]
pub struct Mid {
    /// What a browser gets: who asks for less is told so (423), who asks for more gets the most.
    pub client: RangeInclusive<u32>,
    /// What the SIP server is asked for.
    pub upstream: u32,
}

impl Default for Mid {
    /// Ten minutes at most for browsers, half an hour at the server: so long may a browser that is gone be registered there.
    fn default() -> Self {
        Self {
            client: 60..=600,
            upstream: 1800,
        }
    }
}

impl Mid {
    pub(super) fn lifetime(&self, wanted: u32) -> Result<u32, Answer> {
        lifetime(&self.client, wanted)
    }
}

/// The registrar of our own.
#[derive(Debug, Clone)]
pub struct Local {
    /// Who may register, and call.
    pub users: Arc<Users>,
    /// Seconds that a registration may last: who asks for less is told so (423), who asks for more gets the most.
    pub expires: RangeInclusive<u32>,
    /// Clients that one user may have at once.
    pub max_bindings: usize,
}

impl Local {
    /// A registrar for these users: registrations of one minute to one hour, ten clients for each user.
    pub fn new(users: Users) -> Self {
        Self {
            users: Arc::new(users),
            expires: 60..=3600,
            max_bindings: 10,
        }
    }

    /// The lifetime that a client gets.
    pub(super) fn lifetime(&self, wanted: u32) -> Result<u32, Answer> {
        lifetime(&self.expires, wanted)
    }
}

fn lifetime(may_be: &RangeInclusive<u32>, wanted: u32) -> Result<u32, Answer> {
    match wanted {
        0 => Ok(0),
        brief if brief < *may_be.start() => {
            let answer = Answer::new(423, "Interval Too Brief");
            Err(answer.with("Min-Expires", may_be.start().to_string()))
        }
        wanted => Ok(wanted.min(*may_be.end())),
    }
}
