//! Offers of the shape that real clients send: what the typed view makes of them.

#![allow(clippy::unwrap_used)]

use causeway_sdp::{
    Address, CandidateKind, CandidateTransport, Direction, Document, Error, Formats,
    MAX_CANDIDATES, MAX_MEDIA, MediaKind, Protocol, Session, Setup, slim_for_phone,
};

const CHROMIUM: &str = include_str!("samples/chromium-offer.sdp");
const FIREFOX: &str = include_str!("samples/firefox-offer.sdp");
const FIREFOX_HIDDEN: &str = include_str!("samples/firefox-hidden-offer.sdp");
const BARESIP: &str = include_str!("samples/baresip-offer.sdp");
const ASTERISK: &str = include_str!("samples/asterisk-offer.sdp");
const ALL: [&str; 5] = [CHROMIUM, FIREFOX, FIREFOX_HIDDEN, BARESIP, ASTERISK];

fn parse(body: &str) -> Session {
    Session::parse(body.as_bytes()).unwrap()
}

fn with_crlf(body: &str) -> String {
    body.replace('\n', "\r\n")
}

#[test]
fn every_sample_is_read_whole_and_written_stably() {
    for body in ALL {
        let session = parse(body);
        assert_eq!(session, parse(&with_crlf(body)), "line ends do not matter");
        assert_eq!(session, parse(body.trim_end()), "nor does the last one");
        let written = session.to_string();
        assert_eq!(parse(&written).to_string(), written);
        assert!(written.ends_with("\r\n"));
        assert!(written.replace("\r\n", "").chars().all(|c| !c.is_control()));
    }
}

#[test]
fn chromiums_offer_is_understood() {
    let session = parse(CHROMIUM);
    assert_eq!(session.ignored, 0);
    assert_eq!(session.origin.session_id, "8172635441200915337");
    assert_eq!(session.origin.raised().version, "3");
    assert_eq!(session.groups[0].semantics, "BUNDLE");
    assert_eq!(session.groups[0].mids[0], "0");
    let names: Vec<_> = session.attributes.iter().map(|a| a.name.as_str()).collect();
    assert_eq!(names, ["extmap-allow-mixed", "msid-semantic"]);

    let [media] = &session.media[..] else {
        panic!("one medium")
    };
    assert_eq!(media.kind, MediaKind::Audio);
    assert_eq!(media.protocol, Protocol::DtlsSavpf);
    let numbers: Vec<_> = media.payloads().iter().map(|p| p.number).collect();
    assert_eq!(numbers, [111, 63, 9, 0, 8, 13, 110, 126]);
    let opus = media.payload(111).unwrap();
    assert!(opus.encoding.as_ref().unwrap().is("OPUS", 48000));
    assert_eq!(opus.fmtp[0], "minptime=10;useinbandfec=1");
    assert_eq!(opus.rtcp_fb[0], "transport-cc");
    assert_eq!(media.extmaps.len(), 4);
    assert_eq!(media.setup, Some(Setup::ActPass));
    assert_eq!(media.fingerprints[0].hash, "sha-256");
    assert!(media.rtcp_mux);
    let unknown: Vec<_> = media.attributes.iter().map(|a| a.name.as_str()).collect();
    assert_eq!(unknown, ["msid", "rtcp-rsize", "ssrc", "ssrc"]);

    let ice = &media.ice;
    assert_eq!(ice.ufrag.as_ref().unwrap(), &"Tq4x");
    assert_eq!(ice.options[0], "trickle");
    let usable: Vec<_> = ice.candidates.iter().map(|c| c.udp_address()).collect();
    assert_eq!(
        usable,
        [
            Some("192.0.2.17:50734".parse().unwrap()),
            Some("[2001:db8::17]:38121".parse().unwrap()),
            Some("198.51.100.4:50734".parse().unwrap()),
            None,
        ]
    );
    assert_eq!(ice.candidates[2].kind, CandidateKind::ServerReflexive);
    assert_eq!(ice.candidates[3].transport, CandidateTransport::Tcp);
    assert_eq!(ice.candidates[3].extensions[0].0, "tcptype");
}

