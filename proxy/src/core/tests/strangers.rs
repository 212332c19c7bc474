//! Connections that bring nothing.

use std::time::Duration;

use super::super::*;
use super::bench::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_connection_on_which_no_request_comes_is_closed_after_ten_seconds() {
    let mut bench = Bench::guarded(|_| {});
    let (silent, chatting, talking) = (bench.open(1), bench.open(2), bench.open(3));
    bench.browser_sends(chatting, b"\r\n\r\n".to_vec());
    bench.browser_sends(talking, register("alice", 1));
    bench.wait(SECOND * 9);
    assert!(bench.closed.is_empty());
    bench.wait(SECOND);
    assert_eq!(bench.closed, [silent, chatting]);
}

#[test]
fn a_connection_on_which_nobody_registers_is_closed_after_a_minute() {
    let mut bench = Bench::guarded(|_| {});
    let (refused, registered) = (bench.open(1), bench.open(2));
    bench.browser_sends(refused, register("carol", 1));
    let up = bench.upstream_gets();
    bench.upstream_sends(reply(&up, 403, &[], ""));
    bench.register(registered, "alice");
    bench.wait(SECOND * 59);
    assert!(bench.closed.is_empty());
    bench.wait(SECOND);
    assert_eq!(bench.closed, [refused]);
}

#[test]
fn who_waits_for_the_sip_server_is_not_sent_away_meanwhile() {
    let mut bench = Bench::guarded(|config| config.limits.unregistered = SECOND * 20);
    let flow = bench.open(1);
    bench.browser_sends(flow, register("alice", 1));
    let up = bench.upstream_gets();
    bench.wait(SECOND * 25);
    let contact = up.header("Contact").unwrap().into_owned();
    bench.upstream_sends(reply(&up, 200, &[("Contact", &contact)], ""));
    bench.wait(SECOND * 600);
    assert!(bench.closed.is_empty());
}

#[test]
fn a_visitor_who_need_not_register_may_take_his_time() {
    let mut bench = Bench::guarded(|config| config.policy.callers = Callers::Anyone);
    bench.open(1);
    bench.wait(SECOND * 3600);
    assert!(bench.closed.is_empty());
}
