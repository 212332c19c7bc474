//! Attended transfer (RFC 3891, RFC 5589): Call-ID and tags are the same on both sides of the edge, so that Replaces means on
//! one side what it means on the other, through one pass and through two; and whoever is named in it can be called.

use sip::{Message, Method};

use super::super::FlowId;
use super::bench::*;

const PHONE: [(&str, &str); 1] = [("Contact", "<sip:bob@10.0.0.9>")];

/// Call-ID and tags, the caller's first, of the dialog of a 2xx.
fn dialog(answer: &Message) -> [String; 3] {
    [answer.call_id(), answer.from_tag(), answer.to_tag()].map(|part| part.unwrap().to_owned())
}

/// What sip.js and JsSIP write to have a call of theirs taken over: the URI at which they reach its other end, and the dialog.
fn refer_to(answer: &Message) -> String {
    let [call, local, remote] = dialog(answer);
    let contact = answer.contacts().next().unwrap().unwrap();
    let replaces = format!("{call}%3Bto-tag%3D{remote}%3Bfrom-tag%3D{local}");
    format!("<{}?Replaces={replaces}>", contact.uri_text())
}

fn with_header(request: Vec<u8>, name: &str, value: &str) -> Vec<u8> {
    let mut request = Message::parse(request).unwrap();
    request.append(name, value).unwrap();
    request.into_bytes()
}

#[test]
fn a_refer_with_replaces_names_the_dialog_that_the_phones_know() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.register(flow, "alice");
    let first = bench.call_phone(flow, "one");
    bench.browser_sends(flow, invite("two", "alice", "22", "", BROWSER_SDP));
    bench.browser_gets(flow);
    let second_at_phone = bench.upstream_gets();
    bench.upstream_sends(reply(&second_at_phone, 200, &PHONE, PHONE_SDP));
    let second = bench.browser_gets(flow);
    let target = refer_to(&second);
    assert_eq!(second_at_phone.call_id(), Some("two"));
    assert_eq!(second_at_phone.from_tag(), second.from_tag());
    assert!(
        target
            .starts_with("<sip:bob@10.0.0.9?Replaces=two%3Bto-tag%3Dbobtag%3Bfrom-tag%3Dalicetag")
    );
    let refer = in_dialog("REFER", &first.at_browser, 2, "", "refer");
    bench.browser_sends(flow, with_header(refer, "Refer-To", &target));
    let up = bench.upstream_gets();
    assert_eq!(up.header("Refer-To").unwrap(), target);
    bench.upstream_sends(reply(&up, 202, &[], ""));
    assert_eq!(bench.browser_gets(flow).status(), Some(202));
    // What comes of it is told in a NOTIFY of the same dialog.
    let notify = from_callee("NOTIFY", &first.at_phone, 1, "", "n");
    bench.upstream_sends(with_header(notify, "Event", "refer"));
    assert!(bench.browser_gets(flow).is(&Method::Notify));
    bench.silence();
}

#[test]
fn an_invite_with_replaces_reaches_the_browser_whose_dialog_it_names() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    let call = bench.call_browser(flow, &path, "old");
    let [call_id, caller, callee] = dialog(&call.at_phone);
    // At the browser the called side's tag is the local one.
    let replaces = format!("{call_id};to-tag={callee};from-tag={caller}");
    let new = with_header(
        incoming("new", "alice", &path, PHONE_SDP),
        "Replaces",
        &replaces,
    );
    bench.upstream_sends(with_header(new, "Require", "replaces"));
    assert_eq!(bench.upstream_gets().status(), Some(100));
    let down = bench.browser_gets(flow);
    assert_eq!(down.header("Replaces").unwrap(), replaces);
    assert_eq!(bench.calls_at_relay().len(), 2, "a call of its own");
    bench.browser_sends(
        flow,
        reply(&down, 200, &[("Contact", &contact("alice"))], BROWSER_SDP),
    );
    assert_eq!(bench.upstream_gets().status(), Some(200));
    // The browser ends what was replaced.
    let bye = edited(&from_callee("BYE", &call.at_browser, 5, "", "bye"));
    bench.browser_sends(flow, bye);
    let bye = bench.upstream_gets();
    bench.upstream_sends(reply(&bye, 200, &[], ""));
    assert_eq!(bench.calls_at_relay().len(), 1);
}

/// As the browser sends it.
fn edited(request: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(request).into_owned();
    let text = text.replace("SIP/2.0/UDP 192.0.2.5", "SIP/2.0/WSS alice.invalid");
    text.replace(
        "sip:alicex7@alice.invalid;transport=ws SIP",
        "sip:bob@10.0.0.9 SIP",
    )
    .into_bytes()
}

