//! Calls that the edge ends, because nobody else would: their browser is gone and does not come back in time, one side has
//! forgotten them, their relay has, or they have lasted too long. A browser that comes back is asked whether it still knows its call, and
//! is told of one that has ended.

use std::time::{Duration, Instant};

use sip::{Message, Method};

use super::super::Core;
use super::super::alarms::Due;
use super::super::deadline::after;
use super::super::errand::Purpose;
use super::super::face::Source;
use super::super::flows::Reach;
use super::super::names::{ClientId, MediaId, RelayId, Side};
use super::super::refusal::Answer;
use super::{Call, Party, Standing};

/// Nobody can come back as an unregistered client, but its BYE may still be on its way.
const NAMELESS: Duration = Duration::from_secs(2);

/// Calls of one relay that are ended in a second: the SIP server is to take two BYEs for each.
const LOST_IN_A_SECOND: usize = 500;

/// Why the edge ends a call: the Reason of its BYE (RFC 3326).
const LEFT: &str = "SIP;cause=480;text=\"The Browser's Connection Closed\"";
const FORGOTTEN: &str = "SIP;cause=481;text=\"The Other Side Has Forgotten The Call\"";
const LOST: &str = "Q.850;cause=41;text=\"The Media Relay Is Lost\"";
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

    /// Clients have registered from other flows: their calls go on, and they are told of those that do not.
    pub(super) fn returned(&mut self, now: Instant) {
        for client in std::mem::take(&mut self.calls.back) {
            self.client_returned(client, now);
        }
    }

    fn client_returned(&mut self, client: ClientId, now: Instant) {
        let Reach::Flow(flow) = self.flows.reach(client) else {
            return;
        };
        for media in self.calls.of_client(client) {
            let Some(call) = self.calls.get_mut(media) else {
                continue;
            };
            let Some(side) = call.moved(client, flow) else {
                continue;
            };
            if call.standing == Standing::Over {
                if let Some(call) = self.calls.remove(media) {
                    self.say_bye(&call, side, ENDED, now);
                }
                continue;
            }
            let is_there = |client| matches!(self.flows.reach(client), Reach::Flow(_));
            let away = matches!(call.standing, Standing::Away(_));
            if away && call.clients().all(is_there) {
                self.calls.set(media, Standing::There);
            }
            self.probe(media, side, Source::Flow(flow), now);
        }
    }

    /// Asks a browser whether it knows its call: one whose page was loaded anew, or whose library drops its calls with the
    /// connection, does not (481). The INFO has a number below all others, so that it counts for nothing and a dialog
    /// that lives mostly refuses it (500).
    fn probe(&mut self, media: MediaId, side: Side, to: Source, now: Instant) {
        let via = self.new_via(to);
        let Some(call) = self.calls.standing_mut(media) else {
            return;
        };
        let (Some(dialog), call_id) = (call.dialogs.first(), &call.call_id) else {
            return;
        };
        let info = dialog.request(Method::Info, side, call_id, via, 0);
        if let Ok(info) = info.build() {
            self.send_own(to, &info, Purpose::Probe(media, side), None, now);
        }
    }

    /// One side has said that it does not know this call: the other is hung up on.
    pub(in crate::core) fn forgotten(
        &mut self,
        media: MediaId,
        by: Side,
        response: &Message,
        now: Instant,
    ) {
        if let Some(call) = self.calls.hung_up(media, response) {
            self.end_call(media, call, &[by.other()], FORGOTTEN, now);
        }
    }

    /// The phone hangs up while the browser is away. `None` if there is no such call.
    pub(in crate::core) fn hung_up_while_away(
        &mut self,
        media: MediaId,
        bye: &Message,
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
                Standing::Lost(end) if end <= now => LOST,
                Standing::Away(end) if end <= now => LEFT,
                Standing::Away(_) | Standing::Lost(_) | Standing::There => TOO_LONG,
            };
            self.end_call(media, call, &[Side::Phone, Side::Browser], reason, now);
        }
        self.alarms.arm(Due::Calls, self.calls.deadline());
    }

    /// A relay has lost the calls that it had then: both sides are hung up on, call after call. Gives back how many there are.
    pub(in crate::core) fn lose_calls(
        &mut self,
        relay: RelayId,
        then: Instant,
        now: Instant,
    ) -> usize {
        let calls = self.calls.at_relay(relay, then);
        for (number, media) in calls.iter().enumerate() {
            let second = number.checked_div(LOST_IN_A_SECOND).unwrap_or(0);
            let second = u64::try_from(second).unwrap_or(u64::MAX);
            let turn = after(now, Duration::from_secs(second));
            self.calls.set(*media, Standing::Lost(turn));
        }
        self.alarms.arm(Due::Calls, self.calls.deadline());
        calls.len()
    }

    /// Ends a call that has been taken off the table, telling these sides.
    fn end_call(&mut self, media: MediaId, call: Call, tell: &[Side], reason: &str, now: Instant) {
        for side in tell {
            self.say_bye(&call, *side, reason, now);
        }
        match call.standing {
            // The relay has no such call, or hears nothing.
            Standing::Lost(_) => self.media.forget(media),
            _ => self.release(media, &call.call_id, now),
        }
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
            Side::Phone => call.peer.as_ref().map(|peer| peer.client),
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
                let account = call.account.clone().filter(|_| side == Side::Phone);
                self.hang_up_by(to, bye, account, now);
            }
        }
    }
}
