//! Signed messages, for control ports that strangers can reach.
//!
//! The envelope stays ng's; the cookie carries the signature. A request's cookie is
//! `<cookie>.<unix seconds>.<MAC>`, its reply's is that with `.<MAC>` behind it. A MAC is HMAC-SHA256
//! (RFC 2104) in lower-case hexadecimal, over what the message is, a line end, and the whole message
//! without that MAC and the dot before it.
//!
//! This makes sure of who speaks, and that nothing was changed. It hides nothing: whoever can read the
//! network reads SDP, with the keys of SDES in it.

use std::fmt;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Shorter keys are refused: 16 random bytes as hexadecimal have this length.
const MIN_KEY: usize = 32;

/// A request is good for as many whole seconds before and after that of its signature. Twice as long and two seconds more
/// is how long [`Replay`](crate::Replay) remembers a reply at least, so that nothing is executed twice.
pub(crate) const WINDOW: Duration = Duration::from_secs(14);

/// Octets of a MAC in hexadecimal.
const MAC: usize = 64;

const REQUEST: &[u8] = b"causeway ng request\n";
const REPLY: &[u8] = b"causeway ng reply\n";

/// A secret that both sides have.
#[derive(Clone)]
pub struct Key(Zeroizing<Vec<u8>>);

/// Why a request is not to be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unauthentic {
    /// It bears no signature.
    Unsigned,
    /// Its signature is not ours, or is of another message.
    Forged,
    /// It was signed too long ago, or in the future: it is an old one that somebody repeats, or the clocks differ.
    Expired,
}

impl Key {
    /// Octets that a signature adds to a reply.
    pub const REPLY_OVERHEAD: usize = MAC + 1;

    /// A key; `None` if it is too short to be one (32 characters are wanted).
    #[must_use]
    pub fn new(secret: &[u8]) -> Option<Self> {
        (secret.len() >= MIN_KEY).then(|| Self(Zeroizing::new(secret.to_vec())))
    }

    /// Signs a request; `unix` is the time since the Unix epoch. `None` if it is no message.
    #[must_use]
    pub fn sign_request(&self, message: &[u8], unix: Duration) -> Option<Vec<u8>> {
        let (cookie, rest) = split(message)?;
        let dated = [cookie, b".", unix.as_secs().to_string().as_bytes(), rest].concat();
        self.sign(REQUEST, &dated)
    }

    /// Whether a request is signed with this key, and now.
    pub fn check_request(&self, message: &[u8], unix: Duration) -> Result<(), Unauthentic> {
        let (dated, mac) = unsigned(message).ok_or(Unauthentic::Unsigned)?;
        let signed_at = time(&dated).ok_or(Unauthentic::Unsigned)?;
        if !bool::from(self.mac(REQUEST, &dated).as_bytes().ct_eq(mac)) {
            return Err(Unauthentic::Forged);
        }
        match unix.as_secs().abs_diff(signed_at) <= WINDOW.as_secs() {
            true => Ok(()),
            false => Err(Unauthentic::Expired),
        }
    }

    /// Signs a reply. What is no message stays as it is.
    #[must_use]
    pub fn sign_reply(&self, message: &[u8]) -> Vec<u8> {
        self.sign(REPLY, message)
            .unwrap_or_else(|| message.to_vec())
    }

    /// The reply without its signature; `None` unless it is signed with this key.
    #[must_use]
    pub fn open_reply(&self, message: &[u8]) -> Option<Vec<u8>> {
        let (plain, mac) = unsigned(message)?;
        bool::from(self.mac(REPLY, &plain).as_bytes().ct_eq(mac)).then_some(plain)
    }

    fn sign(&self, kind: &[u8], message: &[u8]) -> Option<Vec<u8>> {
        let (cookie, rest) = split(message)?;
        let mac = self.mac(kind, message);
        Some([cookie, b".", mac.as_bytes(), rest].concat())
    }

    fn mac(&self, kind: &[u8], message: &[u8]) -> String {
        // HMAC takes a key of any length: there is no error.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            return String::new();
        };
        mac.update(kind);
        mac.update(message);
        let bytes = mac.finalize().into_bytes();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Says nothing of the secret.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        bool::from(self.0.ct_eq(&other.0))
    }
}

impl Eq for Key {}

/// The cookie, and the rest with its space.
fn split(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = message.iter().position(|byte| *byte == b' ')?;
    message.split_at_checked(space)
}

