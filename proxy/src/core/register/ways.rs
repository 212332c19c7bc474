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
    /// The edge.
    Local(Local),
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
        let (least, most) = (*self.expires.start(), *self.expires.end());
        match wanted {
            0 => Ok(0),
            brief if brief < least => {
                let answer = Answer::new(423, "Interval Too Brief");
                Err(answer.with("Min-Expires", least.to_string()))
            }
            wanted => Ok(wanted.min(most)),
        }
    }
}
