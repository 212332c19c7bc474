//! The two answers to a check: success with the address we saw, and 487 Role Conflict. Both carry integrity and
//! fingerprint, and both are smaller than the request that asked for them.

use std::net::{IpAddr, SocketAddr};

use super::{HEADER_LENGTH, MAGIC_COOKIE, attributes as a, crc, hmac};

const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;
/// Four bytes of type and length, then the CRC.
const FINGERPRINT_LENGTH: usize = 8;

/// Binding success (RFC 8489 section 6.3.1.1), saying where the request was seen to come from.
pub(crate) fn success(transaction: [u8; 12], seen: SocketAddr, password: &str) -> Vec<u8> {
    let mut message = header(BINDING_SUCCESS, transaction);
    attribute(&mut message, a::XOR_MAPPED_ADDRESS, &xor(transaction, seen));
    finish(message, password)
}

/// 487 (RFC 8445 section 7.3.1.1): the peer must take the other role.
pub(crate) fn role_conflict(transaction: [u8; 12], password: &str) -> Vec<u8> {
    let mut message = header(BINDING_ERROR, transaction);
    attribute(&mut message, a::ERROR_CODE, b"\0\0\x04\x57Role Conflict");
    finish(message, password)
}

fn header(typ: u16, transaction: [u8; 12]) -> Vec<u8> {
    let mut message = Vec::with_capacity(96);
    message.extend_from_slice(&typ.to_be_bytes());
    message.extend_from_slice(&[0, 0]);
    message.extend_from_slice(&MAGIC_COOKIE);
    message.extend_from_slice(&transaction);
    message
}

fn attribute(message: &mut Vec<u8>, typ: u16, value: &[u8]) {
    message.extend_from_slice(&typ.to_be_bytes());
    message.extend_from_slice(&length(value.len()));
    message.extend_from_slice(value);
    message.resize(message.len().next_multiple_of(4), 0);
}

/// A length field. Our answers are a hundred bytes; one too long for its field is refused by whoever reads it.
fn length(bytes: usize) -> [u8; 2] {
    u16::try_from(bytes).unwrap_or(u16::MAX).to_be_bytes()
}

/// MESSAGE-INTEGRITY over what stands so far, then FINGERPRINT over that, each with the length it is defined for.
fn finish(mut message: Vec<u8>, password: &str) -> Vec<u8> {
    let integrity = hmac(password, &message).unwrap_or_default();
    attribute(&mut message, a::MESSAGE_INTEGRITY, &integrity);
    let body = message.len().saturating_sub(HEADER_LENGTH);
    if let Some([_, _, high, low, ..]) = message.get_mut(..HEADER_LENGTH) {
        [*high, *low] = length(body.saturating_add(FINGERPRINT_LENGTH));
    }
    let crc = crc::fingerprint(&message);
    attribute(&mut message, a::FINGERPRINT, &crc.to_be_bytes());
    message
}

/// XOR-MAPPED-ADDRESS (RFC 8489 section 14.2): hidden from NATs that rewrite addresses they find.
fn xor(transaction: [u8; 12], seen: SocketAddr) -> Vec<u8> {
    let pad = MAGIC_COOKIE.into_iter().chain(transaction);
    let port = seen.port().to_be_bytes();
    let ip = seen.ip().to_canonical();
    let family = if ip.is_ipv4() { 1 } else { 2 };
    let octets = match ip {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    let mut value = vec![0, family];
    value.extend(
        port.into_iter()
            .zip(MAGIC_COOKIE)
            .map(|(byte, mask)| byte ^ mask),
    );
    value.extend(octets.into_iter().zip(pad).map(|(byte, mask)| byte ^ mask));
    value
}