#[test]
fn firefoxs_session_level_lines_reach_the_medium() {
    let session = parse(FIREFOX);
    let media = &session.media[0];
    assert_eq!(session.ignored, 0);
    assert_eq!(media.fingerprints.len(), 1);
    assert_eq!(media.ice.options[0], "trickle");
    assert!(media.ice.end_of_candidates);
    assert_eq!(media.extmaps[1].direction, Some(Direction::RecvOnly));
    assert_eq!(media.payload(101).unwrap().fmtp[0], "0-15");
    let mux = "192.0.2.23:47615".parse().unwrap();
    assert_eq!(media.rtcp_address(), Some(mux), "rtcp-mux beats a=rtcp");
    assert!(
        session
            .to_string()
            .contains("\r\na=setup:actpass\r\na=fingerprint:sha-256 1F:")
    );
}

#[test]
fn a_firefox_that_hides_its_addresses_gives_none() {
    let session = parse(FIREFOX_HIDDEN);
    let media = &session.media[0];
    assert_eq!(session.ignored, 0);
    assert!(media.connection.as_ref().unwrap().is_unspecified());
    assert_eq!(media.rtp_address(), None);
    assert_eq!(media.rtcp_address(), None);
    assert_eq!(media.direction, Direction::SendRecv);
    assert_eq!(media.ice.candidates.len(), 4);
    assert!(
        media
            .ice
            .candidates
            .iter()
            .all(|c| c.udp_address().is_none())
    );
    assert!(matches!(
        &media.ice.candidates[0].address,
        Address::Name(name) if name.ends_with(".local")
    ));
    let rtcp = media.rtcp.as_ref().unwrap();
    assert_eq!(rtcp.port, 34871);
    assert_eq!(rtcp.connection.as_ref().unwrap().ip(), None);
}

#[test]
fn a_phones_offer_is_written_in_rtpengines_order() {
    assert_eq!(
        parse(BARESIP).to_string(),
        with_crlf(
            "v=0
o=- 2890844526 1437822031 IN IP4 192.0.2.40
s=-
t=0 0
a=tool:baresip 3.9.0
m=audio 16120 RTP/AVP 0 8 101
c=IN IP4 192.0.2.40
b=AS:125
a=label:1
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=rtcp-rsize
a=minptime:1
a=sendrecv
a=rtcp:16121
a=ptime:20
"
        )
    );
}

#[test]
fn incomplete_crypto_is_ignored_and_rejected_media_keep_their_place() {
    let session = parse(ASTERISK);
    assert_eq!(session.ignored, 1);
    let [audio, video, fax] = &session.media[..] else {
        panic!("three media")
    };
    assert_eq!(audio.cryptos.len(), 1);
    assert_eq!(audio.cryptos[0].keys[0].key_salt.0.len(), 27);
    assert!(
        !format!("{audio:?}").contains("SGVsbG8"),
        "keys stay out of logs"
    );
    assert_eq!(
        audio.rtcp_address(),
        Some("203.0.113.9:10543".parse().unwrap())
    );
    assert!(video.is_rejected());
    assert_eq!(fax.formats, Formats::Other("t38".try_into().unwrap()));
    let written = session.to_string();
    let (_, tail) = written.split_once("m=video").unwrap();
    assert_eq!(
        tail,
        with_crlf(
            " 0 RTP/AVP 31 34
c=IN IP4 0.0.0.0
m=image 4500 udptl t38
c=IN IP4 203.0.113.9
a=T38FaxVersion:0
a=T38MaxBitRate:14400
a=sendrecv
"
        )
    );
}

#[test]
fn a_user_name_with_blanks_stays_whole() {
    let session = parse("v=0\no=John Doe 1 2 IN IP6 ::1\ns=-\n");
    assert_eq!(session.origin.username, "John Doe");
    assert_eq!(session.origin.version, "2");
}

#[test]
fn a_medium_takes_over_the_sessions_direction_and_credentials_or_has_its_own() {
    let session = parse(
        "v=0\no=- 1 1 IN IP4 1.2.3.4\ns=-\na=sendonly\na=ice-ufrag:su\na=ice-pwd:sp\n\
         m=audio 9 RTP/AVP 0\n\
         m=audio 9 RTP/AVP 0\na=sendrecv\na=ice-ufrag:mu\na=ice-pwd:mp\n",
    );
    let [first, second] = &session.media[..] else {
        panic!("two media")
    };
    assert_eq!(first.direction, Direction::SendOnly);
    assert_eq!(first.ice.pwd.as_deref(), Some("sp"));
    assert_eq!(second.direction, Direction::SendRecv);
    assert_eq!(second.ice.pwd.as_deref(), Some("mp"));
    assert!(session.attributes.is_empty());
}

