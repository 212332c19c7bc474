//! A browser's call that the SIP server forks: one To-tag for the browser, each phone's own for the phones.

use std::time::Duration;

use sip::{Message, Method};

use super::super::FlowId;
use super::bench::*;

/// What the phone of this tag answers to an INVITE.
fn of(up: &Message, status: u16, tag: &str, sdp: &str, extra: &[(&str, &str)]) -> String {
    let contact = format!("<sip:bob@{tag}.example.net>");
    let mut headers = vec![("Contact", &*contact)];
    headers.extend_from_slice(extra);
    let text = String::from_utf8(reply(up, status, &headers, sdp)).unwrap();
    text.replace("tag=bobtag", &format!("tag={tag}"))
}

/// A request of the phone of this tag.
fn from_phone(up: &Message, method: &str, tag: &str, cseq: u32, sdp: &str) -> String {
    let text = from_callee(method, up, cseq, sdp, &format!("{tag}{method}{cseq}"));
    let text = String::from_utf8(text).unwrap();
    text.replace("tag=bobtag", &format!("tag={tag}"))
}

/// A call that one phone rings early for, and another answers: the INVITE as it went up, and the 200 as the browser saw it.
fn answered_by_another(bench: &mut Bench) -> (FlowId, Message, Message) {
    let flow = bench.open(1);
    bench.register(flow, "alice");
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    bench.browser_gets(flow);
    let up = bench.upstream_gets();
    for (status, tag, sdp) in [
        (183, "one", PHONE_SDP),
        (180, "two", ""),
        (183, "three", PHONE_SDP),
    ] {
        bench.upstream_sends(of(&up, status, tag, sdp, &[]));
        let seen = bench.browser_gets(flow);
        assert_eq!((seen.status(), seen.to_tag()), (Some(status), Some("one")));
    }
    bench.upstream_sends(of(&up, 200, "two", PHONE_SDP, &[]));
    let answer = bench.browser_gets(flow);
    assert_eq!((answer.status(), answer.to_tag()), (Some(200), Some("one")));
    (flow, up, answer)
}

fn ack(bench: &mut Bench, flow: FlowId, answer: &Message) -> Message {
    bench.browser_sends(flow, in_dialog("ACK", answer, 1, "", "ack"));
    bench.upstream_gets()
}

#[test]
fn who_answers_goes_by_the_tag_that_the_browser_saw_first_and_hears_his_own() {
    let mut bench = Bench::new();
    let (flow, up, answer) = answered_by_another(&mut bench);
    let ack = ack(&mut bench, flow, &answer);
    assert_eq!(ack.to_tag(), Some("two"));
    // Libraries keep the Contact that they saw first; the one that counts is his who answered.
    assert_eq!(ack.uri().unwrap().to_string(), "sip:bob@two.example.net");
    // A 200 that comes again is the same.
    bench.upstream_sends(of(&up, 200, "two", PHONE_SDP, &[]));
    assert_eq!(bench.browser_gets(flow).as_bytes(), answer.as_bytes());

    bench.browser_sends(flow, in_dialog("INFO", &answer, 2, "", "info"));
    let info = bench.upstream_gets();
    assert_eq!(info.to_tag(), Some("two"));
    bench.upstream_sends(of(&info, 200, "two", "", &[]));
    assert_eq!(bench.browser_gets(flow).to_tag(), Some("one"));

    bench.upstream_sends(from_phone(&up, "INFO", "two", 7, ""));
    let info = bench.browser_gets(flow);
    assert_eq!(info.from_tag(), Some("one"));
    bench.browser_sends(flow, reply(&info, 200, &[], ""));
    assert_eq!(bench.upstream_gets().from_tag(), Some("two"));

    bench.upstream_sends(from_phone(&up, "BYE", "two", 8, ""));
    let bye = bench.browser_gets(flow);
    assert_eq!(bye.from_tag(), Some("one"));
    bench.browser_sends(flow, reply(&bye, 200, &[], ""));
    assert_eq!(bench.upstream_gets().from_tag(), Some("two"));
    assert_eq!(bench.calls_at_relay(), [""; 0]);
    bench.assert_no_calls();
    assert!(bench.core.calls.swaps().is_empty());
}

/// An edge that was started anew, with the browser registered again.
fn started_anew() -> (Bench, FlowId) {
    let mut bench = Bench::new();
    let flow = bench.open(7);
    bench.register(flow, "alice");
    (bench, flow)
}

