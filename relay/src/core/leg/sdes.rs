//! SDES (RFC 4568) with one side: the keys stand in the SDP.
//!
//! Our keys are our own towards each side, also where both sides speak SDES: a packet is always verified and always
//! encrypted anew, and one key under two SRTCP counters would give both away.

use control_proto::Sdes;
use sdp::{Crypto, CryptoKey, Token};
use srtp::{MasterKey, Suite};

use super::Tools;

/// What was said in `a=crypto` on one leg.
#[derive(Debug, Clone, Default)]
pub(crate) struct SdesTerms {
    /// What this side offered, as far as we can use it.
    received: Vec<Crypto>,
    /// What we offered to this side. Offered again unchanged, so that keys never change without need.
    offered: Vec<Crypto>,
    /// Our line that is in use.
    ours: Option<Crypto>,
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

    /// The one line of our answer, and both keys. `None` when nothing that was offered can be used.
    pub(crate) fn answer(
        &mut self,
        words: &Sdes,
        tools: &mut Tools<'_>,
    ) -> Option<(Crypto, MasterKey, MasterKey)> {
        let line = self
            .received
            .iter()
            .find(|line| allowed(line, words))
            .or(self.received.first())?
            .clone();
        let theirs = theirs(&line)?;
        let kept = self
            .ours
            .as_ref()
            .filter(|ours| ours.tag == line.tag && ours.suite == line.suite);
        let mut ours = match kept {
            Some(ours) => ours.clone(),
            None => make(line.tag, theirs.suite(), tools)?,
        };
        style(&mut ours, words);
        let key = key_of(&ours)?;
        self.ours = Some(ours.clone());
        Some((ours, key, theirs))
    }

    /// The lines of our offer to this side: the far side's suites first, under its tags, then the rest of ours.
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
    pub(crate) fn take_answer(&mut self, cryptos: &[Crypto]) -> Option<(MasterKey, MasterKey)> {
        let (ours, theirs) = cryptos.iter().find_map(|line| {
            let ours = self
                .offered
                .iter()
                .find(|ours| ours.tag == line.tag && same_suite(ours, line))?;
            Some((ours, theirs(line)?))
        })?;
        let key = key_of(ours)?;
        self.ours = Some(ours.clone());
        Some((key, theirs))
    }

    /// Whether keys were agreed.
    pub(crate) fn is_in_use(&self) -> bool {
        self.ours.is_some()
    }

    /// Forgets all keys: the leg is plain, or keyed by DTLS.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    fn make_offer(&self, first: &[Crypto], words: &Sdes, tools: &mut Tools<'_>) -> Vec<Crypto> {
        let mut lines: Vec<Crypto> = first
            .iter()
            .filter_map(|line| make(line.tag, Suite::from_sdes_name(&line.suite)?, tools))
            .collect();
        // What this side chose before must be on offer again, or its stream would need new keys.
        let mut tag = lines
            .iter()
            .map(|line| line.tag)
            .max()
            .map_or(FIRST_TAG, |tag| tag.saturating_add(1));
        let added = Suite::ALL.into_iter().filter(|suite| {
            !words.no_new
                && suite_allowed(suite.sdes_name(), words)
                && !first
                    .iter()
                    .any(|line| Suite::from_sdes_name(&line.suite) == Some(*suite))
        });
        for suite in added {
            lines.extend(make(tag, suite, tools));
            tag = tag.saturating_add(1);
        }
        lines
    }
}

/// A line of our own with a new key.
fn make(tag: u32, suite: Suite, tools: &mut Tools<'_>) -> Option<Crypto> {
    let mut key = vec![0; suite.key_len() + suite.salt_len()];
    (tools.random)(&mut key);
    Some(Crypto {
        tag,
        suite: Token::new(suite.sdes_name()).ok()?,
        keys: vec![CryptoKey::new(key)],
        session_parameters: Vec::new(),
    })
}

fn key_of(line: &Crypto) -> Option<MasterKey> {
    let suite = Suite::from_sdes_name(&line.suite)?;
    MasterKey::from_inline(suite, &line.keys.first()?.key_salt.0).ok()
}

/// The key of a peer's line, if all of it can be honoured. Lines with an MKI or with session parameters that we would
/// have to obey are left alone (RFC 4568 section 6.3.7); among those are the ones that ask for no encryption.
fn theirs(line: &Crypto) -> Option<MasterKey> {
    let plain_key = matches!(line.keys.as_slice(), [key] if key.mki.is_none());
    let negligible = line
        .session_parameters
        .iter()
        .all(|parameter| parameter.starts_with('-'));
    (plain_key && negligible).then(|| key_of(line)).flatten()
}

fn same_suite(a: &Crypto, b: &Crypto) -> bool {
    Suite::from_sdes_name(&a.suite) == Suite::from_sdes_name(&b.suite)
}

fn allowed(line: &Crypto, words: &Sdes) -> bool {
    Suite::from_sdes_name(&line.suite).is_some_and(|suite| suite_allowed(suite.sdes_name(), words))
}

/// `only` beats `no`.
fn suite_allowed(name: &str, words: &Sdes) -> bool {
    if words.only.is_empty() {
        !words.no.iter().any(|word| word == name)
    } else {
        words.only.iter().any(|word| word == name)
    }
}

/// Padding and lifetime as asked for; rtpengine writes neither by itself.
fn style(line: &mut Crypto, words: &Sdes) {
    for key in &mut line.keys {
        key.padded = words.pad;
        key.lifetime = words.lifetime.then(|| Token::from_static("2^31"));
    }
}
