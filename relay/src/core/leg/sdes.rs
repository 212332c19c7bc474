//! SDES (RFC 4568) with one side: the keys stand in the SDP.
//!
//! Our keys are our own towards each side, also where both sides speak SDES: a packet is always verified and always
//! encrypted anew, and one key under two SRTCP counters would give both away.

use control_proto::Sdes;
use sdp::{Crypto, CryptoKey, Token};
use srtp::{MasterKey, Suite};

use super::mki::Mki;
use super::{Keys, Tools};

/// What was said in `a=crypto` on one leg.
#[derive(Debug, Clone, Default)]
pub(crate) struct SdesTerms {
    /// What this side offered, as far as we can use it.
    received: Vec<Crypto>,
    /// What we offered to this side. Offered again unchanged, so that keys never change without need.
    offered: Vec<Crypto>,
    /// Our line that is in use.
    ours: Option<Crypto>,
    /// Our lines of former answers: a suite that is taken again has its old key again.
    answered: Vec<Crypto>,
}

/// Lines of former answers that are kept: as many as there are suites to choose from.
const MAX_ANSWERED: usize = Suite::ALL.len();

/// The keys of both directions.
pub(crate) struct Agreed {
    ours: MasterKey,
    theirs: MasterKey,
    mki: (Option<Mki>, Option<Mki>),
}

impl Agreed {
    fn of(ours: &Crypto, their_line: &Crypto) -> Option<Self> {
        let mki = |line: &Crypto| line.keys.first()?.mki.and_then(Mki::new);
        Some(Self {
            ours: key_of(ours)?,
            theirs: theirs(their_line)?,
            mki: (mki(ours), mki(their_line)),
        })
    }

    /// Puts the keys in place of what was there.
    pub(crate) fn install(self, place: &mut Option<Keys>) {
        Keys::install(place, self.ours, self.theirs);
        if let Some(keys) = place {
            keys.identify(self.mki.0, self.mki.1);
        }
    }
}

/// The tag of the lines that we number ourselves begins here.
const FIRST_TAG: u32 = 1;

impl SdesTerms {
    /// This side offers.
    pub(crate) fn take_offer(&mut self, cryptos: &[Crypto]) {
        self.received = cryptos
            .iter()
            .filter(|line| theirs(line).is_some())
            .cloned()
            .collect();
    }

    /// Whether this side offered lines that we can use.
    pub(crate) fn was_offered(&self) -> bool {
        !self.received.is_empty()
    }

    /// The lines that this side offered, for the far side's offer to begin with.
    pub(crate) fn received(&self) -> &[Crypto] {
        &self.received
    }

    /// The one line of our answer, and both keys. `None` when nothing that was offered can be used. The suite that the
    /// far side uses is taken if it can be; `far`.
    pub(crate) fn answer(
        &mut self,
        words: &Sdes,
        far: Option<Suite>,
        tools: &mut Tools<'_>,
    ) -> Option<(Crypto, Agreed)> {
        let line = self.choose(words, far)?.clone();
        let theirs = theirs(&line)?;
        let is_it = |ours: &&Crypto| ours.tag == line.tag && same_suite(ours, &line);
        let kept = self.ours.iter().chain(&self.answered).find(is_it).cloned();
        let mut ours = match kept {
            Some(ours) => ours,
            None => make(line.tag, theirs.suite(), tools)?,
        };
        style(&mut ours, words);
        if let (Some(ours), Some(theirs)) = (ours.keys.first_mut(), line.keys.first()) {
            ours.mki = theirs.mki;
        }
        let agreed = Agreed::of(&ours, &line)?;
        self.answered
            .retain(|line| line.tag != ours.tag || !same_suite(line, &ours));
        if self.answered.len() >= MAX_ANSWERED {
            self.answered.remove(0);
        }
        self.answered.push(ours.clone());
        self.ours = Some(ours.clone());
        Some((ours, agreed))
    }

    /// The lines of our offer to this side: the one in use, the far side's suites under its tags, then the rest of
    /// ours.
    pub(crate) fn offer(
        &mut self,
        first: &[Crypto],
        words: &Sdes,
        tools: &mut Tools<'_>,
    ) -> Vec<Crypto> {
        if self.offered.is_empty() {
            self.offered = self.make_offer(first, words, tools);
        }
        self.offered.iter_mut().for_each(|line| style(line, words));
        self.offered.clone()
    }

    /// This side answers: both keys, if it took one of the lines we offered.
    pub(crate) fn take_answer(&mut self, cryptos: &[Crypto]) -> Option<Agreed> {
        let (ours, agreed) = cryptos.iter().find_map(|line| {
            let ours = self
                .offered
                .iter()
                .find(|ours| ours.tag == line.tag && same_suite(ours, line))?;
            Some((ours, Agreed::of(ours, line)?))
        })?;
        self.ours = Some(ours.clone());
        Some(agreed)
    }

