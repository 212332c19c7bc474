//! RFC 3261 section 16 where it is seldom met: strict routers, loops and spirals, forks that meet again, races.

use std::time::Duration;

use sip::Method;

use super::bench::*;

const PHONE: [(&str, &str); 1] = [("Contact", "<sip:bob@10.0.0.9>")];
const ALICE: &str = "sip:alicex7@alice.invalid;transport=ws";

/// The request as a strict router passes it on: the next hop in the Request-URI, the target at the end of Route.
fn strictly(request: Vec<u8>, target: &str) -> Vec<u8> {
    let text = String::from_utf8(request).unwrap();
    let mut routes: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("Route: "))
        .collect();
    let next = routes.remove(0).trim_matches(['<', '>']).to_owned();
    let last = format!("<{target}>");
    routes.push(&last);
    let routes = format!("Route: {}\r\n", routes.join(", "));
    let kept = text
        .split_inclusive("\r\n")
        .filter(|line| !line.starts_with("Route: "));
    let text: String = kept.collect();
    text.replacen(target, &next, 1)
        .replacen("Max-Forwards", &format!("{routes}Max-Forwards"), 1)
        .into_bytes()
}

#[test]
fn what_a_strict_router_before_us_did_is_undone() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    let call = bench.call_browser(flow, &path, "c");
    let bye = strictly(to_browser("BYE", &call.at_phone, 2, "", "bye"), ALICE);
    assert!(
        String::from_utf8_lossy(&bye).starts_with("BYE sip:A"),
        "our entry is the Request-URI"
    );
    bench.upstream_sends(bye);
    let bye = bench.browser_gets(flow);
    assert_eq!((bye.uri_text(), bye.has("Route")), (Some(ALICE), false));
    bench.browser_sends(flow, reply(&bye, 200, &[], ""));
    assert_eq!(bench.upstream_gets().status(), Some(200));
    assert_eq!(
        bench.calls_at_relay(),
        [""; 0],
        "its token named the session"
    );
    bench.silence();
}

#[test]
fn a_strict_router_behind_us_finds_itself_in_the_request_uri() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    bench.browser_gets(flow);
    let mut up = bench.upstream_gets();
    up.prepend("Record-Route", "<sip:old.example;transport=udp>")
        .unwrap();
    bench.upstream_sends(reply(&up, 200, &PHONE, PHONE_SDP));
    let answer = bench.browser_gets(flow);
    for method in ["ACK", "BYE"] {
        bench.browser_sends(flow, in_dialog(method, &answer, 1, "", method));
        let up = bench.upstream_gets();
        assert_eq!(
            up.uri_text(),
            Some("sip:old.example;transport=udp"),
            "{method}"
        );
        let routes: Vec<_> = up.values("Route").map(|value| value.into_owned()).collect();
        assert_eq!(routes, ["<sip:bob@10.0.0.9>"]);
    }
}

#[test]
fn a_request_that_comes_back_as_it_left_is_a_loop() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    bench.upstream_sends(incoming("c", "alice", &path, PHONE_SDP));
    bench.upstream_gets();
    let down = bench.browser_gets(flow);
    // Somebody sends it round: our Via is in it, and all else is as we were asked before.
    let mut again = sip::Message::parse(incoming("c", "alice", &path, PHONE_SDP)).unwrap();
    let via = down.header("Via").unwrap().into_owned();
    again.prepend("Via", via.as_str()).unwrap();
    again
        .prepend("Via", "SIP/2.0/UDP 192.0.2.5;branch=z9hG4bKround")
        .unwrap();
    bench.upstream_sends(again.clone().into_bytes());
    assert_eq!(bench.upstream_gets().status(), Some(100));
    assert_eq!(bench.upstream_gets().reason().unwrap(), "Loop Detected");
    bench.silence();
    // On another way it is no loop. (That it is the same request for the same browser is another matter.)
    let spiral = String::from_utf8(again.into_bytes()).unwrap();
    let spiral = spiral
        .replace("z9hG4bKround", "z9hG4bKspiral")
        .replace("From: <", "From: Bob <");
    let spiral = spiral.replace("CSeq: 1 ", "CSeq: 2 ");
    bench.upstream_sends(spiral);
    assert_eq!(bench.upstream_gets().status(), Some(100));
    assert!(bench.browser_gets(flow).is(&Method::Invite));
}

