//! A re-offer that the far side refuses is taken back at the relay: what was agreed on before is asked again.

use std::time::Duration;

use control_proto::{Command as Ng, Request};

use super::super::FlowId;
use super::bench::*;

const HEADERS: [(&str, &str); 1] = [("Contact", "<sip:bob@10.0.0.9>")];

fn hold() -> String {
    browser_sdp("hold") + "a=sendonly\r\n"
}

/// What a question is about: the command, the offerer and the body's name.
fn told(request: &Request) -> (Ng, String, String) {
    let body = String::from_utf8_lossy(request.sdp.as_deref().unwrap_or_default()).into_owned();
    let name = body.lines().find_map(|line| line.strip_prefix("s="));
    let from = request.from_tag.clone().unwrap_or_default();
    (request.command, from, name.unwrap_or_default().to_owned())
}

fn told_since(bench: &Bench, before: usize) -> Vec<(Ng, String, String)> {
    bench.asked[before..].iter().map(told).collect()
}

fn question(command: Ng, from: &str, name: &str) -> (Ng, String, String) {
    (command, from.to_owned(), name.to_owned())
}

/// The browser's re-INVITE up to the upstream's copy of it.
fn reinvites(bench: &mut Bench, flow: FlowId, call: &Call, sdp: &str, cseq: u32) -> sip::Message {
    let branch = format!("re{cseq}");
    let request = in_dialog("INVITE", &call.at_browser, cseq, sdp, &branch);
    bench.browser_sends(flow, request);
    assert_eq!(bench.browser_gets(flow).status(), Some(100));
    bench.upstream_gets()
}

/// A browser's call to a phone stands.
fn talking() -> (Bench, FlowId, Call) {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let call = bench.call_phone(flow, "c");
    (bench, flow, call)
}

#[test]
fn a_refused_reinvite_of_either_side_is_taken_back_at_the_relay() {
    let (mut bench, flow, call) = talking();
    let first: Vec<Request> = bench.asked.clone();
    let agreed = [
        question(Ng::Offer, "alicetag", "browser"),
        question(Ng::Answer, "alicetag", "phone"),
    ];
    for (cseq, status) in [(2, 488), (3, 491), (4, 500), (5, 603)] {
        let up = reinvites(&mut bench, flow, &call, &hold(), cseq);
        let before = bench.asked.len();
        bench.upstream_sends(reply(&up, status, &[], ""));
        assert_eq!(bench.browser_gets(flow).status(), Some(status));
        assert_eq!(told_since(&bench, before), agreed, "{status}");
        bench.ignore_output();
    }
    let [offer, answer] = &bench.asked[bench.asked.len() - 2..] else {
        panic!("two questions")
    };
    let named = Request {
        to_tag: Some("bobtag".to_owned()),
        ..first[0].clone()
    };
    assert_eq!(
        (offer, answer),
        (&named, &first[1]),
        "but for the name, the same"
    );

    let hold = from_callee("INVITE", &call.at_phone, 1, &hold(), "phone1");
    bench.upstream_sends(hold);
    let down = bench.browser_gets(flow);
    let before = bench.asked.len();
    bench.browser_sends(flow, reply(&down, 488, &[], ""));
    assert_eq!(told_since(&bench, before), agreed);
    bench.ignore_output();
    bench.assert_drained();
}

#[test]
fn what_was_agreed_on_last_is_what_is_restored() {
    let (mut bench, flow, call) = talking();
    let up = reinvites(&mut bench, flow, &call, &hold(), 2);
    bench.upstream_sends(reply(&up, 200, &HEADERS, PHONE_SDP));
    bench.ignore_output();
    // A long time later: the session's negotiation is forgotten, the agreement is not.
    bench.wait(Duration::from_secs(600));

    let update = in_dialog("UPDATE", &call.at_browser, 3, BROWSER_SDP, "up");
    bench.browser_sends(flow, update);
    let up = bench.upstream_gets();
    let before = bench.asked.len();
    bench.upstream_sends(reply(&up, 500, &[], ""));
    let restored = [
        question(Ng::Offer, "alicetag", "hold"),
        question(Ng::Answer, "alicetag", "phone"),
    ];
    assert_eq!(told_since(&bench, before), restored);
}

#[test]
fn an_offer_in_a_200_and_its_answer_in_the_ack_are_agreed_on_too() {
    let (mut bench, flow, call) = talking();
    let up = reinvites(&mut bench, flow, &call, "", 2);
    bench.upstream_sends(reply(&up, 200, &HEADERS, PHONE_SDP));
    bench.browser_gets(flow);
    let ack = in_dialog("ACK", &call.at_browser, 2, BROWSER_SDP, "ack2");
    bench.browser_sends(flow, ack);
    bench.ignore_output();

    let up = reinvites(&mut bench, flow, &call, &hold(), 3);
    let before = bench.asked.len();
    bench.upstream_sends(reply(&up, 488, &[], ""));
    let restored = [
        question(Ng::Offer, "bobtag", "phone"),
        question(Ng::Answer, "bobtag", "browser"),
    ];
    assert_eq!(told_since(&bench, before), restored);
}