#[test]
fn after_a_restart_the_browsers_route_says_who_answered_and_both_sides_understand_each_other() {
    let (_, up, answer) = answered_by_another(&mut Bench::new());
    let (mut bench, flow) = started_anew();
    bench.browser_sends(flow, in_dialog("INFO", &answer, 2, "", "info"));
    let info = bench.upstream_gets();
    assert_eq!(info.to_tag(), Some("two"));
    assert_eq!(info.uri().unwrap().to_string(), "sip:bob@two.example.net");
    assert!(!text(&info).contains("answered"), "{}", text(&info));
    bench.upstream_sends(of(&info, 200, "two", "", &[]));
    assert_eq!(bench.browser_gets(flow).to_tag(), Some("one"));

    bench.upstream_sends(from_phone(&up, "INFO", "two", 7, ""));
    let info = bench.browser_gets(flow);
    assert_eq!(info.from_tag(), Some("one"));
    bench.browser_sends(flow, reply(&info, 200, &[], ""));
    assert_eq!(bench.upstream_gets().from_tag(), Some("two"));

    bench.browser_sends(flow, in_dialog("BYE", &answer, 3, "", "bye"));
    let bye = bench.upstream_gets();
    assert_eq!(bye.to_tag(), Some("two"));
    bench.upstream_sends(of(&bye, 200, "two", "", &[]));
    assert_eq!(bench.browser_gets(flow).to_tag(), Some("one"));
    assert!(bench.core.calls.swaps().is_empty());
    bench.assert_no_calls();
}

#[test]
fn what_a_route_says_of_another_call_or_in_other_words_is_not_believed() {
    let (_, _, answer) = answered_by_another(&mut Bench::new());
    let entry = answer.values("Record-Route").last().unwrap().into_owned();
    let said = entry.split_once(";answered=").unwrap().1.to_owned();
    let bent = format!("B{}", &said[1..]);
    let info = String::from_utf8(in_dialog("INFO", &answer, 2, "", "info")).unwrap();
    let other = {
        let mut bench = Bench::new();
        let flow = bench.open(1);
        bench.register(flow, "alice");
        let call = bench.call_phone(flow, "other").at_browser;
        let text = String::from_utf8(in_dialog("INFO", &call, 2, "", "info")).unwrap();
        text.replacen(";lr>", &format!(";lr;answered={said}"), 1)
    };
    let call_id = format!("Call-ID: {}", answer.call_id().unwrap());
    assert!(info.contains(&call_id));
    let moved = info.replace(&call_id, "Call-ID: of-another");
    for request in [info.replace(&said, &bent), other, moved] {
        let (mut bench, flow) = started_anew();
        bench.browser_sends(flow, request);
        let info = bench.upstream_gets();
        assert_ne!(info.to_tag(), Some("two"));
        assert!(bench.core.calls.swaps().is_empty());
    }
}

#[test]
fn a_browser_that_hangs_up_hangs_up_on_who_answered() {
    let mut bench = Bench::new();
    let (flow, _, answer) = answered_by_another(&mut bench);
    ack(&mut bench, flow, &answer);
    bench.browser_sends(flow, in_dialog("BYE", &answer, 2, "", "bye"));
    let bye = bench.upstream_gets();
    assert_eq!(bye.to_tag(), Some("two"));
    bench.upstream_sends(of(&bye, 200, "two", "", &[]));
    assert_eq!(bench.browser_gets(flow).to_tag(), Some("one"));
    assert_eq!(bench.calls_at_relay(), [""; 0]);
    bench.assert_no_calls();
}

#[test]
fn the_first_that_rang_answers_too_and_is_told_apart() {
    let mut bench = Bench::new();
    let (flow, up, answer) = answered_by_another(&mut bench);
    ack(&mut bench, flow, &answer);
    bench.upstream_sends(of(&up, 200, "one", PHONE_SDP, &[]));
    let other = bench.browser_gets(flow);
    assert_eq!(other.to_tag(), Some("two"), "a dialog of its own");
    bench.browser_sends(flow, in_dialog("BYE", &other, 2, "", "bye"));
    let bye = bench.upstream_gets();
    assert_eq!(bye.to_tag(), Some("one"));
    bench.upstream_sends(of(&bye, 200, "one", "", &[]));
    assert_eq!(bench.calls_at_relay().len(), 1, "the call goes on");
    bench.upstream_sends(of(&up, 200, "four", PHONE_SDP, &[]));
    bench.browser_gets(flow);
    assert_eq!(bench.browser_gets(flow).to_tag(), Some("four"));
}