#[test]
fn static_payload_types_get_their_rtpmap() {
    let session = parse("v=0\no=- 1 1 IN IP4 1.2.3.4\ns=-\nt=0 0\nm=audio 6 RTP/AVP 0 10 96 0\n");
    let written = session.to_string();
    assert!(written.contains("m=audio 6 RTP/AVP 0 10 96\r\na=rtpmap:0 PCMU/8000\r\n"));
    assert!(written.contains("a=rtpmap:10 L16/44100/2\r\na=sendrecv\r\n"));
}

#[test]
fn a_bundle_only_medium_is_not_rejected() {
    let session = parse("v=0\no=- 1 1 IN IP4 1.2.3.4\ns=-\nm=video 0 RTP/AVP 96\na=bundle-only\n");
    assert!(!session.media[0].is_rejected());
}

#[test]
fn what_breaks_the_structure_is_refused_with_its_line() {
    let head = "v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\n";
    let cases = [
        ("", Error::NotSdp),
        ("v=\r\n", Error::NotSdp),
        ("v=1\r\n", Error::NotSdp),
        ("v=0\r\n", Error::MissingOrigin),
        ("v=0\r\ns=-\r\n", Error::MissingOrigin),
        ("v=0\r\no=- 1 1 IN IP4\r\n", Error::Origin { line: 2 }),
        ("v=0\r\no=- 1 1 ATM NSAP 1\r\n", Error::Origin { line: 2 }),
        ("\nno line\r\n", Error::NotSdp),
        ("$c=IN IP4\r\n", Error::Connection { line: 4 }),
        ("$c=IN IP5 1.2.3.4\r\n", Error::Connection { line: 4 }),
        ("$hello\r\n", Error::MalformedLine { line: 4 }),
        ("$a=x\0y\r\n", Error::ForbiddenByte { line: 4 }),
        ("$a=x\ry\r\n", Error::ForbiddenByte { line: 4 }),
        ("$m=audio\r\n", Error::Media { line: 4 }),
        ("$m=audio 9 RTP/AVP\r\n", Error::Media { line: 4 }),
        ("$m=audio 65536 RTP/AVP 0\r\n", Error::Port { line: 4 }),
        ("$m=audio -1 RTP/AVP 0\r\n", Error::Port { line: 4 }),
        ("$m=audio 9 RTP/AVP 128\r\n", Error::PayloadType { line: 4 }),
        ("$m=audio 9 RTP/AVP *\r\n", Error::PayloadType { line: 4 }),
    ];
    for (body, error) in cases {
        let body = body.replace('$', head);
        assert_eq!(Session::parse(body.as_bytes()), Err(error), "{body:?}");
    }
}

#[test]
fn long_lists_are_bounded() {
    let head = "v=0\no=- 1 1 IN IP4 1.2.3.4\ns=-\n";
    let candidate = "a=candidate:1 1 UDP 1 192.0.2.1 1 typ host\n";
    let body = format!("{head}m=audio 9 RTP/AVP 0\n{}", candidate.repeat(1000));
    let session = parse(&body);
    assert_eq!(session.media[0].ice.candidates.len(), MAX_CANDIDATES);
    assert_eq!(session.ignored as usize, 1000 - MAX_CANDIDATES);

    let many = format!("{head}{}", "m=audio 9 RTP/AVP 0\n".repeat(MAX_MEDIA + 1));
    assert_eq!(Session::parse(many.as_bytes()), Err(Error::TooManyMedia));
    let most = format!("{head}{}", "m=audio 9 RTP/AVP 0\n".repeat(MAX_MEDIA));
    assert_eq!(parse(&most).media.len(), MAX_MEDIA);
    let types = format!("{head}m=audio 9 RTP/AVP{}\n", " 0".repeat(129));
    let error = Err(Error::TooManyPayloads { line: 4 });
    assert_eq!(Session::parse(types.as_bytes()), error);
    let long = "v".repeat(65 * 1024);
    let error = Err(Error::TooLong { len: 65 * 1024 });
    assert_eq!(Session::parse(long.as_bytes()), error);
}

