//! One call as those see it who use the phone.

use tokio::sync::{mpsc, watch};

use super::Error;
use super::agent::Command;
use super::ear::Heard;
use super::media::Listening;

/// A call, made or received. Dropping it does not end it.
#[derive(Debug)]
pub struct Call {
    pub(super) id: u64,
    pub(super) caller: String,
    pub(super) called: String,
    pub(super) commands: mpsc::UnboundedSender<Command>,
    pub(super) state: watch::Receiver<State>,
    pub(super) listening: Listening,
}

/// How far a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The INVITE is out or in, and nothing more.
    Trying,
    /// It rings.
    Ringing,
    /// Sound flows before the answer.
    Early,
    /// Answered.
    Up,
    /// Over.
    Ended(End),
}

/// Why a call is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// This phone hung up, or cancelled.
    Here,
    /// The other side hung up, or cancelled.
    There,
    /// Refused with this status, by either side.
    Refused(u16),
    /// The other side did not answer or did not acknowledge in time.
    Silence,
}

impl Call {
    /// The From URI.
    #[must_use]
    pub fn caller(&self) -> &str {
        &self.caller
    }

    /// The To URI.
    #[must_use]
    pub fn called(&self) -> &str {
        &self.called
    }

    /// How far the call is now.
    #[must_use]
    pub fn state(&self) -> State {
        *self.state.borrow()
    }

    /// Waits until the state is as wanted, or the call is over.
    pub async fn until(&self, wanted: impl Fn(State) -> bool) -> State {
        let mut state = self.state.clone();
        let reached = state
            .wait_for(|it| wanted(*it) || matches!(it, State::Ended(_)))
            .await;
        reached.map_or(State::Ended(End::Silence), |state| *state)
    }

    /// Waits for the answer.
    ///
    /// # Errors
    /// [`Error::Refused`], or [`Error::NoAnswer`] when it ended otherwise.
    pub async fn answered(&self) -> Result<(), Error> {
        match self.until(|state| state == State::Up).await {
            State::Ended(End::Refused(status)) => Err(Error::Refused(status)),
            State::Ended(_) => Err(Error::NoAnswer),
            _ => Ok(()),
        }
    }

    /// Waits for the end.
    pub async fn ended(&self) -> End {
        match self.until(|_| false).await {
            State::Ended(end) => end,
            _ => End::Silence,
        }
    }

    /// Hangs up; before the answer: cancels, or declines with 603.
    ///
    /// # Errors
    /// [`Error::Off`].
    pub fn hang_up(&self) -> Result<(), Error> {
        self.command(Command::HangUp(self.id))
    }

    /// Holds the call, or takes it back: a re-INVITE with `sendonly` or `sendrecv`.
    ///
    /// # Errors
    /// [`Error::Off`].
    pub fn hold(&self, held: bool) -> Result<(), Error> {
        self.command(Command::Hold(self.id, held))
    }

    /// Presses keys: `0` to `9`, `*`, `#`, `A` to `D`.
    ///
    /// # Errors
    /// [`Error::Off`].
    pub fn digits(&self, digits: &str) -> Result<(), Error> {
        self.command(Command::Digits(self.id, digits.to_owned()))
    }

    /// What was heard up to now.
    #[must_use]
    pub fn heard(&self) -> Heard {
        self.listening.heard()
    }

    fn command(&self, command: Command) -> Result<(), Error> {
        self.commands.send(command).map_err(|_| Error::Off)
    }
}
