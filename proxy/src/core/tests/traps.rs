//! What breaks Kamailio with rtpengine as usually configured. Each of these has its own test.

use control_proto::Command as Ng;
use sip::Method;

use super::super::*;
use super::bench::*;

const PHONE: [(&str, &str); 1] = [("Contact", "<sip:bob@10.0.0.9>")];

#[test]
fn an_upstream_that_challenges_invite_after_the_offer_gets_the_same_session_again() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.register(flow, "alice");
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    assert_eq!(bench.browser_gets(flow).status(), Some(100));
    let up = bench.upstream_gets();
    bench.upstream_sends(reply(
        &up,
        407,
        &[("Proxy-Authenticate", "Digest realm=\"x\", nonce=\"n\"")],
        "",
    ));
    assert!(bench.upstream_gets().is(&Method::Ack));
    assert_eq!(bench.browser_gets(flow).status(), Some(407));
    assert_eq!(
        bench.count(Ng::Delete),
        0,
        "the session waits for the retry"
    );

    bench.wait(std::time::Duration::from_secs(5));
    bench.browser_sends(
        flow,
        invite(
            "c",
            "alice",
            "22",
            "Proxy-Authorization: Digest username=\"alice\"",
            BROWSER_SDP,
        ),
    );
    assert_eq!(bench.browser_gets(flow).status(), Some(100));
    let up = bench.upstream_gets();
    let calls: Vec<_> = bench
        .asked
        .iter()
        .map(|request| request.call_id.clone())
        .collect();
    assert_eq!(calls.len(), 2);
    assert_eq!(
        calls[0], calls[1],
        "one call at the relay: same ports, same ICE, same keys"
    );
    // The linger of the first attempt must end neither the call that the second makes, nor its ringing.
    bench.upstream_sends(reply(&up, 180, &PHONE, ""));
    assert_eq!(bench.browser_gets(flow).status(), Some(180));
    bench.wait(std::time::Duration::from_secs(40));
    assert_eq!(bench.count(Ng::Delete), 0);
    bench.upstream_sends(reply(&up, 200, &PHONE, PHONE_SDP));
    let answer = bench.browser_gets(flow);
    assert_eq!(answer.status(), Some(200));
    bench.ignore_output();
    bench.assert_drained();
    assert_eq!(bench.calls_at_relay().len(), 1);
}

#[test]
fn a_challenged_call_that_is_given_up_frees_the_relay_in_the_end() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    let up = bench.upstream_gets();
    bench.upstream_sends(reply(&up, 401, &[], ""));
    bench.wait(std::time::Duration::from_secs(29));
    assert_eq!(bench.calls_at_relay().len(), 1);
    bench.wait(std::time::Duration::from_secs(2));
    assert_eq!(bench.calls_at_relay(), [""; 0]);
    bench.assert_drained();
}