    /// Whether keys were agreed.
    pub(crate) fn is_in_use(&self) -> bool {
        self.ours.is_some()
    }

    /// Forgets all keys: the leg is plain, or keyed by DTLS.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The line of this side's offer that is answered.
    fn choose(&self, words: &Sdes, far: Option<Suite>) -> Option<&Crypto> {
        let allowed: Vec<&Crypto> = self
            .received
            .iter()
            .filter(|line| suite_of(line).is_some_and(|suite| suite_allowed(suite, words)))
            .collect();
        let of_suite = |suite: Suite| move |line: &&&Crypto| suite_of(line) == Some(suite);
        let taken_before = || {
            let ours = self.ours.as_ref().filter(|_| words.static_suite)?;
            allowed
                .iter()
                .find(|line| line.tag == ours.tag && same_suite(line, ours))
        };
        let preferred = || {
            let mut order = named(&words.offerer_pref);
            order.find_map(|suite| allowed.iter().find(of_suite(suite)))
        };
        taken_before()
            .or_else(preferred)
            .or_else(|| allowed.iter().find(of_suite(far?)))
            .or(allowed.first())
            .copied()
            // Filters that leave nothing are no reason for a call without keys.
            .or(self.received.first())
    }

    fn make_offer(&self, first: &[Crypto], words: &Sdes, tools: &mut Tools<'_>) -> Vec<Crypto> {
        // What is in use must be on offer again, or its stream would need new keys.
        let mut lines: Vec<Crypto> = self.ours.iter().cloned().collect();
        for line in first {
            let Some(suite) = suite_of(line).filter(|suite| suite_allowed(*suite, words)) else {
                continue;
            };
            let is_there = |other: &Crypto| other.tag == line.tag || suite_of(other) == Some(suite);
            if !lines.iter().any(is_there) {
                lines.extend(make(line.tag, suite, tools));
            }
        }
        let mut tag = lines
            .iter()
            .map(|line| line.tag)
            .max()
            .map_or(FIRST_TAG, |tag| tag.saturating_add(1));
        for suite in Suite::ALL.into_iter().filter(|_| !words.no_new) {
            let is_there = |line: &Crypto| suite_of(line) == Some(suite);
            if suite_allowed(suite, words) && !lines.iter().any(is_there) {
                lines.extend(make(tag, suite, tools));
                tag = tag.saturating_add(1);
            }
        }
        let rank = |line: &Crypto| {
            let place = named(&words.order).position(|suite| suite_of(line) == Some(suite));
            place.unwrap_or(usize::MAX)
        };
        lines.sort_by_key(rank);
        lines
    }
}

/// A line of our own with a new key.
fn make(tag: u32, suite: Suite, tools: &mut Tools<'_>) -> Option<Crypto> {
    let mut key = vec![0; suite.key_len().saturating_add(suite.salt_len())];
    (tools.random)(&mut key);
    Some(Crypto {
        tag,
        suite: Token::new(suite.sdes_name()).ok()?,
        keys: vec![CryptoKey::new(key)],
        session_parameters: Vec::new(),
    })
}

fn key_of(line: &Crypto) -> Option<MasterKey> {
    let suite = suite_of(line)?;
    MasterKey::from_inline(suite, &line.keys.first()?.key_salt.0).ok()
}

/// The key of a peer's line, if all of it can be honoured. Lines with several keys, a long key identifier or session
/// parameters that we would have to obey are left alone (RFC 4568 section 6.3.7); among those are the ones that ask for no encryption.
fn theirs(line: &Crypto) -> Option<MasterKey> {
    let plain_key = match line.keys.as_slice() {
        [key] => key.mki.is_none_or(|mki| Mki::new(mki).is_some()),
        _ => false,
    };
    let negligible = line
        .session_parameters
        .iter()
        .all(|parameter| parameter.starts_with('-'));
    (plain_key && negligible).then(|| key_of(line)).flatten()
}

fn suite_of(line: &Crypto) -> Option<Suite> {
    Suite::from_sdes_name(&line.suite)
}

fn same_suite(a: &Crypto, b: &Crypto) -> bool {
    suite_of(a) == suite_of(b)
}

/// The suites that we know of a list of names.
fn named(names: &[String]) -> impl Iterator<Item = Suite> {
    names.iter().filter_map(|name| Suite::from_sdes_name(name))
}

/// `nonew` beats `only`, and `only` beats `no`.
fn suite_allowed(suite: Suite, words: &Sdes) -> bool {
    if words.no_new {
        true
    } else if words.only.is_empty() {
        !named(&words.no).any(|no| no == suite)
    } else {
        named(&words.only).any(|only| only == suite)
    }
}

/// Padding and lifetime as asked for; rtpengine writes neither by itself.
fn style(line: &mut Crypto, words: &Sdes) {
    for key in &mut line.keys {
        key.padded = words.pad;
        key.lifetime = words.lifetime.then(|| Token::from_static("2^31"));
    }
}
