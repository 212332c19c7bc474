//! What an attack is, and what is made of one.

use control_proto::Key;
use peers::browser::Identity;
use peers::ng::Ng;

use crate::field::Field;
use crate::flood::Sent;
use crate::programs::Program;
use crate::tap::Came;
use crate::whole::Whole;
use crate::witness::{Report, Witness};

/// A gap that a listener hears, in nanoseconds.
pub(crate) const MAX_GAP: u64 = 40_000_000;

/// Of a rate that is asked for, this much is it.
const REACHED: f64 = 0.99;

/// One row of the table.
pub(crate) struct Attack {
    /// Rows of SECURITY.md's catalogue.
    pub(crate) rows: &'static str,
    pub(crate) name: &'static str,
    pub(crate) stage: Stage,
}

/// What is attacked, and how. An `Err` is for what could not be tried.
pub(crate) enum Stage {
    /// A relay that is asked by ng.
    Relay(fn(&mut Scene<'_>) -> Result<Outcome, String>),
    /// A whole edge: proxy, relay, SIP server and phones.
    Edge(fn(&mut Whole<'_>) -> Result<Outcome, String>),
    /// An edge with three relays.
    Pool(fn(&mut Whole<'_>) -> Result<Outcome, String>),
}

/// A relay, with calls that talk.
pub(crate) struct Scene<'a> {
    pub(crate) field: &'a Field,
    pub(crate) relay: &'a Program,
    /// The relay's process.
    pub(crate) process: u32,
    /// What commands to it are signed with.
    pub(crate) key: Option<Key>,
    pub(crate) witness: &'a Witness,
    /// The right hand of the relay's owner.
    pub(crate) ng: &'a mut Ng,
    pub(crate) identity: &'a Identity,
}

/// What an attack did and saw.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) sent: Sent,
    /// Bytes that the attacker's place may be sent: he was a peer as well.
    pub(crate) owed: u64,
    /// What it reached, if it reached anything.
    pub(crate) bite: Option<String>,
    /// So many a second were to be sent; 0 where the number says nothing.
    pub(crate) rate: u64,
    /// What else is worth a line.
    pub(crate) note: String,
}

impl Outcome {
    /// Something was sent, and only the witness can say whether it did harm.
    pub(crate) fn of(sent: Sent) -> Self {
        Self {
            sent,
            ..Self::default()
        }
    }

    /// The same, of a flood that shows nothing unless it is so fast.
    pub(crate) fn at_a_rate_of(mut self, rate: u64) -> Self {
        self.rate = rate;
        self
    }

    /// The same, with what it reached.
    pub(crate) fn biting(mut self, bite: Option<String>) -> Self {
        self.bite = bite;
        self
    }

    /// The same, with one more word.
    pub(crate) fn and_saying(mut self, more: &str) -> Self {
        if !self.note.is_empty() {
            self.note += "; ";
        }
        self.note += more;
        self
    }

    /// The same, with a word.
    pub(crate) fn saying(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

/// An attack that was made.
pub(crate) struct Done {
    pub(crate) rows: &'static str,
    pub(crate) name: &'static str,
    pub(crate) outcome: Outcome,
    /// What came back to the attacker.
    pub(crate) came: Came,
    /// The witness without an attack, and with it.
    pub(crate) calm: Report,
    pub(crate) attacked: Report,
}

impl Done {
    /// Whether a gap is all that speaks against us. Other work on the machine makes one now and then, an attack makes it
    /// again.
    pub(crate) fn is_a_gap_alone(&self) -> bool {
        self.bites().len() == 1 && self.has_gap()
    }

    fn has_gap(&self) -> bool {
        self.attacked.gap > MAX_GAP
    }

    /// Why the row says nothing of us: the machine's other work harmed the witness without an attack, too, or kept
    /// the attacker from what he was to send.
    pub(crate) fn spoiled(&self) -> Option<String> {
        let (calm, sent) = (&self.calm, &self.outcome.sent);
        if calm.lost > 0 || calm.gap > MAX_GAP {
            return Some(
                "the machine is at fault: nobody attacked, and the witness was not clean"
                    .to_owned(),
            );
        }
        let due = self.outcome.rate as f64 * sent.took.as_secs_f64();
        ((sent.datagrams as f64) < due * REACHED)
            .then(|| format!("not reached: {} a second", self.outcome.rate))
    }

    /// Whether the row says what it is there for.
    pub(crate) fn holds(&self) -> bool {
        self.bites().is_empty() && self.spoiled().is_none()
    }

    /// Why it bit; empty for one that was held.
    pub(crate) fn bites(&self) -> Vec<String> {
        let attacked = &self.attacked;
        let mut bites: Vec<String> = self.outcome.bite.iter().cloned().collect();
        if self.came.bytes > self.outcome.owed {
            bites.push(format!("{} bytes came back", self.came.bytes));
        }
        if attacked.lost > 0 {
            bites.push(format!("the witness lost {} packets", attacked.lost));
        }
        if attacked.wrong > 0 {
            bites.push(format!(
                "the witness heard {} wrong packets",
                attacked.wrong
            ));
        }
        if self.has_gap() {
            bites.push(format!("a gap of {} ms", attacked.gap / 1_000_000));
        }
        bites
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(change: impl FnOnce(&mut Done)) -> usize {
        made(change).bites().len()
    }

    fn made(change: impl FnOnce(&mut Done)) -> Done {
        let calm = Report {
            sent: 100,
            lost: 0,
            wrong: 0,
            gap: 22_000_000,
        };
        let mut done = Done {
            rows: "M0",
            name: "none",
            outcome: Outcome::default(),
            came: Came::default(),
            calm,
            attacked: calm,
        };
        change(&mut done);
        done
    }

    #[test]
    fn loss_gaps_wrong_packets_and_answers_each_count_against_us() {
        assert_eq!(done(|_| ()), 0);
        assert_eq!(done(|it| it.attacked.lost = 1), 1);
        assert_eq!(done(|it| it.attacked.wrong = 1), 1);
        assert_eq!(done(|it| it.came.bytes = 1), 1);
        assert_eq!(done(|it| it.outcome.bite = Some(String::new())), 1);
        assert_eq!(done(|it| it.attacked.gap = 40_000_000), 0);
        assert_eq!(done(|it| it.attacked.gap = 41_000_000), 1);
    }

    #[test]
    fn what_is_owed_is_no_bite() {
        assert_eq!(done(|it| (it.came.bytes, it.outcome.owed) = (9, 9)), 0);
    }

    #[test]
    fn a_busy_machine_and_a_slow_attacker_are_told_and_hold_nothing() {
        assert_eq!(made(|_| ()).spoiled(), None);
        assert!(made(|it| it.calm.gap = 50_000_000).spoiled().is_some());
        assert!(made(|it| it.calm.lost = 1).spoiled().is_some());
        let at_a_rate = |datagrams| {
            made(|it| {
                it.outcome.rate = 1000;
                it.outcome.sent.took = std::time::Duration::from_secs(2);
                it.outcome.sent.datagrams = datagrams;
            })
        };
        assert_eq!(at_a_rate(1990).spoiled(), None);
        assert!(at_a_rate(1900).spoiled().unwrap().contains("1000"));
    }
}
