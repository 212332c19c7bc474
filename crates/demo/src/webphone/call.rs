//! One call as those see it who use the web phone.

use srtp::Suite;
use tokio::sync::{mpsc, oneshot, watch};

use super::agent::Command;
use super::progress::{Progress, Timeline};
use super::{Error, Unacceptable};
use crate::phone::{Heard, Voice};

/// A call, made or received. Dropping it does not end it.
#[derive(Debug)]
pub struct Call {
    pub(super) id: u64,
    pub(super) caller: String,
    pub(super) called: String,
    pub(super) commands: mpsc::WeakUnboundedSender<Command>,
    pub(super) state: watch::Receiver<State>,
    pub(super) progress: Progress,
}

/// How far a call is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The INVITE is out, and nothing more.
    Trying,
    /// It rings, there or here.
    Ringing,
    /// Media may flow before the answer.
    Early,
    /// Answered.
    Up,
    /// Over.
    Ended(End),
}

/// Why a call is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// This phone hung up, or cancelled.
    Here,
    /// The other side hung up, or cancelled.
    There,
    /// Refused with this status, by either side.
    Refused(u16),
    /// The other side did not answer in time.
    Silence,
    /// The other side's SDP is not what a browser takes.
    Unacceptable(Unacceptable),
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
        self.state.borrow().clone()
    }

    /// Waits until the state is as wanted, or the call is over.
    pub async fn until(&self, wanted: impl Fn(&State) -> bool) -> State {
        let mut state = self.state.clone();
        let reached = state
            .wait_for(|it| wanted(it) || matches!(it, State::Ended(_)))
            .await;
        reached.map_or(State::Ended(End::Silence), |state| state.clone())
    }

    /// Waits for the answer.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unacceptable`], or [`Error::NoAnswer`] when it ended otherwise.
    pub async fn answered(&self) -> Result<(), Error> {
        match self.until(|state| *state == State::Up).await {
            State::Ended(End::Refused(status)) => Err(Error::Refused(status)),
            State::Ended(End::Unacceptable(reason)) => Err(reason.into()),
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

    /// Answers a call that came in, sending `voice` once media flows.
    ///
    /// # Errors
    /// [`Error::Off`].
    pub fn answer(&self, voice: Voice) -> Result<(), Error> {
        self.command(Command::Answer(self.id, voice))
    }

    /// Refuses a call that came in.
    ///
    /// # Errors
    /// [`Error::Off`].
    pub fn refuse(&self, status: u16) -> Result<(), Error> {
        self.command(Command::Refuse(self.id, status))
    }

    /// Hangs up; before the answer: cancels, or declines with 603.
    ///
    /// # Errors
    /// [`Error::Off`].
    pub fn hang_up(&self) -> Result<(), Error> {
        self.command(Command::HangUp(self.id))
    }

    /// Holds the call, or takes it back, by a re-INVITE with `sendonly` or `sendrecv`; returns with its answer.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::NoAnswer`], [`Error::Unacceptable`] or [`Error::Off`].
    pub async fn hold(&self, is_held: bool) -> Result<(), Error> {
        let (done, outcome) = oneshot::channel();
        self.command(Command::Hold(self.id, is_held, done))?;
        outcome.await.map_err(|_| Error::Off)?
    }

    /// Presses keys, sent as RTP events (RFC 4733): `0` to `9`, `*`, `#`, `A` to `D`.
    ///
    /// # Errors
    /// [`Error::Off`].
    pub fn digits(&self, digits: &str) -> Result<(), Error> {
        self.command(Command::Digits(self.id, digits.to_owned()))
    }

    /// Presses one key, sent as SIP INFO with `application/dtmf-relay`, as sip.js and JsSIP do.
    ///
    /// # Errors
    /// [`Error::Off`].
    pub fn info(&self, digit: char) -> Result<(), Error> {
        self.command(Command::Info(self.id, digit))
    }

    /// What was heard up to now.
    #[must_use]
    pub fn heard(&self) -> Heard {
        self.progress.heard()
    }

    /// Waits until that many RTP packets have been heard in all.
    pub async fn until_heard(&self, packets: u32) {
        self.progress.until(packets).await;
    }

    /// Digits that came in SIP INFO.
    #[must_use]
    pub fn infos(&self) -> String {
        self.progress.known().infos.clone()
    }

    /// When each step was reached.
    #[must_use]
    pub fn timeline(&self) -> Timeline {
        self.progress.known().timeline
    }

    /// What protects the media, once DTLS has agreed.
    #[must_use]
    pub fn suite(&self) -> Option<Suite> {
        self.timeline().suite
    }

    /// Why DTLS failed, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<dtls::Failure> {
        self.progress.known().failure
    }

    fn command(&self, command: Command) -> Result<(), Error> {
        let commands = self.commands.upgrade().ok_or(Error::Off)?;
        commands.send(command).map_err(|_| Error::Off)
    }
}