/// A call from one browser to another through the upstream, which sends it back: its 2xx as the caller has it.
fn browser_calls_browser(bench: &mut Bench, alice: FlowId, carol: FlowId, path: &str) -> Message {
    bench.browser_sends(alice, invite("c", "alice", "1", "", BROWSER_SDP));
    bench.browser_gets(alice);
    let mut up = bench.upstream_gets();
    up.prepend("Via", "SIP/2.0/UDP 192.0.2.5;branch=z9hG4bKloop")
        .unwrap();
    up.prepend("Route", path).unwrap();
    up.set_uri("sip:carolx7@carol.invalid;transport=ws")
        .unwrap();
    bench.upstream_sends(up.into_bytes());
    bench.upstream_gets();
    let down = bench.browser_gets(carol);
    let ok = reply(&down, 200, &[("Contact", &contact("carol"))], BROWSER_SDP);
    bench.browser_sends(carol, ok);
    let mut back = bench.upstream_gets();
    back.remove_first_value("Via").unwrap();
    bench.upstream_sends(back.into_bytes());
    let answer = bench.browser_gets(alice);
    assert_eq!(dialog(&answer)[..2], dialog(&down_with_tag(&down))[..2]);
    answer
}

fn down_with_tag(down: &Message) -> Message {
    Message::parse(reply(down, 200, &[], "")).unwrap()
}

#[test]
fn a_transfer_to_a_browser_behind_a_second_pass_calls_that_browser() {
    let mut bench = Bench::new();
    let (alice, carol) = (bench.open(1), bench.open(2));
    let path = bench.register(alice, "alice");
    let carols = bench.register(carol, "carol");
    let answer = browser_calls_browser(&mut bench, alice, carol, &carols);
    // Alice refers a phone to carol, by the Contact and the dialog that she knows.
    let phone = bench.call_browser(alice, &path, "p");
    let target = refer_to(&answer);
    assert!(!target.contains(".invalid"), "{target}");
    let refer = edited(&from_callee("REFER", &phone.at_browser, 5, "", "refer"));
    bench.browser_sends(alice, with_header(refer, "Refer-To", &target));
    let up = bench.upstream_gets();
    assert_eq!(up.header("Refer-To").unwrap(), target);
    bench.upstream_sends(reply(&up, 202, &[], ""));
    bench.browser_gets(alice);
    // The phone calls that URI, which leads the upstream here without a Route.
    let uri = target.trim_start_matches('<').split('?').next().unwrap();
    let [call, caller, callee] = dialog(&answer);
    let replaces = format!("{call};to-tag={callee};from-tag={caller}");
    let new = String::from_utf8(incoming("new", "carol", "<sip:x;lr>", PHONE_SDP)).unwrap();
    let new = new.replace("Route: <sip:x;lr>\r\n", "");
    let new = new.replace("sip:carolx7@carol.invalid;transport=ws", uri);
    bench.upstream_sends(with_header(new.into_bytes(), "Replaces", &replaces));
    assert_eq!(bench.upstream_gets().status(), Some(100));
    let down = bench.browser_gets(carol);
    assert_eq!(
        down.uri_text(),
        Some("sip:carolx7@carol.invalid;transport=ws"),
        "by the name she knows"
    );
    assert_eq!(down.header("Replaces").unwrap(), replaces);
    assert_eq!(
        bench.calls_at_relay().len(),
        4,
        "two passes, the phone's, and the new one"
    );
    bench.silence();
}

#[test]
fn a_server_that_forgets_record_route_reaches_the_browsers_call_by_its_contact() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.register(flow, "alice");
    let call = bench.call_phone(flow, "c");
    let contact = call.at_phone.contacts().next().unwrap().unwrap();
    let uri = contact.uri_text().to_owned();
    assert!(uri.ends_with("@192.0.2.1:5060"), "{uri}");
    assert_eq!(
        contact.params().unquoted("+sip.instance").unwrap(),
        "<urn:uuid:alice>"
    );
    let bye = String::from_utf8(from_callee("BYE", &call.at_phone, 1, "", "bye")).unwrap();
    let kept = bye
        .split_inclusive("\r\n")
        .filter(|line| !line.starts_with("Route"));
    let bye: String = kept.collect();
    bench.upstream_sends(bye.replace("sip:alicex7@alice.invalid;transport=ws", &uri));
    let down = bench.browser_gets(flow);
    assert_eq!(
        down.uri_text(),
        Some("sip:alicex7@alice.invalid;transport=ws")
    );
    bench.browser_sends(flow, reply(&down, 200, &[], ""));
    assert_eq!(bench.upstream_gets().status(), Some(200));
    assert_eq!(
        bench.calls_at_relay(),
        [""; 0],
        "its media is freed as well"
    );
}

#[test]
fn a_late_offer_of_a_browser_is_answered_by_its_ack() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", ""));
    bench.browser_gets(flow);
    let up = bench.upstream_gets();
    assert_eq!(body(&up), "");
    bench.upstream_sends(reply(&up, 200, &PHONE, PHONE_SDP));
    let offer = bench.browser_gets(flow);
    assert!(
        body(&offer).contains("Offer of phone"),
        "made for a browser: {}",
        body(&offer)
    );
    bench.browser_sends(flow, in_dialog("ACK", &offer, 1, BROWSER_SDP, "ack"));
    assert!(body(&bench.upstream_gets()).contains("Answer of browser"));
    let [offered, answered] = &bench.asked[..] else {
        panic!("{:?}", bench.asked)
    };
    for asked in [offered, answered] {
        assert_eq!(
            asked.from_tag.as_deref(),
            Some("bobtag"),
            "the phone offers"
        );
        assert_eq!(asked.to_tag.as_deref(), Some("alicetag"));
    }
    bench.silence();
}
