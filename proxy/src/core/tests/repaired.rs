//! What sip.js and JsSIP trip over is repaired on their leg, and on theirs only.

use sip::{Message, Method, Scheme};

use super::super::FlowId;
use super::bench::*;

const PHONE: [(&str, &str); 1] = [("Contact", "<sip:bob@10.0.0.9>")];

fn edited(bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains(from), "{from} in {text}");
    text.replace(from, to).into_bytes()
}

#[test]
fn a_ringing_without_to_tag_gets_one_that_stays_the_same() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    assert_eq!(
        bench.browser_gets(flow).to_tag(),
        None,
        "100 makes no dialog"
    );
    let up = bench.upstream_gets();
    let mut tags = Vec::new();
    for status in [180, 183, 180] {
        bench.upstream_sends(edited(reply(&up, status, &PHONE, ""), ";tag=bobtag", ""));
        let seen = bench.browser_gets(flow);
        assert_eq!(seen.status(), Some(status));
        tags.push(seen.to_tag().unwrap().to_owned());
    }
    assert!(tags.iter().all(|tag| *tag == tags[0]), "{tags:?}");
    // The 2xx confirms the dialog that the browser has, and the phone hears its own tag.
    bench.upstream_sends(reply(&up, 200, &PHONE, PHONE_SDP));
    let answer = bench.browser_gets(flow);
    assert_eq!(answer.to_tag(), Some(&*tags[0]));
    bench.browser_sends(flow, in_dialog("ACK", &answer, 1, "", "ack"));
    assert_eq!(bench.upstream_gets().to_tag(), Some("bobtag"));
}

#[test]
fn a_ringing_without_contact_gets_one_and_what_the_browser_sends_there_reaches_the_phone() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    bench.browser_gets(flow);
    let up = bench.upstream_gets();
    let mut contacts = Vec::new();
    for _ in 0..2 {
        bench.upstream_sends(reply(&up, 180, &[], ""));
        let seen = bench.browser_gets(flow);
        contacts.push(
            seen.contacts()
                .next()
                .unwrap()
                .unwrap()
                .uri_text()
                .to_owned(),
        );
    }
    assert_eq!(contacts[0], contacts[1]);
    assert!(
        contacts[0].ends_with("@edge.example.com:8443;transport=ws"),
        "{contacts:?}"
    );
    // In the early dialog, where nobody has said where the phone is, it is what was called.
    let early = reply(&up, 180, &[], "");
    let early = Message::parse(early).unwrap();
    let at = format!("{} SIP", contacts[0]);
    let update = edited(
        in_dialog("UPDATE", &early, 2, "", "up"),
        "sip:bob@10.0.0.9 SIP",
        &at,
    );
    bench.browser_sends(flow, update);
    let update = bench.upstream_gets();
    assert_eq!(update.uri_text(), Some("sip:bob@example.com"));
    bench.upstream_sends(reply(&update, 200, &[], ""));
    bench.browser_gets(flow);
    bench.upstream_sends(reply(&up, 200, &PHONE, PHONE_SDP));
    let answer = bench.browser_gets(flow);
    assert_eq!(answer.header("Contact").unwrap(), PHONE[0].1);
    // sip.js keeps the name that it saw first.
    for (method, cseq) in [("ACK", 1), ("BYE", 3)] {
        let request = in_dialog(method, &answer, cseq, "", method);
        bench.browser_sends(flow, edited(request, "sip:bob@10.0.0.9 SIP", &at));
        assert_eq!(
            bench.upstream_gets().uri_text(),
            Some("sip:bob@10.0.0.9"),
            "{method}"
        );
    }
}

#[test]
fn a_telephone_number_or_sips_in_to_reaches_the_browser_as_sip_and_the_phone_as_it_was() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    let ours = incoming("c", "alice", &path, PHONE_SDP);
    let ours = edited(ours, "To: <sip:alice@example.com>", "To: <tel:+15550100>");
    let ours = edited(
        ours,
        "From: <sip:bob@example.com>",
        "From: \"Bob\" <sips:bob@example.com>",
    );
    bench.upstream_sends(ours);
    assert_eq!(
        bench.upstream_gets().header("To").unwrap(),
        "<tel:+15550100>"
    );
    let down = bench.browser_gets(flow);
    let schemes = [down.from(), down.to()].map(|end| end.unwrap().uri().unwrap().scheme());
    assert_eq!(schemes, [Scheme::Sip, Scheme::Sip]);
    assert_eq!(down.to().unwrap().uri().unwrap().user(), Some("+15550100"));
    bench.browser_sends(
        flow,
        reply(&down, 200, &[("Contact", &contact("alice"))], BROWSER_SDP),
    );
    let answer = bench.upstream_gets();
    assert_eq!(answer.header("To").unwrap(), "<tel:+15550100>;tag=alicetag");
    assert_eq!(
        answer.header("From").unwrap(),
        "\"Bob\" <sips:bob@example.com>;tag=bobtag"
    );
    bench.upstream_sends(to_browser("ACK", &answer, 1, "", "ack"));
    assert_eq!(
        bench.browser_gets(flow).header("To"),
        Some(format!("{};tag=alicetag", down.header("To").unwrap()).into())
    );
    // The browser hangs up with the names that it was shown.
    let bye = from_callee("BYE", &down, 7, "", "bye");
    let bye = edited(bye, "SIP/2.0/UDP 192.0.2.5", "SIP/2.0/WSS alice.invalid");
    bench.browser_sends(flow, bye);
    let bye = bench.upstream_gets();
    assert_eq!(bye.header("From").unwrap(), "<tel:+15550100>;tag=alicetag");
    assert_eq!(
        bye.header("To").unwrap(),
        "\"Bob\" <sips:bob@example.com>;tag=bobtag"
    );
    bench.upstream_sends(reply(&bye, 200, &[], ""));
    let done = bench.browser_gets(flow);
    assert_eq!(done.header("To"), down.header("From"), "as it wrote it");
    bench.silence();
}

