//! The addresses of the SIP server: which there are, which of them live, and which of them a request goes to.
//!
//! Where there is a choice, each is asked by OPTIONS whether it lives (`watch.rs`). Nothing is sent here, and no name is
//! looked up: the shell brings addresses.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::choice;
use super::deadline::after;
use super::figures::UpstreamFigures;
use super::health::{Grade, Health};
use super::hop::Hop;
use super::names::{Names, TargetId};

/// How long an address that is no longer in the list is still a SIP server's: calls that began there end there.
const DRAIN: Duration = Duration::from_secs(4 * 3600);

/// So many of those, at most; the longest gone leaves first.
const MAX_DRAINING: usize = 64;

/// One address of the SIP server, as the operator wrote it or as DNS says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The address, and how SIP is spoken there.
    pub hop: Hop,
    /// Those with the lowest number are used as long as one of them lives (RFC 2782).
    pub priority: u32,
    /// The share among those of one priority, in proportion; those with 0 are used if no other lives.
    pub weight: u32,
}

impl Target {
    /// The only one, or one among equals.
    pub fn new(hop: Hop) -> Self {
        Self {
            hop,
            priority: 0,
            weight: 1,
        }
    }
}

/// How the SIP server's addresses are watched.
#[derive(Debug, Clone, Copy)]
pub struct Watch {
    /// From one question to the next.
    pub interval: Duration,
    /// After so long without an answer, to a question or to a request, an address is down.
    pub patience: Duration,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5),
            patience: Duration::from_secs(2),
        }
    }
}

/// A choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) id: TargetId,
    pub(super) hop: Hop,
    pub(super) grade: Grade,
}

struct Known {
    id: TargetId,
    target: Target,
    /// Since when it is not in the list any more; it gets no new requests then.
    left: Option<Instant>,
    health: Health,
}

/// All of them.
#[derive(Default)]
pub(super) struct Upstreams {
    known: Vec<Known>,
    watch: Watch,
}

impl Upstreams {
    pub(super) fn new(watch: Watch) -> Self {
        Self {
            known: Vec::new(),
            watch,
        }
    }