#[test]
fn in_a_glare_nothing_is_restored_before_both_are_answered() {
    let (mut bench, flow, call) = talking();
    let up = reinvites(&mut bench, flow, &call, &hold(), 2);
    bench.upstream_sends(from_callee(
        "INVITE",
        &call.at_phone,
        1,
        PHONE_SDP,
        "phone1",
    ));
    bench.upstream_gets();
    let down = bench.browser_gets(flow);
    let before = bench.asked.len();
    bench.browser_sends(flow, reply(&down, 491, &[], ""));
    assert_eq!(bench.asked.len(), before, "the browser's offer is open");
    bench.ignore_output();
    bench.upstream_sends(reply(&up, 200, &HEADERS, PHONE_SDP));
    let expected = [
        question(Ng::Answer, "alicetag", "phone"),
        question(Ng::Offer, "alicetag", "hold"),
        question(Ng::Answer, "alicetag", "phone"),
    ];
    assert_eq!(told_since(&bench, before), expected);
}

#[test]
fn a_new_offer_overtakes_a_restoration() {
    let (mut bench, flow, call) = talking();
    let up = reinvites(&mut bench, flow, &call, &hold(), 2);
    bench.relay_answers = false;
    bench.upstream_sends(reply(&up, 488, &[], ""));
    bench.ignore_output();
    let again = in_dialog("INVITE", &call.at_browser, 3, &hold(), "re3");
    bench.browser_sends(flow, again);
    let before = bench.asked.len();
    bench.relay_replies();
    bench.relay_replies();
    assert_eq!(bench.asked.len(), before, "no old answer to a new offer");
}

#[test]
fn a_call_that_is_hung_up_during_a_restoration_is_gone_at_the_relay() {
    let (mut bench, flow, call) = talking();
    let up = reinvites(&mut bench, flow, &call, &hold(), 2);
    bench.relay_answers = false;
    bench.upstream_sends(reply(&up, 488, &[], ""));
    bench.ignore_output();
    bench.browser_sends(flow, in_dialog("BYE", &call.at_browser, 3, "", "bye"));
    let bye = bench.upstream_gets();
    bench.upstream_sends(reply(&bye, 200, &[], ""));
    bench.relay_answers = true;
    bench.relay_replies();
    assert_eq!(told(bench.asked.last().unwrap()).0, Ng::Delete);
    assert_eq!(bench.core.media.agreed_calls(), 0);
    bench.ignore_output();
    bench.assert_drained();
}

#[test]
fn a_first_invite_that_fails_restores_nothing() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    let up = bench.upstream_gets();
    bench.upstream_sends(reply(&up, 183, &[], PHONE_SDP));
    bench.upstream_sends(reply(&up, 486, &[], ""));
    let commands: Vec<_> = bench.asked.iter().map(|request| request.command).collect();
    assert_eq!(commands, [Ng::Offer, Ng::Answer, Ng::Delete]);
    assert_eq!(bench.core.media.agreed_calls(), 0);
}

#[test]
fn a_challenged_reinvite_comes_again_and_restores_nothing() {
    let (mut bench, flow, call) = talking();
    let up = reinvites(&mut bench, flow, &call, &hold(), 2);
    let before = bench.asked.len();
    bench.upstream_sends(reply(
        &up,
        407,
        &[("Proxy-Authenticate", "Digest realm=\"x\", nonce=\"y\"")],
        "",
    ));
    assert_eq!(bench.asked.len(), before, "it comes again at once");
}

#[test]
fn of_a_fork_only_the_dialog_that_was_agreed_on_last_is_restored() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    bench.browser_gets(flow);
    let up = bench.upstream_gets();
    let mut fork = |tag: &str| {
        let answer = String::from_utf8(reply(&up, 200, &HEADERS, PHONE_SDP)).unwrap();
        bench.upstream_sends(answer.replace("tag=bobtag", &format!("tag={tag}")));
        bench.browser_gets(flow)
    };
    let (one, two) = (fork("one"), fork("two"));
    bench.ignore_output();
    for (cseq, dialog, restored) in [(2, &one, 0), (3, &two, 2)] {
        let request = in_dialog("INVITE", dialog, cseq, &hold(), &format!("re{cseq}"));
        bench.browser_sends(flow, request);
        let up = bench.upstream_gets();
        let before = bench.asked.len();
        bench.upstream_sends(reply(&up, 488, &[], ""));
        assert_eq!(bench.asked.len() - before, restored);
        bench.ignore_output();
    }
}
