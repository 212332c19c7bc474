//! What Kamailio's and OpenSIPS's modules send, and that it is understood in all its spellings.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may stop on the first surprise

use std::time::Duration;

use causeway_control_proto::{
    AddressFamily, Command, Dictionary, Dtls, Envelope, Format, Ice, Request, TransportProtocol,
    Value, flag,
};

fn read(datagram: &str) -> Request {
    Envelope::open(datagram.as_bytes())
        .unwrap()
        .request()
        .unwrap()
}

/// A datagram whose bencode lengths need not be counted by hand: `key` and `value` in turns.
fn datagram(command: &str, pairs: &[(&str, Value)]) -> String {
    let mut dictionary = Dictionary::new();
    for (key, value) in pairs {
        dictionary.push(*key, value.clone());
    }
    // The command stands last: keys need not be sorted.
    dictionary.push("command", command);
    let mut request = Request::new(Command::Ping);
    request.other = dictionary;
    // `ping` comes first and the command of the test after it: the last one counts.
    String::from_utf8(request.encode(b"4711_1_2", Format::Bencode)).unwrap()
}

fn list(words: &[&str]) -> Value {
    words
        .iter()
        .map(|word| Value::from(*word))
        .collect::<Vec<_>>()
        .into()
}

#[test]
fn an_offer_of_kamailio_towards_a_browser() {
    // rtpengine_offer("trust-address replace-origin SIP-source-address ICE=force RTP/SAVPF DTLS=passive
    //   rtcp-mux-offer generate-mid via-branch=1 direction=priv direction=pub delete-delay=0")
    let text = "29_4711_1 d3:sdp5:v=0\r\n3:ICE5:force4:DTLS7:passive5:flagsl13:trust-address\
                18:SIP-source-address12:generate-mide7:replacel6:origine9:directionl4:priv3:pube8:rtcp-muxl5:offere\
                18:transport-protocol9:RTP/SAVPF12:delete delayi0e12:delete-delay1:08:supportsl10:load limite\
                7:call-id4:a@b.13:received-froml3:IP410:192.0.2.10e8:from-tag2:ft10:via-branch9:z9hG4bK-x\
                16:sip-message-type11:sip_request7:command5:offere";
    let request = read(text);
    assert_eq!(request.command, Command::Offer);
    assert_eq!(request.call_id.as_deref(), Some("a@b."));
}

#[test]
fn every_key_of_that_offer_arrives() {
    let request = read(&datagram(
        "offer",
        &[
            ("sdp", "v=0\r\n".into()),
            ("ICE", "force".into()),
            ("DTLS", "passive".into()),
            (
                "flags",
                list(&["trust-address", "SIP-source-address", "generate-mid"]),
            ),
            ("replace", list(&["origin"])),
            ("direction", list(&["priv", "pub"])),
            ("rtcp-mux", list(&["offer"])),
            ("transport-protocol", "RTP/SAVPF".into()),
            ("delete delay", 30.into()),
            ("delete-delay", "0".into()),
            ("supports", list(&["load limit"])),
            ("call-id", "a@b".into()),
            ("received-from", list(&["IP4", "192.0.2.10"])),
            ("from-tag", "ft".into()),
            ("via-branch", "z9hG4bK-x".into()),
            ("sip-message-type", "sip_request".into()),
            ("ptime", "20".into()),
        ],
    ));
    assert_eq!(request.sdp.as_deref(), Some(&b"v=0\r\n"[..]));
    assert_eq!(
        (request.ice, request.dtls),
        (Some(Ice::Force), Some(Dtls::Passive))
    );
    assert!(request.flags.has(flag::TRUST_ADDRESS) && request.flags.has(flag::SIP_SOURCE_ADDRESS));
    assert!(
        request.flags.has(flag::GENERATE_MID) && request.replace.origin && request.rtcp_mux.offer
    );
    assert_eq!(request.direction, Some(["priv".into(), "pub".into()]));
    assert_eq!(
        request.transport_protocol,
        Some(TransportProtocol::RtpSavpf)
    );
    assert_eq!(
        request.delete_delay,
        Some(Duration::ZERO),
        "the last of two spellings counts"
    );
    assert_eq!(request.supports, ["load limit"]);
    assert_eq!(request.received_from, Some("192.0.2.10".parse().unwrap()));
    assert_eq!(
        (request.from_tag.as_deref(), request.to_tag),
        (Some("ft"), None)
    );
    assert_eq!(request.via_branch.as_deref(), Some("z9hG4bK-x"));
    assert_eq!(
        request.other.get("ptime").and_then(Value::as_integer),
        Some(20)
    );
    assert_eq!(request.unknown, [""; 0]);
}

