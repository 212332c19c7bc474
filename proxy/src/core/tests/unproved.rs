//! Browsers whose SDP names an address instead of proving one: what they name may be a host of ours.

use super::bench::*;
use crate::core::Drop;

/// A phone's SDP: whoever takes it sends to 10.0.0.9.
const ELSEWHERE: &str = PHONE_SDP;

#[test]
fn an_offer_of_a_browser_without_ice_and_dtls_is_refused_and_no_relay_sees_it() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "0", "", ELSEWHERE));
    assert_eq!(bench.browser_gets(flow).status(), Some(100));
    assert_eq!(bench.browser_gets(flow).status(), Some(488));
    bench.silence();
    assert!(bench.asked.is_empty(), "{:?}", bench.asked);

    let call = bench.call_phone(flow, "d");
    let before = bench.asked.len();
    let again = in_dialog("INVITE", &call.at_browser, 2, ELSEWHERE, "re2");
    bench.browser_sends(flow, again);
    assert_eq!(bench.browser_gets(flow).status(), Some(100));
    assert_eq!(bench.browser_gets(flow).status(), Some(488));
    bench.silence();
    assert_eq!(bench.asked.len(), before);
}

#[test]
fn an_answer_of_a_browser_without_ice_and_dtls_ends_the_call_and_no_relay_sees_it() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    bench.upstream_sends(incoming("c", "alice", &path, PHONE_SDP));
    assert_eq!(bench.upstream_gets().status(), Some(100));
    let down = bench.browser_gets(flow);
    let before = bench.asked.len();
    let headers = [("Contact", contact("alice"))];
    let headers = [(headers[0].0, headers[0].1.as_str())];
    bench.browser_sends(flow, reply(&down, 200, &headers, ELSEWHERE));
    assert_eq!(bench.upstream_gets().status(), Some(502));
    let answered = bench.asked[before..].iter().filter(|it| it.sdp.is_some());
    assert_eq!(answered.count(), 0);
}

#[test]
fn an_answer_in_an_ack_without_ice_and_dtls_goes_nowhere() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let call = bench.call_phone(flow, "c");
    bench.browser_sends(flow, in_dialog("INVITE", &call.at_browser, 2, "", "re2"));
    bench.browser_gets(flow);
    let up = bench.upstream_gets();
    let headers = [("Contact", "<sip:bob@10.0.0.9>")];
    bench.upstream_sends(reply(&up, 200, &headers, PHONE_SDP));
    bench.browser_gets(flow);
    let before = bench.asked.len();
    bench.browser_sends(
        flow,
        in_dialog("ACK", &call.at_browser, 2, ELSEWHERE, "ack2"),
    );
    assert_eq!(bench.dropped(Drop::UnusableBody), 1);
    bench.silence();
    assert_eq!(bench.asked.len(), before);
}
