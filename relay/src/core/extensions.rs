//! Header extensions (RFC 8285): by which numbers each side knows them, and what becomes of them on the way from one
//! side to the other.
//!
//! A number does not change while a session lasts, and media that share a port share their numbers. So each leg keeps
//! those of its own side, and packets are renumbered where the two do not agree.

use rtp::Renumbering;
use sdp::{ExtMap, Media, Token};

use super::Shard;
use super::call::Call;
use super::leg::Leg;
use super::table::Key;

/// Which medium of a bundle a packet is of (RFC 8843 section 15). Its value is between the relay and one side.
const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
/// Extensions that are encrypted (RFC 6904) under the keys of one side are noise to the other.
const ENCRYPTED: &str = "urn:ietf:params:rtp-hdrext:encrypt";
/// Numbers of the one-byte form; what needs more has those of the two-byte form.
const NARROW: std::ops::RangeInclusive<u8> = 1..=14;
const WIDE: std::ops::RangeInclusive<u8> = 16..=255;

/// The extensions of one leg.
#[derive(Debug, Clone, Default)]
pub(super) struct Extensions {
    /// Every number that was ever said on this leg, by either.
    known: Vec<(u8, Token)>,
    /// The numbers in what the side said last.
    said: Vec<u8>,
    /// Those of them that it may be sent.
    agreed: Vec<u8>,
}

impl Extensions {
    /// The side has said what these numbers mean.
    pub(super) fn learn(&mut self, extmaps: &[ExtMap]) {
        for (number, uri) in extmaps.iter().filter_map(numbered) {
            self.known
                .retain(|(known, name)| *known != number && name != uri);
            self.known.push((number, uri.clone()));
        }
    }

    /// The side takes these.
    pub(super) fn agree(&mut self, extmaps: &[ExtMap]) {
        self.learn(extmaps);
        self.said = numbers(extmaps);
        self.agreed.clone_from(&self.said);
    }

    /// Turns what the far side has answered into our answer to this side: what it offered, by its numbers.
    pub(super) fn answer(&mut self, extmaps: &mut Vec<ExtMap>, is_bundled: bool) {
        extmaps.retain_mut(|extension| {
            let number = self.said(&extension.uri);
            extension.id = number.map_or(extension.id, u16::from);
            number.is_some()
        });
        let mid = Token::from_static(MID);
        if let Some(number) = self.said(&mid).filter(|_| is_bundled && !has_mid(extmaps)) {
            extmaps.push(extension(number, mid));
        }
        self.agreed = numbers(extmaps);
    }

    /// The number under which packets of this side say which medium they are of.
    pub(super) fn mid(&self) -> Option<u8> {
        self.said(&Token::from_static(MID))
    }

    fn number(&self, uri: &Token) -> Option<u8> {
        let found = self.known.iter().find(|(_, name)| name == uri);
        found.map(|(number, _)| *number)
    }

    fn said(&self, uri: &Token) -> Option<u8> {
        self.number(uri).filter(|number| self.said.contains(number))
    }

    fn agreed(&self, uri: &Token) -> Option<u8> {
        self.number(uri)
            .filter(|number| self.agreed.contains(number))
    }

    fn is_free(&self, number: u8) -> bool {
        self.known.iter().all(|(known, _)| *known != number)
    }

    /// The number that an extension has, or gets, in our offers to this side. `others` are the media beside it.
    fn number_for(&self, uri: &Token, wished: u16, others: &[&Self]) -> Option<u8> {
        let own = self.number(uri);
        let free = |number: &u8| self.is_free(*number);
        let free_everywhere =
            |number: &u8| free(number) && others.iter().all(|other| other.is_free(*number));
        own.or_else(|| {
            others
                .iter()
                .find_map(|other| other.number(uri))
                .filter(free)
        })
        .or_else(|| u8::try_from(wished).ok().filter(free_everywhere))
        .or_else(|| NARROW.chain(WIDE).find(free_everywhere))
    }
}

