//! Places that something is shared over: requests over the SIP server's addresses, calls over the relays. Which there are,
//! which of them live, and which of them a key goes to.
//!
//! Nothing is sent here and no name is looked up: the shell brings the list, and again when it has changed. Whoever has left
//! the list is still known for a while, so that what began there ends there.

use std::time::{Duration, Instant};

use super::choice;
use super::deadline::after;
use super::health::{Grade, Health};
use super::names::Names;

/// One place in the list, as the operator wrote it or as DNS says.
pub(super) trait Member: Copy + PartialEq {
    /// Where it is: no two members are at one address.
    type Address: Copy + PartialEq;
    /// What a token remembers of it.
    type Id: Copy + PartialEq + Into<[u8; 4]>;

    /// Whether it is watched also if there is no other, and when it has left the list: or else only where there is a choice, and
    /// while it is down, so that it is known when it lives again.
    const ALWAYS_WATCHED: bool;

    fn address(&self) -> Self::Address;
    /// The same on every edge, in any order of the list.
    fn id(&self, names: &Names) -> Self::Id;
    /// Those with the lowest number are used as long as one of them lives (RFC 2782).
    fn priority(&self) -> u32;
    /// The share among those of one priority, in proportion; those with 0 are used if no other lives.
    fn weight(&self) -> u32;
}

/// How the members of a list are watched, and remembered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// From one question whether it lives to the next.
    pub(super) interval: Duration,
    /// After so long without an answer a member is down.
    pub(super) patience: Duration,
    /// How long one that has left the list is known.
    pub(super) linger: Duration,
    /// So many of those, at most; the longest gone is forgotten first.
    pub(super) lingering: usize,
}

/// A choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chosen<M: Member> {
    pub(super) id: M::Id,
    pub(super) address: M::Address,
    pub(super) grade: Grade,
}

pub(super) struct Known<M: Member> {
    pub(super) id: M::Id,
    pub(super) member: M,
    /// Since when it is not in the list any more; it gets nothing new then.
    left: Option<Instant>,
    pub(super) health: Health,
}

/// The list.
pub(super) struct Pool<M: Member> {
    known: Vec<Known<M>>,
    rules: Rules,
}

