//! The other side's lines in a rehearsal: a browser and a phone that always say the same.

use sip::{Method, RequestBuilder};

/// A documentation address (RFC 5737): nothing is ever sent to it.
pub(super) const ELSEWHERE: &str = "192.0.2.1";
/// The browser's contact.
pub(super) const CONTACT: &str = "sip:rehearsal@browser.invalid;transport=ws";

/// What a phone answers: the first audio, G.711.
pub(super) const PHONE: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";

/// What a browser answers or offers.
pub(super) const BROWSER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 0 101\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:reHe\r\n\
    a=ice-pwd:rehearsalrehearsalrehear\r\na=fingerprint:sha-256 \
    00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n\
    a=setup:active\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n";

/// The REGISTER that makes the browser known, so that a phone can call it.
pub(super) fn register(domain: &str) -> Result<Vec<u8>, sip::Error> {
    let aor = format!("<sip:rehearsal@{domain}>");
    let request = RequestBuilder::new(Method::Register, &format!("sip:{domain}"))
        .header("Via", "SIP/2.0/WS browser.invalid;branch=z9hG4bKregister")
        .header("From", format!("{aor};tag=r"))
        .header("To", aor)
        .header("Call-ID", "register")
        .cseq(1)
        .header("Contact", format!("<{CONTACT}>;expires=600"))
        .build()?;
    Ok(request.into_bytes())
}

/// An INVITE around a bare SDP. `via` and `route` are the caller's.
pub(super) fn invite(
    uri: &str,
    via: &str,
    route: Option<&str>,
    sdp: &[u8],
) -> Result<Vec<u8>, sip::Error> {
    let mut request = RequestBuilder::new(Method::Invite, uri)
        .header("Via", via)
        .header("From", format!("<sip:caller@{ELSEWHERE}>;tag=caller"))
        .header("To", format!("<{uri}>"))
        .header("Call-ID", "rehearsal")
        .cseq(1)
        .header("Contact", format!("<sip:caller@{ELSEWHERE}>"));
    if let Some(route) = route {
        request = request.header("Route", route.to_owned());
    }
    Ok(request.body("application/sdp", sdp).build()?.into_bytes())
}
