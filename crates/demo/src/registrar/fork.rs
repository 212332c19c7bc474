//! One request at several places at once, and the one answer that goes back (RFC 3261 sections 16.7 and 16.10).

use std::time::Instant;

use sip::transaction::{ClientKey, ServerKey};
use sip::{Message, Method};

use super::Registrar;

/// A request that was forwarded.
#[derive(Debug)]
pub(super) struct Fork {
    request: Message,
    branches: Vec<Branch>,
    /// The best failure so far.
    best: Option<Message>,
    answered: bool,
    cancelled: bool,
}

#[derive(Debug)]
struct Branch {
    key: ClientKey,
    done: bool,
    cancelled: bool,
}

impl Fork {
    pub(super) const fn new(request: Message) -> Self {
        Self {
            request,
            branches: Vec::new(),
            best: None,
            answered: false,
            cancelled: false,
        }
    }

    pub(super) fn add(&mut self, key: ClientKey) {
        self.branches.push(Branch {
            key,
            done: false,
            cancelled: false,
        });
    }

    fn finish(&mut self, key: &ClientKey) {
        if let Some(branch) = self.branches.iter_mut().find(|it| it.key == *key) {
            branch.done = true;
        }
    }

    fn is_done(&self) -> bool {
        self.branches.iter().all(|it| it.done)
    }

    /// Keeps the better of two failures: 6xx first, then the lowest (section 16.7 step 6).
    fn failed(&mut self, response: Message) {
        let rank = |message: &Message| match message.status().unwrap_or(999) {
            status @ 600.. => status - 600,
            status => status,
        };
        if self
            .best
            .as_ref()
            .is_none_or(|best| rank(&response) < rank(best))
        {
            self.best = Some(response);
        }
    }
}

impl Registrar {
    /// A response came on one branch.
    pub(super) fn branch_answered(
        &mut self,
        branch: &ClientKey,
        mut response: Message,
        now: Instant,
    ) {
        let Some(key) = self.branches.get(branch).cloned() else {
            return;
        };
        if response.remove_first_value("Via").is_err() {
            return;
        }
        let status = response.status().unwrap_or(500);
        let Some(fork) = self.forks.get_mut(&key) else {
            return;
        };
        match status {
            100 => {}
            101..200 if fork.answered => {}
            101..200 => self.exchange.respond(&key, &response, now),
            200..300 => {
                fork.finish(branch);
                fork.answered = true;
                self.exchange.respond(&key, &response, now);
                self.cancel_branches(&key, now);
            }
            _ => {
                fork.finish(branch);
                fork.failed(response);
                if status >= 600 {
                    self.cancel_branches(&key, now);
                }
            }
        }
        self.cancel_pending(&key, now);
        self.finish_if_done(&key, now);
    }

    /// Nobody answered on one branch.
    pub(super) fn branch_timed_out(&mut self, branch: &ClientKey, now: Instant) {
        let Some(key) = self.branches.get(branch).cloned() else {
            return;
        };
        if let Some(fork) = self.forks.get_mut(&key) {
            fork.finish(branch);
            if let Ok(timeout) = Message::response(&fork.request, 408, "Request Timeout") {
                fork.failed(timeout);
            }
        }
        self.finish_if_done(&key, now);
    }

    /// CANCEL: answered here, then carried on to every branch (section 16.10).
    pub(super) fn cancel(&mut self, key: &ServerKey, message: &Message, now: Instant) {
        let invite = key.cancelled();
        if self.forks.contains_key(&invite) {
            self.answer(key, message, 200, "OK", now);
            self.cancel_branches(&invite, now);
        } else {
            let reason = "Call/Transaction Does Not Exist";
            self.answer(key, message, 481, reason, now);
        }
    }

    /// Answers with the best failure, once all branches failed.
    pub(super) fn finish_if_done(&mut self, key: &ServerKey, now: Instant) {
        let Some(fork) = self.forks.get_mut(key) else {
            return;
        };
        if !fork.is_done() {
            return;
        }
        // A further 2xx of an answered INVITE still finds its way; what came back of it is bounded by its transaction.
        if !fork.answered {
            match fork.best.take() {
                Some(best) => self.exchange.respond(key, &best, now),
                None => {
                    let request = fork.request.clone();
                    self.answer(key, &request, 500, "No Branch", now);
                }
            }
        }
        self.forget_ended();
    }

    /// Marks every open branch to be cancelled, and cancels those that may be.
    fn cancel_branches(&mut self, key: &ServerKey, now: Instant) {
        if let Some(fork) = self.forks.get_mut(key) {
            fork.cancelled = true;
        }
        self.cancel_pending(key, now);
    }

    /// Cancels open branches that had a provisional response; the others wait for theirs (section 9.1).
    fn cancel_pending(&mut self, key: &ServerKey, now: Instant) {
        let Some(fork) = self.forks.get_mut(key) else {
            return;
        };
        if !fork.cancelled || !fork.request.is(&Method::Invite) {
            return;
        }
        let mut cancels = Vec::new();
        for branch in fork
            .branches
            .iter_mut()
            .filter(|it| !it.done && !it.cancelled)
        {
            if !self.exchange.proceeding(&branch.key) {
                continue;
            }
            let asked = self.exchange.asked(&branch.key);
            if let Some((Ok(cancel), to)) = asked.map(|(it, to)| (Message::cancel(it), to)) {
                branch.cancelled = true;
                cancels.push((cancel, to));
            }
        }
        for (cancel, to) in cancels {
            self.exchange.ask(cancel, to, now);
        }
    }

    /// Forgets forks whose branches have no transaction any more.
    fn forget_ended(&mut self) {
        let exchange = &self.exchange;
        let branches = &mut self.branches;
        self.forks.retain(|_, fork| {
            let alive = fork
                .branches
                .iter()
                .any(|branch| !branch.done || exchange.asked(&branch.key).is_some());
            if !alive {
                for branch in &fork.branches {
                    branches.remove(&branch.key);
                }
            }
            alive
        });
    }
}
