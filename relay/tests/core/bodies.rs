//! Bodies as real programs write them.

pub const PHONE: &str = "v=0\r\n\
    o=phone 2890844526 1 IN IP4 10.0.0.20\r\n\
    s=call\r\n\
    c=IN IP4 10.0.0.20\r\n\
    t=0 0\r\n\
    m=audio 4000 RTP/AVP 0 8 101\r\n\
    a=rtpmap:101 telephone-event/8000\r\n\
    a=fmtp:101 0-15\r\n\
    a=ptime:20\r\n\
    a=x-keep:this\r\n";

pub const PHONE_RTP: &str = "10.0.0.20:4000";
pub const PHONE_RTCP: &str = "10.0.0.20:4001";

/// Another phone, which answers the same call from elsewhere.
pub const OTHER_PHONE: &str = "v=0\r\n\
    o=other 99 7 IN IP4 10.0.0.30\r\n\
    s=other\r\n\
    c=IN IP4 10.0.0.30\r\n\
    t=0 0\r\n\
    m=audio 5000 RTP/AVP 0 8 101\r\n\
    a=rtpmap:101 telephone-event/8000\r\n\
    a=fmtp:101 0-15\r\n\
    a=ptime:20\r\n\
    a=x-keep:this\r\n";

/// Chromium, one audio track.
pub fn chromium() -> String {
    browser(
        "198.51.100.7",
        50000,
        "candidate:1 1 udp 2122260223 198.51.100.7 50000 typ host generation 0 network-id 1",
    )
}

/// Firefox that hides its addresses: the zero address and a name.
pub fn hiding_firefox() -> String {
    let candidate =
        "candidate:0 1 UDP 2122252543 5b1c2f0e-9f4b-4d5e-9a6f-aaaaaaaaaaaa.local 52525 typ host";
    browser("0.0.0.0", 9, candidate)
        .replace("a=rtcp:9 IN IP4 0.0.0.0", "a=rtcp:9 IN IP4 5b1c2f0e.local")
}

fn browser(address: &str, port: u16, candidate: &str) -> String {
    format!(
        "v=0\r\n\
         o=- 4611731400430051336 2 IN IP4 127.0.0.1\r\n\
         s=-\r\n\
         t=0 0\r\n\
         a=group:BUNDLE 0\r\n\
         a=extmap-allow-mixed\r\n\
         a=msid-semantic: WMS stream\r\n\
         m=audio {port} UDP/TLS/RTP/SAVPF 111 0 8 110\r\n\
         c=IN IP4 {address}\r\n\
         a=rtcp:9 IN IP4 0.0.0.0\r\n\
         a={candidate}\r\n\
         a=ice-ufrag:BRWS\r\n\
         a=ice-pwd:abcdefghijklmnopqrstuvwx\r\n\
         a=ice-options:trickle\r\n\
         a=fingerprint:sha-256 {}\r\n\
         a=setup:actpass\r\n\
         a=mid:0\r\n\
         a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
         a=sendrecv\r\n\
         a=msid:stream track\r\n\
         a=rtcp-mux\r\n\
         a=rtpmap:111 opus/48000/2\r\n\
         a=rtcp-fb:111 transport-cc\r\n\
         a=fmtp:111 minptime=10;useinbandfec=1\r\n\
         a=rtpmap:110 telephone-event/48000\r\n\
         a=ssrc:1234 cname:browser\r\n\
         a=ssrc:1234 msid:stream track\r\n",
        ["AB"; 32].join(":")
    )
}
