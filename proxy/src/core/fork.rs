//! A request that goes to several clients at once (RFC 3261 section 16.7): each branch is a context of its own, with its
//! own client transaction, media session and timers; their responses meet here, and the best one goes back.
//!
//! Branches go to devices. The flows of one device are tried one after the other, when one fails (RFC 5626 section 5.3).

use std::time::Instant;

use sip::{HeaderText, Message};

use super::Core;
use super::calls::Party;
use super::face::Source;
use super::home::{Devices, Target};
use super::names::Side;
use super::refusal::Answer;
use super::request::side;
use super::route::Route;
use super::transactions::ContextId;

/// What the devices that lose a call show instead of a missed one (RFC 3326).
const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

/// The branches of one request.
pub(super) struct Fork {
    /// As it goes to each.
    request: Message,
    branches: Vec<Branch>,
    /// The best final response up to now that makes no call.
    best: Option<Message>,
    /// Where it came from: whom a record of the call names.
    by: Option<Route>,
    /// No flow is tried any more: somebody has answered, has refused for all, or nobody wants an answer.
    over: bool,
}

struct Branch {
    context: ContextId,
    answered: bool,
    /// The device's other flows, the next one last.
    others: Vec<Target>,
}

impl Core {
    /// Sends a request to each of these devices.
    pub(super) fn fork(
        &mut self,
        id: ContextId,
        from: Source,
        request: &Message,
        devices: Devices,
        now: Instant,
    ) {
        let mut branches = Vec::new();
        let mut first = Vec::new();
        for mut others in devices {
            others.reverse();
            if let (Some(target), Some(context)) = (others.pop(), self.transactions.branch_off(id))
            {
                let answered = false;
                branches.push(Branch {
                    context,
                    answered,
                    others,
                });
                first.push((context, target));
            }
        }
        if let Some(context) = self.transactions.get_mut(id) {
            context.fork = Some(Fork {
                request: request.clone(),
                branches,
                best: None,
                by: None,
                over: false,
            });
        }
        for (context, target) in first {
            self.send_to_device(context, from, request.clone(), target, now);
        }
    }

    fn send_to_device(
        &mut self,
        id: ContextId,
        from: Source,
        mut request: Message,
        target: Target,
        now: Instant,
    ) {
        let route = self
            .route_to(target, &mut request, from, now)
            .ok_or_else(failed_flow);
        if let Err(answer) = route.and_then(|route| self.send_on(id, route, request, now)) {
            self.answer(id, &answer, now);
        }
        self.tidy(id);
    }

    /// Takes the response that a branch would give if it were alone.
    pub(super) fn branch_answered(
        &mut self,
        id: ContextId,
        branch: ContextId,
        response: &Message,
        now: Instant,
    ) {
        let status = response.status().unwrap_or_default();
        match status {
            ..200 => self.branch_rings(id, response, now),
            200..=299 => {
                self.note_final(id, branch, response);
                let reasons = HeaderText::new(ELSEWHERE).into_iter().collect();
                let by = (Party::Edge, "Answered Elsewhere");
                self.end_branches(id, reasons, by, now);
                self.respond(id, response, now);
            }
            _ => {
                if self.try_next_flow(id, branch, status, now) {
                    return;
                }
                self.note_final(id, branch, response);
                if status >= 600 {
                    let by = (Party::Edge, "Refused For All");
                    self.end_branches(id, Vec::new(), by, now);
                }
                self.answer_if_complete(id, now);
            }
        }
    }

    /// Ringing of one of several goes back without its SDP to a browser: which of them answers is not known yet, and
    /// its own answer must be the first that it sees.
    fn branch_rings(&mut self, id: ContextId, response: &Message, now: Instant) {
        let Some(context) = self.transactions.get_mut(id) else {
            return;
        };
        if context.final_status.is_some() {
            return;
        }
        let bare = side(context.from) == Side::Browser && !response.lists("Require", "100rel");
        let mut response = response.clone();
        if !bare || response.remove_body().is_ok() {
            self.respond(id, &response, now);
        }
    }

    fn note_final(&mut self, id: ContextId, branch: ContextId, response: &Message) {
        let by = self.transactions.get_mut(branch);
        let by = by.and_then(|branch| branch.route.clone());
        let Some(fork) = self.fork_of(id) else { return };
        let of_it = |known: &&mut Branch| known.context == branch;
        if let Some(branch) = fork.branches.iter_mut().find(of_it) {
            branch.answered = true;
        }
        let rank = |response: &Message| rank(response.status().unwrap_or_default());
        if rank(response) < fork.best.as_ref().map_or(u16::MAX, rank) {
            fork.best = Some(response.clone());
            fork.by = by;
        }
    }

