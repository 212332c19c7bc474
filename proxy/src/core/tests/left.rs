//! Browsers that leave in the middle of a call: they may come back, and if they do not, the phone is hung up on.

use std::time::Duration;

use sip::Method;

use super::bench::*;

const GRACE: Duration = Duration::from_secs(20);
const MOMENT: Duration = Duration::from_millis(100);

#[test]
fn the_phone_that_a_browser_called_is_hung_up_on_when_the_browser_does_not_come_back() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.register(flow, "alice");
    let call = bench.call_phone(flow, "c");
    // Both have counted on since.
    bench.browser_sends(flow, in_dialog("INFO", &call.at_browser, 7, "", "info"));
    let info = bench.upstream_gets();
    bench.upstream_sends(reply(&info, 200, &[], ""));
    bench.close(flow);
    bench.ignore_output();
    bench.wait(GRACE - MOMENT);
    bench.silence();
    assert_eq!(bench.calls_at_relay().len(), 1);

    bench.wait(MOMENT);
    let bye = bench.upstream_gets();
    assert!(bye.is(&Method::Bye));
    assert_eq!(bye.uri_text(), Some("sip:bob@10.0.0.9"));
    assert_eq!(bye.call_id(), Some("c"));
    assert_eq!(
        (bye.from_tag(), bye.to_tag()),
        (Some("alicetag"), Some("bobtag"))
    );
    assert!(bye.cseq().unwrap().number > 7);
    assert!(bye.header("Reason").unwrap().starts_with("SIP;cause=480"));
    bench.upstream_sends(reply(&bye, 200, &[], ""));
    assert_eq!(bench.calls_at_relay(), [""; 0]);
    bench.silence();
    bench.assert_no_calls();
}

#[test]
fn the_phone_that_called_a_browser_is_hung_up_on_by_its_own_route() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    let _call = bench.call_browser(flow, &path, "c");
    bench.close(flow);
    bench.wait(GRACE);
    let bye = bench.upstream_gets();
    assert!(bye.is(&Method::Bye));
    assert_eq!(bye.uri_text(), Some("sip:bob@10.0.0.9"));
    assert_eq!(
        bye.values("Route").collect::<Vec<_>>(),
        ["<sip:192.0.2.5;lr>"]
    );
    assert_eq!(
        (bye.from_tag(), bye.to_tag()),
        (Some("alicetag"), Some("bobtag"))
    );
    bench.upstream_sends(reply(&bye, 200, &[], ""));
    assert_eq!(bench.calls_at_relay(), [""; 0]);
    bench.assert_no_calls();
}

#[test]
fn a_call_between_two_browsers_is_hung_up_on_through_the_upstream_and_the_other_pass() {
    let mut bench = Bench::new();
    let (caller, callee) = (bench.open(1), bench.open(2));
    bench.register(caller, "alice");
    let path = bench.register(callee, "bob");
    bench.browser_sends(caller, invite("c", "alice", "1", "", BROWSER_SDP));
    bench.browser_gets(caller);
    let mut up = bench.upstream_gets();
    up.prepend("Record-Route", "<sip:192.0.2.5;lr>").unwrap();
    up.prepend("Route", path.as_str()).unwrap();
    up.prepend("Via", "SIP/2.0/UDP 192.0.2.5;branch=z9hG4bKloop")
        .unwrap();
    bench.upstream_sends(up.into_bytes());
    bench.upstream_gets();
    let down = bench.browser_gets(callee);
    bench.browser_sends(
        callee,
        reply(&down, 200, &[("Contact", &contact("bob"))], BROWSER_SDP),
    );
    let mut answer = bench.upstream_gets();
    answer.remove_first_value("Via").unwrap();
    bench.upstream_sends(answer.into_bytes());
    assert_eq!(bench.browser_gets(caller).status(), Some(200));
    assert_eq!(bench.calls_at_relay().len(), 2);

    bench.close(caller);
    bench.wait(GRACE);
    let mut bye = bench.upstream_gets();
    let routes: Vec<_> = bye
        .values("Route")
        .map(|value| value.into_owned())
        .collect();
    assert_eq!(routes.len(), 3, "{routes:?}");
    assert_eq!(routes[0], "<sip:192.0.2.5;lr>");
    bye.remove_first_value("Route").unwrap();
    bye.prepend("Via", "SIP/2.0/UDP 192.0.2.5;branch=z9hG4bKbye")
        .unwrap();
    bench.upstream_sends(bye.into_bytes());
    let bye = bench.browser_gets(callee);
    assert!(bye.is(&Method::Bye) && bye.has("Reason"));
    bench.browser_sends(callee, reply(&bye, 200, &[], ""));
    bench.ignore_output();
    assert_eq!(bench.calls_at_relay(), [""; 0]);
    bench.assert_no_calls();
}