#[test]
fn an_offer_of_opensips_with_its_keys_with_spaces_and_its_flag_strings() {
    let request = read(&datagram(
        "offer",
        &[
            ("sdp", "v=0".into()),
            ("address family", "IP6".into()),
            ("received-from", list(&[])),
            (
                "replace",
                list(&[
                    "zero address",
                    "SDP version",
                    "session name",
                    "session-connection",
                ]),
            ),
            (
                "flags",
                list(&[
                    "SDES-off",
                    "SDES-no-AES_256_CM_HMAC_SHA1_80",
                    "codec-strip-PCMA",
                    "trickle ICE",
                ]),
            ),
            ("T.38", "decode".into()),
            ("TOS", "184".into()),
            ("call-id", "c".into()),
            ("from-tag", "f".into()),
        ],
    ));
    assert_eq!(request.address_family, Some(AddressFamily::Ip6));
    assert_eq!(request.received_from, None);
    assert!(request.replace.zero_address && request.replace.sdp_version);
    assert!(request.replace.session_name && request.replace.session_connection);
    assert!(request.sdes.off && request.flags.has(flag::TRICKLE_ICE));
    assert_eq!(request.sdes.no, ["AES_256_CM_HMAC_SHA1_80"]);
    assert_eq!(request.codec.strip, ["PCMA"]);
    assert_eq!(request.unknown, [""; 0]);
}

#[test]
fn a_delete_of_opensips_has_no_tags() {
    let request = read("77_12_3 d7:call-id3:abc13:received-fromle7:command6:deletee");
    assert_eq!(
        (request.command, request.call_id.as_deref()),
        (Command::Delete, Some("abc"))
    );
    assert_eq!((request.from_tag, request.to_tag), (None, None));
}

#[test]
fn an_offer_in_json() {
    let request = read(
        r#"0.5772156 {"command":"offer","call-id":"j","from-tag":"f","sdp":"v=0\r\n","ICE":"remove",
           "rtcp-mux":["demux"],"transport protocol":"RTP/AVP","delete delay":"5","flags":["trust address"],
           "codec":{"mask":["opus"],"transcode":["PCMU","G722"]}}"#,
    );
    assert_eq!(
        (request.ice, request.rtcp_mux.demux),
        (Some(Ice::Remove), true)
    );
    assert_eq!(request.transport_protocol, Some(TransportProtocol::RtpAvp));
    assert_eq!(request.delete_delay, Some(Duration::from_secs(5)));
    assert!(request.flags.has(flag::TRUST_ADDRESS));
    assert_eq!(request.codec.transcode, ["PCMU", "G722"]);
}

#[test]
fn flags_may_stand_for_keys() {
    let request = read(&datagram(
        "offer",
        &[(
            "flags",
            list(&[
                "ICE-force",
                "DTLS-passive",
                "rtcp-mux-require",
                "replace-origin",
                "replace-session_name",
                "UDP/TLS/RTP/SAVPF",
                "transcode-PCMA",
                "codec-set-opus/48000/2////useinbandfec--1;maxplaybackrate--8000",
                "label=caller",
                "direction=pub",
                "direction=priv",
                "internal",
            ]),
        )],
    ));
    assert_eq!(
        (request.ice, request.dtls),
        (Some(Ice::Force), Some(Dtls::Passive))
    );
    assert!(request.rtcp_mux.require && request.replace.origin && request.replace.session_name);
    assert_eq!(
        request.transport_protocol,
        Some(TransportProtocol::UdpTlsRtpSavpf)
    );
    assert_eq!(request.codec.transcode, ["PCMA"]);
    assert_eq!(
        request.codec.set,
        ["opus/48000/2////useinbandfec=1;maxplaybackrate=8000"]
    );
    assert_eq!(request.label.as_deref(), Some("caller"));
    assert_eq!(request.direction, Some(["pub".into(), "priv".into()]));
    assert!(request.flags.is_empty());
}

#[test]
fn webrtc_is_short_for_all_that_a_browser_needs() {
    let request = read(&datagram("offer", &[("flags", list(&["WebRTC"]))]));
    assert_eq!(
        request.transport_protocol,
        Some(TransportProtocol::UdpTlsRtpSavpf)
    );
    assert!(request.rtcp_mux.offer && request.rtcp_mux.require && request.sdes.off);
    assert!(request.flags.has(flag::TRICKLE_ICE) && request.flags.has(flag::NO_RTCP_ATTRIBUTE));
}