#[test]
fn an_upstream_that_is_the_edge_itself_is_told_so() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    assert_eq!(bench.browser_gets(flow).status(), Some(100));
    let up = bench.upstream_gets();
    bench.upstream_sends(up.into_bytes());
    let seen: Vec<_> = bench.upstream_has().iter().map(|m| m.status()).collect();
    assert_eq!(
        seen.last(),
        Some(&Some(404)),
        "one message more, and no other"
    );
}

#[test]
fn of_a_fork_whose_branches_meet_in_one_browser_one_is_delivered() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let (alice, carol) = (bench.register(flow, "alice"), bench.register(flow, "carol"));
    bench.upstream_sends(incoming("c", "alice", &alice, PHONE_SDP));
    assert_eq!(bench.upstream_gets().status(), Some(100));
    let ringing = bench.browser_gets(flow);
    // sip.js answers 482 to a second INVITE with the same Call-ID, From-tag and CSeq: others would ring twice.
    bench.upstream_sends(incoming("c", "carol", &carol, PHONE_SDP));
    let seen: Vec<_> = bench.upstream_has().iter().map(|m| m.status()).collect();
    assert_eq!(seen, [Some(100), Some(482)]);
    assert_eq!(bench.calls_at_relay().len(), 1);
    // What did ring is not disturbed, and another call is another call.
    bench.browser_sends(flow, reply(&ringing, 180, &PHONE, ""));
    assert_eq!(bench.upstream_gets().status(), Some(180));
    bench.upstream_sends(incoming("d", "carol", &carol, PHONE_SDP));
    assert_eq!(bench.upstream_gets().status(), Some(100));
    assert!(bench.browser_gets(flow).is(&Method::Invite));
    bench.silence();
}

#[test]
fn a_call_to_oneself_is_busy_and_does_not_ring() {
    let mut bench = Bench::new();
    let (tab, desk) = (bench.open(1), bench.open(2));
    let own = bench.register(tab, "alice");
    let other = bench.register(desk, "carol");
    bench.browser_sends(tab, invite("c", "alice", "1", "", BROWSER_SDP));
    assert_eq!(bench.browser_gets(tab).status(), Some(100));
    let up = bench.upstream_gets();
    for (path, user) in [(own, "alice"), (other, "carol")] {
        let mut back = up.clone();
        let via = format!("SIP/2.0/UDP 192.0.2.5;branch=z9hG4bKfork{user}");
        back.prepend("Via", via).unwrap();
        back.prepend("Route", path.as_str()).unwrap();
        back.set_uri(&format!("sip:{user}x7@{user}.invalid;transport=ws"))
            .unwrap();
        bench.upstream_sends(back.into_bytes());
    }
    let seen: Vec<_> = bench.upstream_has().iter().map(|m| m.status()).collect();
    assert_eq!(
        seen,
        [Some(100), Some(486), Some(100)],
        "to the other device it goes"
    );
    assert!(bench.browser_gets(desk).is(&Method::Invite));
    bench.silence();
}

#[test]
fn max_breadth_is_given_kept_and_bounded() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let cases = [
        ("", "60"),
        ("Max-Breadth: 3", "3"),
        ("Max-Breadth: 4000000000", "60"),
    ];
    for (branch, (header, breadth)) in ["1", "22", "333"].into_iter().zip(cases) {
        bench.browser_sends(flow, invite(branch, "alice", branch, header, ""));
        assert_eq!(
            bench.upstream_gets().header("Max-Breadth").unwrap(),
            breadth
        );
    }
}

