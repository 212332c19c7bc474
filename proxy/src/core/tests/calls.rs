//! Calls from beginning to end, and what else travels between a browser and a phone.

use std::time::Duration;

use control_proto::Command as Ng;
use sip::Method;

use super::super::*;
use super::bench::*;

#[test]
fn a_browser_calls_a_phone() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.register(flow, "alice");
    bench.browser_sends(
        flow,
        invite(
            "c",
            "alice",
            "1",
            "P-Asserted-Identity: <sip:boss@x>",
            BROWSER_SDP,
        ),
    );
    assert_eq!(bench.browser_gets(flow).status(), Some(100));
    let up = bench.upstream_gets();
    assert_eq!(up.uri_text(), Some("sip:bob@example.com"));
    assert_eq!(up.max_forwards(), Some(68));
    assert!(
        !up.has("P-Asserted-Identity"),
        "a browser's word is not asserted"
    );
    assert!(
        body(&up).contains("Offer of browser in c-"),
        "{}",
        body(&up)
    );
    assert!(!body(&up).contains("a=mid"), "slimmed for the phone");
    let routes: Vec<_> = up
        .values("Record-Route")
        .map(|value| value.into_owned())
        .collect();
    assert!(routes[0].ends_with("@192.0.2.1:5060;lr>"), "{routes:?}");
    assert!(
        routes[1].ends_with("@edge.example.com:8443;transport=ws;lr>"),
        "{routes:?}"
    );

    bench.upstream_sends(reply(&up, 180, &[("Contact", "<sip:bob@10.0.0.9>")], ""));
    let ringing = bench.browser_gets(flow);
    assert_eq!((ringing.status(), ringing.vias().count()), (Some(180), 1));
    bench.upstream_sends(reply(
        &up,
        200,
        &[("Contact", "<sip:bob@10.0.0.9>")],
        PHONE_SDP,
    ));
    let answer = bench.browser_gets(flow);
    assert!(body(&answer).contains("Answer of phone in c-") && body(&answer).contains("a=mid"));

    bench.browser_sends(flow, in_dialog("ACK", &answer, 1, "", "ack"));
    let ack = bench.upstream_gets();
    assert!(
        ack.is(&Method::Ack) && !ack.has("Route"),
        "our own entries are gone"
    );
    assert_eq!(ack.uri_text(), Some("sip:bob@10.0.0.9"));

    bench.browser_sends(flow, in_dialog("BYE", &answer, 2, "", "bye"));
    let bye = bench.upstream_gets();
    assert_eq!(bench.count(Ng::Delete), 0);
    bench.upstream_sends(reply(&bye, 200, &[], ""));
    assert_eq!(bench.browser_gets(flow).status(), Some(200));
    assert_eq!(bench.calls_at_relay(), [""; 0], "the relay is free again");
    bench.silence();
    bench.assert_drained();
}

#[test]
fn a_phone_calls_a_browser() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    bench.upstream_sends(incoming("c", "alice", &path, PHONE_SDP));
    assert_eq!(bench.upstream_gets().status(), Some(100));
    let down = bench.browser_gets(flow);
    assert!(body(&down).contains("Offer of phone in c-"));
    let top = down.top_via().unwrap();
    assert_eq!(
        (top.transport(), top.host(), top.port()),
        ("WSS", "edge.example.com", Some(8443))
    );
    let routes: Vec<_> = down
        .values("Record-Route")
        .map(|value| value.into_owned())
        .collect();
    assert!(
        routes[0].contains("transport=ws;lr") && routes[1].contains("192.0.2.1:5060"),
        "{routes:?}"
    );
    assert_eq!(routes[2], "<sip:192.0.2.5;lr>");

    bench.browser_sends(
        flow,
        reply(&down, 180, &[("Contact", &contact("alice"))], ""),
    );
    assert_eq!(bench.upstream_gets().status(), Some(180));
    bench.browser_sends(
        flow,
        reply(&down, 200, &[("Contact", &contact("alice"))], BROWSER_SDP),
    );
    let answer = bench.upstream_gets();
    assert!(body(&answer).contains("Answer of browser"));
    assert_eq!(answer.vias().count(), 2, "the upstream's and the phone's");
    bench.upstream_sends(to_browser("ACK", &answer, 1, "", "ack"));
    assert!(bench.browser_gets(flow).is(&Method::Ack));

    // The browser hangs up: its route set is that of a callee, in the order of the INVITE.
    let mut bye = sip::Message::parse(from_callee("BYE", &down, 1, "", "bye")).unwrap();
    bye.set("Via", "SIP/2.0/WSS alice.invalid;branch=z9hG4bKbye")
        .unwrap();
    bench.browser_sends(flow, bye.into_bytes());
    let bye = bench.upstream_gets();
    assert_eq!(
        bye.values("Route").collect::<Vec<_>>(),
        ["<sip:192.0.2.5;lr>"]
    );
    bench.upstream_sends(reply(&bye, 200, &[], ""));
    assert_eq!(bench.browser_gets(flow).status(), Some(200));
    assert_eq!(bench.calls_at_relay(), [""; 0]);
    bench.assert_drained();
}

