//! STUN binding messages with short-term credentials (RFC 8489, RFC 8445), as a browser's agent writes and reads them.

use std::net::SocketAddrV4;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// A Binding request.
pub const REQUEST: u16 = 0x0001;
/// A Binding success response.
pub const SUCCESS: u16 = 0x0101;
/// A Binding error response.
pub const ERROR: u16 = 0x0111;

/// Whom it is for, and from whom.
pub const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
/// Of the candidate that a check would make.
pub const PRIORITY: u16 = 0x0024;
/// The pair is chosen.
pub const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
/// The sender's role, and its tie-breaker.
pub const ICE_CONTROLLED: u16 = 0x8029;
/// The sender's role, and its tie-breaker.
pub const ICE_CONTROLLING: u16 = 0x802a;

const COOKIE: u32 = 0x2112_a442;
const HEADER: usize = 20;

/// Names a transaction.
pub type Transaction = [u8; 12];

/// A message that is being written.
pub struct Writer(Vec<u8>);

impl Writer {
    /// A message without attributes.
    pub fn new(kind: u16, transaction: &Transaction) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(COOKIE.to_be_bytes());
        bytes.extend(transaction);
        Self(bytes)
    }

    /// Adds an attribute.
    pub fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.0.extend(kind.to_be_bytes());
        self.0.extend((value.len() as u16).to_be_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    /// Adds XOR-MAPPED-ADDRESS.
    pub fn mapped_address(&mut self, address: SocketAddrV4) {
        let port = address.port() ^ (COOKIE >> 16) as u16;
        let ip = u32::from(*address.ip()) ^ COOKIE;
        let value = [&[0, 1], port.to_be_bytes().as_slice(), &ip.to_be_bytes()].concat();
        self.attribute(XOR_MAPPED_ADDRESS, &value);
    }

    /// Adds MESSAGE-INTEGRITY and FINGERPRINT.
    pub fn finish(mut self, password: &str) -> Vec<u8> {
        set_len(&mut self.0, 24);
        let mac = integrity(&self.0, password);
        self.attribute(MESSAGE_INTEGRITY, &mac);
        set_len(&mut self.0, 8);
        let sum = fingerprint(&self.0);
        self.attribute(FINGERPRINT, &sum);
        self.0
    }
}

/// What a message says.
#[derive(Debug, Default)]
pub struct Message {
    /// Class and method.
    pub kind: u16,
    /// Its own, or that of the request that it answers.
    pub transaction: Transaction,
    /// Whom it is for and from whom.
    pub username: String,
    /// The pair is chosen.
    pub use_candidate: bool,
    /// Of ERROR-CODE; 0 without one.
    pub error: u16,
    /// A MESSAGE-INTEGRITY is there and right, and so is a FINGERPRINT.
    pub integrity: bool,
    /// A FINGERPRINT is there and right.
    pub fingerprint: bool,
}

impl Message {
    /// Reads a message, and checks it with a password; `None` for what is no STUN.
    pub fn parse(bytes: &[u8], password: &str) -> Option<Self> {
        let kind = u16::from_be_bytes(*bytes.first_chunk()?);
        if kind > 0x3fff || *bytes.get(4..8)? != COOKIE.to_be_bytes() {
            return None;
        }
        let mut message = Self {
            kind,
            transaction: bytes.get(8..HEADER)?.try_into().ok()?,
            ..Self::default()
        };
        let mut at = HEADER;
        while let Some(&[a, b, c, d]) = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()) {
            let len = usize::from(u16::from_be_bytes([c, d]));
            let value = bytes.get(at + 4..at + 4 + len)?;
            let before = bytes.get(..at)?;
            message.take(u16::from_be_bytes([a, b]), value, before, password);
            at += 4 + len.next_multiple_of(4);
        }
        Some(message)
    }

    fn take(&mut self, kind: u16, value: &[u8], before: &[u8], password: &str) {
        match kind {
            USERNAME => self.username = String::from_utf8_lossy(value).into_owned(),
            USE_CANDIDATE => self.use_candidate = true,
            ERROR_CODE => {
                if let Some(&[_, _, class, number]) = value.first_chunk() {
                    self.error = u16::from(class) * 100 + u16::from(number);
                }
            }
            MESSAGE_INTEGRITY => {
                let mut covered = before.to_vec();
                set_len(&mut covered, 24);
                self.integrity = integrity(&covered, password) == value;
            }
            FINGERPRINT => self.fingerprint = fingerprint(before) == value,
            _ => {}
        }
    }
}

/// The length field as if `more` bytes of attributes followed.
fn set_len(bytes: &mut [u8], more: usize) {
    let len = (bytes.len() - HEADER + more) as u16;
    bytes[2..4].copy_from_slice(&len.to_be_bytes());
}

fn integrity(bytes: &[u8], password: &str) -> [u8; 20] {
    // HMAC takes keys of any length.
    Hmac::<Sha1>::new_from_slice(password.as_bytes()).map_or([0; 20], |mut mac| {
        mac.update(bytes);
        mac.finalize().into_bytes().into()
    })
}

fn fingerprint(bytes: &[u8]) -> [u8; 4] {
    let mut sum = !0u32;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            let carry = sum & 1 != 0;
            sum = sum >> 1 ^ if carry { 0xedb8_8320 } else { 0 };
        }
    }
    (!sum ^ 0x5354_554e).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_read_as_it_was_written() {
        let mut writer = Writer::new(REQUEST, &[5; 12]);
        writer.attribute(USERNAME, b"abc:defgh");
        writer.attribute(USE_CANDIDATE, &[]);
        let bytes = writer.finish("secret");
        let message = Message::parse(&bytes, "secret").unwrap();
        assert!(message.integrity && message.fingerprint && message.use_candidate);
        assert_eq!(
            (message.kind, message.username.as_str()),
            (REQUEST, "abc:defgh")
        );
        assert!(!Message::parse(&bytes, "other").unwrap().integrity);
    }

    #[test]
    fn the_checksum_is_the_one_of_ethernet() {
        assert_eq!(
            fingerprint(b"123456789"),
            (0xcbf4_3926u32 ^ 0x5354_554e).to_be_bytes()
        );
    }
}
