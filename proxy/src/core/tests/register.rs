//! Registration through the edge.

use std::time::Duration;

use super::super::*;
use super::bench::*;

#[test]
fn a_register_goes_up_with_a_path_and_its_200_binds_the_flow() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, register("alice", 1));
    let up = bench.upstream_gets();
    assert_eq!(up.max_forwards(), Some(68));
    assert!(up.header("Path").unwrap().ends_with("@192.0.2.1:5060;lr>"));
    assert_eq!(up.header("Supported").unwrap(), "outbound, path");
    assert_eq!(up.vias().count(), 2);
    let path_uri = up
        .name_addrs("Path")
        .next()
        .unwrap()
        .unwrap()
        .uri_text()
        .to_owned();
    let edge = path_uri.trim_end_matches(";lr");
    let instance = ";+sip.ice;reg-id=1;+sip.instance=\"<urn:uuid:alice>\"";
    assert_eq!(
        up.header("Contact").unwrap(),
        format!("<{edge}>{instance};expires=600")
    );
    bench.silence();

    let given = format!("<sip:other@10.0.0.1>;expires=20, <{edge}>{instance};expires=540");
    let path = up.header("Path").unwrap().into_owned();
    bench.upstream_sends(reply(&up, 200, &[("Contact", &given), ("Path", &path)], ""));
    let down = bench.browser_gets(flow);
    assert_eq!(
        down.header("Contact").unwrap(),
        contact("alice") + ";expires=540"
    );
    assert_eq!(
        down.values("Via").collect::<Vec<_>>(),
        ["SIP/2.0/WSS alice.invalid;branch=z9hG4bK100"]
    );
    assert!(!down.has("Path"));
    let event = Event::Registered {
        flow,
        aor: "alice@example.com".into(),
        expires: 540,
        refreshed: false,
    };
    assert!(bench.events.contains(&event));

    // And so it can be called.
    bench.upstream_sends(incoming("c", "alice", &path, PHONE_SDP));
    let ringing = bench.browser_gets(flow);
    assert_eq!(
        ringing.uri_text(),
        Some("sip:alicex7@alice.invalid;transport=ws")
    );
    assert!(!ringing.has("Route"));
}

#[test]
fn a_registrar_without_path_reaches_the_browser_by_the_contact_that_we_registered() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let uri = bench.register_without_path(flow, "alice");
    assert!(uri.ends_with("@192.0.2.1:5060"), "{uri}");
    let invite =
        String::from_utf8(incoming("c", "alice", "<sip:192.0.2.5;lr>", PHONE_SDP)).unwrap();
    let invite = invite.replace("sip:alicex7@alice.invalid;transport=ws", &uri);
    bench.upstream_sends(invite.replace("Route: <sip:192.0.2.5;lr>\r\nMax", "Max"));
    assert_eq!(bench.upstream_gets().status(), Some(100));
    let down = bench.browser_gets(flow);
    assert_eq!(
        down.uri_text(),
        Some("sip:alicex7@alice.invalid;transport=ws"),
        "as it calls itself"
    );
    // The registrar looks whether its contact still lives.
    let options = String::from_utf8(incoming("o", "alice", "<sip:x@y>", "")).unwrap();
    let options = options
        .replace("INVITE", "OPTIONS")
        .replace("sip:alicex7@alice.invalid;transport=ws", &uri);
    bench.upstream_sends(options.replace("Route: <sip:x@y>\r\n", ""));
    assert!(bench.browser_gets(flow).is(&sip::Method::Options));
}

#[test]
fn challenges_and_credentials_pass_end_to_end() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, register("alice", 1));
    let up = bench.upstream_gets();
    let challenge = "Digest realm=\"example.com\", nonce=\"n, 1\", qop=\"auth\"";
    bench.upstream_sends(reply(&up, 401, &[("WWW-Authenticate", challenge)], ""));
    let down = bench.browser_gets(flow);
    assert_eq!(down.status(), Some(401));
    assert_eq!(down.header("WWW-Authenticate").unwrap(), challenge);
    assert_eq!(down.vias().count(), 1);

    let credentials = "Digest username=\"alice\", uri=\"sip:example.com\", response=\"0\"";
    let mut again = sip::Message::parse(register("alice", 2)).unwrap();
    again.append("Authorization", credentials).unwrap();
    bench.browser_sends(flow, again.into_bytes());
    let up = bench.upstream_gets();
    assert_eq!(up.header("Authorization").unwrap(), credentials);
    bench.upstream_sends(reply(&up, 403, &[], ""));
    assert_eq!(bench.browser_gets(flow).status(), Some(403));
    bench.assert_drained();
}

