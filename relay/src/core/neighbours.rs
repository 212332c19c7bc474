//! Shards that share a port. The system brings what comes to it to any of them: mostly to the right one, but that is
//! nothing to rely on. A check says by the mark of its fragment which shard's it is, and of everything else each shard
//! knows whose it is, since the others say which sources are theirs. Whoever is brought a datagram of another's
//! [hands it over](super::Received::Elsewhere); what is nobody's ends where it came.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::SocketId;

/// A port that is shared, and who sends to it.
pub(super) type Source = (SocketId, SocketAddr);

/// Which of the shards that share ports one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Among {
    /// Its number, from 0.
    pub number: u8,
    /// How many there are, [`Among::MOST`] at most.
    pub count: u8,
}

impl Among {
    /// There is a mark for each.
    pub const MOST: usize = ice::Credentials::MARKS.len();

    /// The only one.
    pub const ALONE: Self = Self {
        number: 0,
        count: 1,
    };

    pub(super) fn is_alone(self) -> bool {
        self.count <= 1
    }
}

/// A set of shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shards(u64);

impl Shards {
    /// The same with this one.
    #[must_use]
    pub fn with(self, number: u8) -> Self {
        Self(self.0 | bit(number))
    }

    fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn has(self, number: u8) -> bool {
        self.0 & bit(number) != 0
    }

    fn lowest(self) -> Option<u8> {
        let lowest = u8::try_from(self.0.trailing_zeros()).ok()?;
        (!self.is_empty()).then_some(lowest)
    }
}

fn bit(number: u8) -> u64 {
    1_u64.checked_shl(number.into()).unwrap_or(0)
}

/// A shard hears a source now, or does so no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The shared port; it has the same number in every shard.
    pub socket: SocketId,
    /// Who sends to it.
    pub source: SocketAddr,
    /// Whether it is claimed, or given back.
    pub is_held: bool,
    /// The shard that what comes from there is best brought to from now on.
    pub to: Option<u8>,
}

/// Whose a datagram is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whose {
    /// That shard's number.
    pub shard: u8,
    /// Its source has passed a check there. Of others nothing is known but what they write themselves.
    pub is_known: bool,
    /// Those that have seen it by then.
    pub seen: Shards,
}

/// What the other shards claim.
#[derive(Default)]
pub(super) struct Others(HashMap<Source, Claimants>);

#[derive(Clone, Copy)]
struct Claimants {
    first: u8,
    all: Shards,
}

impl Others {
    /// A shard has claimed a source, or gave it back; whether it was the first of those that there were.
    pub(super) fn hear(&mut self, shard: u8, source: Source, is_held: bool) -> bool {
        if is_held {
            let all = Shards::default();
            let new = Claimants { first: shard, all };
            let claimants = self.0.entry(source).or_insert(new);
            claimants.all = claimants.all.with(shard);
            return false;
        }
        let Some(claimants) = self.0.get_mut(&source) else {
            return false;
        };
        let was_first = claimants.first == shard;
        claimants.all = claimants.all.without(Shards::default().with(shard));
        match claimants.all.lowest() {
            Some(lowest) if was_first => claimants.first = lowest,
            Some(_) => {}
            None => _ = self.0.remove(&source),
        }
        was_first
    }

    /// Another that claims it and has not seen the datagram; the first that did so, if it is one of those.
    pub(super) fn of(&self, source: Source, seen: Shards) -> Option<u8> {
        let claimants = self.0.get(&source)?;
        if !seen.has(claimants.first) {
            return Some(claimants.first);
        }
        claimants.all.without(seen).lowest()
    }
}

/// The shard that a check names, if it is one.
pub(super) fn named(datagram: &[u8]) -> Option<Option<u8>> {
    let check = ice::stun::peek(datagram).filter(ice::stun::Peek::is_request)?;
    let (ours, _) = check.ufrags?;
    Some(ice::Credentials::mark(ours))
}

/// Whose a datagram is that is not ours, or not ours alone, of those that have not seen it.
pub(super) fn whose(
    among: Among,
    others: &Others,
    source: Source,
    datagram: &[u8],
    seen: Shards,
) -> Option<Whose> {
    let seen = seen.with(among.number);
    let known = others.of(source, seen);
    let shard = match named(datagram) {
        Some(mark) => mark.filter(|mark| *mark < among.count && !seen.has(*mark))?,
        None => known?,
    };
    let is_known = known.is_some();
    Some(Whose {
        shard,
        is_known,
        seen,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Source {
        (SocketId(0), "198.51.100.1:5000".parse().unwrap())
    }

    #[test]
    fn who_claimed_first_is_asked_first_and_nobody_twice() {
        let mut others = Others::default();
        let nobody = Shards::default();
        assert_eq!(others.of(source(), nobody), None);
        for shard in [3, 1, 2, 1] {
            others.hear(shard, source(), true);
        }
        assert_eq!(others.of(source(), nobody), Some(3));
        assert_eq!(others.of(source(), nobody.with(3)), Some(1));
        assert_eq!(others.of(source(), nobody.with(3).with(1)), Some(2));
        assert_eq!(others.of(source(), nobody.with(3).with(1).with(2)), None);
        others.hear(3, source(), false);
        assert_eq!(others.of(source(), nobody), Some(1));
        for shard in [1, 2, 5] {
            others.hear(shard, source(), false);
        }
        assert_eq!(others.of(source(), nobody), None);
        assert!(others.0.is_empty());
    }

    #[test]
    fn every_shard_has_a_place_in_a_set() {
        let last = u8::try_from(Among::MOST).unwrap() - 1;
        let all = (0..=last).fold(Shards::default(), Shards::with);
        assert!((0..=last).all(|number| all.has(number)) && !all.has(last + 1));
        assert_eq!(all.without(Shards::default().with(0)).lowest(), Some(1));
    }
}
