//! REGISTER no faster than the SIP server is to take it. When an edge starts again, all its browsers come at once: what is
//! over the rate waits for its turn, those who have answered a challenge first, and who would wait for too long is told
//! when to come again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sip::{Message, Method};

use super::Core;
use super::alarms::Due;
use super::deadline::after;
use super::event::Event;
use super::face::{Command, Source};
use super::refusal::Answer;
use super::transactions::ContextId;

/// So many seconds' worth may wait. A browser waits for 32 s, and most register in two steps.
const WAITING: u32 = 10;

/// So many milliseconds' worth may go at once.
const AT_ONCE: Duration = Duration::from_millis(100);

/// Who is turned away comes again after so many seconds, at the earliest and at the latest.
const COME_AGAIN: (u32, u32) = (WAITING, 3 * WAITING);

/// Those that wait, and when the next may go.
#[derive(Default)]
pub(super) struct Pace {
    /// With credentials: their nonce grows old, and their browser is half way.
    answering: VecDeque<(ContextId, Message)>,
    /// All others.
    asking: VecDeque<(ContextId, Message)>,
    /// Until then, what has gone already takes the SIP server at the rate.
    taken: Option<Instant>,
}

impl Pace {
    pub(super) fn waiting(&self) -> usize {
        self.answering.len().saturating_add(self.asking.len())
    }

    /// When the next may go.
    fn open(&self, now: Instant) -> Instant {
        let open = self.taken.and_then(|taken| taken.checked_sub(AT_ONCE));
        open.map_or(now, |open| open.max(now))
    }

    /// One goes now.
    fn take(&mut self, rate: u32, now: Instant) {
        let each = Duration::from_secs(1).checked_div(rate).unwrap_or_default();
        let begin = self.taken.map_or(now, |taken| taken.max(now));
        self.taken = Some(after(begin, each));
    }

    fn wait(&mut self, id: ContextId, request: Message) {
        let answers = ["Authorization", "Proxy-Authorization"];
        match answers.iter().any(|name| request.has(name)) {
            true => self.answering.push_back((id, request)),
            false => self.asking.push_back((id, request)),
        }
    }

    fn next(&mut self) -> Option<(ContextId, Message)> {
        self.answering
            .pop_front()
            .or_else(|| self.asking.pop_front())
    }
}

impl Core {
    /// Gives a request back that may go on now. A REGISTER may have to wait, or be turned away.
    pub(super) fn in_turn(
        &mut self,
        id: ContextId,
        request: Message,
        now: Instant,
    ) -> Result<Option<Message>, Answer> {
        let context = self.transactions.get_mut(id);
        let to = context.and_then(|context| context.route.as_ref().map(|route| route.to));
        if !request.is(&Method::Register) || !matches!(to, Some(Source::Upstream(_))) {
            return Ok(Some(request));
        }
        let rate = self.config.limits.register_rate;
        if self.pace.waiting() == 0 && self.pace.open(now) <= now {
            self.pace.take(rate, now);
            return Ok(Some(request));
        }
        let room = usize::try_from(rate.saturating_mul(WAITING)).unwrap_or(usize::MAX);
        if self.pace.waiting() >= room {
            let (least, most) = COME_AGAIN;
            let seconds = least.saturating_add(self.names.jitter(most.saturating_sub(least)));
            let answer = Answer::new(503, "Too Many Register At Once");
            return Err(answer.with("Retry-After", seconds.to_string()));
        }
        if self.pace.waiting() == 0 {
            self.commands
                .push_back(Command::Report(Event::RegistersWait));
        }
        self.pace.wait(id, request);
        self.alarms.arm(Due::Registers, Some(self.pace.open(now)));
        Ok(None)
    }

    /// Lets those go whose turn has come.
    pub(super) fn registers_due(&mut self, now: Instant) {
        while self.pace.open(now) <= now {
            let Some((id, request)) = self.pace.next() else {
                return;
            };
            // Whose browser has gone meanwhile costs nothing.
            let waits = |context: &mut super::transactions::Proxied| {
                context.server.is_some() && context.final_status.is_none()
            };
            if !self.transactions.get_mut(id).is_some_and(waits) {
                continue;
            }
            self.pace.take(self.config.limits.register_rate, now);
            if let Err(answer) = self.go_on(id, request, now) {
                self.answer(id, &answer, now);
            }
            self.tidy(id);
        }
        self.alarms.arm(Due::Registers, Some(self.pace.open(now)));
    }
}
