//! What must not pass: bytes that are no SIP, requests that have no business here, peers that claim too much.

use sip::Method;

use super::super::*;
use super::bench::*;

fn status_of(bench: &mut Bench, flow: FlowId, request: impl Into<Vec<u8>>) -> Option<u16> {
    bench.browser_sends(flow, request);
    bench.browser_gets(flow).status()
}

#[test]
fn garbage_is_counted_and_a_flow_of_it_closed() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let samples: [&[u8]; 4] = [
        b"\0\0\0\0",
        b"GET / HTTP/1.1\r\n\r\n",
        &[0xff; 4096],
        b"{\"a\":[[[[",
    ];
    for _ in 0..4 {
        for bytes in samples {
            bench.browser_sends(flow, bytes);
        }
    }
    assert_eq!(bench.dropped(Drop::Unparsable), 16);
    assert_eq!(bench.closed, [flow]);
    bench.upstream_sends(b"\0\0\0\0".to_vec());
    bench.silence();
}

#[test]
fn a_bad_request_is_answered_with_its_error() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let good = String::from_utf8(invite("c", "alice", "1", "", "")).unwrap();
    for (from, to, status) in [
        ("SIP/2.0\r\nVia", "SIP/3.0\r\nVia", 505),
        ("Content-Length: 0", "Content-Length: 4294967328", 400),
        ("Content-Length: 0", "Content-Length: -1", 400),
        (
            "Content-Length: 0\r\n\r\n",
            "Content-Length: 0\r\n\r\nINVITE sip:evil@x SIP/2.0\r\n",
            400,
        ),
        ("CSeq: 1 INVITE", "CSeq: 1 BYE", 400),
        ("Call-ID: c", "Call-ID: c\0", 400),
        ("sip:bob@example.com SIP", "http://example.com SIP", 416),
        ("Max-Forwards: 69", "Max-Forwards: 0", 483),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from}");
        let response = status_of(&mut bench, flow, bad);
        let answered = if response == Some(100) {
            bench.browser_gets(flow).status()
        } else {
            response
        };
        assert_eq!(answered, Some(status), "{to}");
        bench.silence();
    }
    let huge = good.replace(
        "Call-ID: c",
        &format!("X: {}\r\nCall-ID: c", "x".repeat(65_000)),
    );
    assert_eq!(status_of(&mut bench, flow, huge), Some(513));
    assert!(bench.asked.is_empty());
}

#[test]
fn only_the_upstream_and_open_flows_are_heard() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    let bytes = incoming("c", "alice", &path, PHONE_SDP);
    bench.input(Input::Message {
        from: Source::Upstream(Hop::udp(address("203.0.113.66:5060"))),
        bytes,
    });
    bench.browser_sends(FlowId(99), register("alice", 1));
    assert_eq!(
        (
            bench.dropped(Drop::NotUpstream),
            bench.dropped(Drop::UnknownFlow)
        ),
        (1, 1)
    );
    bench.silence();
}

#[test]
fn routes_of_the_clients_own_choice_are_not_followed() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let preloaded = "Route: <sip:evil.example;lr>\nRoute: <sip:192.0.2.77;lr>";
    bench.browser_sends(flow, invite("c", "alice", "1", preloaded, BROWSER_SDP));
    bench.browser_gets(flow);
    // The bench refuses anything that goes elsewhere.
    let up = bench.upstream_gets();
    assert!(!up.has("Route"));
}

#[test]
fn a_request_inside_a_dialog_needs_our_token_and_its_own_flow() {
    let mut bench = Bench::new();
    let (alice, eve) = (bench.open(1), bench.open(2));
    bench.register(alice, "alice");
    let call = bench.call_phone(alice, "c");
    let bye = in_dialog("BYE", &call.at_browser, 2, "", "bye");
    // Eve has overheard everything, token included.
    assert_eq!(status_of(&mut bench, eve, bye.clone()), Some(403));
    let text = String::from_utf8(bye).unwrap();
    let without: String = text
        .split_inclusive("\r\n")
        .filter(|line| !line.starts_with("Route"))
        .collect();
    assert_eq!(status_of(&mut bench, alice, without), Some(481));
    let token = text
        .split("Route: <sip:")
        .nth(1)
        .unwrap()
        .split('@')
        .next()
        .unwrap()
        .to_owned();
    let forged = token.replace(
        &token[20..22],
        if &token[20..22] == "AA" { "BB" } else { "AA" },
    );
    assert_eq!(
        status_of(&mut bench, eve, text.replace(&token, &forged)),
        Some(481)
    );
    assert_eq!(bench.calls_at_relay().len(), 1, "the call is unharmed");
    bench.browser_sends(eve, in_dialog("ACK", &call.at_browser, 1, "", "eveack"));
    assert_eq!(bench.dropped(Drop::StrayAck), 1);
    bench.silence();
}

#[test]
fn the_upstream_reaches_only_whom_a_token_names() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    bench.upstream_sends(incoming(
        "c1",
        "alice",
        "<sip:192.0.2.1:5060;lr>",
        PHONE_SDP,
    ));
    assert_eq!(
        [
            bench.upstream_gets().status(),
            bench.upstream_gets().status()
        ],
        [Some(100), Some(404)]
    );
    bench.close(flow);
    bench.upstream_sends(incoming("c2", "alice", &path, PHONE_SDP));
    // She may come back.
    bench.wait(std::time::Duration::from_secs(4));
    assert_eq!(bench.upstream_has().pop().unwrap().status(), Some(480));
    assert!(bench.asked.is_empty());
}