#[test]
fn a_browser_that_comes_back_in_time_takes_its_call_along() {
    for old_closes_first in [true, false] {
        let mut bench = Bench::new();
        let (flow, again) = (bench.open(1), bench.open(2));
        bench.register(flow, "alice");
        let call = bench.call_phone(flow, "c");
        if old_closes_first {
            bench.close(flow);
            bench.wait(GRACE - MOMENT);
        }
        bench.register(again, "alice");
        bench.ignore_output();
        bench.close(flow);
        bench.wait(Duration::from_secs(3600));
        bench.silence();
        assert_eq!(bench.calls_at_relay().len(), 1);

        bench.browser_sends(again, in_dialog("BYE", &call.at_browser, 2, "", "bye"));
        let bye = bench.upstream_gets();
        bench.upstream_sends(reply(&bye, 200, &[], ""));
        assert_eq!(bench.browser_gets(again).status(), Some(200));
        bench.assert_no_calls();
    }
}

#[test]
fn every_absence_has_its_own_grace() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.register(flow, "alice");
    bench.call_phone(flow, "c");
    bench.close(flow);
    bench.wait(GRACE / 2);
    let again = bench.open(2);
    bench.register(again, "alice");
    bench.ignore_output();
    bench.wait(GRACE / 4);
    bench.close(again);
    bench.wait(GRACE - MOMENT);
    bench.silence();
    bench.wait(MOMENT);
    assert!(bench.upstream_gets().is(&Method::Bye));
}

#[test]
fn an_unregistered_browser_cannot_come_back_and_is_not_waited_for() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.call_phone(flow, "c");
    bench.close(flow);
    bench.wait(Duration::from_secs(2));
    assert!(bench.upstream_gets().is(&Method::Bye));
    assert_eq!(bench.calls_at_relay(), [""; 0]);
    bench.ignore_output();
    bench.assert_no_calls();
}

#[test]
fn a_bye_with_which_the_browser_took_leave_is_enough() {
    for registers in [true, false] {
        let mut bench = Bench::new();
        let flow = bench.open(1);
        if registers {
            bench.register(flow, "alice");
        }
        let call = bench.call_phone(flow, "c");
        bench.browser_sends(flow, in_dialog("BYE", &call.at_browser, 2, "", "bye"));
        bench.close(flow);
        let bye = bench.upstream_gets();
        bench.wait(MOMENT);
        bench.upstream_sends(reply(&bye, 200, &[], ""));
        bench.assert_no_calls();
        bench.silence();
    }
}

#[test]
fn a_browser_that_comes_back_too_late_is_told_that_its_call_is_over() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.register(flow, "alice");
    bench.call_phone(flow, "c");
    bench.close(flow);
    bench.wait(GRACE);
    let bye = bench.upstream_gets();
    bench.upstream_sends(reply(&bye, 200, &[], ""));
    bench.wait(GRACE);
    let again = bench.open(2);
    bench.register(again, "alice");
    let bye = bench.browser_gets(again);
    assert!(bye.is(&Method::Bye) && bye.has("Reason"));
    assert_eq!(
        (bye.from_tag(), bye.to_tag()),
        (Some("bobtag"), Some("alicetag"))
    );
    bench.browser_sends(again, reply(&bye, 200, &[], ""));
    bench.silence();
    bench.assert_no_calls();
}

#[test]
fn a_call_that_lasts_too_long_is_ended_on_both_sides() {
    let hour = Duration::from_secs(3600);
    let mut bench = Bench::with(|config| config.limits.longest_call = hour);
    let flow = bench.open(1);
    bench.register(flow, "alice");
    bench.call_phone(flow, "c");
    bench.wait(hour - MOMENT);
    bench.silence();
    bench.wait(MOMENT);
    for bye in [bench.upstream_gets(), bench.browser_gets(flow)] {
        assert!(bye.is(&Method::Bye) && bye.has("Reason"));
    }
    assert_eq!(bench.calls_at_relay(), [""; 0]);
    bench.ignore_output();
    bench.assert_no_calls();
}