#[test]
fn a_refused_call_is_acknowledged_here_and_frees_the_relay() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    let up = bench.upstream_gets();
    bench.upstream_sends(reply(&up, 486, &[], ""));
    let ack = bench.upstream_gets();
    assert!(ack.is(&Method::Ack));
    assert_eq!(
        ack.top_via().unwrap().branch(),
        up.top_via().unwrap().branch()
    );
    bench.browser_gets(flow);
    assert_eq!(bench.browser_gets(flow).status(), Some(486));
    assert_eq!(bench.calls_at_relay(), [""; 0]);
    // The browser's own ACK ends here.
    let ack = String::from_utf8(invite("c", "alice", "1", "", ""))
        .unwrap()
        .replace("INVITE", "ACK");
    bench.browser_sends(flow, ack);
    bench.silence();
    // A repeated 486 is acknowledged again and goes no further.
    bench.upstream_sends(reply(&up, 486, &[], ""));
    assert!(bench.upstream_gets().is(&Method::Ack));
    bench.silence();
    bench.assert_drained();
}

#[test]
fn retransmissions_of_an_invite_are_absorbed() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    for _ in 0..3 {
        bench.upstream_sends(incoming("c", "alice", &path, PHONE_SDP));
        assert_eq!(bench.upstream_gets().status(), Some(100));
    }
    assert!(bench.browser_gets(flow).is(&Method::Invite));
    bench.silence();
    assert_eq!(bench.count(Ng::Offer), 1);
}

#[test]
fn a_repeated_200_is_the_same_to_the_byte_and_the_relay_is_not_asked_again() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    bench.browser_gets(flow);
    let up = bench.upstream_gets();
    let ok = reply(&up, 200, &[("Contact", "<sip:bob@10.0.0.9>")], PHONE_SDP);
    bench.upstream_sends(ok.clone());
    let first = text(&bench.browser_gets(flow));
    bench.wait(Duration::from_millis(500));
    bench.upstream_sends(ok);
    assert_eq!(text(&bench.browser_gets(flow)), first);
    assert_eq!(bench.count(Ng::Answer), 1);
}

#[test]
fn early_media_and_the_200_show_the_browser_the_same_answer() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    bench.browser_gets(flow);
    let up = bench.upstream_gets();
    let headers = [("Contact", "<sip:bob@10.0.0.9>")];
    bench.upstream_sends(reply(&up, 183, &headers, PHONE_SDP));
    let early = bench.browser_gets(flow);
    bench.upstream_sends(reply(&up, 200, &headers, PHONE_SDP));
    let answer = bench.browser_gets(flow);
    assert_eq!((early.status(), answer.status()), (Some(183), Some(200)));
    assert_eq!(early.body(), answer.body());
    assert_eq!(bench.count(Ng::Answer), 1);
}

#[test]
fn responses_keep_their_order_while_the_relay_is_asked() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    bench.browser_gets(flow);
    let up = bench.upstream_gets();
    bench.relay_answers = false;
    let headers = [("Contact", "<sip:bob@10.0.0.9>")];
    bench.upstream_sends(reply(&up, 183, &headers, PHONE_SDP));
    bench.upstream_sends(reply(&up, 180, &headers, ""));
    bench.upstream_sends(reply(&up, 200, &headers, PHONE_SDP));
    bench.silence();
    bench.relay_replies();
    let seen: Vec<_> = (0..3)
        .map(|_| bench.browser_gets(flow).status().unwrap())
        .collect();
    assert_eq!(seen, [183, 180, 200]);
    assert!(bench.open_asks.is_empty());
}

