//! Keys and packets that the tests share.
#![allow(dead_code, reason = "each test uses some of it")]
#![allow(
    clippy::unwrap_used,
    reason = "tests may stop on what is not as it should be"
)]

use causeway_srtp::{Inbound, MasterKey, Outbound, Suite};

pub(crate) const SSRC: u32 = 0x0bad_cafe;

pub(crate) fn key(suite: Suite) -> MasterKey {
    let bytes: Vec<u8> = (0..46_u8).map(|n| n.wrapping_mul(37) ^ 0x5a).collect();
    MasterKey::from_inline(suite, &bytes[..suite.key_len() + suite.salt_len()]).unwrap()
}

pub(crate) fn pair(suite: Suite) -> (Outbound, Inbound) {
    let key = key(suite);
    (Outbound::new(&key), Inbound::new(&key))
}

/// A G.711-sized packet whose payload tells its number.
pub(crate) fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend((0..160_u16).map(|n| (n ^ sequence) as u8));
    packet
}

/// A sender report of 28 bytes.
pub(crate) fn rtcp(ssrc: u32, number: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 200, 0, 6];
    packet.extend(ssrc.to_be_bytes());
    packet.extend((0..5).flat_map(|n| (number + n).to_be_bytes()));
    packet
}

pub(crate) fn protect(context: &mut Outbound, plain: &[u8]) -> Vec<u8> {
    let mut buffer = plain.to_vec();
    buffer.resize(plain.len() + causeway_srtp::MAX_OVERHEAD, 0xee);
    let len = context.protect(&mut buffer, plain.len()).unwrap();
    buffer.truncate(len);
    buffer
}

pub(crate) fn protect_rtcp(context: &mut Outbound, plain: &[u8]) -> Vec<u8> {
    let mut buffer = plain.to_vec();
    buffer.resize(plain.len() + causeway_srtp::MAX_OVERHEAD, 0xee);
    let len = context.protect_rtcp(&mut buffer, plain.len()).unwrap();
    buffer.truncate(len);
    buffer
}
