//! Whether one address of the SIP server, or one relay, lives, as far as we know, and when it is asked.

use std::time::{Duration, Instant};

use super::deadline::after;

/// What a request may choose: none that is known to be worse than the one that has failed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grade {
    /// It lives, as far as is known.
    Up,
    /// It is silent, or has asked to be left alone.
    Down,
}

/// What is known.
pub(super) struct Health {
    state: State,
    /// When it has answered last.
    heard: Option<Instant>,
    /// When it is asked next.
    ask: Instant,
    /// Whether a question is out.
    asked: bool,
    /// When the last one went out.
    asked_at: Option<Instant>,
    /// How long the last answer took.
    answer_time: Option<Duration>,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// It lives, or nothing is known.
    Up,
    /// It did not answer.
    Down,
    /// It asked to be left alone: Retry-After of a 503, a relay that is full.
    Resting { until: Instant },
}

impl Health {
    /// Of an address that nobody has spoken to: it is used, and asked at once.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            state: State::Up,
            heard: None,
            ask: now,
            asked: false,
            asked_at: None,
            answer_time: None,
        }
    }

    pub(super) fn grade(&self, now: Instant) -> Grade {
        match self.state {
            State::Up => Grade::Up,
            State::Resting { until } if until <= now => Grade::Up,
            State::Down | State::Resting { .. } => Grade::Down,
        }
    }

    /// It has answered. A rest that it asked for holds all the same.
    pub(super) fn answered(&mut self, now: Instant) -> bool {
        self.heard = Some(now);
        let was_down = self.state == State::Down;
        if was_down {
            self.state = State::Up;
        }
        was_down
    }

    pub(super) fn heard_since(&self, then: Instant) -> bool {
        self.heard.is_some_and(|heard| heard >= then)
    }

    pub(super) fn failed(&mut self, now: Instant) -> bool {
        let was_up = self.grade(now) == Grade::Up;
        if was_up {
            self.state = State::Down;
        }
        was_up
    }

    pub(super) fn rests(&mut self, until: Instant, now: Instant) -> bool {
        let was_up = self.grade(now) == Grade::Up;
        self.state = State::Resting { until };
        was_up
    }

    pub(super) fn ask_soon(&mut self, now: Instant) {
        self.ask = self.ask.min(now);
    }

    /// Whether it is to be asked now; if so a question is out from now on.
    pub(super) fn ask(&mut self, interval: Duration, now: Instant) -> bool {
        let due = !self.asked && self.ask <= now;
        if due {
            self.asked = true;
            self.asked_at = Some(now);
            self.ask = after(now, interval);
        }
        due
    }

    /// The question that is out was answered now.
    pub(super) fn said(&mut self, now: Instant) {
        let took = |asked| now.saturating_duration_since(asked);
        self.answer_time = self.asked_at.filter(|_| self.asked).map(took);
    }

    /// How long the last answer took.
    pub(super) fn answer_time(&self) -> Option<Duration> {
        self.answer_time
    }

    pub(super) fn settled(&mut self) {
        self.asked = false;
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        (!self.asked).then_some(self.ask)
    }
}