#[test]
fn a_200_that_crosses_the_cancel_makes_the_call() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    bench.browser_gets(flow);
    let up = bench.upstream_gets();
    bench.upstream_sends(reply(&up, 180, &PHONE, ""));
    assert_eq!(bench.browser_gets(flow).status(), Some(180));
    let cancel = String::from_utf8(invite("c", "alice", "1", "", "")).unwrap();
    bench.browser_sends(flow, cancel.replace("INVITE", "CANCEL"));
    assert_eq!(bench.browser_gets(flow).status(), Some(200));
    let cancel = bench.upstream_gets();
    assert!(cancel.is(&Method::Cancel));
    // The phone had answered already: to its 2xx the browser owes ACK and BYE, and sends both.
    bench.upstream_sends(reply(&up, 200, &PHONE, PHONE_SDP));
    bench.upstream_sends(reply(&cancel, 481, &[], ""));
    let answer = bench.browser_gets(flow);
    assert_eq!(answer.status(), Some(200));
    for (method, cseq) in [("ACK", 1), ("BYE", 2)] {
        bench.browser_sends(flow, in_dialog(method, &answer, cseq, "", method));
        let up = bench.upstream_gets();
        assert_eq!(up.method().unwrap().as_str(), method);
        if up.is(&Method::Bye) {
            bench.upstream_sends(reply(&up, 200, &[], ""));
        }
    }
    assert_eq!(bench.browser_gets(flow).status(), Some(200));
    assert_eq!(bench.calls_at_relay(), [""; 0]);
    bench.silence();
    bench.assert_drained();
}

#[test]
fn every_method_reaches_a_browser_by_its_flow_whatever_its_uri_says() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    let call = bench.call_browser(flow, &path, "call");
    let methods = ["OPTIONS", "NOTIFY", "MESSAGE", "SUBSCRIBE", "INFO", "REFER"];
    // The bench fails at anything that would go elsewhere, so no name that ends in .invalid was looked up.
    for (at, method) in methods.into_iter().enumerate() {
        let outside = String::from_utf8(incoming(method, "alice", &path, "")).unwrap();
        let cseq = 10 + at as u32;
        let inside = to_browser(method, &call.at_phone, cseq, "", method);
        for request in [outside.replace("INVITE", method).into_bytes(), inside] {
            bench.upstream_sends(request);
            let down = bench.browser_gets(flow);
            assert_eq!(down.method().unwrap().as_str(), method);
            assert_eq!(down.uri_text(), Some(ALICE));
            bench.browser_sends(flow, reply(&down, 200, &[], ""));
            assert_eq!(bench.upstream_gets().status(), Some(200));
        }
    }
    // And where the browser is gone, the answer is one, and not a datagram to nowhere; but for OPTIONS it may come back first.
    bench.close(flow);
    for method in methods {
        bench.upstream_sends(to_browser(
            method,
            &call.at_phone,
            30,
            "",
            &format!("{method}2"),
        ));
    }
    assert_eq!(bench.upstream_gets().status(), Some(200));
    bench.silence();
    bench.wait(Duration::from_secs(16));
    for method in &methods[1..] {
        assert_eq!(bench.upstream_gets().status(), Some(500), "{method}");
    }
    bench.silence();
}

#[test]
fn a_notify_finds_the_browser_that_subscribed() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.register(flow, "alice");
    let subscribe = String::from_utf8(invite("s", "alice", "1", "Event: presence", "")).unwrap();
    bench.browser_sends(flow, subscribe.replace("INVITE", "SUBSCRIBE"));
    let up = bench.upstream_gets();
    bench.upstream_sends(reply(&up, 202, &PHONE, ""));
    assert_eq!(bench.browser_gets(flow).status(), Some(202));
    bench.upstream_sends(from_callee("NOTIFY", &up, 1, "", "n"));
    let notify = bench.browser_gets(flow);
    assert!(notify.is(&Method::Notify) && !notify.has("Route"));
    // A SUBSCRIBE's NOTIFY makes a route set of its own (RFC 6665 section 4.4.1).
    assert_eq!(notify.values("Record-Route").count(), 2);
    bench.browser_sends(flow, reply(&notify, 200, &[], ""));
    assert_eq!(bench.upstream_gets().status(), Some(200));
    bench.silence();
}
