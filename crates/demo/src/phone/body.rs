//! SDP as an old phone writes it, and what it must not be asked to read.

use std::fmt::Write as _;
use std::net::IpAddr;

use sdp::{Direction, MediaKind, Protocol, Session};

use super::Codec;
use super::media::Flow;

/// The payload type that our own offers give to RFC 4733.
const EVENTS: u8 = 101;

/// What a strict phone refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// A medium is not plain `RTP/AVP`.
    Protocol,
    /// An attribute that only WebRTC has.
    Attribute,
    /// `c=` is the zero address, which means hold to an old phone.
    ZeroAddress,
    /// It cannot be read.
    Unreadable,
}

/// Attributes that no plain phone was ever sent.
const WEBRTC: [&str; 16] = [
    "candidate",
    "crypto",
    "end-of-candidates",
    "extmap",
    "fingerprint",
    "group",
    "ice-lite",
    "ice-options",
    "ice-pwd",
    "ice-ufrag",
    "mid",
    "msid",
    "rtcp-fb",
    "setup",
    "ssrc",
    "tls-id",
];

/// What this phone puts into its bodies.
#[derive(Debug, Clone)]
pub(super) struct Local<'a> {
    pub(super) ip: IpAddr,
    pub(super) port: u16,
    /// Stays the same for a call; the version goes up.
    pub(super) session: u64,
    pub(super) version: u32,
    pub(super) codecs: &'a [Codec],
    /// What we want: a held call only sends.
    pub(super) direction: Direction,
}

/// What is wrong with a body, if anything.
pub(super) fn violation(body: &[u8]) -> Option<Violation> {
    let Ok(session) = Session::parse(body) else {
        return Some(Violation::Unreadable);
    };
    let live = || session.media.iter().filter(|media| media.port != 0);
    if live().any(|media| media.protocol != Protocol::RtpAvp) {
        return Some(Violation::Protocol);
    }
    let attributes = String::from_utf8_lossy(body);
    let mut attributes = attributes
        .lines()
        .filter_map(|line| line.strip_prefix("a="));
    if attributes.any(|it| WEBRTC.contains(&it.split(':').next().unwrap_or_default())) {
        return Some(Violation::Attribute);
    }
    let is_zero = |media: &sdp::Media| {
        media
            .connection
            .as_ref()
            .is_some_and(sdp::Connection::is_unspecified)
    };
    live().any(is_zero).then_some(Violation::ZeroAddress)
}

/// Our offer: all our codecs.
pub(super) fn offer(local: &Local<'_>) -> String {
    let mut media = String::new();
    let numbers: Vec<String> = local
        .codecs
        .iter()
        .map(|codec| codec.payload_type().to_string())
        .collect();
    let _ = write!(
        media,
        "m=audio {} RTP/AVP {} {EVENTS}\r\n",
        local.port,
        numbers.join(" ")
    );
    for codec in local.codecs {
        media += &rtpmap(codec.payload_type(), *codec);
    }
    media += &events(EVENTS);
    media += &ending(local.direction);
    session(local) + &media
}

/// Our answer: one codec for the first audio medium, port 0 for all others. `None` when no codec is shared.
pub(super) fn answer(local: &Local<'_>, offer: &Session) -> Option<(String, Flow)> {
    let flow = flow(local, offer)?;
    let direction = Direction::new(flow.sends, flow.receives);
    let mut body = session(local);
    let chosen = audio(offer);
    for (at, media) in offer.media.iter().enumerate() {
        if Some(at) == chosen {
            let number = flow.payload_type;
            let events_number = flow.events.map_or(String::new(), |it| format!(" {it}"));
            let _ = write!(
                body,
                "m=audio {} {} {number}{events_number}\r\n",
                local.port, media.protocol
            );
            body += &rtpmap(number, flow.codec);
            body += &flow.events.map_or(String::new(), events);
            body += &ending(direction);
        } else {
            let first = media.payloads().first().map_or(0, |payload| payload.number);
            let _ = write!(body, "m={} 0 {} {first}\r\n", media.kind, media.protocol);
        }
    }
    Some((body, flow))
}

