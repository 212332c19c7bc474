//! A browser's INVITE has kilobytes; what leaves by UDP should fit into a datagram that no network cuts (RFC 3261 section 18.1.1).

use super::super::*;
use super::bench::*;

/// Chromium's offer of sound, with two ICE servers and four interfaces, as sip.js sends it once all is gathered.
fn offer() -> String {
    let mut sdp =
        "v=0\r\no=- 8123456789012345678 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
        a=extmap-allow-mixed\r\na=msid-semantic: WMS 3f1c2b7a-9d3e-4b1f-8a61-0f7f5b6f2d11\r\n\
        m=audio 54321 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\nc=IN IP4 198.51.100.7\r\n\
        a=rtcp:9 IN IP4 0.0.0.0\r\n"
            .to_owned();
    for number in 0..14 {
        sdp += &format!(
            "a=candidate:{}{number} 1 udp 2122260223 2001:db8:85a3:8d3:1319:8a2e:370:73{number:02} 5432{} typ host generation 0 network-id {number} network-cost 10\r\n",
            3_141_592_653_u32,
            number % 10
        );
    }
    sdp + "a=ice-ufrag:bQ1t\r\na=ice-pwd:9dJ2Kf1vQ3r7s8t9u0v1w2x3\r\na=ice-options:trickle\r\n\
        a=fingerprint:sha-256 3A:96:6D:57:B2:C2:C7:61:A0:46:3E:1C:97:39:D3:F7:0A:88:A0:B1:EC:03:FB:10:A5:5D:3A:37:AB:DD:02:AA\r\n\
        a=setup:actpass\r\na=mid:0\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
        a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n\
        a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
        a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=sendrecv\r\n\
        a=msid:3f1c2b7a-9d3e-4b1f-8a61-0f7f5b6f2d11 77b9c1a2-6f0e-4f0a-8f64-2c1d8e5a9b30\r\na=rtcp-mux\r\n\
        a=rtcp-rsize\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n\
        a=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n\
        a=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:13 CN/8000\r\n\
        a=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 telephone-event/8000\r\n\
        a=ssrc:2715962409 cname:kE9xVmF3b2hQb1dI\r\n\
        a=ssrc:2715962409 msid:3f1c2b7a-9d3e-4b1f-8a61-0f7f5b6f2d11 77b9c1a2-6f0e-4f0a-8f64-2c1d8e5a9b30\r\n"
}

/// The INVITE of sip.js. One with credentials is longer by a quarter of a kilobyte, and too large: it goes over TCP.
fn sipjs(sdp: &str) -> Vec<u8> {
    message(
        "INVITE sip:+15550100@example.com SIP/2.0
         Via: SIP/2.0/WSS 8kqcvg4h0d2p.invalid;branch=z9hG4bK9310442
         To: <sip:+15550100@example.com>
         From: \"Alice Liddell\" <sip:alice@example.com>;tag=kg5u1sfmrs
         CSeq: 2 INVITE
         Call-ID: 2r6m1b2n8fd0c4h5i6jq
         Max-Forwards: 70
         Contact: <sip:alicex7@8kqcvg4h0d2p.invalid;transport=ws;ob>
         Allow: ACK,CANCEL,INVITE,MESSAGE,BYE,OPTIONS,INFO,NOTIFY,REFER
         Supported: outbound
         User-Agent: SIP.js/0.21.2",
        sdp,
    )
}

#[test]
fn an_offer_of_chromium_leaves_in_one_datagram() {
    let mut bench = Bench::new();
    bench.relay_answers = false;
    let flow = bench.open(1);
    let sent = sipjs(&offer());
    assert!(sent.len() > 3_500, "{} octets", sent.len());
    bench.browser_sends(flow, sent);
    // The poorest relay: it has changed the addresses and the transport, and left every line that there was.
    let (id, request) = bench.open_asks.pop_front().unwrap();
    let body = String::from_utf8(request.sdp.unwrap()).unwrap();
    let body = body
        .replace("UDP/TLS/RTP/SAVPF", "RTP/AVP")
        .replace("198.51.100.7", "192.0.2.20");
    let reply = Ok(control_proto::Response::ok().with_sdp(body));
    bench.input(Input::Relayed { id, reply });
    let up = bench.upstream_gets();
    let octets = up.as_bytes().len();
    assert!(octets < 1_300, "{octets} octets:\n{}", text(&up));
    for kept in [
        "opus/48000/2",
        "PCMU",
        "telephone-event/8000",
        "useinbandfec",
        "a=sendrecv",
    ] {
        assert!(body_has(&up, kept), "{kept}");
    }
}

fn body_has(message: &sip::Message, part: &str) -> bool {
    body(message).contains(part)
}
