//! The web phone's SDP: written as a browser writes it, read as strictly as a browser reads it.

use std::fmt::Write as _;
use std::net::SocketAddr;

use sdp::{Media, MediaKind, Session};

use crate::phone::g711::Codec;

pub(super) use sdp::{Direction, Setup};

/// What a peer's body says, as far as a browser needs it.
#[derive(Debug, Clone)]
pub(super) struct Description {
    pub(super) credentials: ice::Credentials,
    pub(super) candidates: Vec<ice::Candidate>,
    pub(super) fingerprints: Vec<dtls::Fingerprint>,
    pub(super) setup: Setup,
    pub(super) direction: Direction,
    /// The first codec of its list that we have, with its number.
    pub(super) voice: Option<(u8, Codec)>,
    /// The number of RFC 4733 events at 8000 Hz.
    pub(super) events: Option<u8>,
    pub(super) mid: String,
    /// It answers checks and makes none.
    pub(super) is_lite: bool,
}

/// Why a browser would not take a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unacceptable {
    /// It cannot be read as SDP.
    #[error("no SDP: {0}")]
    Malformed(String),
    /// It has no audio that is not rejected.
    #[error("no audio")]
    NoAudio,
    /// It has another number of m-lines than was offered.
    #[error("another number of m-lines than was offered")]
    OtherMedia,
    /// The transport is not UDP/TLS/RTP/SAVPF.
    #[error("transport {0} instead of UDP/TLS/RTP/SAVPF")]
    Transport(String),
    /// A browser wants rtcp-mux.
    #[error("no a=rtcp-mux")]
    NoMux,
    /// No usable `a=ice-ufrag` and `a=ice-pwd`.
    #[error("no usable ICE credentials")]
    NoIce,
    /// No usable `a=fingerprint`.
    #[error("no usable fingerprint")]
    NoFingerprint,
    /// `a=setup` is missing, or `actpass` in an answer.
    #[error("a=setup is missing, or actpass in an answer")]
    NoSetup,
    /// The answer does not echo our `a=mid`.
    #[error("a=mid is not the one offered")]
    OtherMid,
    /// Fingerprint or ICE credentials are others than before, though nobody asked for that: browsers fail on it.
    #[error("fingerprint or ICE credentials changed")]
    Changed,
}

impl Description {
    /// Reads a body. For an answer, `offered` is the mid of the offer.
    pub(super) fn parse(body: &[u8], offered: Option<&str>) -> Result<Self, Unacceptable> {
        let session =
            Session::parse(body).map_err(|error| Unacceptable::Malformed(error.to_string()))?;
        if offered.is_some() && session.media.len() != 1 {
            return Err(Unacceptable::OtherMedia);
        }
        let is_audio = |media: &&Media| media.kind == MediaKind::Audio && !media.is_rejected();
        let media = session
            .media
            .iter()
            .find(is_audio)
            .ok_or(Unacceptable::NoAudio)?;
        if media.protocol.as_str() != "UDP/TLS/RTP/SAVPF" {
            return Err(Unacceptable::Transport(media.protocol.as_str().to_owned()));
        }
        if !media.rtcp_mux {
            return Err(Unacceptable::NoMux);
        }
        let mid = media
            .mid
            .as_ref()
            .map(|mid| mid.as_str().to_owned())
            .unwrap_or_default();
        if offered.is_some_and(|offered| offered != mid) {
            return Err(Unacceptable::OtherMid);
        }
        Ok(Description {
            credentials: credentials(media).ok_or(Unacceptable::NoIce)?,
            candidates: media.ice.candidates.iter().filter_map(candidate).collect(),
            fingerprints: fingerprints(media).ok_or(Unacceptable::NoFingerprint)?,
            setup: setup(media, offered.is_some()).ok_or(Unacceptable::NoSetup)?,
            direction: media.direction,
            voice: voice(media),
            events: events(media),
            mid,
            is_lite: session.ice_lite,
        })
    }
}

fn credentials(media: &Media) -> Option<ice::Credentials> {
    let (ufrag, pwd) = (media.ice.ufrag.as_ref()?, media.ice.pwd.as_ref()?);
    ice::Credentials::new(ufrag.as_str(), pwd.as_str()).ok()
}