impl Shard {
    /// Gives the extensions of an offer on its way to `key`'s side the numbers that it knows them by.
    pub(super) fn number_extensions(
        &mut self,
        (call, party): (Key<Call>, usize),
        key: Key<Leg>,
        is_bundled: bool,
        media: &mut Media,
    ) {
        let party = self.calls.get(call).and_then(|call| call.party(party));
        let beside = party.map_or(&[][..], |party| &party.legs);
        let others: Vec<&Extensions> = beside
            .iter()
            .filter(|leg| **leg != key)
            .filter_map(|leg| self.legs.get(*leg))
            .map(|leg| &*leg.terms.extensions)
            .collect();
        let Some(leg) = self.legs.get(key) else {
            return;
        };
        if is_bundled && !has_mid(&media.extmaps) {
            let first = extension(*NARROW.start(), Token::from_static(MID));
            media.extmaps.push(first);
        }
        let mut extensions = leg.terms.extensions.clone();
        media.extmaps.retain_mut(|extension| {
            let number = numbered(extension)
                .and_then(|_| extensions.number_for(&extension.uri, extension.id, &others));
            let Some(number) = number else {
                return false;
            };
            extension.id = u16::from(number);
            extensions.learn(std::slice::from_ref(extension));
            true
        });
        if let Some(leg) = self.legs.get_mut(key) {
            leg.terms.extensions = extensions;
        }
    }

    /// What packets of each of these legs need, now that something was agreed.
    pub(super) fn set_renumbering(&mut self, legs: &[Key<Leg>]) {
        for key in legs {
            let leg = self.legs.get(*key);
            let other = leg.and_then(|leg| self.legs.get(leg.peer?));
            let renumbering = leg.zip(other).and_then(|(leg, other)| between(leg, other));
            if let Some(leg) = self.legs.get_mut(*key) {
                leg.renumbering = renumbering.map(Box::new);
            }
        }
    }
}

/// What becomes of the extensions of `leg`'s packets on their way to `other`; `None` when nothing is to be done.
fn between(leg: &Leg, other: &Leg) -> Option<Renumbering> {
    let (from, to) = (&leg.terms.extensions, &other.terms.extensions);
    let mut table = Renumbering::default();
    let mut is_idle = true;
    for (number, uri) in from.known.iter().filter(|(_, uri)| uri != MID) {
        let passed = to.agreed(uri);
        is_idle &= passed == Some(*number);
        if let Some(passed) = passed {
            table.pass(*number, passed);
        }
    }
    let mid = Token::from_static(MID);
    let heard = from.number(&mid);
    match (to.agreed(&mid), &other.terms.mid) {
        (Some(number), Some(own)) => {
            // Where several media share a port and a mid is agreed, Chromium goes by nothing else.
            let always = other.bundle.is_shared();
            let is_same = Some(number) == heard && leg.terms.mid.as_ref() == Some(own);
            is_idle &= !always && (is_same || heard.is_none());
            table.replace(heard, number, own.as_str().as_bytes(), always);
        }
        _ => is_idle &= heard.is_none(),
    }
    (!is_idle).then_some(table)
}

/// Whether a body says that packets of this medium tell which one they are of.
pub(super) fn has_mid(extmaps: &[ExtMap]) -> bool {
    extmaps.iter().any(|extension| extension.uri == MID)
}

fn extension(number: u8, uri: Token) -> ExtMap {
    ExtMap {
        id: u16::from(number),
        direction: None,
        uri,
        parameters: None,
    }
}

/// Those that stand in packets. Higher numbers are an offerer's alternatives (RFC 8285 section 7), which we do not take.
fn numbered(extension: &ExtMap) -> Option<(u8, &Token)> {
    let number = u8::try_from(extension.id)
        .ok()
        .filter(|number| *number != 0);
    number
        .filter(|_| extension.uri != ENCRYPTED)
        .map(|number| (number, &extension.uri))
}

fn numbers(extmaps: &[ExtMap]) -> Vec<u8> {
    let numbers = extmaps.iter().filter_map(numbered);
    numbers.map(|(number, _)| number).collect()
}