#[test]
fn a_reinvite_says_where_the_phone_is_from_then_on() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.register(flow, "alice");
    let call = bench.call_phone(flow, "c");
    let reinvite = from_callee("INVITE", &call.at_phone, 3, PHONE_SDP, "re");
    let reinvite = String::from_utf8(reinvite).unwrap();
    let moved = "Contact: <sip:bob@10.0.0.77>\r\nContent-Type";
    bench.upstream_sends(reinvite.replace("Content-Type", moved));
    bench.upstream_gets();
    let at_browser = bench.browser_gets(flow);
    bench.browser_sends(
        flow,
        reply(
            &at_browser,
            200,
            &[("Contact", &contact("alice"))],
            BROWSER_SDP,
        ),
    );
    assert_eq!(bench.upstream_gets().status(), Some(200));
    bench.close(flow);
    bench.ignore_output();
    bench.wait(GRACE);
    assert_eq!(bench.upstream_gets().uri_text(), Some("sip:bob@10.0.0.77"));
}

#[test]
fn calls_are_bounded_and_those_that_are_over_take_no_room() {
    let mut bench = Bench::with(|config| config.limits.calls = 1);
    let flow = bench.open(1);
    bench.register(flow, "alice");
    let call = bench.call_phone(flow, "c1");
    bench.browser_sends(flow, invite("c2", "alice", "22", "", BROWSER_SDP));
    assert_eq!(bench.browser_gets(flow).status(), Some(100));
    assert_eq!(bench.browser_gets(flow).status(), Some(503));
    bench.browser_sends(flow, in_dialog("BYE", &call.at_browser, 2, "", "bye"));
    let bye = bench.upstream_gets();
    bench.upstream_sends(reply(&bye, 200, &[], ""));
    assert_eq!(bench.browser_gets(flow).status(), Some(200));
    // The transactions of the first end.
    bench.wait(Duration::from_secs(60));
    bench.call_phone(flow, "c3");
    bench.close(flow);
    bench.wait(GRACE);
    let again = bench.open(2);
    bench.ignore_output();
    bench.call_phone(again, "c4");
}

#[test]
fn a_browser_that_comes_back_without_its_call_is_found_out_and_the_phone_hung_up_on() {
    for status in [200, 415, 500, 481] {
        let mut bench = Bench::new();
        let flow = bench.open(1);
        bench.register(flow, "alice");
        bench.call_phone(flow, "c");
        bench.close(flow);
        let again = bench.open(2);
        bench.register(again, "alice");
        let asked = bench.browser_gets(again);
        assert!(asked.is(&Method::Info) && asked.body().is_empty());
        // No request of the phone is out of order for it.
        assert_eq!(asked.cseq().unwrap().number, 0);
        assert_eq!(
            (asked.from_tag(), asked.to_tag()),
            (Some("bobtag"), Some("alicetag"))
        );
        bench.browser_sends(again, reply(&asked, status, &[], ""));
        if status == 481 {
            let bye = bench.upstream_gets();
            assert!(bye.is(&Method::Bye));
            assert!(bye.header("Reason").unwrap().starts_with("SIP;cause=481"));
            bench.upstream_sends(reply(&bye, 200, &[], ""));
            bench.assert_no_calls();
        }
        bench.silence();
        assert_eq!(bench.calls_at_relay().is_empty(), status == 481);
    }
}

#[test]
fn a_side_that_has_forgotten_the_call_ends_it_for_the_other() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.register(flow, "alice");
    let call = bench.call_phone(flow, "c");
    bench.upstream_sends(from_callee("INFO", &call.at_phone, 3, "", "info"));
    let info = bench.browser_gets(flow);
    bench.browser_sends(flow, reply(&info, 481, &[], ""));
    assert_eq!(bench.upstream_gets().status(), Some(481));
    assert!(bench.upstream_gets().is(&Method::Bye));
    bench.silence();
    assert_eq!(bench.calls_at_relay(), [""; 0]);

    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.register(flow, "alice");
    let call = bench.call_phone(flow, "c");
    // Of a subscription inside the call a 481 says nothing about the call.
    for (method, ends) in [("NOTIFY", false), ("INFO", true)] {
        let request = in_dialog(method, &call.at_browser, 3, "", method);
        bench.browser_sends(flow, request);
        let up = bench.upstream_gets();
        bench.upstream_sends(reply(&up, 481, &[], ""));
        assert_eq!(bench.browser_gets(flow).status(), Some(481));
        if ends {
            assert!(bench.browser_gets(flow).is(&Method::Bye));
        }
        bench.silence();
        assert_eq!(bench.calls_at_relay().is_empty(), ends);
    }
}