/// A message without the MAC in its cookie, and the MAC. There is one way only to write a message with its MAC, so a
/// cookie cannot be varied to have a request executed again.
fn unsigned(message: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (cookie, rest) = split(message)?;
    let (cookie, mac) = cookie.split_at_checked(cookie.len().checked_sub(MAC)?)?;
    let cookie = cookie.strip_suffix(b".")?;
    Some(([cookie, rest].concat(), mac))
}

/// The seconds at the end of the cookie.
fn time(dated: &[u8]) -> Option<u64> {
    let (cookie, _) = split(dated)?;
    let dot = cookie.iter().rposition(|byte| *byte == b'.')?;
    let digits = cookie.get(dot.checked_add(1)?..)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_700_000_000);
    const PING: &[u8] = b"a_1 d7:command4:pinge";

    fn key(secret: u8) -> Key {
        Key::new(&[secret; MIN_KEY]).unwrap()
    }

    #[test]
    fn a_signed_request_is_good_until_its_window_closes() {
        let signed = key(1).sign_request(PING, NOW).unwrap();
        let at = |now| key(1).check_request(&signed, now);
        let second = Duration::from_secs(1);
        for good in [NOW - WINDOW, NOW, NOW + WINDOW] {
            assert_eq!(at(good), Ok(()));
        }
        for bad in [NOW - WINDOW - second, NOW + WINDOW + second, Duration::ZERO] {
            assert_eq!(at(bad), Err(Unauthentic::Expired));
        }
    }

    #[test]
    fn no_octet_of_a_signed_request_can_be_changed_or_left_out() {
        let signed = key(1).sign_request(PING, NOW).unwrap();
        assert_eq!(key(2).check_request(&signed, NOW), Err(Unauthentic::Forged));
        for index in 0..signed.len() {
            for bit in 0..8 {
                let mut other = signed.clone();
                other[index] ^= 1 << bit;
                assert!(key(1).check_request(&other, NOW).is_err(), "{index} {bit}");
            }
            let mut shorter = signed.clone();
            shorter.remove(index);
            assert!(key(1).check_request(&shorter, NOW).is_err(), "{index}");
        }
        for plain in [PING, b"", b" ", b"a_1", b".", &[b'x'; 300]] {
            assert_eq!(key(1).check_request(plain, NOW), Err(Unauthentic::Unsigned));
        }
    }

    #[test]
    fn a_mac_in_capitals_is_no_second_way_to_say_the_same() {
        let signed = key(1).sign_request(PING, NOW).unwrap();
        let text = String::from_utf8(signed).unwrap();
        let (cookie, rest) = text.split_once(' ').unwrap();
        let (head, mac) = cookie.rsplit_once('.').unwrap();
        let loud = format!("{head}.{} {rest}", mac.to_ascii_uppercase());
        assert_eq!(
            key(1).check_request(loud.as_bytes(), NOW),
            Err(Unauthentic::Forged)
        );
    }

    #[test]
    fn a_reply_is_no_request_and_a_request_no_reply() {
        let reply = key(1).sign_reply(b"a_1.1700000000 d6:result4:ponge");
        assert_eq!(key(1).check_request(&reply, NOW), Err(Unauthentic::Forged));
        let request = key(1).sign_request(PING, NOW).unwrap();
        assert_eq!(key(1).open_reply(&request), None);
        assert_eq!(key(2).open_reply(&reply), None);
        assert_eq!(
            key(1).open_reply(&reply).unwrap(),
            b"a_1.1700000000 d6:result4:ponge"
        );
    }

    #[test]
    fn the_signature_is_hmac_sha256_as_anybody_else_makes_it() {
        // printf 'causeway ng request\na_1.1700000000 d7:command4:pinge' | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
        let secret = "0123456789abcdef0123456789abcdef";
        let signed = Key::new(secret.as_bytes()).unwrap().sign_request(PING, NOW);
        let expected = "a_1.1700000000.733af63e89debca1ae48d38ce1de6b53d10e523add2760fbe859209ca0071c51 d7:command4:pinge";
        assert_eq!(signed.unwrap(), expected.as_bytes());
    }

    #[test]
    fn a_key_that_can_be_guessed_is_none_and_no_key_is_printed() {
        assert!(Key::new(b"secret").is_none());
        assert_eq!(format!("{:?}", key(7)), "Key");
    }
}