/// What the other side's body (offer or answer) and our wishes come to. `None` when no codec is shared.
pub(super) fn flow(local: &Local<'_>, remote: &Session) -> Option<Flow> {
    let media = remote.media.get(audio(remote)?)?;
    let (codec, payload_type) = local.codecs.iter().find_map(|codec| {
        let shared = media.payloads().iter().find(|payload| {
            let encoding = payload.encoding.as_ref();
            encoding.is_some_and(|it| it.is(codec.name(), 8000))
        });
        shared.map(|payload| (*codec, payload.number))
    })?;
    let events = media.payloads().iter().find(|payload| {
        let encoding = payload.encoding.as_ref();
        encoding.is_some_and(|it| it.is("telephone-event", 8000))
    });
    Some(Flow {
        rtp: media.rtp_address(),
        rtcp: media.rtcp_address(),
        codec,
        payload_type,
        events: events.map(|payload| payload.number),
        sends: local.direction.sends() && media.direction.receives(),
        receives: local.direction.receives() && media.direction.sends(),
    })
}

/// Where the first live audio medium stands.
fn audio(session: &Session) -> Option<usize> {
    let is_audio = |media: &sdp::Media| media.kind == MediaKind::Audio && media.port != 0;
    session.media.iter().position(is_audio)
}

fn session(local: &Local<'_>) -> String {
    let family = if local.ip.is_ipv4() { "IP4" } else { "IP6" };
    let address = format!("IN {family} {}", local.ip);
    let (session, version) = (local.session, local.version);
    format!("v=0\r\no=- {session} {version} {address}\r\ns=-\r\nc={address}\r\nt=0 0\r\n")
}

fn rtpmap(number: u8, codec: Codec) -> String {
    format!("a=rtpmap:{number} {}/8000\r\n", codec.name())
}

fn events(number: u8) -> String {
    format!("a=rtpmap:{number} telephone-event/8000\r\na=fmtp:{number} 0-16\r\n")
}

fn ending(direction: Direction) -> String {
    format!("a=ptime:20\r\na={direction}\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: Local<'_> = Local {
        ip: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        port: 4000,
        session: 7,
        version: 1,
        codecs: &[Codec::Pcmu, Codec::Pcma],
        direction: Direction::SendRecv,
    };

    #[test]
    fn our_own_offer_is_answered_and_faultless() {
        let offered = offer(&LOCAL);
        assert_eq!(violation(offered.as_bytes()), None);
        let parsed = Session::parse(offered.as_bytes()).unwrap();
        let (answered, flow) = answer(
            &Local {
                port: 5000,
                ..LOCAL
            },
            &parsed,
        )
        .unwrap();
        assert_eq!(violation(answered.as_bytes()), None);
        assert_eq!(flow.rtp, Some("127.0.0.1:4000".parse().unwrap()));
        assert_eq!(flow.rtcp, Some("127.0.0.1:4001".parse().unwrap()));
        assert_eq!((flow.codec, flow.events), (Codec::Pcmu, Some(101)));
        assert!(flow.sends && flow.receives);
        assert!(answered.contains("m=audio 5000 RTP/AVP 0 101\r\n"));
    }

    #[test]
    fn a_held_offer_is_answered_with_receiving_only() {
        let held = offer(&Local {
            direction: Direction::SendOnly,
            ..LOCAL
        });
        let parsed = Session::parse(held.as_bytes()).unwrap();
        let (answered, flow) = answer(&LOCAL, &parsed).unwrap();
        assert!(answered.contains("a=recvonly\r\n"));
        assert!(flow.receives && !flow.sends);
    }

    #[test]
    fn other_media_are_refused_in_their_place() {
        let offered = offer(&LOCAL) + "m=video 6000 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";
        let parsed = Session::parse(offered.as_bytes()).unwrap();
        let (answered, _) = answer(&LOCAL, &parsed).unwrap();
        assert!(answered.ends_with("m=video 0 RTP/AVP 96\r\n"));
    }

    #[test]
    fn what_only_browsers_say_is_found() {
        let plain = offer(&LOCAL);
        let cases = [
            (
                plain.replace("RTP/AVP", "UDP/TLS/RTP/SAVPF"),
                Violation::Protocol,
            ),
            (plain.clone() + "a=ice-ufrag:abcd\r\n", Violation::Attribute),
            (plain.clone() + "a=setup:actpass\r\n", Violation::Attribute),
            (
                plain.clone() + "a=end-of-candidates\r\n",
                Violation::Attribute,
            ),
            (
                plain.replace("c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0"),
                Violation::ZeroAddress,
            ),
            ("nonsense".to_owned(), Violation::Unreadable),
        ];
        for (body, expected) in cases {
            assert_eq!(violation(body.as_bytes()), Some(expected), "{body}");
        }
    }
}