#[test]
fn cancel_before_the_relay_has_answered_ends_the_call_here() {
    let mut bench = Bench::new();
    bench.relay_answers = false;
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    assert_eq!(bench.browser_gets(flow).status(), Some(100));
    bench.browser_sends(flow, cancel("c", "1"));
    let mut seen =
        [bench.browser_gets(flow), bench.browser_gets(flow)].map(|m| m.status().unwrap());
    seen.sort_unstable();
    assert_eq!(seen, [200, 487]);
    bench.relay_replies();
    bench.silence();
    assert_eq!(
        bench.calls_at_relay(),
        [""; 0],
        "the late offer is deleted as well"
    );
    // The first delete may have overtaken the offer on its way.
    assert_eq!(bench.count(Ng::Delete), 2);
    bench.relay_answers = true;
    while !bench.open_asks.is_empty() {
        bench.relay_replies();
    }
    bench.assert_drained();
}

fn cancel(call: &str, branch: &str) -> Vec<u8> {
    String::from_utf8(invite(
        call,
        "alice",
        branch,
        "Reason: SIP;cause=200;text=\"elsewhere\"",
        "",
    ))
    .unwrap()
    .replace("INVITE", "CANCEL")
    .into_bytes()
}

#[test]
fn cancel_waits_for_a_sign_of_life_and_the_487_comes_from_the_phone() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    bench.browser_gets(flow);
    let up = bench.upstream_gets();
    bench.browser_sends(flow, cancel("c", "1"));
    assert_eq!(bench.browser_gets(flow).status(), Some(200));
    bench.silence();
    bench.upstream_sends(reply(&up, 100, &[], ""));
    let cancel = bench.upstream_gets();
    assert!(cancel.is(&Method::Cancel));
    assert_eq!(
        cancel.top_via().unwrap().branch(),
        up.top_via().unwrap().branch()
    );
    assert_eq!(
        cancel.header("Reason").unwrap(),
        "SIP;cause=200;text=\"elsewhere\""
    );
    bench.upstream_sends(reply(&cancel, 200, &[], ""));
    bench.upstream_sends(reply(&up, 487, &[], ""));
    assert!(bench.upstream_gets().is(&Method::Ack));
    assert_eq!(bench.browser_gets(flow).status(), Some(487));
    assert_eq!(bench.calls_at_relay(), [""; 0]);
    bench.silence();
    bench.assert_drained();
}

#[test]
fn a_cancel_that_loses_the_race_changes_nothing() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let call = bench.call_phone(flow, "c");
    bench.browser_sends(flow, cancel("c", "1"));
    assert_eq!(bench.browser_gets(flow).status(), Some(200));
    bench.silence();
    assert_eq!(bench.calls_at_relay().len(), 1);
    // And one for a call that never was.
    bench.browser_sends(flow, cancel("other", "9"));
    assert_eq!(bench.browser_gets(flow).status(), Some(481));
    let _ = call;
}

#[test]
fn a_phone_that_goes_on_ringing_audibly_is_given_more_time() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    bench.browser_gets(flow);
    let up = bench.upstream_gets();
    for _ in 0..4 {
        bench.upstream_sends(reply(&up, 180, &[], ""));
        assert_eq!(bench.browser_gets(flow).status(), Some(180));
        bench.wait(Duration::from_secs(100));
    }
    bench.silence();
}

#[test]
fn a_phone_that_rings_for_ever_is_cancelled_by_timer_c() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    bench.browser_gets(flow);
    let up = bench.upstream_gets();
    bench.upstream_sends(reply(&up, 180, &[], ""));
    assert_eq!(bench.browser_gets(flow).status(), Some(180));
    bench.wait(Duration::from_secs(184));
    bench.silence();
    bench.wait(Duration::from_secs(2));
    let cancel = bench.upstream_gets();
    assert!(cancel.is(&Method::Cancel));
    bench.upstream_sends(reply(&cancel, 200, &[], ""));
    bench.wait(Duration::from_secs(33));
    assert_eq!(bench.browser_gets(flow).status(), Some(408));
    assert_eq!(bench.calls_at_relay(), [""; 0]);
    bench.ignore_output();
    bench.assert_drained();
}