#[test]
fn a_browser_to_browser_call_passes_twice_and_has_two_sessions() {
    let mut bench = Bench::new();
    let (alice, carol) = (bench.open(1), bench.open(2));
    bench.register(alice, "alice");
    let path = bench.register(carol, "carol");

    bench.browser_sends(alice, invite("c", "alice", "1", "", BROWSER_SDP));
    assert_eq!(bench.browser_gets(alice).status(), Some(100));
    // The upstream sends it back to us, to carol, with its own Via on top of ours.
    let mut up = bench.upstream_gets();
    up.prepend("Via", "SIP/2.0/UDP 192.0.2.5;branch=z9hG4bKloop")
        .unwrap();
    up.prepend("Route", path.as_str()).unwrap();
    up.set_uri("sip:carolx7@carol.invalid;transport=ws")
        .unwrap();
    bench.upstream_sends(up.into_bytes());
    assert_eq!(bench.upstream_gets().status(), Some(100));
    let down = bench.browser_gets(carol);
    assert!(down.is(&Method::Invite));
    let sessions = bench.calls_at_relay();
    assert_eq!(sessions.len(), 2, "{sessions:?}");
    assert!(sessions.iter().all(|name| name.starts_with("c-")));

    let ok = reply(&down, 200, &[("Contact", &contact("carol"))], BROWSER_SDP);
    bench.browser_sends(carol, ok);
    let mut back = bench.upstream_gets();
    back.remove_first_value("Via").unwrap();
    bench.upstream_sends(back.into_bytes());
    let answer = bench.browser_gets(alice);
    assert_eq!(answer.status(), Some(200));
    assert!(
        body(&answer).contains("Answer of Answer of browser"),
        "rewritten once on each pass"
    );
    assert_eq!(answer.values("Record-Route").count(), 4);

    // BYE: alice's entries are taken on the way up, carol's on the way down, and both sessions end.
    bench.browser_sends(alice, in_dialog("BYE", &answer, 2, "", "bye"));
    let mut up = bench.upstream_gets();
    assert_eq!(up.routes().count(), 2, "carol's two are left");
    up.prepend("Via", "SIP/2.0/UDP 192.0.2.5;branch=z9hG4bKloop2")
        .unwrap();
    bench.upstream_sends(up.into_bytes());
    let down = bench.browser_gets(carol);
    assert!(down.is(&Method::Bye) && !down.has("Route"));
    bench.browser_sends(carol, reply(&down, 200, &[], ""));
    let mut back = bench.upstream_gets();
    back.remove_first_value("Via").unwrap();
    bench.upstream_sends(back.into_bytes());
    assert_eq!(bench.browser_gets(alice).status(), Some(200));
    assert_eq!(bench.calls_at_relay(), [""; 0]);
    bench.silence();
    bench.assert_drained();
}

#[test]
fn a_fork_to_two_browsers_of_one_user_has_two_sessions_and_the_loser_ends_only_its_own() {
    let mut bench = Bench::new();
    let (desk, tablet) = (bench.open(1), bench.open(2));
    let desk_path = bench.register(desk, "alice");
    // The same user and contact user, on another device.
    let other = String::from_utf8(register("alice", 1))
        .unwrap()
        .replace("urn:uuid:alice", "urn:uuid:tablet");
    bench.browser_sends(tablet, other);
    let up = bench.upstream_gets();
    let tablet_path = up.header("Path").unwrap().into_owned();
    bench.upstream_sends(reply(
        &up,
        200,
        &[("Contact", &format!("{};expires=60", contact("alice")))],
        "",
    ));
    bench.browser_gets(tablet);
    assert_ne!(desk_path, tablet_path);

    let first = incoming("c", "alice", &desk_path, PHONE_SDP);
    let second = incoming("c", "alice", &tablet_path, PHONE_SDP);
    let second = String::from_utf8(second)
        .unwrap()
        .replace("z9hG4bKup", "z9hG4bKfork");
    bench.upstream_sends(first);
    bench.upstream_sends(second);
    let (at_desk, at_tablet) = (bench.browser_gets(desk), bench.browser_gets(tablet));
    assert_eq!(bench.calls_at_relay().len(), 2);
    bench.ignore_output();

    bench.browser_sends(
        desk,
        reply(
            &at_desk,
            200,
            &[("Contact", &contact("alice"))],
            BROWSER_SDP,
        ),
    );
    let answer = bench.upstream_gets();
    bench.browser_sends(tablet, reply(&at_tablet, 180, &[], ""));
    bench.upstream_gets();
    bench.browser_sends(tablet, reply(&at_tablet, 487, &[], ""));
    assert!(bench.browser_gets(tablet).is(&Method::Ack));
    let left = bench.calls_at_relay();
    assert_eq!(
        left.len(),
        1,
        "the loser's session is gone, the winner's stays"
    );
    bench.upstream_sends(to_browser("ACK", &answer, 1, "", "ack"));
    assert!(bench.browser_gets(desk).is(&Method::Ack));
    bench.upstream_sends(to_browser("BYE", &answer, 2, "", "bye"));
    let bye = bench.browser_gets(desk);
    bench.browser_sends(desk, reply(&bye, 200, &[], ""));
    assert_eq!(bench.calls_at_relay(), [""; 0]);
}

