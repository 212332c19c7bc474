//! A WebSocket of the attacker's, and SIP on it as he likes it: nothing is checked on its way out.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use md5::{Digest as _, Md5};

use crate::field::Place;
use crate::programs::{DOMAIN, WS};
use crate::whole::PASSWORD;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a browser's library writes before SIP.
pub(super) const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: 198.51.100.1:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n";

/// An open WebSocket.
pub(super) struct Socket {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Socket {
    /// Opens one from a place.
    pub(super) fn open(place: &Place) -> Result<Self, String> {
        place.within(|| Self::open_here().map_err(|error| format!("no WebSocket: {error}")))
    }

    /// Opens one on which a user of the SIP server has registered.
    pub(super) fn of_user(place: &Place, user: &str) -> Result<Self, String> {
        let mut socket = Self::open(place)?;
        match socket.register(user, PASSWORD, 1) {
            Some(200) => Ok(socket),
            other => Err(format!("{user} is a user and should register: {other:?}")),
        }
    }

    /// Opens one from where this thread stands.
    pub(super) fn open_here() -> io::Result<Self> {
        let mut stream = TcpStream::connect(WS)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(UPGRADE.as_bytes())?;
        let (mut head, mut octet) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut octet)?;
            head.push(octet[0]);
        }
        match head.starts_with(b"HTTP/1.1 101") {
            true => Ok(Self {
                stream,
                unread: Vec::new(),
            }),
            false => Err(io::Error::other("the upgrade is refused")),
        }
    }

    /// Sends a message as one frame.
    pub(super) fn send(&mut self, message: &str) -> io::Result<()> {
        self.stream.write_all(&frame(message))
    }

    /// Sends octets as they are.
    pub(super) fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.write_all(octets)
    }

    /// Throws away what has come, without waiting for more.
    pub(super) fn drain(&mut self) {
        _ = self.stream.set_nonblocking(true);
        let mut heap = [0; 16 * 1024];
        while self.stream.read(&mut heap).is_ok_and(|read| read > 0) {}
        _ = self.stream.set_nonblocking(false);
    }

    /// The next message; `None` where none comes, or the connection ends.
    pub(super) fn receive(&mut self) -> Option<String> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(message) = self.next_frame() {
                return Some(message);
            }
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece) {
                Ok(0) | Err(_) => return None,
                Ok(read) => self.unread.extend(&piece[..read]),
            }
            if Instant::now() > end {
                return None;
            }
        }
    }

    /// The final response to a request that was sent.
    pub(super) fn final_response(&mut self) -> Option<String> {
        loop {
            let message = self.receive()?;
            if message.starts_with("SIP/2.0 ") && !message.starts_with("SIP/2.0 1") {
                return Some(message);
            }
        }
    }

    /// A text or binary frame that has come whole; others are passed over.
    fn next_frame(&mut self) -> Option<String> {
        loop {
            let (&first, rest) = self.unread.split_first()?;
            let (&short, rest) = rest.split_first()?;
            let (at, length) = match short {
                126 => {
                    let two = *rest.first_chunk::<2>()?;
                    (4, usize::from(u16::from_be_bytes(two)))
                }
                127 => return None,
                short => (2, usize::from(short)),
            };
            let payload = self.unread.get(at..at + length)?;
            let message = String::from_utf8_lossy(payload).into_owned();
            self.unread.drain(..at + length);
            if [0x81, 0x82].contains(&first) {
                return Some(message);
            }
        }
    }

    /// REGISTER with a password; the status that it ends with.
    pub(super) fn register(&mut self, user: &str, password: &str, number: u32) -> Option<u16> {
        self.send(&registration(user, number, "")).ok()?;
        let challenge = self.final_response()?;
        let given = credentials(
            &challenge,
            "REGISTER",
            &format!("sip:{DOMAIN}"),
            user,
            password,
        )?;
        let header = format!("Authorization: {given}\r\n");
        self.send(&registration(user, number + 1, &header)).ok()?;
        status(&self.final_response()?)
    }
}

/// A masked text frame; the mask is zero.
pub(super) fn frame(message: &str) -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend(
        u16::try_from(message.len())
            .unwrap_or(u16::MAX)
            .to_be_bytes(),
    );
    frame.extend([0; 4]);
    frame.extend(message.as_bytes());
    frame
}

/// A request's head as users' libraries write it, with what is wanted in it.
pub(super) fn request(
    method: &str,
    uri: &str,
    user: &str,
    call: &str,
    number: u32,
    more: &str,
    body: &str,
) -> String {
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/WS {user}.invalid;branch=z9hG4bK{method}{call}{number}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:{user}@{DOMAIN}>;tag={user}{call}\r\nTo: <{uri}>\r\nCall-ID: {call}\r\n\
         CSeq: {number} {method}\r\nContact: <sip:{user}@{user}.invalid;transport=ws>\r\n{more}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A REGISTER of a user, for his own address.
pub(super) fn registration(user: &str, number: u32, more: &str) -> String {
    let text = request(
        "REGISTER",
        &format!("sip:{DOMAIN}"),
        user,
        &format!("r{user}"),
        number,
        more,
        "",
    );
    let text = text.replace(
        &format!("To: <sip:{DOMAIN}>"),
        &format!("To: <sip:{user}@{DOMAIN}>"),
    );
    text.replace(";transport=ws>\r\n", ";transport=ws>;expires=600\r\n")
}

/// The answer to a challenge (MD5, RFC 2069 or 2617).
pub(super) fn credentials(
    challenge: &str,
    method: &str,
    uri: &str,
    user: &str,
    password: &str,
) -> Option<String> {
    let line = challenge.lines().find(|line| {
        let name = line
            .split(':')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        name.ends_with("-authenticate") && !line.contains("SHA-256")
    })?;
    let field = |name: &str| {
        let after = line.split(&format!("{name}=\"")).nth(1)?;
        after.split('"').next()
    };
    let (realm, nonce) = (field("realm")?, field("nonce")?);
    let ha1 = hashed(&format!("{user}:{realm}:{password}"));
    let ha2 = hashed(&format!("{method}:{uri}"));
    let (response, qop) = match line.contains("qop=") {
        true => (
            hashed(&format!("{ha1}:{nonce}:00000001:c:auth:{ha2}")),
            ", qop=auth, nc=00000001, cnonce=\"c\"",
        ),
        false => (hashed(&format!("{ha1}:{nonce}:{ha2}")), ""),
    };
    Some(format!(
        "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\", algorithm=MD5{qop}"
    ))
}

fn hashed(text: &str) -> String {
    let digest = Md5::digest(text.as_bytes());
    digest.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The status of a response.
pub(super) fn status(response: &str) -> Option<u16> {
    response.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_rfc_2617() {
        let challenge = "SIP/2.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"testrealm@host.com\", nonce=\"n\"\r\n";
        let given = credentials(
            challenge,
            "GET",
            "/dir/index.html",
            "Mufasa",
            "Circle Of Life",
        )
        .unwrap();
        let ha1 = "939e7578ed9e3c518a452acee763bce9";
        let ha2 = "39aff3a2bab6126f332b942af96d3366";
        let response = hashed(&format!("{ha1}:n:{ha2}"));
        assert!(
            given.contains(&format!("response=\"{response}\"")),
            "{given}"
        );
    }

    #[test]
    fn a_status_is_read_from_its_line() {
        assert_eq!(status("SIP/2.0 503 Full\r\n"), Some(503));
        assert_eq!(status("INVITE sip:a SIP/2.0\r\n"), None);
    }
}