#[test]
fn a_binding_moves_only_when_the_upstream_has_agreed() {
    let mut bench = Bench::new();
    let (flow, thief) = (bench.open(1), bench.open(2));
    let path = bench.register(flow, "alice");

    bench.browser_sends(thief, register("alice", 1));
    let up = bench.upstream_gets();
    bench.upstream_sends(incoming("c1", "alice", &path, PHONE_SDP));
    assert_eq!(bench.browser_gets(flow).call_id(), Some("c1"));
    bench.upstream_sends(reply(&up, 403, &[], ""));
    bench.upstream_sends(incoming("c2", "alice", &path, PHONE_SDP));
    assert_eq!(bench.browser_gets(flow).call_id(), Some("c2"));
    assert_eq!(bench.browser_gets(thief).status(), Some(403));

    bench.browser_sends(thief, register("alice", 2));
    let _trying = (bench.upstream_gets(), bench.upstream_gets());
    let up = bench.upstream_gets();
    bench.upstream_sends(reply(
        &up,
        200,
        &[("Contact", &format!("{};expires=9", contact("alice")))],
        "",
    ));
    bench.upstream_sends(incoming("c3", "alice", &path, PHONE_SDP));
    assert_eq!(bench.browser_gets(thief).status(), Some(200));
    assert_eq!(bench.browser_gets(thief).call_id(), Some("c3"));
}

#[test]
fn a_registrar_that_knows_of_flows_hears_that_one_has_failed_and_any_other_that_nobody_is_there() {
    for (knows, status) in [(true, 430), (false, 480)] {
        let mut bench = Bench::new();
        let flow = bench.open(1);
        bench.browser_sends(flow, register("alice", 1));
        let up = bench.upstream_gets();
        let path = up.header("Path").unwrap().into_owned();
        let contact = up.header("Contact").unwrap().into_owned();
        let mut headers = vec![("Contact", contact.as_str())];
        if knows {
            headers.push(("Require", "outbound"));
        }
        bench.upstream_sends(reply(&up, 200, &headers, ""));
        bench.browser_gets(flow);
        bench.close(flow);
        let options = String::from_utf8(incoming("o", "alice", &path, "")).unwrap();
        bench.upstream_sends(options.replace("INVITE", "OPTIONS"));
        assert_eq!(bench.upstream_gets().status(), Some(status));
    }
}

#[test]
fn a_call_to_a_client_whose_connection_has_just_gone_waits_until_it_is_back() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    bench.close(flow);
    bench.upstream_sends(incoming("c", "alice", &path, PHONE_SDP));
    assert_eq!(bench.upstream_gets().status(), Some(100));
    bench.wait(Duration::from_secs(3));
    let back = bench.open(2);
    bench.register(back, "alice");
    assert_eq!(bench.browser_gets(back).call_id(), Some("c"));
    bench.silence();
}

#[test]
fn nobody_waits_for_a_client_that_has_been_gone_for_longer_than_that() {
    for (gone, waits) in [(3, true), (5, false), (600, false)] {
        let mut bench = Bench::new();
        let flow = bench.open(1);
        let path = bench.register(flow, "alice");
        bench.close(flow);
        bench.wait(Duration::from_secs(gone));
        bench.upstream_sends(incoming("c", "alice", &path, PHONE_SDP));
        assert_eq!(bench.upstream_gets().status(), Some(100));
        if waits {
            bench.silence();
            bench.wait(Duration::from_secs(1));
        }
        assert_eq!(bench.upstream_gets().status(), Some(480), "{gone} s");
    }
}

#[test]
fn a_silent_upstream_gives_408_and_retransmissions_before() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, register("alice", 1));
    bench.wait(Duration::from_secs(33));
    for _ in 0..11 {
        assert!(bench.upstream_gets().is(&sip::Method::Register));
    }
    assert_eq!(bench.browser_gets(flow).status(), Some(408));
    assert!(
        bench
            .events
            .iter()
            .any(|event| matches!(event, Event::UpstreamSilent { .. }))
    );
    bench.assert_drained();
}

#[test]
fn a_registration_that_ends_keeps_the_clients_calls_reachable() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    let call = bench.call_browser(flow, &path, "c");
    let mut bye = sip::Message::parse(register("alice", 2)).unwrap();
    bye.set("Contact", contact("alice") + ";expires=0").unwrap();
    bench.browser_sends(flow, bye.into_bytes());
    let up = bench.upstream_gets();
    bench.upstream_sends(reply(&up, 200, &[], ""));
    let down = bench.browser_gets(flow);
    assert!(down.status() == Some(200) && !down.has("Contact"));
    bench.upstream_sends(to_browser("BYE", &call.at_phone, 2, "", "bye"));
    assert!(bench.browser_gets(flow).is(&sip::Method::Bye));
}

#[test]
fn keep_alives_and_options_to_the_edge_are_answered_here() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, "\r\n\r\n");
    assert_eq!(bench.raw_to(flow), b"\r\n");
    bench.browser_sends(flow, "\r\n");
    let options = |uri: &str, via: &str| {
        message(
            &format!(
                "OPTIONS {uri} SIP/2.0
                 Via: SIP/2.0/{via};branch=z9hG4bKopt{}
                 Max-Forwards: 70
                 To: <{uri}>
                 From: <sip:alice@example.com>;tag=1
                 Call-ID: o
                 CSeq: 1 OPTIONS",
                uri.len()
            ),
            "",
        )
    };
    bench.browser_sends(flow, options("sip:EXAMPLE.com", "WSS a.invalid"));
    assert_eq!(bench.browser_gets(flow).status(), Some(200));
    bench.upstream_sends(options("sip:192.0.2.1:5060", "UDP 192.0.2.5"));
    assert_eq!(bench.upstream_gets().status(), Some(200));
    bench.browser_sends(flow, options("sip:bob@example.com", "WSS a.invalid"));
    assert!(bench.upstream_gets().is(&sip::Method::Options));
    bench.silence();
}
