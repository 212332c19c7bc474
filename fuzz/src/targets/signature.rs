//! Signed ng messages: nobody without the key writes one, and not a byte of one can be changed.

use std::time::Duration;

use control_proto::{Key, Unauthentic};

use crate::Reached;

const NOW: Duration = Duration::from_secs(1_800_000_000);

/// The input as a signed message of a stranger, and as one that is to be signed.
pub(super) fn run(input: &[u8]) -> Reached {
    let key = Key::new(&[b'k'; 32]).unwrap();
    let heard = key.check_request(input, NOW);
    assert!(heard.is_err(), "nobody has the key");
    assert_eq!(key.open_reply(input), None);
    let signed = key.sign_request(input, NOW);
    if let Some(signed) = &signed {
        is_good_for_a_while(&key, signed);
        let reply = key.sign_reply(input);
        assert_eq!(key.open_reply(&reply).as_deref(), Some(input));
        assert!(
            key.check_request(&reply, NOW).is_err(),
            "a reply asks nothing"
        );
        assert_eq!(key.open_reply(signed), None, "a request answers nothing");
        is_spoilt_by_any_byte(&key, signed, &reply);
    }
    let is_dated = heard != Err(Unauthentic::Unsigned);
    Reached::taken(is_dated || signed.is_some())
}

fn is_good_for_a_while(key: &Key, signed: &[u8]) {
    for away in [0, 14] {
        let away = Duration::from_secs(away);
        assert_eq!(key.check_request(signed, NOW + away), Ok(()));
        assert_eq!(key.check_request(signed, NOW - away), Ok(()));
    }
    let late = NOW + Duration::from_secs(15);
    assert_eq!(key.check_request(signed, late), Err(Unauthentic::Expired));
    let another = Key::new(&[b'l'; 32]).unwrap();
    assert!(another.check_request(signed, NOW).is_err());
}

fn is_spoilt_by_any_byte(key: &Key, request: &[u8], reply: &[u8]) {
    let spoilt = |message: &[u8], at: usize| {
        let mut message = message.to_vec();
        message[at] ^= 1;
        message
    };
    for at in (0..request.len()).step_by(1 + request.len() / 64) {
        assert!(
            key.check_request(&spoilt(request, at), NOW).is_err(),
            "byte {at}"
        );
    }
    for at in (0..reply.len()).step_by(1 + reply.len() / 64) {
        assert_eq!(key.open_reply(&spoilt(reply, at)), None, "byte {at}");
    }
}
