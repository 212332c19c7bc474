//! What the phone's side asks in a call whose browser is away for a moment.

use std::time::Duration;

use sip::{Message, Method};

use super::super::FlowId;
use super::bench::*;
use super::spared::{from_phone, talking};

const HOLD: &str = "a=sendonly\r\n";

/// A call that a phone has begun, and whose browser's connection has closed.
fn left_alone(bench: &mut Bench) -> Call {
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    let call = bench.call_browser(flow, &path, "c");
    bench.close(flow);
    call
}

fn back(bench: &mut Bench) -> FlowId {
    let flow = bench.open(2);
    bench.register(flow, "alice");
    flow
}

fn of_phone(call: &Call, method: &str, cseq: u32, sdp: &str) -> Vec<u8> {
    to_browser(
        method,
        &call.at_phone,
        cseq,
        sdp,
        &format!("{method}{cseq}"),
    )
}

fn hold(call: &Call, cseq: u32) -> Vec<u8> {
    of_phone(call, "INVITE", cseq, &format!("{PHONE_SDP}{HOLD}"))
}

fn statuses(sent: &[Message]) -> Vec<Option<u16>> {
    sent.iter().map(Message::status).collect()
}

/// The next request to the browser with this method.
fn next(bench: &mut Bench, flow: FlowId, method: &Method) -> Message {
    let sent = bench.browser_has(flow);
    let mut sent = sent.into_iter().filter(|message| message.is(method));
    sent.next().expect("a request")
}

#[test]
fn a_refresh_of_the_servers_is_answered_and_its_ack_ends_here() {
    for browser_calls in [true, false] {
        let mut bench = Bench::new();
        let (flow, call) = talking(&mut bench, browser_calls);
        bench.close(flow);
        bench.upstream_sends(from_phone(&call, "INVITE", 5, PHONE_SDP));
        let sent = bench.upstream_has();
        assert_eq!(statuses(&sent), [Some(100), Some(200)]);
        assert!(body(&sent[1]).contains("Answer of browser"));
        bench.upstream_sends(from_phone(&call, "ACK", 5, ""));
        bench.wait(Duration::from_secs(5));
        bench.silence();
        bench.upstream_sends(from_phone(&call, "UPDATE", 6, PHONE_SDP));
        assert_eq!(statuses(&bench.upstream_has()), [Some(200)]);
        bench.upstream_sends(from_phone(&call, "OPTIONS", 7, ""));
        assert_eq!(statuses(&bench.upstream_has()), [Some(200)]);
        // The browser comes back to its call.
        let flow = back(&mut bench);
        bench.upstream_sends(from_phone(&call, "BYE", 8, ""));
        next(&mut bench, flow, &Method::Bye);
    }
}

#[test]
fn what_only_the_browser_can_answer_waits_for_it() {
    let mut bench = Bench::new();
    let call = left_alone(&mut bench);
    bench.upstream_sends(hold(&call, 5));
    assert_eq!(statuses(&bench.upstream_has()), [Some(100)]);
    bench.upstream_sends(of_phone(&call, "INFO", 6, ""));
    bench.wait(Duration::from_secs(10));
    bench.silence();
    let flow = back(&mut bench);
    let sent = bench.browser_has(flow);
    let invite = sent.iter().find(|it| it.is(&Method::Invite)).unwrap();
    assert!(
        sent.iter()
            .any(|it| it.is(&Method::Info) && it.cseq().unwrap().number == 6)
    );
    bench.browser_sends(
        flow,
        reply(invite, 200, &[("Contact", &contact("alice"))], BROWSER_SDP),
    );
    assert_eq!(statuses(&bench.upstream_has()), [Some(200)]);
}

#[test]
fn who_waits_in_vain_is_told_what_does_not_end_a_call_and_then_that_it_is_over() {
    let mut bench = Bench::new();
    let call = left_alone(&mut bench);
    bench.wait(Duration::from_secs(1));
    for (cseq, method) in [(5, "UPDATE"), (6, "INFO")] {
        let sdp = format!("{PHONE_SDP}{HOLD}");
        let sdp = if method == "UPDATE" { &*sdp } else { "" };
        bench.upstream_sends(of_phone(&call, method, cseq, sdp));
    }
    bench.silence();
    bench.wait(Duration::from_secs(16));
    let sent = bench.upstream_has();
    assert_eq!(statuses(&sent), [Some(491), Some(500)]);
    assert!(sent[1].has("Retry-After"));
    bench.upstream_sends(hold(&call, 7));
    bench.wait(Duration::from_secs(4));
    let sent = bench.upstream_has();
    let bye = sent.iter().find(|sent| sent.is(&Method::Bye));
    assert!(bye.is_some(), "the grace is over");
    let last = sent.iter().filter_map(Message::status).max();
    assert!(matches!(last, Some(481 | 491)), "{last:?}");
}

#[test]
fn a_phone_that_hangs_up_waits_no_more() {
    let mut bench = Bench::new();
    let call = left_alone(&mut bench);
    bench.upstream_sends(hold(&call, 5));
    bench.upstream_gets();
    bench.upstream_sends(of_phone(&call, "BYE", 6, ""));
    let mut answers = statuses(&bench.upstream_has());
    answers.sort();
    assert_eq!(answers, [Some(200), Some(487)]);
    assert_eq!(bench.calls_at_relay(), [""; 0]);
}

#[test]
fn a_connection_that_closes_under_a_re_invite_leaves_the_call() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    let call = bench.call_browser(flow, &path, "c");
    bench.upstream_sends(hold(&call, 5));
    bench.browser_gets(flow);
    bench.close(flow);
    assert_eq!(statuses(&bench.upstream_has()), [Some(100), Some(491)]);
    // One after another while the relay is asked.
    let flow = back(&mut bench);
    bench.ignore_output();
    bench.relay_answers = false;
    bench.upstream_sends(hold(&call, 6));
    bench.close(flow);
    bench.relay_answers = true;
    bench.relay_replies();
    let statuses = statuses(&bench.upstream_has());
    assert_eq!(statuses, [Some(100), Some(491)]);
}

#[test]
fn after_a_restart_a_browser_is_waited_for_a_moment() {
    let call = left_alone(&mut Bench::new());
    let mut bench = Bench::new();
    bench.upstream_sends(of_phone(&call, "INFO", 5, ""));
    bench.wait(Duration::from_secs(1));
    bench.silence();
    let flow = back(&mut bench);
    assert!(bench.browser_gets(flow).is(&Method::Info));
    let mut bench = Bench::new();
    bench.upstream_sends(hold(&call, 5));
    bench.wait(Duration::from_secs(4));
    assert_eq!(statuses(&bench.upstream_has()), [Some(100), Some(480)]);
}