#[test]
fn a_malformed_attribute_is_left_out_and_counted() {
    let bad = [
        "candidate:1 0 UDP 1 192.0.2.1 1 typ host",
        "candidate:1 257 UDP 1 192.0.2.1 1 typ host",
        "candidate:1 65537 UDP 1 192.0.2.1 1 typ host",
        "candidate:1 1 UDP 4294967296 192.0.2.1 1 typ host",
        "candidate:1 1 UDP 1 192.0.2.1 65536 typ host",
        "candidate:1 1 UDP 1 192.0.2.1 1 host",
        "candidate:1 1 UDP 1 192.0.2.1 1 typ host generation",
        "rtcp:65536",
        "rtcp:9 IN IP9 1.2.3.4",
        "crypto:1 AES_CM_128_HMAC_SHA1_80",
        "crypto:4294967296 AES_CM_128_HMAC_SHA1_80 inline:AAAA",
        "crypto:1 AES_CM_128_HMAC_SHA1_80 inline:",
        "crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAA|2^x",
        "crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAA|1:129",
        "setup:both",
        "fingerprint:sha-256 00",
        "extmap:0 urn:x",
        "extmap:65536 urn:x",
        "rtpmap:0 PCMU",
        "rtpmap:0 PCMU/99999999999",
        "rtpmap:7 LPC/8000",
        "ptime:20.5",
        "mid:",
        "ice-ufrag:a b",
        "x y:z",
    ];
    let head = "v=0\no=- 1 1 IN IP4 1.2.3.4\ns=-\nm=audio 9 RTP/AVP 0\n";
    let clean = parse(head);
    for line in bad {
        let mut session = parse(&format!("{head}a={line}\n"));
        assert_eq!(session.ignored, 1, "{line}");
        session.ignored = 0;
        assert_eq!(session, clean, "{line}");
    }
}

#[test]
fn crypto_lines_keep_lifetime_mki_padding_and_parameters() {
    let head = "v=0\no=- 1 1 IN IP4 1.2.3.4\ns=-\nm=audio 9 RTP/SAVP 0\n";
    for line in [
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4",
        "a=crypto:2 F8_128_HMAC_SHA1_80 inline:AAAA|2^20|1:4;inline:BBBB|1048576|2:4 FEC_ORDER=FEC_SRTP",
        "a=crypto:999999999 AEAD_AES_256_GCM inline:AAA= UNENCRYPTED_SRTP WSH=64",
        "a=crypto:3 AEAD_AES_256_GCM inline:AAA",
    ] {
        let written = parse(&format!("{head}{line}\n")).to_string();
        assert!(
            written.contains(&format!("\r\n{line}\r\n")),
            "{line}: {written}"
        );
    }
}

#[test]
fn a_phone_is_not_shown_what_only_browsers_know() {
    for (body, mids) in [(CHROMIUM, "0"), (FIREFOX, "0"), (FIREFOX_HIDDEN, "0")] {
        let slim = String::from_utf8(slim_for_phone(with_crlf(body).as_bytes())).unwrap();
        assert!(slim.len() < 1024, "{} bytes", slim.len());
        for gone in [
            "candidate",
            "ice-",
            "fingerprint",
            "setup",
            "ssrc",
            "msid",
            "extmap",
            "BUNDLE",
            "rtcp-fb",
            "rtcp-rsize",
            &format!("mid:{mids}"),
            "{",
        ] {
            assert!(!slim.contains(gone), "{gone} in {slim}");
        }
        for kept in [
            "m=audio ",
            "c=IN IP4 ",
            "a=rtpmap:0 PCMU/8000\r\n",
            "a=fmtp:",
            "a=rtcp:",
            "a=sendrecv\r\n",
        ] {
            assert!(slim.contains(kept), "{kept} not in {slim}");
        }
    }
}

#[test]
fn what_phones_know_stays_byte_for_byte() {
    let body = with_crlf(ASTERISK);
    assert_eq!(slim_for_phone(body.as_bytes()), body.as_bytes());
    assert_eq!(slim_for_phone(b"\xff\xfe\0\r"), b"\xff\xfe\0\r");
}

#[test]
fn a_document_gives_every_sample_back() {
    for body in ALL {
        for body in [body.to_owned(), with_crlf(body), body.trim_end().to_owned()] {
            let document = Document::parse(body.as_bytes()).unwrap();
            assert_eq!(document.to_bytes(), body.as_bytes());
        }
    }
}