#[test]
fn an_invite_without_sdp_gets_its_offer_in_the_200_and_its_answer_in_the_ack() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    bench.upstream_sends(incoming("c", "alice", &path, ""));
    bench.upstream_gets();
    let down = bench.browser_gets(flow);
    assert_eq!(body(&down), "");
    // An offer in an unreliable 18x does not count (RFC 3261 section 13.2.1).
    bench.browser_sends(
        flow,
        reply(&down, 183, &[("Contact", &contact("alice"))], BROWSER_SDP),
    );
    assert_eq!(body(&bench.upstream_gets()), "");
    bench.browser_sends(
        flow,
        reply(&down, 200, &[("Contact", &contact("alice"))], BROWSER_SDP),
    );
    let offer = bench.upstream_gets();
    assert!(
        body(&offer).contains("Offer of browser"),
        "a plain offer for the phone"
    );
    let asked = bench.asked.last().unwrap();
    assert_eq!(
        (asked.from_tag.as_deref(), asked.to_tag.as_deref()),
        (Some("alicetag"), Some("bobtag"))
    );

    bench.upstream_sends(to_browser("ACK", &offer, 1, PHONE_SDP, "ack"));
    let ack = bench.browser_gets(flow);
    assert!(
        body(&ack).contains("Answer of phone"),
        "never plain RTP to a browser"
    );
    let asked = bench.asked.last().unwrap();
    assert_eq!(
        (asked.from_tag.as_deref(), asked.to_tag.as_deref()),
        (Some("alicetag"), Some("bobtag"))
    );
    // The ACK comes again because the 200 did: the same body, and the relay is left in peace.
    bench.upstream_sends(to_browser("ACK", &offer, 1, PHONE_SDP, "ack"));
    assert_eq!(bench.browser_gets(flow).body(), ack.body());
    assert_eq!(bench.count(Ng::Answer), 1);
    bench.ignore_output();
    bench.assert_drained();
    assert_eq!(bench.calls_at_relay().len(), 1);
}

#[test]
fn a_firefox_that_hides_its_addresses_reaches_the_relay_as_it_is_and_the_phone_not_at_all() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    let asked = bench.asked[0].sdp.clone().unwrap();
    assert_eq!(
        String::from_utf8(asked).unwrap(),
        BROWSER_SDP,
        "the relay judges, not the proxy"
    );
    let up = bench.upstream_gets();
    assert!(
        !text(&up).contains("0.0.0.0") && !text(&up).contains(".local"),
        "{}",
        text(&up)
    );
}

#[test]
fn a_bye_reaches_a_browser_that_came_back_on_a_new_websocket() {
    let mut bench = Bench::new();
    let first = bench.open(1);
    let path = bench.register(first, "alice");
    let call = bench.call_browser(first, &path, "c");
    bench.close(first);

    let second = bench.open(2);
    bench.register(second, "alice");
    assert!(bench.events.contains(&Event::Rebound {
        flow: second,
        aor: "alice@example.com".into()
    }));
    assert!(bench.browser_gets(second).is(&Method::Info));
    bench.upstream_sends(to_browser("BYE", &call.at_phone, 3, "", "bye"));
    let bye = bench.browser_gets(second);
    assert!(bye.is(&Method::Bye));
    assert!(text(&bye).contains("SIP/2.0/WSS edge.example.com:8443;branch="));
    bench.browser_sends(second, reply(&bye, 200, &[], ""));
    assert_eq!(bench.upstream_gets().status(), Some(200));
    assert_eq!(bench.calls_at_relay(), [""; 0]);
    bench.silence();
}