fn candidate(candidate: &sdp::Candidate) -> Option<ice::Candidate> {
    Some(ice::Candidate {
        foundation: candidate.foundation.as_str().to_owned(),
        component: u8::try_from(candidate.component).ok()?,
        priority: candidate.priority,
        address: candidate.udp_address()?,
        kind: ice::Kind::Host,
    })
}

fn fingerprints(media: &Media) -> Option<Vec<dtls::Fingerprint>> {
    let texts = media.fingerprints.iter().map(ToString::to_string);
    let good: Vec<_> = texts
        .filter_map(|text| dtls::Fingerprint::parse(&text).ok())
        .collect();
    (!good.is_empty()).then_some(good)
}

fn setup(media: &Media, is_answer: bool) -> Option<Setup> {
    let allowed = |setup: &Setup| match setup {
        Setup::Active | Setup::Passive => true,
        Setup::ActPass => !is_answer,
        Setup::HoldConn => false,
    };
    media.setup.filter(allowed)
}

fn voice(media: &Media) -> Option<(u8, Codec)> {
    media.payloads().iter().find_map(|payload| {
        let encoding = payload.encoding.as_ref()?;
        let mut codecs = [Codec::Pcmu, Codec::Pcma].into_iter();
        codecs
            .find(|codec| encoding.is(codec.name(), 8000))
            .map(|codec| (payload.number, codec))
    })
}

fn events(media: &Media) -> Option<u8> {
    let mut payloads = media.payloads().iter();
    let event = payloads.find(|it| {
        it.encoding
            .as_ref()
            .is_some_and(|it| it.is("telephone-event", 8000))
    });
    event.map(|payload| payload.number)
}

/// What our own body says.
#[derive(Debug, Clone)]
pub(super) struct Ours {
    /// Session id and version of `o=`.
    pub(super) session: u64,
    pub(super) version: u64,
    pub(super) address: SocketAddr,
    pub(super) credentials: ice::Credentials,
    pub(super) candidate: String,
    pub(super) fingerprint: String,
    pub(super) setup: Setup,
    pub(super) direction: Direction,
    pub(super) mid: String,
    /// Written as Firefox does that hides its addresses: nothing but a `.local` name.
    pub(super) is_hiding: bool,
    pub(super) ssrc: u32,
}

const OPUS: &str = "a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n";
const EVENTS: &str = "a=fmtp:126 0-16\r\n";

impl Ours {
    /// An offer: Opus first, as browsers do, then G.711 and RFC 4733 events.
    pub(super) fn offer(&self) -> String {
        let codecs =
            "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:126 telephone-event/8000\r\n";
        self.write("111 0 8 126", &[OPUS, codecs, EVENTS].concat())
    }

    /// An answer with what was chosen out of the peer's offer.
    pub(super) fn answer(&self, peer: &Description) -> String {
        let (mut numbers, mut codecs) = (String::new(), String::new());
        if let Some((number, codec)) = peer.voice {
            let _ = write!(numbers, "{number}");
            let _ = write!(codecs, "a=rtpmap:{number} {}/8000\r\n", codec.name());
        }
        if let Some(number) = peer.events {
            let _ = write!(numbers, " {number}");
            let _ = write!(codecs, "a=rtpmap:{number} telephone-event/8000\r\n");
        }
        self.write(numbers.trim(), &codecs)
    }

