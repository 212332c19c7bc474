//! STUN messages as somebody writes them who knows the password, or who only knows the CRC.

use is::{DefaultSha1HmacProvider, Sha1HmacProvider as _};

pub(crate) const BINDING_REQUEST: u16 = 0x0001;
pub(crate) const BINDING_SUCCESS: u16 = 0x0101;
pub(crate) const INTEGRITY: u16 = 0x0008;
pub(crate) const FINGERPRINT: u16 = 0x8028;
const USERNAME: u16 = 0x0006;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const ICE_CONTROLLING: u16 = 0x802a;

/// The attributes of a check that nominates.
pub(crate) fn check(to: &str, from: &str) -> Vec<u8> {
    let username = format!("{to}:{from}");
    [
        attribute(USERNAME, username.as_bytes()),
        attribute(PRIORITY, &[0x6e, 0, 0x1e, 0xff]),
        attribute(ICE_CONTROLLING, &[1; 8]),
        attribute(USE_CANDIDATE, &[]),
    ]
    .concat()
}

/// A message with these attributes (cut to whole words), MESSAGE-INTEGRITY and FINGERPRINT.
pub(crate) fn message(
    kind: u16,
    transaction: [u8; 12],
    attributes: &[u8],
    password: &str,
) -> Vec<u8> {
    let mut message = kind.to_be_bytes().to_vec();
    message.extend([0, 0, 0x21, 0x12, 0xa4, 0x42]);
    message.extend(transaction);
    message.extend(whole_words(attributes));
    let head = with_length(&message, 24);
    let hmac = DefaultSha1HmacProvider.sha1_hmac(password.as_bytes(), &[&head]);
    message.extend(attribute(INTEGRITY, &hmac));
    message = with_length(&message, 8);
    let crc = crc32(&message) ^ 0x5354_554e;
    message.extend(attribute(FINGERPRINT, &crc.to_be_bytes()));
    message
}

/// As much of it as a message takes.
pub(crate) fn whole_words(attributes: &[u8]) -> &[u8] {
    &attributes[..attributes.len().min(1200) / 4 * 4]
}

/// Kinds and values, as far as they fit.
pub(crate) fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (&[k0, k1, l0, l1], after) = rest.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let (value, after) = after.split_at_checked(length.next_multiple_of(4))?;
        rest = after;
        Some((u16::from_be_bytes([k0, k1]), &value[..length]))
    })
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap();
    let mut out = [kind.to_be_bytes(), length.to_be_bytes()].concat();
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

/// The message as if so many bytes were still to come.
fn with_length(message: &[u8], more: usize) -> Vec<u8> {
    let mut message = message.to_vec();
    let length = u16::try_from(message.len() + more - 20).unwrap();
    message[2..4].copy_from_slice(&length.to_be_bytes());
    message
}

/// ITU V.42, bit by bit: short, and not the one that is tested.
fn crc32(bytes: &[u8]) -> u32 {
    let bit = |crc: u32| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| bit(crc))
    })
}
