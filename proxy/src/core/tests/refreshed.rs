//! Session timers (RFC 4028), which end at the edge.

use std::time::Duration;

use sip::Method;

use super::bench::*;

const TIMER: &str =
    "Session-Expires: 90\r\nMin-SE: 90\r\nRequire: timer\r\nSupported: timer,100rel";

/// With headers more.
fn with(message: Vec<u8>, headers: &str) -> String {
    let text = String::from_utf8(message).unwrap();
    text.replacen("Max-Forwards", &format!("{headers}\r\nMax-Forwards"), 1)
}

fn has_timer(message: &sip::Message) -> bool {
    let names = ["Supported", "Require"];
    message.has("Session-Expires")
        || message.has("Min-SE")
        || names.iter().any(|name| message.lists(name, "timer"))
}

#[test]
fn a_server_that_finds_90_seconds_too_short_does_not_hear_of_them() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", TIMER, BROWSER_SDP));
    assert_eq!(bench.browser_gets(flow).status(), Some(100));
    let up = bench.upstream_gets();
    assert!(!has_timer(&up) && !up.has("Require"));
    assert!(up.lists("Supported", "100rel"));
    let headers = [
        ("Contact", "<sip:bob@10.0.0.9>"),
        ("Session-Expires", "1800;refresher=uas"),
        ("Require", "timer"),
    ];
    bench.upstream_sends(reply(&up, 200, &headers, PHONE_SDP));
    let answer = bench.browser_gets(flow);
    assert_eq!(answer.status(), Some(200));
    assert!(!has_timer(&answer), "the browser would wait for refreshes");
}

#[test]
fn a_phones_timer_is_not_the_browsers_and_the_browsers_not_the_phones() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    bench.upstream_sends(with(incoming("c", "alice", &path, PHONE_SDP), TIMER));
    assert_eq!(bench.upstream_gets().status(), Some(100));
    let down = bench.browser_gets(flow);
    assert!(!has_timer(&down));
    let headers = [
        ("Contact", &*contact("alice")),
        ("Session-Expires", "90;refresher=uas"),
    ];
    bench.browser_sends(flow, reply(&down, 200, &headers, BROWSER_SDP));
    assert!(!has_timer(&bench.upstream_gets()));
}

#[test]
fn a_browsers_refresh_is_answered_here_and_its_next_request_goes_on_counting() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.register(flow, "alice");
    let call = bench.call_phone(flow, "c");
    let update = in_dialog("UPDATE", &call.at_browser, 2, "", "update");
    let contact = format!(
        "Contact: {};ob\r\nSession-Expires: 90;refresher=uac",
        contact("alice")
    );
    bench.browser_sends(flow, with(update, &contact));
    let answer = bench.browser_gets(flow);
    assert_eq!(answer.status(), Some(200));
    assert_eq!(answer.header("Contact").unwrap(), "<sip:bob@10.0.0.9>");
    assert!(!has_timer(&answer));
    bench.silence();
    bench.browser_sends(flow, in_dialog("BYE", &call.at_browser, 3, "", "bye"));
    let bye = bench.upstream_gets();
    assert_eq!(bye.cseq().unwrap().number, 3);
    bench.upstream_sends(reply(&bye, 200, &[], ""));
    bench.ignore_output();
    // The call is over: nobody vouches for it any more.
    let update = in_dialog("UPDATE", &call.at_browser, 4, "", "late");
    bench.browser_sends(flow, update);
    assert!(bench.upstream_gets().is(&Method::Update));
}

#[test]
fn a_phones_refresh_is_answered_here_also_while_the_browser_is_away() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.register(flow, "alice");
    let call = bench.call_phone(flow, "c");
    let contact = call.at_phone.contacts().next().unwrap().unwrap();
    for (cseq, closes) in [(5, false), (6, true)] {
        if closes {
            bench.close(flow);
        }
        let branch = format!("update{cseq}");
        let update = from_callee("UPDATE", &call.at_phone, cseq, "", &branch);
        bench.upstream_sends(with(update, "Contact: <sip:bob@10.0.0.9>"));
        let answer = bench.upstream_gets();
        assert_eq!(answer.status(), Some(200));
        let target = answer.contacts().next().unwrap().unwrap();
        assert_eq!(target.uri_text(), contact.uri_text());
        bench.silence();
    }
    bench.wait(Duration::from_secs(20));
    assert!(bench.upstream_gets().is(&Method::Bye));
    let update = from_callee("UPDATE", &call.at_phone, 7, "", "late");
    bench.upstream_sends(update);
    assert_eq!(bench.upstream_gets().status(), Some(480));
}

#[test]
fn an_update_that_changes_something_passes() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.register(flow, "alice");
    let call = bench.call_phone(flow, "c");
    let update = from_callee("UPDATE", &call.at_phone, 5, "", "moved");
    bench.upstream_sends(with(update, "Contact: <sip:bob@10.0.0.10>"));
    let update = bench.browser_gets(flow);
    assert!(update.is(&Method::Update));
    bench.browser_sends(flow, reply(&update, 405, &[], ""));
    assert_eq!(bench.upstream_gets().status(), Some(405));
    let update = from_callee("UPDATE", &call.at_phone, 6, PHONE_SDP, "sdp");
    bench.upstream_sends(update);
    let update = bench.browser_gets(flow);
    assert!(update.is(&Method::Update) && !update.body().is_empty());
}
