//! What browsers, phones and the SIP server write: browsers like sip.js and JsSIP, the SIP server like Kamailio.

use sip::{Message, ResponseBuilder};

pub(super) const PHONE_SDP: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=phone\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
pub(super) const BROWSER_SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=browser\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=candidate:1 1 UDP 1 ab12.local 9 typ host\r\na=ice-ufrag:x30D\r\na=ice-pwd:Sr5TWFbN0dpNeWF4QXyGeXKn\r\na=fingerprint:sha-256 6B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:1B:35:DC:B8:5F:64:1A:24:C2:43:F0:A1:58:D0:A1:2C:19:08\r\na=mid:0\r\n";

/// A browser's description by another name.
pub(super) fn browser_sdp(name: &str) -> String {
    BROWSER_SDP.replace("s=browser", &format!("s={name}"))
}

pub(super) fn text(message: &Message) -> String {
    String::from_utf8_lossy(message.as_bytes()).into_owned()
}

pub(super) fn body(message: &Message) -> String {
    String::from_utf8_lossy(message.body()).into_owned()
}

/// A message from its head, with lines as they are typed here.
pub(super) fn message(head: &str, body: &str) -> Vec<u8> {
    let lines: Vec<&str> = head
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let kind = if body.is_empty() {
        ""
    } else {
        "Content-Type: application/sdp\r\n"
    };
    format!(
        "{}\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        lines.join("\r\n"),
        body.len()
    )
    .into_bytes()
}

pub(super) fn contact(user: &str) -> String {
    format!(
        "<sip:{user}x7@{user}.invalid;transport=ws>;+sip.ice;reg-id=1;+sip.instance=\"<urn:uuid:{user}>\""
    )
}

pub(super) fn register(user: &str, cseq: u32) -> Vec<u8> {
    let contact = contact(user);
    message(
        &format!(
            "REGISTER sip:example.com SIP/2.0
             Via: SIP/2.0/WSS {user}.invalid;branch=z9hG4bK{cseq}00
             Max-Forwards: 69
             To: <sip:{user}@example.com>
             From: \"{user}\" <sip:{user}@example.com>;tag={user}reg
             Call-ID: reg-{user}
             CSeq: {cseq} REGISTER
             Contact: {contact};expires=600
             Expires: 600
             Supported: outbound"
        ),
        "",
    )
}

/// An INVITE as a browser writes it. `branch` makes its branch, `extra` is more headers.
pub(super) fn invite(call: &str, user: &str, branch: &str, extra: &str, sdp: &str) -> Vec<u8> {
    let contact = contact(user);
    let number = branch.len();
    message(
        &format!(
            "INVITE sip:bob@example.com SIP/2.0
             Via: SIP/2.0/WSS {user}.invalid;branch=z9hG4bK{branch}
             Max-Forwards: 69
             To: <sip:bob@example.com>
             From: \"{user}\" <sip:{user}@example.com>;tag={user}tag
             Call-ID: {call}
             CSeq: {number} INVITE
             Contact: {contact};ob
             {extra}"
        ),
        sdp,
    )
}

/// An INVITE as the upstream sends it to a registered browser.
pub(super) fn incoming(call: &str, user: &str, path: &str, sdp: &str) -> Vec<u8> {
    message(
        &format!(
            "INVITE sip:{user}x7@{user}.invalid;transport=ws SIP/2.0
             Record-Route: <sip:192.0.2.5;lr>
             Via: SIP/2.0/UDP 192.0.2.5;branch=z9hG4bKup{call}{}
             Via: SIP/2.0/UDP 10.0.0.9:5062;branch=z9hG4bKphone
             Route: {path}
             Max-Forwards: 68
             To: <sip:{user}@example.com>
             From: <sip:bob@example.com>;tag=bobtag
             Call-ID: {call}
             CSeq: 1 INVITE
             Contact: <sip:bob@10.0.0.9>",
            path.len() + usize::from(path.as_bytes()[8])
        ),
        sdp,
    )
}

