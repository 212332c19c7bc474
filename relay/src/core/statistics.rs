//! What a shard holds and has done since its start: plain numbers, to be added to those of the other
//! shards. They are kept when calls are freed.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use super::call::Call;
use super::leg::Leg;
use super::refused::Refused;
use super::table::Table;
use super::{Counters, EventKind, Shard};

/// Figures of one shard, or of several together.
#[derive(Debug, Clone, Default)]
pub struct Statistics {
    /// Calls now.
    pub sessions: u64,
    /// Media of all their parties now.
    pub media: u64,
    /// What was relayed, those calls' share included.
    pub relayed: Counters,
    /// What left for their parties; nothing is dropped here.
    pub sent: Counters,
    /// Datagrams for sockets that were closed, or never opened.
    pub strays: u64,
    /// Calls that are over.
    pub ended: u64,
    /// Those of them that were ended by `delete`.
    pub deleted: u64,
    /// Those that were never answered.
    pub unanswered: u64,
    /// Those that nothing was heard from.
    pub silent: u64,
    /// Those that nothing was heard from for long while on hold.
    pub silent_on_hold: u64,
    /// Those that lasted too long.
    pub too_long: u64,
    /// Commands refused for want of ports or of room for another call.
    pub rejected: u64,
    /// Media of calls that are over in which nothing came from either side.
    pub zero_way: u64,
    /// Those in which something came from one side alone.
    pub one_way: u64,
    /// How soon the parties of calls that are over were heard: who offered, and who answered.
    pub first_heard: [FirstHeard; 2],
    /// Reports about streams that gave a score, those of calls that go on included.
    pub scores: u64,
    /// The sum of these scores (MOS).
    pub score_sum: f64,
    /// The sum of their squares.
    pub score_squares: f64,
    /// How long the calls that are over took, all together.
    pub duration: Duration,
    /// The sum of the squares of their durations, in square seconds.
    pub squared_duration: f64,
    /// Ports now, of each address of each interface in the order of the configuration.
    pub interfaces: Vec<InterfacePorts>,
}

/// How soon one side was heard once its call was answered.
#[derive(Debug, Clone, Copy, Default)]
pub struct FirstHeard {
    /// Media that were heard at all.
    pub media: u64,
    /// The time from the answer to the first packet, of all together. Who was heard before the answer took none.
    pub took: Duration,
}

impl FirstHeard {
    fn count(&mut self, media: u64, took: Duration) {
        self.media = self.media.saturating_add(media);
        self.took = self.took.saturating_add(took);
    }
}

/// The ports of one address of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfacePorts {
    /// The interface's name.
    pub name: String,
    /// Where its sockets are bound.
    pub address: IpAddr,
    /// All that may be used, both ends included.
    pub range: RangeInclusive<u16>,
    /// Those that are open, or rest after use.
    pub used: u64,
}

impl Statistics {
    /// Adds the figures of another shard.
    pub fn add(&mut self, other: &Self) {
        self.relayed.add(&other.relayed);
        self.sent.add(&other.sent);
        if self.interfaces.is_empty() {
            self.interfaces.clone_from(&other.interfaces);
        } else {
            // Every shard has the same ones.
            for (mine, theirs) in self.interfaces.iter_mut().zip(&other.interfaces) {
                mine.used = mine.used.saturating_add(theirs.used);
            }
        }
        for (mine, theirs) in self.first_heard.iter_mut().zip(&other.first_heard) {
            mine.count(theirs.media, theirs.took);
        }
        for (mine, theirs) in [
            (&mut self.sessions, other.sessions),
            (&mut self.media, other.media),
            (&mut self.ended, other.ended),
            (&mut self.deleted, other.deleted),
            (&mut self.unanswered, other.unanswered),
            (&mut self.silent, other.silent),
            (&mut self.silent_on_hold, other.silent_on_hold),
            (&mut self.too_long, other.too_long),
            (&mut self.rejected, other.rejected),
            (&mut self.zero_way, other.zero_way),
            (&mut self.one_way, other.one_way),
            (&mut self.scores, other.scores),
            (&mut self.strays, other.strays),
        ] {
            *mine = mine.saturating_add(theirs);
        }
        self.duration = self.duration.saturating_add(other.duration);
        self.squared_duration += other.squared_duration;
        self.score_sum += other.score_sum;
        self.score_squares += other.score_squares;
    }