#[test]
fn a_browser_that_came_back_may_hang_up_its_old_call() {
    let mut bench = Bench::new();
    let first = bench.open(1);
    bench.register(first, "alice");
    let call = bench.call_phone(first, "c");
    bench.close(first);
    let second = bench.open(2);
    bench.register(second, "alice");
    bench.browser_sends(second, in_dialog("BYE", &call.at_browser, 2, "", "bye"));
    assert!(bench.upstream_gets().is(&Method::Bye));
}

#[test]
fn transport_wss_in_a_uri_is_understood_and_never_emitted() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let wss = |bytes: Vec<u8>| {
        String::from_utf8(bytes)
            .unwrap()
            .replace("transport=ws", "transport=wss")
    };
    bench.browser_sends(flow, wss(register("alice", 1)));
    let up = bench.upstream_gets();
    assert!(!text(&up).contains("transport=wss"), "{}", text(&up));
    let path = up.header("Path").unwrap().into_owned();
    let given = format!("{};expires=600", contact("alice"));
    bench.upstream_sends(reply(&up, 200, &[("Contact", &given)], ""));
    let mine = wss(format!("{};expires=600", contact("alice")).into_bytes());
    assert_eq!(
        bench.browser_gets(flow).header("Contact").unwrap(),
        mine,
        "its own, as it wrote it"
    );

    let route = path.replace(";lr", ";transport=wss;lr");
    bench.upstream_sends(wss(incoming("c", "alice", &route, PHONE_SDP)));
    bench.upstream_gets();
    let down = bench.browser_gets(flow);
    assert!(
        down.values("Record-Route")
            .all(|value| !value.contains("transport=wss"))
    );
    let headers = [("Contact", "<sip:alicex7@alice.invalid;transport=wss>;ob")];
    bench.browser_sends(flow, reply(&down, 200, &headers, BROWSER_SDP));
    let answer = bench.upstream_gets();
    let contact = answer.header("Contact").unwrap();
    assert!(!contact.contains("transport=wss") && contact.ends_with(">;ob"));
    bench.upstream_sends(wss(to_browser("ACK", &answer, 1, "", "ack")));
    assert!(bench.browser_gets(flow).is(&Method::Ack));
}

#[test]
fn transport_wss_of_a_browser_that_never_registered_is_not_emitted_either() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let wss = String::from_utf8(invite("c", "alice", "1", "", BROWSER_SDP)).unwrap();
    bench.browser_sends(flow, wss.replace("transport=ws", "transport=wss"));
    let up = bench.upstream_gets();
    let contact = format!("{};ob", contact("alice"));
    assert_eq!(up.header("Contact").unwrap(), contact);
}

#[test]
fn several_browsers_in_one_burst_all_get_through_though_their_branches_collide() {
    let mut bench = Bench::new();
    let flows: Vec<FlowId> = (0..50).map(|number| bench.open(number)).collect();
    for (number, flow) in flows.iter().enumerate() {
        // One branch for all: libraries draw it from ten million values only.
        bench.browser_sends(
            *flow,
            invite(&format!("call{number}"), "alice", "same", "", BROWSER_SDP),
        );
    }
    let ups: Vec<_> = flows.iter().map(|_| bench.upstream_gets()).collect();
    for up in ups.iter().rev() {
        bench.upstream_sends(reply(up, 200, &PHONE, PHONE_SDP));
    }
    for (number, flow) in flows.iter().enumerate() {
        assert_eq!(bench.browser_gets(*flow).status(), Some(100));
        let answer = bench.browser_gets(*flow);
        assert_eq!(answer.call_id(), Some(format!("call{number}").as_str()));
        assert!(body(&answer).contains(&format!("in call{number}-")));
    }
    assert_eq!(bench.calls_at_relay().len(), 50);
    bench.silence();
}
