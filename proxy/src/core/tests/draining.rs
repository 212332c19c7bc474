//! An edge that is about to stop.

use super::super::*;
use super::bench::*;

#[test]
fn an_edge_that_drains_refuses_what_begins_and_serves_what_stands() {
    let mut bench = Bench::new();
    let (flow, other) = (bench.open(1), bench.open(2));
    let path = bench.register(flow, "alice");
    let call = bench.call_browser(flow, &path, "c");
    assert!(!bench.core.is_idle());
    assert_eq!(bench.core.idle_flows(9), [other], "the other has a call");
    bench.input(Input::Draining);

    bench.upstream_sends(incoming("new", "alice", &path, PHONE_SDP));
    let refused = bench.upstream_gets();
    assert_eq!(refused.status(), Some(503));
    assert!(refused.has("Retry-After"), "the SIP server goes elsewhere");
    bench.browser_sends(
        flow,
        invite("another", "alice", "n", "", &browser_sdp("alice")),
    );
    let refused = bench.browser_gets(flow);
    assert_eq!(refused.status(), Some(503));
    assert!(refused.has("Retry-After"));
    bench.browser_sends(other, register("bob", 1));
    assert_eq!(bench.browser_gets(other).status(), Some(503));
    // Who is registered says so again: his call goes on.
    bench.browser_sends(flow, register("alice", 7));
    assert!(bench.upstream_gets().is(&Method::Register));
    let now = bench.now;
    assert!(bench.core.unready(now).unwrap().starts_with("draining"));

    bench.upstream_sends(to_browser("BYE", &call.at_phone, 2, "", "bye"));
    let bye = bench.browser_gets(flow);
    bench.browser_sends(flow, reply(&bye, 200, &[], ""));
    assert_eq!(bench.upstream_gets().status(), Some(200));
    assert!(bench.core.is_idle());
}
