//! STUN messages (RFC 8489) as far as ICE needs them: a look that costs no HMAC, the HMAC, and our answers.
//!
//! Reading never allocates and never panics. [`peek`] is pure, so a port shared by many legs can find the leg by the
//! user name fragment before anything else is known.

mod attributes;
mod crc;
mod write;

use is::{DefaultSha1HmacProvider, Sha1HmacProvider};
use subtle::ConstantTimeEq;

pub(crate) use write::{role_conflict, success};

use attributes::Attributes;

/// RFC 8489 section 5.
pub const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// Bytes of the header.
pub const HEADER_LENGTH: usize = 20;
/// No check comes near this size; what is larger is not read.
const MAX_LENGTH: usize = 1500;
/// RFC 8489 section 14.3.
const MAX_USERNAME: usize = 513;

const BINDING: u16 = 1;

/// The four classes of RFC 8489 section 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Wants an answer.
    Request,
    /// Wants none.
    Indication,
    /// The answer yes.
    Success,
    /// The answer no.
    Error,
}

/// What a STUN datagram says of itself. Nothing in it is proved until [`Peek::verify`] has said so.
#[derive(Clone, Copy, Debug)]
pub struct Peek<'a> {
    bytes: &'a [u8],
    /// Request, indication or response.
    pub class: Class,
    /// 1 is Binding, the only one ICE knows.
    pub method: u16,
    /// Chosen by the one who asks, repeated by the one who answers.
    pub transaction: [u8; 12],
    /// The USERNAME cut at its colon: the receiver's fragment, then the sender's.
    pub ufrags: Option<(&'a str, &'a str)>,
    /// PRIORITY.
    pub priority: Option<u32>,
    /// USE-CANDIDATE: the controlling side nominates this pair.
    pub use_candidate: bool,
    /// The tie-breaker of a peer that controls.
    pub controlling: Option<u64>,
    /// The tie-breaker of a peer that is controlled.
    pub controlled: Option<u64>,
    /// Offsets of the MESSAGE-INTEGRITY and FINGERPRINT attributes in the datagram.
    integrity: Option<usize>,
    fingerprint: Option<usize>,
}

/// Reads a datagram as STUN without any cryptography: header, length, magic cookie, attributes within bounds.
/// `None` when it is no STUN message or its attributes do not fit it.
pub fn peek(datagram: &[u8]) -> Option<Peek<'_>> {
    if !is_stun(datagram) {
        return None;
    }
    let typ = u16::from_be_bytes([*datagram.first()?, *datagram.get(1)?]);
    let mut peek = Peek {
        bytes: datagram,
        class: class(typ),
        method: method(typ),
        transaction: datagram.get(8..HEADER_LENGTH)?.try_into().ok()?,
        ufrags: None,
        priority: None,
        use_candidate: false,
        controlling: None,
        controlled: None,
        integrity: None,
        fingerprint: None,
    };
    let mut attributes = Attributes::of(datagram);
    for attribute in attributes.by_ref() {
        peek.take(attribute.typ, attribute.value, attribute.offset)?;
    }
    attributes.is_whole().then_some(peek)
}

/// Header of a STUN message whose length is that of the datagram (RFC 8489 section 5, RFC 7983).
pub fn is_stun(datagram: &[u8]) -> bool {
    let Some((header, attributes)) = datagram.split_at_checked(HEADER_LENGTH) else {
        return false;
    };
    let &[first, _, high, low, c0, c1, c2, c3, ..] = header else {
        return false;
    };
    first & 0b1100_0000 == 0
        && [c0, c1, c2, c3] == MAGIC_COOKIE
        && datagram.len() <= MAX_LENGTH
        && usize::from(u16::from_be_bytes([high, low])) == attributes.len()
        && attributes.len().is_multiple_of(4)
}

impl<'a> Peek<'a> {
    /// A Binding message: the only kind a check is made of.
    pub fn is_binding(&self) -> bool {
        self.method == BINDING
    }

    /// A Binding request: somebody checks us.
    pub fn is_request(&self) -> bool {
        self.is_binding() && self.class == Class::Request
    }

    /// The datagram ends with a FINGERPRINT that fits it (RFC 8489 section 14.7).
    pub fn has_good_fingerprint(&self) -> bool {
        let Some(offset) = self.fingerprint else {
            return false;
        };
        let Some((covered, attribute)) = self.bytes.split_at_checked(offset) else {
            return false;
        };
        attribute.get(4..) == Some(crc::fingerprint(covered).to_be_bytes().as_slice())
    }

    /// MESSAGE-INTEGRITY was made with this password (RFC 8489 section 14.5, short-term credentials).
    pub fn verify(&self, password: &str) -> bool {
        let Some(offset) = self.integrity else {
            return false;
        };
        let Some((covered, attribute)) = self.bytes.split_at_checked(offset) else {
            return false;
        };
        let Some(expected) = hmac(password, covered) else {
            return false;
        };
        attribute
            .get(4..24)
            .is_some_and(|given| given.ct_eq(&expected).into())
    }

    /// Takes one attribute; `None` ends the reading of a message that is not what it should be.
    fn take(&mut self, typ: u16, value: &'a [u8], offset: usize) -> Option<()> {
        use attributes as a;
        if self.fingerprint.is_some() {
            return None; // it must be the last
        }
        if self.integrity.is_some() && typ != a::FINGERPRINT {
            return Some(()); // not covered by the integrity, so not read (RFC 8489 section 14.5)
        }
        match typ {
            a::USERNAME if value.len() <= MAX_USERNAME => {
                self.ufrags = str::from_utf8(value).ok()?.split_once(':');
            }
            a::USERNAME => return None,
            a::PRIORITY => self.priority = Some(u32::from_be_bytes(value.try_into().ok()?)),
            a::USE_CANDIDATE if value.is_empty() => self.use_candidate = true,
            a::USE_CANDIDATE => return None,
            a::ICE_CONTROLLING => {
                self.controlling = Some(u64::from_be_bytes(value.try_into().ok()?))
            }
            a::ICE_CONTROLLED => self.controlled = Some(u64::from_be_bytes(value.try_into().ok()?)),
            a::MESSAGE_INTEGRITY if value.len() == 20 => self.integrity = Some(offset),
            a::MESSAGE_INTEGRITY => return None,
            a::FINGERPRINT if value.len() == 4 => self.fingerprint = Some(offset),
            a::FINGERPRINT => return None,
            _ => {}
        }
        Some(())
    }
}

/// The HMAC over a message up to its MESSAGE-INTEGRITY, with the length as if the message ended after that.
fn hmac(password: &str, covered: &[u8]) -> Option<[u8; 20]> {
    let typ = covered.get(..2)?;
    let rest = covered.get(4..)?;
    let length = covered.len().checked_add(24)?.checked_sub(HEADER_LENGTH)?;
    let length = u16::try_from(length).ok()?.to_be_bytes();
    Some(DefaultSha1HmacProvider.sha1_hmac(password.as_bytes(), &[typ, &length, rest]))
}

fn class(typ: u16) -> Class {
    match (typ & 0x0100 != 0, typ & 0x0010 != 0) {
        (false, false) => Class::Request,
        (false, true) => Class::Indication,
        (true, false) => Class::Success,
        (true, true) => Class::Error,
    }
}

fn method(typ: u16) -> u16 {
    (typ & 0x000f) | ((typ & 0x00e0) >> 1) | ((typ & 0x3e00) >> 2)
}

#[cfg(test)]
mod tests;
