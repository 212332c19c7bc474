//! Session descriptions: what the simulated endpoints write, and what is read back of the relay's.

use std::net::{Ipv4Addr, SocketAddrV4};

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;

use crate::random;
use crate::srtp::Suite;

/// An SDES key (RFC 4568).
#[derive(Debug, Clone)]
pub struct Crypto {
    /// Its number among the medium's.
    pub tag: u32,
    /// `None` for one that we do not speak.
    pub suite: Option<Suite>,
    /// Master key and master salt.
    pub master: Vec<u8>,
}

impl Crypto {
    /// A new key.
    pub fn new(tag: u32, suite: Suite) -> Self {
        let mut master = vec![0; suite.key_len() + suite.salt_len()];
        random::fill(&mut master);
        Self {
            tag,
            suite: Some(suite),
            master,
        }
    }

    fn parse(value: &str) -> Option<Self> {
        let mut words = value.split_whitespace();
        let tag = words.next()?.parse().ok()?;
        let suite = Suite::named(words.next()?);
        let key = words.next()?.strip_prefix("inline:")?.split('|').next()?;
        Some(Self {
            tag,
            suite,
            // Some write the padding, some do not.
            master: BASE64_STANDARD_NO_PAD
                .decode(key.trim_end_matches('='))
                .ok()?,
        })
    }

    fn line(&self) -> String {
        let suite = self.suite.map_or("", Suite::name);
        let key = BASE64_STANDARD_NO_PAD.encode(&self.master);
        format!("a=crypto:{} {suite} inline:{key}\r\n", self.tag)
    }
}

/// The first medium of a description.
#[derive(Debug, Clone, Default)]
pub struct Media {
    /// Where RTP is to be sent.
    pub address: Option<SocketAddrV4>,
    /// Of its `m=` line.
    pub protocol: String,
    /// What is offered or answered by SDES.
    pub cryptos: Vec<Crypto>,
    /// ICE's user name fragment.
    pub ufrag: String,
    /// ICE's password.
    pub password: String,
    /// In lower case.
    pub fingerprint: String,
    /// The DTLS role.
    pub setup: String,
    /// The first candidate for RTP over UDP.
    pub candidate: Option<SocketAddrV4>,
    /// Whether its agent only answers checks.
    pub ice_lite: bool,
}

impl Media {
    /// Reads what is known of it, and nothing else.
    pub fn parse(text: &str) -> Self {
        let mut media = Self::default();
        let (mut ip, mut port, mut sections) = (None, 0, 0);
        for line in text.lines() {
            if let Some(words) = line.strip_prefix("m=") {
                sections += 1;
                if sections == 2 {
                    break;
                }
                let mut words = words.split_whitespace().skip(1);
                port = words.next().and_then(|p| p.parse().ok()).unwrap_or(0);
                media.protocol = words.next().unwrap_or_default().to_owned();
            } else if let Some(address) = line.strip_prefix("c=IN IP4 ") {
                ip = address.trim().parse::<Ipv4Addr>().ok();
            } else if let Some(attribute) = line.strip_prefix("a=") {
                media.attribute(attribute.trim_end());
            }
        }
        media.address = ip
            .filter(|_| port != 0)
            .map(|ip| SocketAddrV4::new(ip, port));
        media
    }

    fn attribute(&mut self, attribute: &str) {
        match attribute.split_once(':').unwrap_or((attribute, "")) {
            ("crypto", value) => self.cryptos.extend(Crypto::parse(value)),
            ("ice-ufrag", value) => self.ufrag = value.to_owned(),
            ("ice-pwd", value) => self.password = value.to_owned(),
            ("fingerprint", value) => self.fingerprint = value.to_ascii_lowercase(),
            ("setup", value) => self.setup = value.to_owned(),
            ("candidate", value) => self.candidate = self.candidate.or_else(|| candidate(value)),
            ("ice-lite", _) => self.ice_lite = true,
            _ => {}
        }
    }
}

/// `foundation component transport priority address port typ ...` (RFC 8839).
fn candidate(value: &str) -> Option<SocketAddrV4> {
    let words: Vec<&str> = value.split_whitespace().collect();
    match words.get(1..6)? {
        ["1", transport, _, ip, port] if transport.eq_ignore_ascii_case("udp") => {
            Some(SocketAddrV4::new(ip.parse().ok()?, port.parse().ok()?))
        }
        _ => None,
    }
}

const CODECS: &str = "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
                      a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";

fn head(at: SocketAddrV4, session: &str, protocol: &str) -> String {
    let (ip, port, number) = (at.ip(), at.port(), random::number() >> 16);
    format!(
        "v=0\r\no=- {number} 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n{session}\
         m=audio {port} {protocol} 0 8 101\r\n"
    )
}

/// An ordinary phone.
pub fn phone(at: SocketAddrV4) -> String {
    head(at, "", "RTP/AVP") + CODECS
}

/// A phone with an SDES key.
pub fn secure_phone(at: SocketAddrV4, protocol: &str, key: &Crypto) -> String {
    head(at, "", protocol) + CODECS + &key.line()
}

/// What a browser says of ICE and DTLS.
pub struct Terms<'a> {
    /// ICE's user name fragment.
    pub ufrag: &'a str,
    /// ICE's password.
    pub password: &'a str,
    /// Of the certificate: SHA-256, in upper case with colons.
    pub fingerprint: &'a str,
    /// The DTLS role.
    pub setup: &'a str,
}

/// A browser.
pub fn browser(at: SocketAddrV4, terms: &Terms<'_>) -> String {
    let (ip, port) = (at.ip(), at.port());
    let Terms {
        ufrag,
        password,
        fingerprint,
        setup,
    } = terms;
    let session = "a=group:BUNDLE 0\r\na=msid-semantic: WMS *\r\n";
    head(at, session, "UDP/TLS/RTP/SAVPF")
        + &format!(
            "a=rtcp:{port} IN IP4 {ip}\r\n\
             a=candidate:842163049 1 udp 2130706431 {ip} {port} typ host generation 0\r\na=end-of-candidates\r\n\
             a=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}\r\na=ice-options:trickle\r\n\
             a=fingerprint:sha-256 {fingerprint}\r\na=setup:{setup}\r\na=mid:0\r\na=rtcp-mux\r\na=rtcp-rsize\r\n"
        )
        + CODECS
        + &format!(
            "a=ssrc:{} cname:{}\r\n",
            random::number() as u32,
            random::token(16)
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(127, 1, 0, 1), 4000);

    #[test]
    fn a_key_is_read_as_it_was_written() {
        let key = Crypto::new(3, Suite::Gcm128);
        let media = Media::parse(&secure_phone(AT, "RTP/SAVPF", &key));
        assert_eq!(
            (media.address, media.protocol.as_str()),
            (Some(AT), "RTP/SAVPF")
        );
        let read = &media.cryptos[0];
        assert_eq!(
            (read.tag, read.suite, &read.master),
            (3, key.suite, &key.master)
        );
    }

    #[test]
    fn a_browser_is_read_as_it_was_written() {
        let terms = Terms {
            ufrag: "u",
            password: "p",
            fingerprint: "AA",
            setup: "active",
        };
        let media = Media::parse(&browser(AT, &terms));
        assert_eq!((media.candidate, media.address), (Some(AT), Some(AT)));
        assert_eq!((media.ufrag.as_str(), media.password.as_str()), ("u", "p"));
        assert_eq!(
            (media.setup.as_str(), media.fingerprint.as_str()),
            ("active", "sha-256 aa")
        );
        assert!(!media.ice_lite);
    }
}
