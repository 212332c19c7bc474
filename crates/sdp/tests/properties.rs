//! What holds for any input: nothing panics, nothing is lost, what is written is
//! read back the same, and another implementation reads it the same way.

#![allow(clippy::unwrap_used)]

use std::net::IpAddr;

use causeway_sdp::{
    Address, Attribute, Bandwidth, Candidate, CandidateKind, CandidateTransport, Connection,
    Crypto, CryptoKey, Direction, Document, Encoding, ExtMap, Family, Fingerprint, Formats, Group,
    Media, MediaKind, Mki, Origin, Payload, Protocol, RemoteCandidate, RtcpAddress, Scope, SdpLine,
    Session, Setup, Text, Token, slim_for_phone,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

const SAMPLES: [&str; 5] = [
    include_str!("samples/chromium-offer.sdp"),
    include_str!("samples/firefox-offer.sdp"),
    include_str!("samples/firefox-hidden-offer.sdp"),
    include_str!("samples/baresip-offer.sdp"),
    include_str!("samples/asterisk-offer.sdp"),
];

fn token() -> impl Strategy<Value = Token> {
    "[a-zA-Z0-9+.-]{1,12}".prop_map(|text| Token::new(text).unwrap())
}

fn text() -> impl Strategy<Value = Text> {
    "[a-zA-Zäö0-9=:;/ ]{0,20}[a-z0-9]".prop_map(|text| Text::new(text).unwrap())
}

/// Never a name that this crate knows.
fn unknown() -> impl Strategy<Value = Attribute> {
    (token(), option::of(text())).prop_map(|(name, value)| Attribute {
        name: Token::new(format!("x-{name}")).unwrap(),
        value,
    })
}

fn address() -> impl Strategy<Value = Address> {
    prop_oneof![
        any::<IpAddr>().prop_map(Address::Ip),
        "[a-f]{4}\\.local".prop_map(|name| Address::Name(Token::new(name).unwrap())),
    ]
}

fn connection() -> impl Strategy<Value = Connection> {
    (address(), any::<bool>()).prop_map(|(address, six)| match address {
        Address::Ip(ip) => Connection::from(ip),
        address => Connection {
            family: if six { Family::Ip6 } else { Family::Ip4 },
            address,
        },
    })
}

fn bandwidths() -> impl Strategy<Value = Vec<Bandwidth>> {
    let kinds = ["AS", "RR", "RS", "CT", "TIAS", "X-OWN"];
    vec(any::<u64>(), 0..6).prop_map(move |values| {
        let kinds = kinds.iter().map(|kind| Token::new(*kind).unwrap());
        let both = kinds.zip(values);
        both.map(|(kind, value)| Bandwidth { kind, value })
            .collect()
    })
}

fn direction() -> impl Strategy<Value = Direction> {
    (any::<bool>(), any::<bool>()).prop_map(|(sends, receives)| Direction::new(sends, receives))
}

fn payload(number: u8) -> impl Strategy<Value = Payload> {
    let encoding =
        (token(), any::<u32>(), option::of(token())).prop_map(|(name, clock_rate, parameters)| {
            Encoding {
                name,
                clock_rate,
                parameters,
            }
        });
    (option::of(encoding), vec(text(), 0..3), vec(text(), 0..3)).prop_map(
        move |(encoding, fmtp, rtcp_fb)| Payload {
            encoding: encoding.or(Encoding::of_static(number)),
            fmtp,
            rtcp_fb,
            ..Payload::new(number)
        },
    )
}

fn payloads() -> impl Strategy<Value = Vec<Payload>> {
    proptest::collection::btree_set(0u8..128, 1..8)
        .prop_flat_map(|numbers| numbers.into_iter().map(payload).collect::<Vec<_>>())
}

fn protocol() -> impl Strategy<Value = Protocol> {
    prop::sample::select(vec![
        Protocol::RtpAvp,
        Protocol::RtpAvpf,
        Protocol::RtpSavp,
        Protocol::RtpSavpf,
        Protocol::DtlsSavp,
        Protocol::DtlsSavpf,
        Protocol::Other(Token::from_static("UDP/DTLS/SCTP")),
    ])
}

fn crypto() -> impl Strategy<Value = Crypto> {
    let mki = (any::<u64>(), 1u8..=128).prop_map(|(value, length)| Mki { value, length });
    let lifetime = prop_oneof![
        (0u8..49).prop_map(|n| format!("2^{n}")),
        any::<u32>().prop_map(|n| n.to_string())
    ];
    let key = (
        vec(any::<u8>(), 1..60),
        option::of(lifetime),
        option::of(mki),
    )
        .prop_map(|(key_salt, lifetime, mki)| CryptoKey {
            lifetime: lifetime.map(|text| Token::new(text).unwrap()),
            mki,
            ..CryptoKey::new(key_salt)
        });
    (
        0u32..1_000_000_000,
        token(),
        vec(key, 1..3),
        vec(token(), 0..3),
    )
        .prop_map(|(tag, suite, keys, session_parameters)| Crypto {
            tag,
            suite,
            keys,
            session_parameters,
        })
}

fn candidate() -> impl Strategy<Value = Candidate> {
    let transport = prop::sample::select(vec![
        CandidateTransport::Udp,
        CandidateTransport::Tcp,
        CandidateTransport::Other(Token::from_static("SCTP")),
    ]);
    let kind = prop::sample::select(vec![
        CandidateKind::Host,
        CandidateKind::ServerReflexive,
        CandidateKind::PeerReflexive,
        CandidateKind::Relay,
        CandidateKind::Other(Token::from_static("token")),
    ]);
    (
        (
            token(),
            1u16..=256,
            transport,
            any::<u32>(),
            address(),
            any::<u16>(),
            kind,
        ),
        option::of((address(), any::<u16>())),
        vec(
            (
                "x-[a-z]{1,8}".prop_map(|name| Token::new(name).unwrap()),
                token(),
            ),
            0..3,
        ),
    )
        .prop_map(
            |(
                (foundation, component, transport, priority, address, port, kind),
                related,
                extensions,
            )| {
                Candidate {
                    foundation,
                    component,
                    transport,
                    priority,
                    address,
                    port,
                    kind,
                    related,
                    extensions,
                }
            },
        )
}

fn media() -> impl Strategy<Value = Media> {
    let m_line = (
        prop::sample::select(vec![
            MediaKind::Audio,
            MediaKind::Video,
            MediaKind::Other(Token::from_static("image")),
        ]),
        1u16..,
        protocol(),
        payloads(),
    );
    let head = (
        option::of(text()),
        option::of(connection()),
        bandwidths(),
        option::of(token()),
        option::of(token()),
        any::<bool>(),
    );
    let extmap = (1u16.., option::of(direction()), token(), option::of(text())).prop_map(
        |(id, direction, uri, parameters)| ExtMap {
            id,
            direction,
            uri,
            parameters,
        },
    );
    let rtcp = (any::<u16>(), option::of(connection()))
        .prop_map(|(port, connection)| RtcpAddress { port, connection });
    let middle = (
        vec(text(), 0..2),
        vec(extmap, 0..3),
        vec(unknown(), 0..4),
        direction(),
        option::of(rtcp),
        any::<[bool; 2]>(),
    );
    let setup = prop::sample::select(vec![
        Setup::Active,
        Setup::Passive,
        Setup::ActPass,
        Setup::HoldConn,
    ]);
    let keys = (
        vec(crypto(), 0..3),
        option::of(setup),
        vec(any::<[u8; 32]>().prop_map(Fingerprint::sha256), 0..2),
        option::of(token()),
    );
    let remote = (1u16..=256, address(), any::<u16>()).prop_map(|(component, address, port)| {
        RemoteCandidate {
            component,
            address,
            port,
        }
    });
    let times = (option::of(any::<u32>()), option::of(any::<u32>()));
    let options = proptest::collection::btree_set(token(), 0..3);
    let ice = (
        option::of(token()),
        option::of(token()),
        options,
        vec(candidate(), 0..4),
        vec(remote, 0..3),
        any::<bool>(),
    );
    (m_line, head, middle, keys, times, ice).prop_map(|(m_line, head, middle, keys, times, ice)| {
        let (kind, port, protocol, payloads) = m_line;
        let rtp = protocol.is_rtp();
        let formats = if rtp {
            Formats::Rtp(payloads)
        } else {
            Formats::Other(Text::from_static("t38 1"))
        };
        let mut media = Media::new(kind, port, protocol, formats);
        (
            media.information,
            media.connection,
            media.bandwidths,
            media.mid,
            media.label,
            media.bundle_only,
        ) = head;
        let (rtcp_fb_all, mux);
        (
            rtcp_fb_all,
            media.extmaps,
            media.attributes,
            media.direction,
            media.rtcp,
            mux,
        ) = middle;
        media.rtcp_fb_all = if rtp { rtcp_fb_all } else { Vec::new() };
        [media.rtcp_mux, media.rtcp_mux_only] = mux;
        (media.cryptos, media.setup, media.fingerprints, media.tls_id) = keys;
        (media.ptime, media.maxptime) = times;
        let options;
        (
            media.ice.ufrag,
            media.ice.pwd,
            options,
            media.ice.candidates,
            media.ice.remote_candidates,
            media.ice.end_of_candidates,
        ) = ice;
        media.ice.options = options.into_iter().collect();
        media
    })
}

fn session() -> impl Strategy<Value = Session> {
    let origin = (token(), any::<u64>(), any::<u64>(), connection()).prop_map(
        |(username, id, version, connection)| Origin {
            username: username.into(),
            session_id: Token::from(id),
            version: Token::from(version),
            connection,
        },
    );
    let group =
        (token(), vec(token(), 0..3)).prop_map(|(semantics, mids)| Group { semantics, mids });
    (
        origin,
        text(),
        option::of(text()),
        bandwidths(),
        any::<bool>(),
        vec(group, 0..2),
        vec(unknown(), 0..3),
        vec(media(), 0..4),
    )
        .prop_map(
            |(origin, name, information, bandwidths, ice_lite, groups, attributes, media)| {
                Session {
                    name,
                    information,
                    bandwidths,
                    ice_lite,
                    groups,
                    attributes,
                    media,
                    ..Session::new(origin)
                }
            },
        )
}

/// A sample with some of its bytes changed, lines repeated or cut off.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0u8..4);
    (prop::sample::select(SAMPLES.to_vec()), vec(change, 0..20)).prop_map(|(sample, changes)| {
        let mut body = sample.as_bytes().to_vec();
        for (index, byte, how) in changes {
            if body.is_empty() {
                break;
            }
            let at = index.index(body.len());
            match how {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                2 => drop(body.remove(at)),
                _ => body.extend_from_within(at..(at + 40).min(body.len())),
            }
        }
        body
    })
}

