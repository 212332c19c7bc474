//! The session descriptions of the calls, as long as real ones are.

/// A browser's offer: one audio medium with the codecs that Chromium has.
pub(crate) const BROWSER_OFFER: &str = "v=0\r\n\
o=- 4611731400430051336 2 IN IP4 127.0.0.1\r\n\
s=-\r\n\
t=0 0\r\n\
a=group:BUNDLE 0\r\n\
a=extmap-allow-mixed\r\n\
a=msid-semantic: WMS 5a1f5c0e-0d8c-4e3a-9d0b-6c2b6b8a7a11\r\n\
m=audio 51472 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\n\
c=IN IP4 192.0.2.17\r\n\
a=rtcp:9 IN IP4 0.0.0.0\r\n\
a=candidate:3388485749 1 udp 2122260223 192.0.2.17 51472 typ host generation 0 network-id 1\r\n\
a=candidate:1005225701 1 tcp 1518280447 192.0.2.17 9 typ host tcptype active generation 0 network-id 1\r\n\
a=ice-ufrag:uW2k\r\n\
a=ice-pwd:4YBZ0l2YB2bYX7rBkmXJmqQw\r\n\
a=ice-options:trickle\r\n\
a=fingerprint:sha-256 5B:7C:0A:61:9E:21:4D:BB:61:54:8F:1C:2A:90:77:3E:5D:11:BC:E2:08:7A:4C:B9:13:42:FF:6D:80:21:9A:3C\r\n\
a=setup:actpass\r\n\
a=mid:0\r\n\
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n\
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
a=sendrecv\r\n\
a=msid:5a1f5c0e-0d8c-4e3a-9d0b-6c2b6b8a7a11 0b5b6f9e-7f0a-4f57-9d19-3a4b3f6a0c52\r\n\
a=rtcp-mux\r\n\
a=rtcp-rsize\r\n\
a=rtpmap:111 opus/48000/2\r\n\
a=rtcp-fb:111 transport-cc\r\n\
a=fmtp:111 minptime=10;useinbandfec=1\r\n\
a=rtpmap:63 red/48000/2\r\n\
a=fmtp:63 111/111\r\n\
a=rtpmap:9 G722/8000\r\n\
a=rtpmap:0 PCMU/8000\r\n\
a=rtpmap:8 PCMA/8000\r\n\
a=rtpmap:13 CN/8000\r\n\
a=rtpmap:110 telephone-event/48000\r\n\
a=rtpmap:126 telephone-event/8000\r\n\
a=ssrc:2717410283 cname:1Yd6Z7sJwT0kqV9n\r\n\
a=ssrc:2717410283 msid:5a1f5c0e-0d8c-4e3a-9d0b-6c2b6b8a7a11 0b5b6f9e-7f0a-4f57-9d19-3a4b3f6a0c52\r\n";

/// What a relay makes of it for a phone.
pub(crate) const PHONE_OFFER: &str = "v=0\r\n\
o=- 4611731400430051336 2 IN IP4 127.0.0.1\r\n\
s=-\r\n\
t=0 0\r\n\
m=audio 30000 RTP/AVP 111 9 0 8 110 126\r\n\
c=IN IP4 127.0.0.1\r\n\
a=rtpmap:111 opus/48000/2\r\n\
a=fmtp:111 minptime=10;useinbandfec=1\r\n\
a=rtpmap:9 G722/8000\r\n\
a=rtpmap:0 PCMU/8000\r\n\
a=rtpmap:8 PCMA/8000\r\n\
a=rtpmap:110 telephone-event/48000\r\n\
a=rtpmap:126 telephone-event/8000\r\n\
a=sendrecv\r\n\
a=rtcp:30001\r\n";

/// A phone's answer.
pub(crate) const PHONE_ANSWER: &str = "v=0\r\n\
o=phone 1 1 IN IP4 127.0.0.1\r\n\
s=call\r\n\
c=IN IP4 127.0.0.1\r\n\
t=0 0\r\n\
m=audio 40000 RTP/AVP 8 126\r\n\
a=rtpmap:8 PCMA/8000\r\n\
a=rtpmap:126 telephone-event/8000\r\n\
a=fmtp:126 0-15\r\n\
a=ptime:20\r\n\
a=sendrecv\r\n";

/// What a relay makes of it for a browser.
pub(crate) const BROWSER_ANSWER: &str = "v=0\r\n\
o=phone 1 1 IN IP4 127.0.0.1\r\n\
s=call\r\n\
t=0 0\r\n\
a=group:BUNDLE 0\r\n\
a=ice-lite\r\n\
m=audio 30002 UDP/TLS/RTP/SAVPF 8 126\r\n\
c=IN IP4 127.0.0.1\r\n\
a=mid:0\r\n\
a=rtpmap:8 PCMA/8000\r\n\
a=rtpmap:126 telephone-event/8000\r\n\
a=fmtp:126 0-15\r\n\
a=ptime:20\r\n\
a=sendrecv\r\n\
a=rtcp-mux\r\n\
a=setup:passive\r\n\
a=fingerprint:sha-256 11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00\r\n\
a=ice-ufrag:k2hT9fJq\r\n\
a=ice-pwd:aX3b8QmZr0LkTn5Ue7WdYc1V\r\n\
a=candidate:1 1 UDP 2130706431 127.0.0.1 30002 typ host\r\n\
a=end-of-candidates\r\n";