impl<M: Member> Pool<M> {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            known: Vec::new(),
            rules,
        }
    }

    /// Takes the list as it is now. True if it differs from the one before.
    pub(super) fn set(&mut self, list: &[M], names: &Names, now: Instant) -> bool {
        let mut changed = false;
        for known in &mut self.known {
            let address = known.member.address();
            let listed = list.iter().any(|member| member.address() == address);
            if !listed && known.left.is_none() {
                known.left = Some(now);
                changed = true;
            }
        }
        for member in list {
            let address = member.address();
            let mut known = self.known.iter_mut();
            match known.find(|k| k.member.address() == address) {
                Some(known) => {
                    changed |= known.left.take().is_some() || known.member != *member;
                    known.member = *member;
                }
                None => {
                    changed = true;
                    self.known.push(Known {
                        id: member.id(names),
                        member: *member,
                        left: None,
                        health: Health::new(now),
                    });
                }
            }
        }
        self.forget(now);
        changed
    }

    /// Forgets those that left long ago, or that are too many.
    fn forget(&mut self, now: Instant) {
        let linger = self.rules.linger;
        self.known
            .retain(|k| k.left.is_none_or(|left| now < after(left, linger)));
        let mut leaving: Vec<_> = self.known.iter().filter_map(|k| k.left).collect();
        leaving.sort_unstable();
        let excess = leaving.len().saturating_sub(self.rules.lingering);
        if let Some(last) = excess.checked_sub(1).and_then(|at| leaving.get(at)) {
            self.known
                .retain(|k| k.left.is_none_or(|left| left > *last));
        }
    }

    /// The first that this key goes to: the same for all that has one key, as long as it lives. Every edge with the same
    /// list chooses the same, and when one comes or goes only its own share changes place.
    pub(super) fn choose(&self, key: u64, now: Instant) -> Option<Chosen<M>> {
        self.next(key, &[], Grade::Down, now)
    }

    /// The next, after those that have been tried; none worse than `worst`.
    pub(super) fn next(
        &self,
        key: u64,
        tried: &[M::Id],
        worst: Grade,
        now: Instant,
    ) -> Option<Chosen<M>> {
        let listed = self.listed().filter(|k| !tried.contains(&k.id));
        let graded = listed.map(|k| (k.health.grade(now), k));
        let fit = graded.filter(|(grade, _)| *grade <= worst);
        let placed = fit.map(|(grade, k)| {
            let place = choice::place(key, k.id.into(), k.member.weight());
            ((grade, k.member.priority()), place, k)
        });
        let best = placed.min_by(|(a_rank, a, _), (b_rank, b, _)| {
            a_rank.cmp(b_rank).then_with(|| a.total_cmp(b))
        });
        best.map(|((grade, _), _, k)| Chosen {
            id: k.id,
            address: k.member.address(),
            grade,
        })
    }

    /// Where this one is, also if it has left the list.
    pub(super) fn address(&self, id: M::Id) -> Option<M::Address> {
        self.get(id).map(|k| k.member.address())
    }

    /// It has answered. True if it was thought to be down.
    pub(super) fn answered(&mut self, id: M::Id, now: Instant) -> bool {
        self.health(id).is_some_and(|health| health.answered(now))
    }

    /// Whether it has answered since then.
    pub(super) fn heard_since(&self, id: M::Id, then: Instant) -> bool {
        self.get(id).is_some_and(|k| k.health.heard_since(then))
    }

    /// It did not answer, or cannot be reached. True if it was thought to live.
    pub(super) fn failed(&mut self, id: M::Id, now: Instant) -> bool {
        self.health(id).is_some_and(|health| health.failed(now))
    }

    /// It has asked to be left alone until then. True if it was thought to be usable.
    pub(super) fn rests(&mut self, id: M::Id, until: Instant, now: Instant) -> bool {
        self.health(id)
            .is_some_and(|health| health.rests(until, now))
    }

    /// It is to be asked now, if no question is out.
    pub(super) fn ask_soon(&mut self, id: M::Id, now: Instant) {
        if let Some(health) = self.health(id) {
            health.ask_soon(now);
        }
    }

    /// The question that was out has been answered now.
    pub(super) fn said(&mut self, id: M::Id, now: Instant) {
        if let Some(known) = self.get_mut(id) {
            known.health.said(now);
        }
    }

    /// The question that was out is answered, or will not be.
    pub(super) fn settled(&mut self, id: M::Id) {
        if let Some(known) = self.get_mut(id) {
            known.health.settled();
        }
    }

    /// The next that is to be asked now whether it lives. The question has to be settled.
    pub(super) fn due(&mut self, now: Instant) -> Option<(M::Id, M::Address)> {
        if !self.is_watched() {
            return None;
        }
        let interval = self.rules.interval;
        let watched = |k: &&mut Known<M>| M::ALWAYS_WATCHED || k.left.is_none();
        self.known.iter_mut().filter(watched).find_map(|k| {
            let due = k.health.ask(interval, now);
            due.then(|| (k.id, k.member.address()))
        })
    }

    /// Those that have been silent for so long that what was with them is given up; each once. Whoever has left the list is
    /// forgotten then.
    pub(super) fn lost(&mut self, grace: Duration, now: Instant) -> Vec<(M::Id, M::Address)> {
        let mut lost = Vec::new();
        self.known.retain_mut(|k| {
            let is_lost = k.health.is_lost(grace, now);
            if is_lost {
                lost.push((k.id, k.member.address()));
            }
            !is_lost || k.left.is_none()
        });
        lost
    }

    /// When somebody is to be asked again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let listed = |k: &&Known<M>| M::ALWAYS_WATCHED || k.left.is_none();
        let watched = self.known.iter().filter(|_| self.is_watched());
        watched
            .filter(listed)
            .filter_map(|known| known.health.deadline())
            .min()
    }

    /// How long an answer may take.
    pub(super) fn patience(&self) -> Duration {
        self.rules.patience
    }

    /// Whether there are several.
    pub(super) fn has_choice(&self) -> bool {
        self.listed().nth(1).is_some()
    }

    /// Those in the list.
    pub(super) fn listed(&self) -> impl Iterator<Item = &Known<M>> {
        self.known.iter().filter(|k| k.left.is_none())
    }

    /// Those in the list, and those that have left it.
    pub(super) fn known(&self) -> impl Iterator<Item = &Known<M>> {
        self.known.iter()
    }

    fn is_watched(&self) -> bool {
        M::ALWAYS_WATCHED || self.has_choice() || self.listed().any(|k| k.health.is_down())
    }

    /// What is known of one.
    pub(super) fn health(&mut self, id: M::Id) -> Option<&mut Health> {
        self.get_mut(id).map(|k| &mut k.health)
    }

    fn get(&self, id: M::Id) -> Option<&Known<M>> {
        self.known.iter().find(|k| k.id == id)
    }

    fn get_mut(&mut self, id: M::Id) -> Option<&mut Known<M>> {
        self.known.iter_mut().find(|k| k.id == id)
    }
}