#[test]
fn what_the_edge_itself_says_to_the_browser_names_the_browsers_dialog() {
    let mut bench = Bench::new();
    let (flow, _, answer) = answered_by_another(&mut bench);
    ack(&mut bench, flow, &answer);
    bench.close(flow);
    let flow = bench.open(2);
    bench.register(flow, "alice");
    let probe = bench.browser_gets(flow);
    assert!(probe.is(&Method::Info));
    assert_eq!(probe.from_tag(), Some("one"));
    // It has forgotten its call: who answered is hung up on.
    bench.browser_sends(flow, reply(&probe, 481, &[], ""));
    let bye = bench.upstream_gets();
    assert_eq!((bye.is(&Method::Bye), bye.to_tag()), (true, Some("two")));
    assert_eq!(bye.uri().unwrap().to_string(), "sip:bob@two.example.net");
}

#[test]
fn a_transfer_names_the_dialogs_that_each_side_knows() {
    let mut bench = Bench::new();
    let (flow, up, answer) = answered_by_another(&mut bench);
    ack(&mut bench, flow, &answer);
    let refer = String::from_utf8(in_dialog("REFER", &answer, 2, "", "refer")).unwrap();
    let refer_to =
        "Refer-To: <sip:carol@example.com?Replaces=c%3Bto-tag%3Done%3Bfrom-tag%3Dalicetag>";
    bench.browser_sends(
        flow,
        refer.replacen("Max-Forwards", &format!("{refer_to}\r\nMax-Forwards"), 1),
    );
    let refer = bench.upstream_gets();
    let named = "<sip:carol@example.com?Replaces=c%3Bto-tag%3Dtwo%3Bfrom-tag%3Dalicetag>";
    assert_eq!(refer.header("Refer-To").unwrap(), named);

    let route: Vec<_> = up
        .headers("Record-Route")
        .map(|value| value.into_owned())
        .collect();
    let path = route.first().unwrap();
    let invite = String::from_utf8(incoming("other", "alice", path, PHONE_SDP)).unwrap();
    let replaces = "Replaces: c;to-tag=alicetag;from-tag=two;early-only";
    bench.upstream_sends(invite.replacen(
        "Max-Forwards",
        &format!("{replaces}\r\nMax-Forwards"),
        1,
    ));
    let invite = loop {
        let message = bench.browser_gets(flow);
        if message.is(&Method::Invite) {
            break message;
        }
    };
    assert_eq!(
        invite.header("Replaces").unwrap(),
        "c;to-tag=alicetag;from-tag=one;early-only"
    );
}

#[test]
fn with_prack_every_phone_keeps_its_tag_and_gets_its_own() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let wishes = "Supported: 100rel";
    bench.browser_sends(flow, invite("c", "alice", "1", wishes, BROWSER_SDP));
    bench.browser_gets(flow);
    let up = bench.upstream_gets();
    for (cseq, tag) in [(2, "one"), (3, "two")] {
        let reliable = [("Require", "100rel"), ("RSeq", "1")];
        bench.upstream_sends(of(&up, 183, tag, PHONE_SDP, &reliable));
        let early = bench.browser_gets(flow);
        assert_eq!(early.to_tag(), Some(tag));
        bench.browser_sends(flow, in_dialog("PRACK", &early, cseq, "", tag));
        let prack = bench.upstream_gets();
        assert_eq!(
            (prack.is(&Method::Prack), prack.to_tag()),
            (true, Some(tag))
        );
        bench.upstream_sends(of(&prack, 200, tag, "", &[]));
        assert_eq!(bench.browser_gets(flow).to_tag(), Some(tag));
    }
    bench.upstream_sends(of(&up, 200, "two", PHONE_SDP, &[]));
    assert_eq!(bench.browser_gets(flow).to_tag(), Some("two"));
}

#[test]
fn a_call_that_nobody_answers_or_only_one_rings_for_is_left_as_it_is() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    for (call, number) in [("c", "1"), ("d", "22")] {
        bench.browser_sends(flow, invite(call, "alice", number, "", BROWSER_SDP));
        bench.browser_gets(flow);
        let up = bench.upstream_gets();
        bench.upstream_sends(of(&up, 180, "one", "", &[]));
        assert_eq!(bench.browser_gets(flow).to_tag(), Some("one"));
        let status = if call == "c" { 486 } else { 200 };
        bench.upstream_sends(of(&up, status, "one", "", &[]));
        assert_eq!(bench.browser_gets(flow).to_tag(), Some("one"));
        bench.ignore_output();
    }
    assert!(bench.core.calls.swaps().is_empty());
    bench.wait(Duration::from_secs(1));
}