    /// Takes the list as it is now. True if it differs from the one before.
    pub(super) fn set(&mut self, list: &[Target], names: &Names, now: Instant) -> bool {
        let mut changed = false;
        for known in &mut self.known {
            let listed = list.iter().any(|target| target.hop == known.target.hop);
            if !listed && known.left.is_none() {
                known.left = Some(now);
                changed = true;
            }
        }
        for target in list {
            match self.known.iter_mut().find(|k| k.target.hop == target.hop) {
                Some(known) => {
                    changed |= known.left.take().is_some() || known.target != *target;
                    known.target = *target;
                }
                None => {
                    changed = true;
                    self.known.push(Known {
                        id: names.target(target.hop),
                        target: *target,
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
        self.known
            .retain(|k| k.left.is_none_or(|left| now < after(left, DRAIN)));
        let mut leaving: Vec<_> = self.known.iter().filter_map(|k| k.left).collect();
        leaving.sort_unstable();
        let excess = leaving.len().saturating_sub(MAX_DRAINING);
        if let Some(last) = excess.checked_sub(1).and_then(|at| leaving.get(at)) {
            self.known
                .retain(|k| k.left.is_none_or(|left| left > *last));
        }
    }

    /// Whether the SIP server has this address, or had it when a call of today began.
    pub(super) fn has(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.known
            .iter()
            .any(|k| k.target.hop.address.ip().to_canonical() == ip)
    }

    /// The first that a request of this key goes to: the same for all requests with one key, as long as it lives.
    pub(super) fn choose(&self, key: u64, now: Instant) -> Option<Chosen> {
        self.next(key, &[], Grade::Down, now)
    }

    /// The next, after those that have been tried; none worse than `worst`.
    pub(super) fn next(
        &self,
        key: u64,
        tried: &[TargetId],
        worst: Grade,
        now: Instant,
    ) -> Option<Chosen> {
        let listed = self.listed().filter(|k| !tried.contains(&k.id));
        let graded = listed.map(|k| (k.health.grade(now), k));
        let fit = graded.filter(|(grade, _)| *grade <= worst);
        let best = fit.min_by(|(a_grade, a), (b_grade, b)| {
            let by_rule = (a_grade, a.target.priority).cmp(&(b_grade, b.target.priority));
            let place = |k: &Known| choice::place(key, k.id.0, k.target.weight);
            by_rule.then_with(|| place(a).total_cmp(&place(b)))
        });
        best.map(|(grade, k)| Chosen {
            id: k.id,
            hop: k.target.hop,
            grade,
        })
    }

    /// The one that a dialog is at, also if it has left the list.
    pub(super) fn of_dialog(&self, id: TargetId) -> Option<Hop> {
        let found = self.known.iter().find(|k| k.id == id);
        found.map(|k| k.target.hop)
    }

    /// Which one a message comes from, or goes to: by address and port, or else by address alone, since a server may send
    /// from another port than it listens at.
    pub(super) fn at(&self, hop: Hop) -> Option<TargetId> {
        let alike = |k: &&Known| {
            let (known, address) = (k.target.hop, hop.address);
            let ip = known.address.ip().to_canonical() == address.ip().to_canonical();
            let port = known.address.port() == address.port();
            ip.then_some((port, known.transport == hop.transport))
        };
        let best = self
            .known
            .iter()
            .filter(|k| alike(k).is_some())
            .max_by_key(alike)?;
        Some(best.id)
    }

    /// An answer has come from there. True if it was thought to be down.
    pub(super) fn answered(&mut self, id: TargetId, now: Instant) -> bool {
        self.watched(id).is_some_and(|health| health.answered(now))
    }

    /// Whether an answer has come from there since then.
    pub(super) fn heard_since(&self, id: TargetId, then: Instant) -> bool {
        let found = self.known.iter().find(|k| k.id == id);
        found.is_some_and(|k| k.health.heard_since(then))
    }

    /// It did not answer, or cannot be reached. True if it was thought to live.
    pub(super) fn failed(&mut self, id: TargetId, now: Instant) -> bool {
        self.watched(id).is_some_and(|health| health.failed(now))
    }

    /// It has asked to be left alone until then. True if it was thought to be usable.
    pub(super) fn rests(&mut self, id: TargetId, until: Instant, now: Instant) -> bool {
        self.watched(id)
            .is_some_and(|health| health.rests(until, now))
    }

    /// It is to be asked now, if no question is out.
    pub(super) fn ask_soon(&mut self, id: TargetId, now: Instant) {
        if let Some(health) = self.watched(id) {
            health.ask_soon(now);
        }
    }

    /// The question that was out is answered, or will not be.
    pub(super) fn settled(&mut self, id: TargetId) {
        if let Some(known) = self.known.iter_mut().find(|k| k.id == id) {
            known.health.settled();
        }
    }

    /// The question that was out has been answered now.
    pub(super) fn said(&mut self, id: TargetId, now: Instant) {
        if let Some(known) = self.known.iter_mut().find(|k| k.id == id) {
            known.health.said(now);
        }
    }

    /// The next that is to be asked now. The question has to be settled.
    pub(super) fn due(&mut self, now: Instant) -> Option<(TargetId, Hop)> {
        if !self.has_choice() {
            return None;
        }
        let interval = self.watch.interval;
        let mut listed = self.known.iter_mut().filter(|k| k.left.is_none());
        listed.find_map(|k| {
            let due = k.health.ask(interval, now);
            due.then_some((k.id, k.target.hop))
        })
    }

    /// When somebody is to be asked again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let choice = self.has_choice();
        let listed = self.listed().filter(|_| choice);
        listed.filter_map(|known| known.health.deadline()).min()
    }

    /// How long an answer may take.
    pub(super) fn patience(&self) -> Duration {
        self.watch.patience
    }

    /// Whether there are several. The only one is not watched: whatever came out would change nothing.
    pub(super) fn has_choice(&self) -> bool {
        self.listed().nth(1).is_some()
    }

    /// The addresses that requests go to.
    pub(super) fn hops(&self) -> Vec<Hop> {
        self.listed().map(|k| k.target.hop).collect()
    }

    /// What is known of those that requests go to.
    pub(super) fn figures(&self, now: Instant) -> Vec<UpstreamFigures> {
        let listed = self.listed().map(|known| UpstreamFigures {
            hop: known.target.hop,
            lives: known.health.grade(now) == Grade::Up,
            answer_time: known.health.answer_time(),
        });
        listed.collect()
    }

    fn listed(&self) -> impl Iterator<Item = &Known> {
        self.known.iter().filter(|k| k.left.is_none())
    }

    fn watched(&mut self, id: TargetId) -> Option<&mut Health> {
        if !self.has_choice() {
            return None;
        }
        let found = self.known.iter_mut().find(|k| k.id == id);
        found.map(|k| &mut k.health)
    }
}
