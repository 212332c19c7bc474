//! The look at a STUN message that comes before any key, and the two checks that follow it.

use ice::stun::{Class, HEADER_LENGTH, is_stun, peek};

use crate::Reached;
use crate::sign;

const PASSWORD: &str = "0123456789012345678901";

/// The input as a datagram of its own, and as the attributes of one that is signed as it must be.
pub(super) fn run(input: &[u8]) -> Reached {
    let seen = peek(input);
    if let Some(peek) = &seen {
        assert!(is_stun(input));
        assert!(!peek.verify(PASSWORD), "nobody knows it");
        assert_eq!(peek.transaction, input[8..HEADER_LENGTH]);
        if let Some((ours, theirs)) = peek.ufrags {
            assert!(ours.len() + theirs.len() < input.len());
        }
        assert!(!peek.is_request() || peek.class == Class::Request);
    }
    let signed = sign::message(sign::BINDING_REQUEST, [7; 12], input, PASSWORD);
    if let Some(peek) = peek(&signed) {
        // Attributes of the input may have forestalled the ones that were added.
        let forestalled = seen_before(input);
        assert!(forestalled || peek.has_good_fingerprint());
        assert!(forestalled || peek.verify(PASSWORD));
        assert!(!peek.verify("another"));
        is_spoilt_by_any_bit(&signed, forestalled);
    }
    Reached::taken(seen.is_some())
}

/// Whether one of the closing attributes stands among these, or would be taken for the rest of the last one.
fn seen_before(input: &[u8]) -> bool {
    let written = sign::whole_words(input);
    let mut length = 0;
    let is_closing = |kind| kind == sign::INTEGRITY || kind == sign::FINGERPRINT;
    let closes = sign::attributes(written).any(|(kind, value)| {
        length += 4 + value.len().next_multiple_of(4);
        is_closing(kind)
    });
    closes || length != written.len()
}

fn is_spoilt_by_any_bit(signed: &[u8], forestalled: bool) {
    for at in (0..signed.len()).step_by(7) {
        let mut spoilt = signed.to_vec();
        spoilt[at] ^= 0x10;
        let passes = peek(&spoilt).is_some_and(|peek| peek.has_good_fingerprint());
        assert!(forestalled || !passes, "byte {at}");
    }
}