#[test]
fn a_browsers_challenge_does_not_reach_the_phone() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    let call = bench.call_browser(flow, &path, "c");
    bench.upstream_sends(to_browser("BYE", &call.at_phone, 2, "", "bye"));
    let bye = bench.browser_gets(flow);
    bench.browser_sends(
        flow,
        reply(
            &bye,
            407,
            &[("Proxy-Authenticate", "Digest realm=\"x\", nonce=\"n\"")],
            "",
        ),
    );
    let seen = bench.upstream_gets();
    assert_eq!(seen.status(), Some(403));
    assert!(!seen.has("Proxy-Authenticate"));
}

#[test]
fn responses_must_come_from_where_their_request_went() {
    let mut bench = Bench::new();
    let (alice, eve) = (bench.open(1), bench.open(2));
    let path = bench.register(alice, "alice");
    bench.upstream_sends(incoming("c", "alice", &path, PHONE_SDP));
    bench.upstream_gets();
    let down = bench.browser_gets(alice);
    let stolen = reply(&down, 200, &[("Contact", &contact("eve"))], BROWSER_SDP);
    bench.browser_sends(eve, stolen.clone());
    bench.upstream_sends(stolen);
    assert_eq!(bench.dropped(Drop::WrongPeer), 2);
    let stray = String::from_utf8(reply(&down, 200, &[], ""))
        .unwrap()
        .replace("z9hG4bK", "z9hG4bKx");
    bench.browser_sends(alice, stray);
    assert_eq!(bench.dropped(Drop::StrayResponse), 1);
    bench.silence();
}

#[test]
fn one_flow_cannot_fill_the_edge() {
    let mut bench = Bench::with(|config| config.limits.pending_per_flow = 3);
    let (greedy, other) = (bench.open(1), bench.open(2));
    for branch in ["1", "22", "333"] {
        assert_eq!(
            status_of(&mut bench, greedy, invite(branch, "alice", branch, "", "")),
            Some(100)
        );
    }
    bench.browser_sends(greedy, invite("4", "alice", "4444", "", ""));
    let refused = bench.browser_gets(greedy);
    assert_eq!(refused.status(), Some(503));
    assert!(refused.has("Retry-After"));
    assert_eq!(
        status_of(&mut bench, other, invite("5", "carol", "1", "", "")),
        Some(100)
    );
    // What is answered makes room.
    let up = bench.upstream_gets();
    bench.upstream_sends(reply(&up, 486, &[], ""));
    bench.browser_gets(greedy);
    assert_eq!(
        status_of(&mut bench, greedy, invite("6", "alice", "66666", "", "")),
        Some(100)
    );
}

#[test]
fn the_edge_as_a_whole_is_bounded() {
    let mut bench = Bench::with(|config| {
        config.limits.transactions = 2;
        config.limits.media_sessions = 1;
    });
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("1", "alice", "1", "", BROWSER_SDP));
    assert_eq!(bench.browser_gets(flow).status(), Some(100));
    bench.browser_sends(flow, invite("2", "alice", "22", "", BROWSER_SDP));
    assert_eq!(
        [
            bench.browser_gets(flow).status(),
            bench.browser_gets(flow).status()
        ],
        [Some(100), Some(503)]
    );
    bench.browser_sends(flow, invite("3", "alice", "333", "", BROWSER_SDP));
    assert_eq!(bench.browser_gets(flow).status(), Some(503));
    assert!(bench.upstream_gets().is(&Method::Invite));
    bench.ignore_output();
    bench.assert_drained();
}

#[test]
fn a_host_that_is_no_host_does_not_get_into_our_headers() {
    let mut bench = Bench::new();
    let flow = FlowId(1);
    let host = "evil>, <sip:evil.example".to_owned();
    bench.input(Input::FlowOpened {
        flow,
        peer: address("198.51.100.9:1"),
        secure: false,
        host,
    });
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    let up = bench.upstream_gets();
    assert!(!text(&up).contains("evil"));
    assert_eq!(up.values("Record-Route").count(), 2);
}

#[test]
fn mangled_messages_never_panic_and_leave_nothing_behind() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    let call = bench.call_phone(flow, "seed");
    let samples = [
        invite("c", "alice", "1", "", BROWSER_SDP),
        register("alice", 3),
        in_dialog("INVITE", &call.at_browser, 2, BROWSER_SDP, "re"),
        incoming("d", "alice", &path, PHONE_SDP),
        reply(
            &call.at_phone,
            200,
            &[("Contact", "<sip:bob@10.0.0.9>")],
            PHONE_SDP,
        ),
        String::from_utf8(incoming("e", "alice", &path, PHONE_SDP))
            .unwrap()
            .replace("To: <sip:", "To: <sips:")
            .replace("From: <sip:bob@example.com>", "From: <tel:+1;isub=2>")
            .into_bytes(),
        {
            let info = in_dialog("INFO", &call.at_browser, 3, "Signal=5\r\nDuration=9", "key");
            let info = String::from_utf8(info).unwrap();
            info.replace("application/sdp", "application/dtmf-relay")
                .into_bytes()
        },
    ];
    let mut dice = testkit::Dice::new(1);
    let mut random = |below: usize| dice.below(below as u64) as usize;
    for round in 0..3_000 {
        let mut bytes = samples[round % samples.len()].clone();
        for _ in 0..1 + random(6) {
            let at = random(bytes.len());
            if bytes.len() < 2 {
                break;
            }
            match random(4) {
                0 => bytes[at] = random(256) as u8,
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, b"\r\n:;<>,\"@ 0"[random(11)]),
                _ => bytes.truncate(at.max(1)),
            }
        }
        match round % 2 {
            0 => bench.browser_sends(flow, bytes),
            _ => bench.upstream_sends(bytes),
        }
    }
    bench.ignore_output();
    bench.assert_drained();
}