#[test]
fn messages_without_media_pass_in_both_directions() {
    let mut bench = Bench::with(|config| {
        let unheard_of = sip::Method::parse(b"UNHEARDOF").unwrap();
        config.policy.methods.push(unheard_of);
    });
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    for method in [
        "MESSAGE",
        "SUBSCRIBE",
        "REFER",
        "NOTIFY",
        "PUBLISH",
        "UNHEARDOF",
    ] {
        let request = String::from_utf8(invite("m", "alice", method, "", "")).unwrap();
        bench.browser_sends(flow, request.replace("INVITE", method));
        let up = bench.upstream_gets();
        assert_eq!(up.method().unwrap().as_str(), method);
        let recorded = matches!(method, "SUBSCRIBE" | "REFER" | "NOTIFY");
        assert_eq!(up.has("Record-Route"), recorded, "{method}");
        bench.upstream_sends(reply(&up, 202, &[], ""));
        assert_eq!(bench.browser_gets(flow).status(), Some(202));

        let request = String::from_utf8(incoming(method, "alice", &path, "")).unwrap();
        bench.upstream_sends(request.replace("INVITE", method));
        let down = bench.browser_gets(flow);
        assert_eq!(down.method().unwrap().as_str(), method);
        bench.browser_sends(flow, reply(&down, 200, &[], ""));
        assert_eq!(bench.upstream_gets().status(), Some(200));
    }
    bench.silence();
    assert!(bench.asked.is_empty());
    bench.assert_drained();
}

#[test]
fn requests_inside_a_call_reach_the_other_side() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let call = bench.call_phone(flow, "c");
    bench.browser_sends(flow, in_dialog("INFO", &call.at_browser, 2, "", "info"));
    let info = bench.upstream_gets();
    assert!(info.is(&Method::Info));
    bench.upstream_sends(reply(&info, 200, &[], ""));
    assert_eq!(bench.browser_gets(flow).status(), Some(200));
    bench.upstream_sends(from_callee("REFER", &call.at_phone, 1, "", "refer"));
    let refer = bench.browser_gets(flow);
    assert!(refer.is(&Method::Refer) && !refer.has("Route"));
    bench.browser_sends(flow, reply(&refer, 202, &[], ""));
    assert_eq!(bench.upstream_gets().status(), Some(202));
    bench.silence();
}

#[test]
fn the_upstream_is_answered_at_the_port_it_names_or_the_one_it_asks_for() {
    let mut bench = Bench::new();
    let source = address("192.0.2.5:40000");
    for (via, port) in [
        ("192.0.2.5:5070", 5070),
        ("192.0.2.5", 5060),
        ("192.0.2.5:5070;rport", 40000),
    ] {
        let request = message(
            &format!(
                "OPTIONS sip:192.0.2.1 SIP/2.0
                 Via: SIP/2.0/UDP {via};branch=z9hG4bK{port}
                 Max-Forwards: 70
                 To: <sip:192.0.2.1>
                 From: <sip:x@example.com>;tag=1
                 Call-ID: o
                 CSeq: 1 OPTIONS"
            ),
            "",
        );
        let from = Source::Upstream(Hop::udp(source));
        bench.input(Input::Message {
            from,
            bytes: request,
        });
        assert_eq!(bench.upstream_gets().status(), Some(200));
        assert_eq!(
            bench.last_hop.map(|hop| hop.address.port()),
            Some(port),
            "{via}"
        );
    }
}

#[test]
fn the_upstreams_via_is_answered_where_it_came_from() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    let request = String::from_utf8(incoming("c", "alice", &path, "")).unwrap();
    let request = request.replace(
        "UDP 192.0.2.5;branch",
        "UDP sip.example.com:5080;rport;branch",
    );
    bench.upstream_sends(request.replace("INVITE", "MESSAGE"));
    let down = bench.browser_gets(flow);
    let via = down.vias().nth(1).unwrap().unwrap();
    assert_eq!((via.host(), via.port()), ("sip.example.com", Some(5080)));
    assert_eq!(
        (via.rport(), via.received()),
        (Some(5060), Some("192.0.2.5".parse().unwrap()))
    );
    bench.browser_sends(flow, reply(&down, 200, &[], ""));
    assert_eq!(bench.upstream_gets().status(), Some(200));
}