    /// Tries the device's next flow after one that has failed. False if there is none, or no reason to.
    fn try_next_flow(
        &mut self,
        id: ContextId,
        branch: ContextId,
        status: u16,
        now: Instant,
    ) -> bool {
        let Some(from) = self.transactions.get_mut(id).map(|context| context.from) else {
            return false;
        };
        let Some(fork) = self
            .fork_of(id)
            .filter(|fork| !fork.over && is_lost(status))
        else {
            return false;
        };
        let request = fork.request.clone();
        let of_it = |known: &&mut Branch| known.context == branch;
        let Some(target) = fork
            .branches
            .iter_mut()
            .find(of_it)
            .and_then(|b| b.others.pop())
        else {
            return false;
        };
        let Some(next) = self.transactions.branch_off(id) else {
            return false;
        };
        if let Some(known) = self
            .fork_of(id)
            .and_then(|f| f.branches.iter_mut().find(of_it))
        {
            known.context = next;
        }
        self.send_to_device(next, from, request, target, now);
        true
    }

    /// Takes back every branch that has not answered.
    pub(super) fn end_branches(
        &mut self,
        id: ContextId,
        reasons: Vec<HeaderText>,
        by: (Party, &'static str),
        now: Instant,
    ) {
        let Some(fork) = self.fork_of(id) else { return };
        fork.over = true;
        let waiting = fork.branches.iter().filter(|branch| !branch.answered);
        let waiting: Vec<ContextId> = waiting.map(|branch| branch.context).collect();
        for branch in waiting {
            self.take_back(branch, reasons.clone(), by, now);
            self.tidy(branch);
        }
    }

    /// Gives back the best response once no branch can give a better one.
    fn answer_if_complete(&mut self, id: ContextId, now: Instant) {
        let Some(context) = self.transactions.get_mut(id) else {
            return;
        };
        let given = context.final_status.is_some();
        let cancelled = context.is_cancelled();
        let Some(fork) = context.fork.as_mut() else {
            return;
        };
        if given || fork.branches.iter().any(|branch| !branch.answered) {
            return;
        }
        let best = fork.best.take();
        match best.filter(|best| best.status().is_some_and(|status| !is_lost(status))) {
            _ if cancelled => self.answer(id, &Answer::new(487, "Request Terminated"), now),
            Some(best) => self.respond(id, &best, now),
            None => self.answer(id, &Answer::new(480, "The Browser Is Not Connected"), now),
        }
    }

    fn fork_of(&mut self, id: ContextId) -> Option<&mut Fork> {
        self.transactions.get_mut(id)?.fork.as_mut()
    }

    /// Whether nobody waits any more for what this context's request brings: not its sender, or not the fork that it
    /// is a branch of.
    pub(super) fn is_abandoned(&mut self, id: ContextId) -> bool {
        let Some(context) = self.transactions.get_mut(id) else {
            return true;
        };
        let asking = context.parent.unwrap_or(id);
        let asking = self.transactions.get_mut(asking);
        asking.is_none_or(|asking| {
            asking.server.is_none() || asking.final_status.is_some_and(|given| given >= 300)
        })
    }
}

impl Fork {
    /// Whose response is the best one up to now.
    pub(super) fn spoken_by(&self) -> Option<&Route> {
        self.by.as_ref()
    }
}

/// Which of two final responses is the better one, by the lower number (section 16.7, step 6): one that refuses for all,
/// then the lowest class, and in it those that tell the caller what he can do.
fn rank(status: u16) -> u16 {
    match status {
        600.. => 0,
        401 | 407 | 415 | 420 | 484 => 400,
        // Nobody's own word, or only that it was cancelled.
        408 | 430 | 480 | 487 => 499,
        400..=499 => 410,
        other => other,
    }
}

/// What a branch ends with whose browser cannot be reached. It is for us alone: the caller is told 480.
pub(super) fn failed_flow() -> Answer {
    Answer::new(430, "Flow Failed")
}

/// Whether the flow has failed, and not the device refused.
fn is_lost(status: u16) -> bool {
    status == 430
}