    fn write(&self, numbers: &str, codecs: &str) -> String {
        let (ip, port) = if self.is_hiding {
            ("0.0.0.0".to_owned(), 9)
        } else {
            (self.address.ip().to_string(), self.address.port())
        };
        let family = if self.address.is_ipv4() || self.is_hiding {
            "IP4"
        } else {
            "IP6"
        };
        let candidate = if self.is_hiding {
            self.hidden()
        } else {
            self.candidate.clone()
        };
        let Ours {
            session,
            version,
            mid,
            ssrc,
            ..
        } = self;
        let (ufrag, pwd) = (self.credentials.ufrag(), self.credentials.pwd());
        let (direction, setup) = (self.direction.as_str(), self.setup.as_str());
        let fingerprint = &self.fingerprint;
        format!(
            "v=0\r\no=- {session} {version} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {mid}\r\n\
             a=extmap-allow-mixed\r\na=msid-semantic: WMS demo\r\n\
             m=audio {port} UDP/TLS/RTP/SAVPF {numbers}\r\nc=IN {family} {ip}\r\na=rtcp:9 IN IP4 0.0.0.0\r\n\
             a=candidate:{candidate}\r\na=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\na=ice-options:trickle\r\n\
             a=fingerprint:{fingerprint}\r\na=setup:{setup}\r\na=mid:{mid}\r\n\
             a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na={direction}\r\na=msid:demo track\r\n\
             a=rtcp-mux\r\na=rtcp-rsize\r\n{codecs}a=ssrc:{ssrc} cname:demo\r\na=ssrc:{ssrc} msid:demo track\r\n"
        )
    }

    fn hidden(&self) -> String {
        let port = self.address.port();
        format!(
            "0 1 UDP 2122252543 8f2b9c1e-6a57-4b0d-9a63-{:012x}.local {port} typ host",
            self.ssrc
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> Ours {
        Ours {
            session: 1,
            version: 2,
            address: "192.0.2.7:40000".parse().unwrap(),
            credentials: ice::Credentials::from_random(&[9; ice::Credentials::RANDOM_BYTES]),
            candidate: "x 1 udp 2130706431 192.0.2.7 40000 typ host".into(),
            fingerprint: dtls::Fingerprint::of(dtls::Hash::Sha256, b"certificate").to_string(),
            setup: Setup::ActPass,
            direction: Direction::SendRecv,
            mid: "0".into(),
            is_hiding: false,
            ssrc: 7,
        }
    }

    #[test]
    fn our_own_offer_and_answer_are_acceptable_to_ourselves() {
        let offer = Description::parse(ours().offer().as_bytes(), None).unwrap();
        assert_eq!(offer.voice, Some((0, Codec::Pcmu)));
        assert_eq!(offer.events, Some(126));
        assert_eq!(offer.candidates.len(), 1);
        let answer = Ours {
            setup: Setup::Active,
            ..ours()
        }
        .answer(&offer);
        let answer = Description::parse(answer.as_bytes(), Some("0")).unwrap();
        assert_eq!(
            (answer.setup, answer.voice),
            (Setup::Active, Some((0, Codec::Pcmu)))
        );
    }

    #[test]
    fn a_hiding_browser_shows_no_address() {
        let hidden = Ours {
            is_hiding: true,
            ..ours()
        }
        .offer();
        assert!(!hidden.contains("192.0.2.7"));
        let read = Description::parse(hidden.as_bytes(), None).unwrap();
        assert!(read.candidates.is_empty());
    }

    #[test]
    fn what_a_browser_refuses_is_refused() {
        let offer = ours().offer();
        let refused = |from: &str, to: &str, offered: Option<&str>| {
            Description::parse(offer.replace(from, to).as_bytes(), offered).unwrap_err()
        };
        assert_eq!(refused("a=rtcp-mux\r\n", "", None), Unacceptable::NoMux);
        assert_eq!(
            refused("a=fingerprint", "a=x", None),
            Unacceptable::NoFingerprint
        );
        assert_eq!(refused("a=ice-pwd", "a=x", None), Unacceptable::NoIce);
        assert_eq!(
            refused("a=setup:actpass\r\n", "", None),
            Unacceptable::NoSetup
        );
        assert_eq!(refused("", "", Some("0")), Unacceptable::NoSetup);
        assert_eq!(
            refused("actpass", "active", Some("audio")),
            Unacceptable::OtherMid
        );
        assert_eq!(
            refused("UDP/TLS/RTP/SAVPF", "RTP/AVP", None),
            Unacceptable::Transport("RTP/AVP".into())
        );
        assert_eq!(
            refused("m=audio 40000", "m=audio 0", None),
            Unacceptable::NoAudio
        );
    }
}
