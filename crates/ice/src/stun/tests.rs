use super::*;

/// RFC 5769 section 2.1: a request with SOFTWARE, PRIORITY, ICE-CONTROLLED, USERNAME, integrity and fingerprint.
const SAMPLE_REQUEST: &[u8] = b"\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
\x80\x22\x00\x10STUN test client\x00\x24\x00\x04\x6e\x00\x01\xff\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36\
\x00\x06\x00\x09evtj:h6vY   \x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2\
\x80\x28\x00\x04\xe5\x7a\x3b\xcf";
const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";

#[test]
fn the_sample_request_of_rfc_5769_is_read_and_verified() {
    let peek = peek(SAMPLE_REQUEST).unwrap();
    assert!(peek.is_request());
    assert_eq!(peek.ufrags, Some(("evtj", "h6vY")));
    assert_eq!(peek.priority, Some(0x6e00_01ff));
    assert_eq!(peek.controlled, Some(0x932f_f9b1_5126_3b36));
    assert!(!peek.use_candidate);
    assert!(peek.has_good_fingerprint());
    assert!(peek.verify(PASSWORD));
    assert!(!peek.verify("VOkJxbRl1RmTxUk/WvJxBu"));
}

#[test]
fn any_changed_byte_breaks_the_fingerprint_or_the_reading() {
    for at in 0..SAMPLE_REQUEST.len() {
        let mut bytes = SAMPLE_REQUEST.to_vec();
        bytes[at] ^= 1;
        assert!(
            peek(&bytes).is_none_or(|peek| !peek.has_good_fingerprint()),
            "byte {at}"
        );
    }
}

#[test]
fn what_follows_the_integrity_is_not_believed() {
    // USE-CANDIDATE put between integrity and fingerprint by somebody without the password.
    let (message, _) = SAMPLE_REQUEST.split_at(SAMPLE_REQUEST.len() - 8);
    let mut forged = message.to_vec();
    forged.extend_from_slice(b"\x00\x25\x00\x00");
    forged[3] = 0x5c;
    let crc = crc::fingerprint(&forged);
    forged.extend_from_slice(b"\x80\x28\x00\x04");
    forged.extend_from_slice(&crc.to_be_bytes());
    let peek = peek(&forged).unwrap();
    assert!(peek.has_good_fingerprint() && peek.verify(PASSWORD));
    assert!(!peek.use_candidate);
}

#[test]
fn our_answers_are_read_back_and_by_the_other_implementation() {
    let transaction = *b"abcdefghijkl";
    for seen in [
        "192.0.2.1:32853",
        "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
    ] {
        let seen: std::net::SocketAddr = seen.parse().unwrap();
        let answer = success(transaction, seen, PASSWORD);
        let peek = peek(&answer).unwrap();
        assert_eq!(
            (peek.class, peek.transaction),
            (Class::Success, transaction)
        );
        assert!(peek.has_good_fingerprint() && peek.verify(PASSWORD));
        let theirs = is::stun::StunMessage::parse(&answer).unwrap();
        assert_eq!(theirs.mapped_address(), Some(seen));
    }
    let answer = role_conflict(transaction, PASSWORD);
    let peek = peek(&answer).unwrap();
    assert_eq!(peek.class, Class::Error);
    assert!(peek.has_good_fingerprint() && peek.verify(PASSWORD));
    let theirs = is::stun::StunMessage::parse(&answer).unwrap();
    assert_eq!(theirs.error_code(), Some((487, "Role Conflict")));
}

#[test]
fn other_protocols_are_not_stun() {
    assert!(!is_stun(&[]));
    assert!(!is_stun(&[0x80; 40]));
    assert!(!is_stun(&[0; 20]));
    let mut long = SAMPLE_REQUEST.to_vec();
    long.push(0);
    assert!(!is_stun(&long));
}