fn check_any(body: &[u8]) {
    let mut document = Document::parse(body).unwrap();
    assert_eq!(document.to_bytes(), body);
    let slim = slim_for_phone(body);
    assert_eq!(slim_for_phone(&slim), slim);
    let line = SdpLine::new('a', "x").unwrap();
    document.append(Scope::Session, &line).unwrap();
    assert!(document.remove_attribute(Scope::Session, "x") >= 1);
    if let Ok(session) = Session::parse(body) {
        let written = session.to_bytes();
        let again = Session::parse(&written).unwrap();
        assert_eq!(again.to_bytes(), written);
        assert_eq!(again.ignored, 0, "we write nothing that we cannot read");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(body in vec(any::<u8>(), 0..300)) {
        check_any(&body);
    }

    #[test]
    fn arbitrary_lines_never_panic(lines in vec("[vosctbmai]=[ -~]{0,60}\r?\n", 0..20)) {
        check_any(lines.concat().as_bytes());
        check_any(format!("v=0\no=- 1 1 IN IP4 1.2.3.4\n{}", lines.concat()).as_bytes());
    }

    #[test]
    fn damaged_samples_never_panic_and_what_is_written_is_stable(body in mutated()) {
        check_any(&body);
    }

    #[test]
    fn what_is_written_is_read_back_the_same(session in session()) {
        let body = session.to_bytes();
        prop_assert_eq!(Session::parse(&body).unwrap(), session);
    }

    #[test]
    fn another_implementation_reads_the_same(session in session()) {
        let body = session.to_bytes();
        let theirs = sdp_types::Session::parse(&body).unwrap();
        compare(&session, &theirs);
    }
}

#[test]
fn another_implementation_reads_the_samples_the_same() {
    for sample in SAMPLES {
        let ours = Session::parse(sample.as_bytes()).unwrap();
        let theirs = sdp_types::Session::parse(sample.as_bytes()).unwrap();
        compare(&ours, &theirs);
    }
}

fn compare(ours: &Session, theirs: &sdp_types::Session) {
    assert_eq!(theirs.origin.sess_id, ours.origin.session_id.as_str());
    assert_eq!(
        theirs.origin.sess_version.to_string(),
        ours.origin.version.as_str()
    );
    assert_eq!(
        theirs.origin.unicast_address,
        ours.origin.connection.address.to_string()
    );
    assert_eq!(theirs.session_name, ours.name.as_str());
    assert_eq!(theirs.medias.len(), ours.media.len());
    for (ours, theirs_medium) in ours.media.iter().zip(&theirs.medias) {
        assert_eq!(theirs_medium.media, ours.kind.as_str());
        assert_eq!(theirs_medium.port, ours.port);
        assert_eq!(theirs_medium.proto, ours.protocol.as_str());
        assert_eq!(theirs_medium.fmt, ours.formats.to_string().trim_start());
        let connection = theirs_medium
            .connections
            .first()
            .or(theirs.connection.as_ref());
        assert_eq!(
            connection.map(|c| c.connection_address.clone()),
            ours.connection.as_ref().map(|c| c.address.to_string())
        );
        let count = |name: &str| {
            theirs_medium
                .attributes
                .iter()
                .filter(|a| a.attribute == name)
                .count()
        };
        assert_eq!(count("candidate"), ours.ice.candidates.len());
        assert_eq!(
            count("fmtp"),
            ours.payloads().iter().map(|p| p.fmtp.len()).sum::<usize>()
        );
        assert_eq!(count("rtcp-mux") > 0, ours.rtcp_mux);
        let value = |name: &str| {
            let found = theirs_medium
                .attributes
                .iter()
                .find(|a| a.attribute == name);
            found.and_then(|a| a.value.clone())
        };
        assert_eq!(value("mid"), ours.mid.as_ref().map(|mid| mid.to_string()));
        assert_eq!(
            value("ice-ufrag"),
            ours.ice.ufrag.as_ref().map(|ufrag| ufrag.to_string())
        );
        assert_eq!(value("setup").as_deref(), ours.setup.map(Setup::as_str));
    }
}
