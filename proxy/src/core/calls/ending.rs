//! Calls that the edge ends, because nobody else would: their browser is gone and does not come back in time, or they
//! have lasted too long. A browser that comes back after the end of its call is told.

use std::time::{Duration, Instant};

use super::super::Core;
use super::super::alarms::Due;
use super::super::deadline::after;
use super::super::face::Source;
use super::super::flows::Reach;
use super::super::names::{ClientId, MediaId, Side};
use super::super::refusal::Answer;
use super::{Call, Party, Standing};

/// Nobody can come back as an unregistered client, but its BYE may still be on its way.
const NAMELESS: Duration = Duration::from_secs(2);

/// Why the edge ends a call: the Reason of its BYE (RFC 3326).
const LEFT: &str = "SIP;cause=480;text=\"The Browser's Connection Closed\"";
const TOO_LONG: &str = "Q.850;cause=102;text=\"The Call Has Lasted Too Long\"";
const ENDED: &str = "SIP;cause=487;text=\"The Call Ended Meanwhile\"";

impl Core {
    /// A client's flow closed: its calls wait for it.
    pub(in crate::core) fn left(&mut self, client: ClientId, now: Instant) {
        let grace = match self.flows.reach(client) {
            Reach::Flow(_) => return,
            Reach::Suspended => self.config.limits.grace,
            Reach::Unknown => self.config.limits.grace.min(NAMELESS),
        };
        for media in self.calls.of_client(client) {
            let standing = self.calls.standing_mut(media).map(|call| call.standing);
            if standing == Some(Standing::There) {
                let end = Standing::Away(after(now, grace));
                self.calls.set(media, end);
            }
        }
        self.alarms.arm(Due::Calls, self.calls.deadline());
    }

    /// A client has registered. If it comes from another flow, its calls go on; it is told of those that do not.
    pub(super) fn returned(&mut self, client: ClientId, now: Instant) {
        let Reach::Flow(flow) = self.flows.reach(client) else {
            return;
        };
        for media in self.calls.of_client(client) {
            if let Some(call) = self.calls.standing_mut(media) {
                if call.client == client {
                    call.flow = flow;
                }
                self.calls.set(media, Standing::There);
            } else if let Some(call) = self.calls.remove(media) {
                let side = match call.client == client {
                    true => Side::Browser,
                    false => Side::Phone,
                };
                self.say_bye(&call, side, ENDED, now);
            }
        }
    }

    /// The phone hangs up while the browser is away. `None` if there is no such call.
    pub(in crate::core) fn hung_up_while_away(
        &mut self,
        media: MediaId,
        bye: &sip::Message,
        now: Instant,
    ) -> Option<Answer> {
        let call = self.calls.standing_mut(media)?;
        call.dialog_mut(bye)?;
        if let Some(call) = self.calls.hung_up(media, bye) {
            self.write_down_bye(&call, Side::Phone, bye, now);
            self.remember_end(media, call, now);
        }
        Some(Answer::new(200, "OK"))
    }

    /// Calls whose time has come.
    pub(in crate::core) fn calls_due(&mut self, now: Instant) {
        while let Some((media, call)) = self.calls.pop_due(now) {
            let reason = match call.standing {
                Standing::Over => continue,
                Standing::Away(end) if end <= now => LEFT,
                Standing::Away(_) | Standing::There => TOO_LONG,
            };
            self.end_call(media, call, reason, now);
        }
        self.alarms.arm(Due::Calls, self.calls.deadline());
    }

    /// Ends a call that has been taken off the table.
    fn end_call(&mut self, media: MediaId, call: Call, reason: &str, now: Instant) {
        self.say_bye(&call, Side::Phone, reason, now);
        self.say_bye(&call, Side::Browser, reason, now);
        self.release(media, &call.call_id, now);
        self.write_down(&call, Party::Edge, reason, now);
        self.remember_end(media, call, now);
    }

    /// Keeps a call that ended without its browser, in case that comes back.
    pub(super) fn remember_end(&mut self, media: MediaId, mut call: Call, now: Instant) {
        let waits = call
            .clients()
            .any(|client| self.flows.reach(client) == Reach::Suspended);
        if waits && self.calls.over < self.config.limits.calls {
            call.standing = Standing::Over;
            call.until = after(now, self.config.limits.suspend);
            self.calls.insert(media, call);
            self.alarms.arm(Due::Calls, self.calls.deadline());
        }
    }

    /// Hangs up on one side, if it can be reached.
    fn say_bye(&mut self, call: &Call, side: Side, reason: &str, now: Instant) {
        let client = match side {
            Side::Browser => Some(call.client),
            Side::Phone => call.peer,
        };
        let to = match client.map(|client| self.flows.reach(client)) {
            None => call.upstream,
            Some(Reach::Flow(flow)) => Source::Flow(flow),
            Some(_) => return,
        };
        for dialog in &call.dialogs {
            let via = self.new_via(to);
            let bye = dialog
                .bye(side, &call.call_id, via)
                .header("Reason", reason);
            if let Ok(bye) = bye.build() {
                self.send_errand(to, &bye, now);
            }
        }
    }
}
