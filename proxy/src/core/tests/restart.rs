//! An edge that was started anew, with the token key that it had before: it knows nothing of the calls that stand, and
//! their requests find their way all the same.

use control_proto::Command as Ng;
use sip::Method;

use super::super::*;
use super::bench::*;

#[test]
fn a_phone_hangs_up_on_a_browser_that_has_registered_again_and_the_relay_forgets_the_call() {
    let mut before = Bench::new();
    let flow = before.open(1);
    let path = before.register(flow, "alice");
    let call = before.call_browser(flow, &path, "c");
    let at_relay = before.calls_at_relay();

    let mut bench = Bench::new();
    let flow = bench.open(7);
    bench.register(flow, "alice");
    bench.upstream_sends(to_browser("BYE", &call.at_phone, 2, "", "bye"));
    let bye = bench.browser_gets(flow);
    assert!(bye.is(&Method::Bye));
    bench.browser_sends(flow, reply(&bye, 200, &[], ""));
    assert_eq!(bench.upstream_gets().status(), Some(200));
    let last = bench.asked.last().unwrap();
    assert_eq!(last.command, Ng::Delete);
    assert_eq!(last.call_id.as_ref(), at_relay.first());
    bench.assert_no_calls();
}

#[test]
fn a_browser_hangs_up_after_a_restart_and_may_hold_before() {
    let mut before = Bench::new();
    let flow = before.open(1);
    before.register(flow, "alice");
    let call = before.call_phone(flow, "c");

    let mut bench = Bench::new();
    let flow = bench.open(7);
    bench.register(flow, "alice");
    let hold = format!("{BROWSER_SDP}a=sendonly\r\n");
    bench.browser_sends(
        flow,
        in_dialog("INVITE", &call.at_browser, 2, &hold, "hold"),
    );
    assert_eq!(bench.browser_gets(flow).status(), Some(100));
    let up = bench.upstream_gets();
    assert!(body(&up).contains("Offer of browser"));
    bench.upstream_sends(reply(&up, 200, &[], PHONE_SDP));
    assert!(body(&bench.browser_gets(flow)).contains("Answer of phone"));
    bench.browser_sends(flow, in_dialog("BYE", &call.at_browser, 3, "", "bye"));
    let bye = bench.upstream_gets();
    bench.upstream_sends(reply(&bye, 200, &[], ""));
    assert_eq!(bench.asked.last().unwrap().command, Ng::Delete);
}

#[test]
fn with_another_key_it_knows_none_of_them() {
    let mut before = Bench::new();
    let flow = before.open(1);
    let path = before.register(flow, "alice");
    let call = before.call_browser(flow, &path, "c");

    let mut bench = Bench::new();
    let secrets = Secrets {
        token_key: [9; 32],
        seed: [2; 32],
    };
    let advertised = vec![Hop::udp(address(EDGE))];
    bench.core = Core::new(Config::new("example.com", advertised), &secrets);
    bench.upstreams(&[Target::new(bench.upstream)]);
    bench.upstream_sends(to_browser("BYE", &call.at_phone, 2, "", "bye"));
    assert_eq!(bench.upstream_gets().status(), Some(404));
}

#[test]
fn a_key_is_made_of_a_text_that_is_long_enough() {
    let long = "0123456789abcdef0123456789abcdef";
    assert!(Secrets::key_of(&long[1..]).is_none());
    let key = Secrets::key_of(long);
    assert!(key.is_some() && key != Secrets::key_of("123456789abcdef0123456789abcdef00"));
}
