//! Failover (RFC 3263 section 4.3): a request outside of any dialog that an address of the SIP server does not answer, or
//! answers with 503, goes to the next under another branch. Who sent it sees one answer.
//!
//! Only before anything was passed back, and never to an address that is known to be worse. What an INVITE leaves behind
//! stands in `left.rs`.

use std::time::Instant;

use sip::{Message, Method};

use super::Core;
use super::cancel::Cancel;
use super::deadline::after;
use super::event::Event;
use super::face::Source;
use super::health::Grade;
use super::names::TargetId;
use super::transactions::ContextId;

/// Addresses that one request tries. Each may take 2 s, and whoever sent it waits for 32.
const MAX_TRIED: usize = 8;

/// What a request needs to go elsewhere.
pub(super) struct Failover {
    /// As it was before it was written for one address.
    request: Message,
    key: u64,
    tried: Vec<TargetId>,
    /// How good the present address was thought to be.
    grade: Grade,
    /// When it went there.
    sent: Instant,
    silence: Silence,
}

/// What follows if nothing comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silence {
    /// Something came.
    Broken,
    /// The address is asked whether it lives: the request itself may take long to answer.
    Asks(Instant),
    /// The request goes elsewhere.
    Fails(Instant),
}

impl Failover {
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.silence {
            Silence::Broken => None,
            Silence::Asks(at) | Silence::Fails(at) => Some(at),
        }
    }
}

impl Core {
    /// Chooses for a request that has a choice, and remembers what another choice needs.
    pub(super) fn prepare_failover(&mut self, id: ContextId, request: &Message, now: Instant) {
        let Some(context) = self.transactions.get_mut(id) else {
            return;
        };
        let Some(route) = context.route.as_mut() else {
            return;
        };
        let Some(key) = route.spread else {
            return;
        };
        // Time may have passed since it was routed.
        let Some(chosen) = self.upstreams.choose(key, now) else {
            return;
        };
        route.to = Source::Upstream(chosen.address);
        if !self.upstreams.has_choice() {
            return;
        }
        let failover = Failover {
            request: request.clone(),
            key,
            tried: vec![chosen.id],
            grade: chosen.grade,
            sent: now,
            silence: Silence::Broken,
        };
        context.failover = Some(Box::new(failover));
        self.listen(id, now);
    }

    /// Waits for the present address to say something.
    fn listen(&mut self, id: ContextId, now: Instant) {
        let patience = self.upstreams.patience();
        let Some(context) = self.transactions.get_mut(id) else {
            return;
        };
        // What an address does with these it does itself, and at once: an INVITE is owed a 100.
        let prompt = matches!(context.method, Method::Invite | Method::Register);
        if let Some(failover) = &mut context.failover {
            failover.sent = now;
            failover.silence = match prompt {
                true => Silence::Fails(after(now, patience)),
                false => Silence::Asks(after(now, patience.checked_div(4).unwrap_or(patience))),
            };
        }
    }

    /// A response came. After one that is passed back there is no other choice.
    pub(super) fn upstream_broke_silence(&mut self, id: ContextId, status: u16) {
        let Some(context) = self.transactions.get_mut(id) else {
            return;
        };
        match &mut context.failover {
            Some(failover) if status == 100 => failover.silence = Silence::Broken,
            failover => *failover = None,
        }
    }

    /// A context's alarm: has its address been silent for too long?
    pub(super) fn silence_due(&mut self, id: ContextId, now: Instant) {
        let patience = self.upstreams.patience();
        let Some(context) = self.transactions.get_mut(id) else {
            return;
        };
        let (Some(failover), Some(branch)) = (&mut context.failover, &context.branch) else {
            return;
        };
        let Source::Upstream(hop) = branch.to else {
            return;
        };
        let Some(target) = self.upstreams.at(hop) else {
            return;
        };
        match failover.silence {
            Silence::Asks(at) if at <= now => {
                failover.silence = Silence::Fails(after(failover.sent, patience));
                self.upstreams.ask_soon(target, now);
                self.watch_upstreams(now);
            }
            Silence::Fails(at) if at <= now => {
                failover.silence = Silence::Broken;
                let prompt = matches!(context.method, Method::Invite | Method::Register);
                if prompt || !self.upstreams.heard_since(target, failover.sent) {
                    self.upstream_is_down(target, now);
                    self.upstreams.ask_soon(target, now);
                    self.watch_upstreams(now);
                    self.fail_over(id, now);
                }
            }
            _ => {}
        }
    }

    /// A request's transaction has failed: so has the address, if it was chosen for that request; the only one, if nothing else
    /// came from it meanwhile.
    pub(super) fn upstream_failed_request(&mut self, id: ContextId, now: Instant) {
        let Some(context) = self.transactions.get_mut(id) else {
            return;
        };
        let to = context.branch.as_ref().map(|branch| branch.to);
        let chosen = context.failover.is_some();
        let Some(target) = to.and_then(|to| self.upstream_of(to)) else {
            return;
        };
        let begun = now.checked_sub(self.config.timers.timeout()).unwrap_or(now);
        let is_silent = || !self.upstreams.heard_since(target, begun);
        if chosen || (!self.upstreams.has_choice() && is_silent()) {
            self.upstream_is_down(target, now);
        }
    }

    /// Sends a request to the next address, if it may go there and there is one. What it has at this one is left.
    pub(super) fn fail_over(&mut self, id: ContextId, now: Instant) -> bool {
        let Some(context) = self.transactions.get_mut(id) else {
            return false;
        };
        let wanted = matches!(context.cancel, Cancel::No) && context.server.is_some();
        let open = context.final_status.is_none();
        let Some(failover) = context.failover.as_mut().filter(|_| wanted && open) else {
            return false;
        };
        if failover.tried.len() >= MAX_TRIED {
            return false;
        }
        let (key, worst) = (failover.key, failover.grade);
        let Some(next) = self.upstreams.next(key, &failover.tried, worst, now) else {
            return false;
        };
        failover.tried.push(next.id);
        failover.grade = next.grade;
        let request = failover.request.clone();
        if let Some(route) = &mut context.route {
            route.to = Source::Upstream(next.address);
        }
        let method = context.method.to_string();
        let upstream = next.address;
        self.report(Event::FailedOver { method, upstream });
        self.leave_branch(id, now);
        self.listen(id, now);
        if let Err(answer) = self.send_branch(id, request, now) {
            self.answer(id, &answer, now);
        }
        true
    }
}
