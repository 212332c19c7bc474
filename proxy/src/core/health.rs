//! Whether one address of the SIP server, or one relay, lives, as far as we know, and when it is asked.

use std::time::{Duration, Instant};

use super::deadline::after;

/// What a request may choose: none that is known to be worse than the one that has failed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grade {
    /// It lives, as far as is known.
    Up,
    /// It lives, and wants nothing new now: it is full, or is drained.
    Resting,
    /// It is silent.
    Down,
}

/// What is known.
pub(super) struct Health {
    /// Since when it does not answer.
    down: Option<Instant>,
    /// Whether what was with it has been given up.
    lost: bool,
    /// It takes nothing new until it says otherwise.
    drains: bool,
    /// The process that answered last, where it says so, and when.
    process: Option<(Vec<u8>, Instant)>,
    /// Until when it asked to be left alone: Retry-After of a 503, a relay that is full.
    rests: Option<Instant>,
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

impl Health {
    /// Of an address that nobody has spoken to: it is used, and asked at once.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            down: None,
            lost: false,
            drains: false,
            process: None,
            rests: None,
            heard: None,
            ask: now,
            asked: false,
            asked_at: None,
            answer_time: None,
        }
    }

    pub(super) fn grade(&self, now: Instant) -> Grade {
        if self.down.is_some() {
            return Grade::Down;
        }
        match self.drains || self.rests.is_some_and(|until| now < until) {
            true => Grade::Resting,
            false => Grade::Up,
        }
    }

    pub(super) fn is_down(&self) -> bool {
        self.down.is_some()
    }

    /// It has answered. True if it was thought to be down. A rest that it asked for holds all the same.
    pub(super) fn answered(&mut self, now: Instant) -> bool {
        self.heard = Some(now);
        self.lost = false;
        self.down.take().is_some()
    }

    pub(super) fn heard_since(&self, then: Instant) -> bool {
        self.heard.is_some_and(|heard| heard >= then)
    }

    /// It has not. True if it was thought to live.
    pub(super) fn failed(&mut self, now: Instant) -> bool {
        let was_up = self.down.is_none();
        self.down.get_or_insert(now);
        was_up
    }

    /// Whether it has been silent for so long that what was with it is given up. True once in a silence.
    pub(super) fn is_lost(&mut self, grace: Duration, now: Instant) -> bool {
        let over = self.down.is_some_and(|since| after(since, grace) <= now);
        over && !std::mem::replace(&mut self.lost, true)
    }

    /// It takes nothing new, or does again. True if that is news.
    pub(super) fn drains(&mut self, drains: bool) -> bool {
        std::mem::replace(&mut self.drains, drains) != drains
    }

    /// The process of this name has answered. If it was another before: when that was last heard.
    pub(super) fn succeeds(&mut self, process: &[u8], now: Instant) -> Option<Instant> {
        let (before, heard) = self.process.replace((process.to_vec(), now))?;
        (before != process).then_some(heard)
    }

    /// It asked to be left alone until then. True if it was thought to be usable.
    pub(super) fn rests(&mut self, until: Instant, now: Instant) -> bool {
        let was_up = self.grade(now) == Grade::Up;
        self.rests = Some(until);
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