#[test]
fn a_list_may_come_as_one_string() {
    let request = read(&datagram(
        "offer",
        &[
            ("flags", "trust-address replace-origin".into()),
            ("rtcp-mux", "offer require".into()),
            ("replace", "origin SDP-version".into()),
            ("direction", "priv pub".into()),
            ("SDES", "pad,no-F8_128_HMAC_SHA1_32".into()),
            ("supports", "load limit".into()),
        ],
    ));
    assert!(
        request.flags.has(flag::TRUST_ADDRESS)
            && request.replace.origin
            && request.replace.sdp_version
    );
    assert!(request.rtcp_mux.offer && request.rtcp_mux.require && request.sdes.pad);
    assert_eq!(request.sdes.no, ["F8_128_HMAC_SHA1_32"]);
    assert_eq!(request.direction, Some(["priv".into(), "pub".into()]));
    assert_eq!(request.supports, ["load limit"]);
    assert_eq!(
        read(&datagram("offer", &[("replace", "zero address".into())]))
            .replace
            .words(),
        ["zero-address"]
    );
}

#[test]
fn what_nobody_knows_is_named_and_kept() {
    let request = read(&datagram(
        "offer",
        &[
            ("frobnicate", "yes".into()),
            ("flags", list(&["sing-along"])),
            ("ICE", "perhaps".into()),
            ("delete-delay", "-3".into()),
        ],
    ));
    assert_eq!(request.unknown.len(), 4, "{:?}", request.unknown);
    assert!(
        request.unknown.contains(&"frobnicate".to_owned())
            && request.unknown.contains(&"sing-along".to_owned())
    );
    assert!(request.other.get("frobnicate").is_some() && request.flags.has("sing-along"));
    assert_eq!((request.ice, request.delete_delay), (None, None));
}

#[test]
fn flags_that_bring_flags_do_not_nest_without_end() {
    let bomb = "flags=".repeat(10_000);
    for key in ["flags", "rtpp-flags", "rtpp_flags"] {
        let request = read(&datagram("offer", &[(key, bomb.as_str().into())]));
        assert_eq!(request.unknown.len(), 1);
    }
    let request = read(&datagram(
        "offer",
        &[("rtpp-flags", "rtpp-flags=".repeat(5_000).as_str().into())],
    ));
    assert_eq!(request.unknown.len(), 1);
}

#[test]
fn text_that_is_not_utf_8_is_as_if_it_had_not_been_given() {
    let request =
        Envelope::open(b"c d7:command5:offer7:call-id2:\xff\xfe8:from-tag1:f3:sdp3:v=\xffe")
            .unwrap();
    let request = request.request().unwrap();
    assert_eq!(
        (request.call_id, request.from_tag.as_deref()),
        (None, Some("f"))
    );
    assert_eq!(
        request.sdp.as_deref(),
        Some(&b"v=\xff"[..]),
        "a body is bytes"
    );
}

#[test]
fn a_request_of_ours_is_read_as_it_was_meant() {
    let mut request = Request::new(Command::Answer);
    request.call_id = Some("call".into());
    request.from_tag = Some("f".into());
    request.to_tag = Some("t".into());
    request.via_branch = Some("z9hG4bK".into());
    request.label = Some("l".into());
    request.set_label = Some("s".into());
    request.sdp = Some(b"v=0\r\n".to_vec());
    request.transport_protocol = Some(TransportProtocol::UdpTlsRtpSavpf);
    request.ice = Some(Ice::ForceRelay);
    request.dtls = Some(Dtls::Passive);
    request.rtcp_mux.require = true;
    request.sdes.off = true;
    request.sdes.order = vec!["AES_CM_128_HMAC_SHA1_80".into(), "AEAD_AES_128_GCM".into()];
    request.osrtp = vec!["offer".into()];
    request.replace.origin = true;
    request.replace.force_increment_sdp_version = true;
    request.direction = Some(["public".into(), "private".into()]);
    request.address_family = Some(AddressFamily::Ip4);
    request.media_address = Some("2001:db8::1".parse().unwrap());
    request.received_from = Some("2001:db8::2".parse().unwrap());
    request.delete_delay = Some(Duration::from_secs(3));
    request.flags.set(flag::GENERATE_MID);
    request.codec.strip = vec!["all".into()];
    request.codec.except = vec!["PCMA".into(), "opus/48000/2".into()];
    request.supports = vec!["load limit".into()];
    request.from_tags = vec!["a".into(), "b".into()];
    request.other = Dictionary::new().with("ptime", 20).with("metadata", "x|y");
    for format in [Format::Bencode, Format::Json] {
        let datagram = request.encode(b"cookie", format);
        let envelope = Envelope::open(&datagram).unwrap();
        assert_eq!((envelope.cookie, envelope.format), (&b"cookie"[..], format));
        assert_eq!(envelope.request().unwrap(), request, "{format:?}");
    }
}