#[test]
fn when_the_edge_hangs_up_the_browser_finds_the_names_that_it_was_shown() {
    let hour = std::time::Duration::from_secs(3600);
    let mut bench = Bench::with(|config| config.limits.longest_call = hour);
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    let invite = incoming("c", "alice", &path, PHONE_SDP);
    bench.upstream_sends(edited(
        invite,
        "From: <sip:bob@example.com>",
        "From: <tel:+15550199>",
    ));
    bench.upstream_gets();
    let down = bench.browser_gets(flow);
    bench.browser_sends(
        flow,
        reply(&down, 200, &[("Contact", &contact("alice"))], BROWSER_SDP),
    );
    let answer = bench.upstream_gets();
    bench.upstream_sends(to_browser("ACK", &answer, 1, "", "ack"));
    bench.browser_gets(flow);
    // It is asked whether it still knows the call, by the same names.
    bench.close(flow);
    let flow = bench.open(2);
    bench.register(flow, "alice");
    let asked = bench.browser_gets(flow);
    assert_eq!(
        (asked.header("From"), asked.is(&Method::Bye)),
        (down.header("From"), false)
    );
    bench.browser_sends(flow, reply(&asked, 500, &[], ""));
    bench.wait(hour);
    let (up, down_again) = (bench.upstream_gets(), bench.browser_gets(flow));
    assert!(up.is(&Method::Bye) && down_again.is(&Method::Bye));
    assert_eq!(up.header("To").unwrap(), "<tel:+15550199>;tag=bobtag");
    assert_eq!(down_again.header("From"), down.header("From"));
}

#[test]
fn a_request_uri_of_another_scheme_reaches_the_browser_as_sip() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    let request = incoming("c", "alice", &path, PHONE_SDP);
    bench.upstream_sends(edited(request, "INVITE sip:", "INVITE sips:"));
    bench.upstream_gets();
    let down = bench.browser_gets(flow);
    assert_eq!(
        down.uri_text(),
        Some("sip:alicex7@alice.invalid;transport=ws")
    );
    let request = incoming("d", "alice", &path, PHONE_SDP);
    let line = "INVITE sip:alicex7@alice.invalid;transport=ws SIP";
    bench.upstream_sends(edited(request, line, "INVITE tel:+15550100 SIP"));
    bench.upstream_gets();
    let down = bench.browser_gets(flow);
    assert_eq!(
        down.uri_text(),
        Some("sip:alicex7@alice.invalid;transport=ws"),
        "the only name it answers to"
    );
}

/// A registration by a library that says what it knows.
fn register_with(bench: &mut Bench, number: u64, user: &str, says: &str) -> (FlowId, String) {
    let flow = bench.open(number);
    let request = register(user, 1);
    bench.browser_sends(flow, edited(request, "Supported: outbound", says));
    let up = bench.upstream_gets();
    let path = up.header("Path").unwrap().into_owned();
    bench.upstream_sends(reply(&up, 200, &[("Contact", &contact(user))], ""));
    bench.browser_gets(flow);
    (flow, path)
}

#[test]
fn a_browser_without_prack_is_not_asked_for_it() {
    let mut bench = Bench::new();
    let jssip = "Allow: INVITE,ACK,CANCEL,BYE,UPDATE,MESSAGE,OPTIONS,REFER,INFO,NOTIFY\r\nSupported: path,gruu,outbound";
    let reliable = "Allow: INVITE,ACK,PRACK\r\nSupported: outbound,100rel";
    let asked = |bench: &mut Bench, flow, path: &str, call: &str| -> Message {
        let request = incoming(call, "alice", path, PHONE_SDP);
        let wish = "Supported: replaces, 100rel\r\nRequire: 100rel\r\nContact: <sip:bob";
        bench.upstream_sends(edited(request, "Contact: <sip:bob", wish));
        bench.upstream_gets();
        bench.browser_gets(flow)
    };
    let (flow, path) = register_with(&mut bench, 1, "alice", jssip);
    let down = asked(&mut bench, flow, &path, "c");
    assert!(down.is(&Method::Invite) && !down.has("Require"));
    assert_eq!(down.header("Supported").unwrap(), "replaces");
    let (flow, path) = register_with(&mut bench, 2, "carol", reliable);
    let down = asked(&mut bench, flow, &path, "d");
    assert!(down.lists("Require", "100rel") && down.lists("Supported", "100rel"));
    // Of one that has not said, nothing is assumed.
    let flow = bench.open(3);
    let path = bench.register(flow, "dave");
    assert!(asked(&mut bench, flow, &path, "e").lists("Require", "100rel"));
}

#[test]
fn of_several_challenges_md5_reaches_the_browser_last() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, register("alice", 1));
    let up = bench.upstream_gets();
    let both = "Digest realm=\"x\", nonce=\"1\", algorithm=MD5, Digest realm=\"x\", nonce=\"2\", algorithm=SHA-256";
    bench.upstream_sends(reply(&up, 401, &[("WWW-Authenticate", both)], ""));
    let seen = bench.browser_gets(flow);
    let last = seen
        .headers("WWW-Authenticate")
        .last()
        .unwrap()
        .into_owned();
    assert_eq!(
        (
            seen.count("WWW-Authenticate"),
            last.contains("algorithm=MD5")
        ),
        (2, true)
    );
}