    /// A call is over, and its legs are there still.
    pub(super) fn call_ended(
        &mut self,
        call: &Call,
        why: &EventKind,
        legs: &Table<Leg>,
        now: Instant,
    ) {
        self.ended = self.ended.saturating_add(1);
        match why {
            EventKind::Deleted => self.deleted = self.deleted.saturating_add(1),
            EventKind::Unanswered => self.unanswered = self.unanswered.saturating_add(1),
            EventKind::Silent => self.silent = self.silent.saturating_add(1),
            EventKind::SilentOnHold => self.silent_on_hold = self.silent_on_hold.saturating_add(1),
            EventKind::TooLong => self.too_long = self.too_long.saturating_add(1),
            _ => {}
        }
        let took = now.saturating_duration_since(call.created);
        self.duration = self.duration.saturating_add(took);
        self.squared_duration += took.as_secs_f64().powi(2);
        let first = call.parties.first();
        for leg in first.iter().flat_map(|party| &party.legs) {
            let Some(leg) = legs.get(*leg) else { continue };
            // One whose packets come on the port of another medium has streams and no port.
            let was_heard = |leg: &Leg| {
                let port = leg.rtp.as_ref();
                port.is_some_and(|rtp| rtp.received.packets > 0) || leg.sources.latest().is_some()
            };
            let peer = leg.peer.and_then(|peer| legs.get(peer));
            for (side, leg) in self.first_heard.iter_mut().zip([Some(leg), peer]) {
                let heard = leg.and_then(|leg| leg.sources.first_heard());
                if let (Some(answered), Some(heard)) = (call.answered, heard) {
                    side.count(1, heard.saturating_duration_since(answered));
                }
            }
            match (was_heard(leg), peer.is_some_and(was_heard)) {
                (false, false) => self.zero_way = self.zero_way.saturating_add(1),
                (true, true) => {}
                _ => self.one_way = self.one_way.saturating_add(1),
            }
        }
    }

    /// What came from this leg was relayed.
    pub(super) fn leg_relayed(&mut self, leg: &Leg) {
        for (_, transport) in leg.transports() {
            self.relayed.add(&transport.received);
            self.sent.add(&transport.sent);
        }
        for source in leg.sources.iter() {
            let (count, sum, squares) = source.quality.scores();
            self.scores = self.scores.saturating_add(count);
            self.score_sum += sum;
            self.score_squares += squares;
        }
    }

    pub(super) fn command_refused(&mut self, refused: &Refused) {
        if matches!(
            refused,
            Refused::NoPorts | Refused::TooManyCalls | Refused::Overloaded
        ) {
            self.rejected = self.rejected.saturating_add(1);
        }
    }
}

impl Shard {
    /// The figures of this moment.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let mut now = self.past.clone();
        now.sessions = self.calls.len() as u64;
        now.strays = self.strays;
        let interfaces = self.config.interfaces.iter();
        now.interfaces = interfaces
            .map(|interface| InterfacePorts {
                name: interface.name.clone(),
                address: interface.bind.0,
                range: self.config.ports.clone(),
                used: self.pool.used(interface.bind.0) as u64,
            })
            .collect();
        for leg in self.legs.iter() {
            now.media = now.media.saturating_add(1);
            now.leg_relayed(leg);
        }
        now
    }

    /// The ng call-ids of at most `limit` calls, in no order.
    #[must_use]
    pub fn call_ids(&self, limit: usize) -> Vec<String> {
        self.by_id.keys().take(limit).cloned().collect()
    }
}
