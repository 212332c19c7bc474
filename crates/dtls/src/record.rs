//! The little that is read of a DTLS record before an engine sees it (RFC 6347 section 4.1, RFC 9147 section 4).

/// Content types of plaintext records.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
/// Type, version, epoch, sequence number, length.
const HEADER: usize = 13;
/// Type, length, message sequence, fragment offset, fragment length.
const HANDSHAKE_HEADER: usize = 12;

/// What the first record of a datagram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// The first piece of a ClientHello, with its random: the name of a handshake.
    Hello([u8; 32]),
    /// A later piece of a ClientHello.
    HelloFragment,
    /// An alert that nobody signed.
    PlainAlert,
    /// Anything else that DTLS may send.
    Other,
}

/// Looks at a datagram; `None` when it is not DTLS (RFC 7983: first byte 20 to 63).
pub(crate) fn look(datagram: &[u8]) -> Option<Record> {
    let &first = datagram.first()?;
    if (32..=63).contains(&first) {
        return Some(Record::Other); // the unified header of DTLS 1.3 ciphertext
    }
    if !(20..=31).contains(&first) {
        return None;
    }
    let (header, body) = datagram.split_at_checked(HEADER)?;
    let &[_, major, _, epoch_high, epoch_low, ..] = header else {
        return None;
    };
    if major != 0xfe {
        return None;
    }
    let is_plain = epoch_high == 0 && epoch_low == 0;
    Some(match first {
        ALERT if is_plain => Record::PlainAlert,
        HANDSHAKE if is_plain => hello(body).unwrap_or(Record::Other),
        _ => Record::Other,
    })
}

fn hello(body: &[u8]) -> Option<Record> {
    let (header, fragment) = body.split_at_checked(HANDSHAKE_HEADER)?;
    if header.first() != Some(&CLIENT_HELLO) {
        return None;
    }
    if header.get(6..9) != Some(&[0, 0, 0]) {
        return Some(Record::HelloFragment);
    }
    // The random stands behind the two bytes of the version.
    Some(Record::Hello(fragment.get(2..34)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rtp_and_stun_are_not_dtls() {
        assert_eq!(look(&[]), None);
        assert_eq!(look(&[0, 1, 0, 0]), None);
        assert_eq!(look(&[0x80; 200]), None);
        assert_eq!(look(&[22, 0xfe, 0xfd]), None);
        assert_eq!(look(&[22; 64]), None);
    }

    #[test]
    fn pieces_of_a_client_hello_are_told_apart() {
        let mut datagram = vec![22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 60];
        datagram.extend([1, 0, 0, 90, 0, 0, 0, 0, 0, 0, 0, 48, 0xfe, 0xfd]);
        datagram.extend([7; 46]);
        assert_eq!(look(&datagram), Some(Record::Hello([7; 32])));
        datagram[13 + 8] = 48;
        assert_eq!(look(&datagram), Some(Record::HelloFragment));
        datagram[4] = 1;
        assert_eq!(look(&datagram), Some(Record::Other));
    }

    #[test]
    fn an_alert_is_plain_only_in_epoch_0() {
        assert_eq!(
            look(&[21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40]),
            Some(Record::PlainAlert)
        );
        assert_eq!(
            look(&[21, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40]),
            Some(Record::Other)
        );
    }
}