/// A response of the scripted other end.
pub(super) fn reply(
    request: &Message,
    status: u16,
    headers: &[(&str, &str)],
    sdp: &str,
) -> Vec<u8> {
    let tag = if request.from_tag() == Some("bobtag") {
        "alicetag"
    } else {
        "bobtag"
    };
    let mut builder = ResponseBuilder::new(request, status, "Scripted").to_tag(tag);
    for (name, value) in headers {
        builder = builder.header(name, *value);
    }
    if !sdp.is_empty() {
        builder = builder.body("application/sdp", sdp);
    }
    builder.build().expect("a response").into_bytes()
}

/// A request within the dialog that this 2xx made, from the browser that called.
pub(super) fn in_dialog(
    method: &str,
    response: &Message,
    cseq: u32,
    sdp: &str,
    branch: &str,
) -> Vec<u8> {
    let start = format!(
        "{method} sip:bob@10.0.0.9 SIP/2.0
         Via: SIP/2.0/WSS alice.invalid;branch=z9hG4bK{branch}"
    );
    let (from, to) = ends(response);
    let routes = routes_back(response);
    within(&start, &routes, response, [&from, &to], cseq, sdp)
}

/// A request within the dialog that a 2xx of the browser made, from the phone that called.
pub(super) fn to_browser(
    method: &str,
    response: &Message,
    cseq: u32,
    sdp: &str,
    branch: &str,
) -> Vec<u8> {
    let mut routes = routes_back(response);
    // The upstream has taken its own.
    routes.retain(|route| !route.contains("192.0.2.5"));
    let (from, to) = ends(response);
    let start = downwards(method, branch);
    within(&start, &routes, response, [&from, &to], cseq, sdp)
}

/// A request from the callee of `invite`, as the upstream brings it: the dialog's tags the other way round.
pub(super) fn from_callee(
    method: &str,
    invite: &Message,
    cseq: u32,
    sdp: &str,
    branch: &str,
) -> Vec<u8> {
    let routes: Vec<_> = invite
        .headers("Record-Route")
        .map(|value| value.to_string())
        .collect();
    let callee = if invite.from_tag() == Some("bobtag") {
        "alicetag"
    } else {
        "bobtag"
    };
    let (caller, called) = ends(invite);
    let from = format!("{called};tag={callee}");
    let start = downwards(method, branch);
    within(&start, &routes, invite, [&from, &caller], cseq, sdp)
}

/// From and To.
fn ends(message: &Message) -> (String, String) {
    let end = |name| message.header(name).expect(name).into_owned();
    (end("From"), end("To"))
}

/// A caller's route set: what was recorded, the other way round (RFC 3261 section 12.1.2).
fn routes_back(response: &Message) -> Vec<String> {
    let mut routes: Vec<_> = response
        .values("Record-Route")
        .map(|value| value.into_owned())
        .collect();
    routes.reverse();
    routes
}

/// The beginning of a request that the upstream brings to alice.
fn downwards(method: &str, branch: &str) -> String {
    format!(
        "{method} sip:alicex7@alice.invalid;transport=ws SIP/2.0
         Via: SIP/2.0/UDP 192.0.2.5;branch=z9hG4bK{branch}"
    )
}

/// A request of the dialog that `of` belongs to.
fn within(
    start: &str,
    routes: &[String],
    of: &Message,
    [from, to]: [&str; 2],
    cseq: u32,
    sdp: &str,
) -> Vec<u8> {
    let routes: String = routes
        .iter()
        .map(|route| format!("Route: {route}\n"))
        .collect();
    let method = start.split(' ').next().unwrap_or_default();
    message(
        &format!(
            "{start}
             {routes}
             Max-Forwards: 68
             From: {from}
             To: {to}
             Call-ID: {}
             CSeq: {cseq} {method}",
            of.call_id().expect("Call-ID"),
        ),
        sdp,
    )
}
