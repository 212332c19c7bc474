//! Connections that close at the worst moment.

use std::time::Duration;

use sip::Method;

use super::bench::*;

#[test]
fn a_caller_whose_browser_closes_is_told() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    bench.upstream_sends(incoming("c", "alice", &path, PHONE_SDP));
    assert_eq!(bench.upstream_gets().status(), Some(100));
    bench.browser_gets(flow);
    bench.close(flow);
    assert_eq!(bench.upstream_gets().status(), Some(480));
    assert_eq!(bench.calls_at_relay(), [""; 0]);
    bench.ignore_output();
    bench.assert_drained();
}

#[test]
fn a_browser_that_closes_while_the_relay_is_asked_is_missed_as_well() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    bench.relay_answers = false;
    bench.upstream_sends(incoming("c", "alice", &path, PHONE_SDP));
    assert_eq!(bench.upstream_gets().status(), Some(100));
    bench.close(flow);
    bench.relay_answers = true;
    bench.relay_replies();
    assert_eq!(bench.upstream_gets().status(), Some(480));
    assert_eq!(bench.calls_at_relay(), [""; 0]);
    bench.ignore_output();
    bench.assert_drained();
}

#[test]
fn a_bye_to_a_browser_that_is_gone_still_frees_the_relay() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    let call = bench.call_browser(flow, &path, "c");
    bench.close(flow);
    bench.upstream_sends(to_browser("BYE", &call.at_phone, 2, "", "bye"));
    assert_eq!(bench.upstream_gets().status(), Some(200));
    assert_eq!(bench.calls_at_relay(), [""; 0]);
    // Nobody hangs up on the phone again, and the browser hears of it when it comes back.
    bench.wait(Duration::from_secs(60));
    bench.silence();
    let again = bench.open(2);
    bench.register(again, "alice");
    let bye = bench.browser_gets(again);
    assert!(bye.is(&Method::Bye));
    let own = Some("sip:alicex7@alice.invalid;transport=ws");
    assert_eq!(bye.uri_text(), own, "by the name it knows");
    bench.browser_sends(again, reply(&bye, 200, &[], ""));
    bench.silence();
    bench.assert_no_calls();
}

#[test]
fn the_call_of_a_browser_that_closes_is_cancelled() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    let up = bench.upstream_gets();
    bench.upstream_sends(reply(&up, 180, &[], ""));
    bench.close(flow);
    let cancel = bench.upstream_gets();
    assert!(cancel.is(&Method::Cancel));
    bench.upstream_sends(reply(&cancel, 200, &[], ""));
    bench.upstream_sends(reply(&up, 487, &[], ""));
    assert!(bench.upstream_gets().is(&Method::Ack));
    assert_eq!(bench.calls_at_relay(), [""; 0]);
    bench.ignore_output();
    bench.assert_drained();
}

#[test]
fn a_phone_that_answers_a_browser_that_is_gone_is_hung_up_on() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    let up = bench.upstream_gets();
    bench.close(flow);
    bench.upstream_sends(reply(
        &up,
        200,
        &[("Contact", "<sip:bob@10.0.0.9>")],
        PHONE_SDP,
    ));
    assert!(bench.upstream_gets().is(&Method::Ack));
    let bye = bench.upstream_gets();
    assert!(bye.is(&Method::Bye));
    bench.upstream_sends(reply(&bye, 200, &[], ""));
    assert_eq!(bench.calls_at_relay(), [""; 0]);
    bench.ignore_output();
    bench.assert_drained();
}

#[test]
fn connections_that_close_at_every_point_of_a_call_leave_nothing_behind() {
    // The steps of a call in each direction; the flow closes after each number of them.
    for step in 0..7 {
        let mut bench = Bench::new();
        let flow = bench.open(1);
        let path = bench.register(flow, "alice");
        let mut steps = 0;
        let mut closes = |bench: &mut Bench| {
            let now = steps == step;
            steps += 1;
            if now {
                bench.close(flow);
            }
            now
        };
        bench.relay_answers = step % 2 == 0;
        bench.browser_sends(flow, invite("up", "alice", "1", "", BROWSER_SDP));
        bench.upstream_sends(incoming("down", "alice", &path, PHONE_SDP));
        if !closes(&mut bench) {
            while !bench.open_asks.is_empty() {
                bench.relay_replies();
            }
            bench.relay_answers = true;
            let sent: Vec<_> = bench.upstream_has();
            let up = sent
                .into_iter()
                .find(|message| message.is(&Method::Invite))
                .unwrap();
            let down = bench
                .browser_has(flow)
                .into_iter()
                .find(|message| message.is(&Method::Invite))
                .unwrap();
            for (status, sdp) in [(180, ""), (183, PHONE_SDP), (200, PHONE_SDP)] {
                let headers = [("Contact", "<sip:bob@10.0.0.9>")];
                bench.upstream_sends(reply(&up, status, &headers, sdp));
                bench.browser_sends(
                    flow,
                    reply(
                        &down,
                        status,
                        &[("Contact", &contact("alice"))],
                        BROWSER_SDP,
                    ),
                );
                if closes(&mut bench) {
                    break;
                }
            }
        }
        bench.wait(Duration::from_secs(1));
        while !bench.open_asks.is_empty() {
            bench.relay_replies();
        }
        bench.ignore_output();
        bench.assert_drained();
        // With more steps than a call has, nothing closes.
        let closed = step < 4;
        assert_eq!(bench.calls_at_relay().is_empty(), closed, "step {step}");
        if closed {
            bench.assert_no_calls();
        }
    }
}
