//! Attacks of SECURITY.md's catalogue that no other file here is about.

use std::time::Duration;

use sip::Method;

use super::super::*;
use super::bench::*;

#[test]
fn a_cancel_counts_only_on_the_connection_of_its_invite() {
    let mut bench = Bench::guarded(|_| {});
    let (alice, eve) = (bench.open(1), bench.open(2));
    bench.register(alice, "alice");
    bench.register(eve, "eve");
    let invite = invite("c", "alice", "1", "", BROWSER_SDP);
    bench.browser_sends(alice, invite.clone());
    bench.browser_gets(alice);
    let up = bench.upstream_gets();
    bench.upstream_sends(reply(&up, 180, &[], ""));
    bench.browser_gets(alice);
    // Eve has overheard everything, branch and tags included.
    let text = String::from_utf8(invite).unwrap();
    let head = text.split("Content-Type").next().unwrap().to_owned() + "Content-Length: 0\r\n\r\n";
    let cancel = head.replace("INVITE", "CANCEL");
    bench.browser_sends(eve, cancel.clone());
    assert_eq!(bench.browser_gets(eve).status(), Some(481));
    bench.silence();
    bench.browser_sends(alice, cancel);
    assert_eq!(bench.browser_gets(alice).status(), Some(200));
    assert!(bench.upstream_gets().is(&Method::Cancel));
}

#[test]
fn a_token_that_was_forged_bent_or_is_anothers_changes_nothing_and_is_counted() {
    let mut bench = Bench::guarded(|_| {});
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    let call = bench.call_phone(flow, "c");
    let token = path.split(['<', ':', '@']).nth(2).unwrap().to_owned();
    assert_eq!(token.len(), 50);
    let mut bent = 0;
    for at in 0..token.len() {
        let mut letters: Vec<char> = token.chars().collect();
        letters[at] = if letters[at] == 'A' { 'B' } else { 'A' };
        let letters: String = letters.into_iter().collect();
        let forged = path.replace(&token, &letters);
        bench.upstream_sends(incoming(&format!("f{at}"), "alice", &forged, PHONE_SDP));
        let statuses: Vec<_> = bench
            .upstream_has()
            .iter()
            .map(sip::Message::status)
            .collect();
        assert_eq!(statuses, [Some(100), Some(404)], "{letters}");
        bent += 1;
        assert_eq!(bench.dropped(Drop::ForgedToken), bent);
    }
    // From the browser's side: within a dialog, and preloaded.
    let bye = String::from_utf8(in_dialog("BYE", &call.at_browser, 2, "", "bye")).unwrap();
    let own = bye
        .split("Route: <sip:")
        .nth(1)
        .unwrap()
        .split('@')
        .next()
        .unwrap();
    let other = format!("{}{}", &own[10..], &own[..10]);
    bench.browser_sends(flow, bye.replace(own, &other));
    assert_eq!(bench.browser_gets(flow).status(), Some(481));
    assert_eq!(bench.dropped(Drop::ForgedToken), bent + 1);
    let preloaded = format!("Route: <sip:{other}@192.0.2.66;lr>");
    bench.browser_sends(flow, invite("p", "alice", "22", &preloaded, BROWSER_SDP));
    bench.browser_gets(flow);
    assert!(!bench.upstream_gets().has("Route"));
    assert_eq!(bench.dropped(Drop::ForgedToken), bent + 2);
    assert_eq!(bench.calls_at_relay().len(), 2, "the call goes on");
    bench.silence();
}

#[test]
fn lifetimes_that_no_server_counts_are_cut() {
    let mut bench = Bench::guarded(|_| {});
    let flow = bench.open(1);
    for (number, [contact, expires], seen) in [
        (1, ["600", "600"], ["600", "600"]),
        (2, ["4294967295", "4294967296"], ["604800", "604800"]),
        (3, ["99999999999999999999", "604801"], ["604800", "604800"]),
        (4, ["604800", "0"], ["604800", "0"]),
    ] {
        let text = String::from_utf8(register("alice", number)).unwrap();
        let text = text
            .replace(";expires=600", &format!(";expires={contact}"))
            .replace("Expires: 600", &format!("Expires: {expires}"));
        bench.browser_sends(flow, text);
        let up = bench.upstream_gets();
        let contact = up.contacts().next().unwrap().unwrap();
        let seen_contact = contact.param("expires").unwrap().to_owned();
        let seen_expires = up.header("Expires").unwrap().into_owned();
        assert_eq!([&*seen_contact, &*seen_expires], seen);
        bench.upstream_sends(reply(&up, 403, &[], ""));
        bench.browser_gets(flow);
    }
}

#[test]
fn whatever_contacts_a_browser_registers_the_sip_server_sees_only_ours() {
    let mut bench = Bench::guarded(|_| {});
    let flow = bench.open(1);
    let evil =
        "<sip:a@evil.example>, <sip:b@192.0.2.66;maddr=192.0.2.67>;q=1, <sips:c@[2001:db8::66]>";
    for (number, contacts) in [
        format!("{evil}, {}", contact("alice")),
        format!("{}, {evil}", contact("alice")),
        evil.to_owned(),
    ]
    .iter()
    .enumerate()
    {
        let text = String::from_utf8(register("alice", number as u32 + 1)).unwrap();
        let own = format!("{};expires=600", contact("alice"));
        bench.browser_sends(flow, text.replace(&own, contacts));
        let up = bench.upstream_gets();
        let hosts: Vec<_> = up
            .contacts()
            .map(|it| it.unwrap().uri().unwrap().host().to_owned())
            .collect();
        assert_eq!(hosts, ["192.0.2.1"], "{contacts}");
        assert!(!text_of(&up).contains("evil") && !text_of(&up).contains("192.0.2.6"));
        bench.upstream_sends(reply(&up, 403, &[], ""));
        bench.browser_gets(flow);
    }
}

fn text_of(message: &sip::Message) -> String {
    text(message)
}

#[test]
fn a_host_in_request_uri_maddr_or_received_is_never_gone_to() {
    let mut bench = Bench::guarded(|_| {});
    let flow = bench.open(1);
    bench.register(flow, "alice");
    for (number, (from, to)) in [
        ("INVITE sip:bob@example.com", "INVITE sip:bob@evil.example"),
        (
            "INVITE sip:bob@example.com",
            "INVITE sip:bob@192.0.2.66:5061;transport=tcp",
        ),
        (
            "INVITE sip:bob@example.com",
            "INVITE sip:bob@example.com;maddr=192.0.2.66",
        ),
        (
            "alice.invalid;branch",
            "alice.invalid;maddr=192.0.2.66;received=192.0.2.66;rport=9;branch",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let branch = "x".repeat(number + 1);
        let bytes = invite(&branch, "alice", &branch, "", BROWSER_SDP);
        let text = String::from_utf8(bytes).unwrap();
        let bent = text.replace(from, to);
        assert_ne!(bent, text);
        bench.browser_sends(flow, bent);
        // The bench refuses anything that goes elsewhere.
        assert_eq!(bench.browser_gets(flow).status(), Some(100));
        assert!(bench.upstream_gets().is(&Method::Invite), "{to}");
        assert_eq!(bench.last_hop, Some(bench.upstream));
    }
    assert!(bench.connects.is_empty());
}

#[test]
fn connections_that_close_at_random_points_leave_nothing_behind() {
    let mut dice = testkit::Dice::new(13);
    let mut bench = Bench::guarded(|config| {
        config.limits.calls_per_account = u32::MAX;
        config.limits.messages_per_address = u32::MAX;
    });
    for number in 1..=200_u64 {
        let flow = bench.open(number);
        let path = bench.register(flow, "alice");
        let call = format!("c{number}");
        // Steps of a call either way, as far as chance lets it come.
        let outgoing = dice.below(2) == 0;
        let steps = dice.below(6);
        bench.relay_answers = dice.below(4) > 0;
        let mut at_far_end = None;
        for step in 0..steps {
            match (outgoing, step) {
                (true, 0) => {
                    bench.browser_sends(flow, invite(&call, "alice", "1", "", BROWSER_SDP))
                }
                (false, 0) => bench.upstream_sends(incoming(&call, "alice", &path, PHONE_SDP)),
                (true, 1) => at_far_end = bench.upstream_has().pop(),
                (false, 1) => at_far_end = bench.browser_has(flow).pop(),
                (_, 2..4) => {
                    let status = if step == 2 { 180 } else { 200 };
                    let Some(request) = &at_far_end else { continue };
                    let sdp = if outgoing { PHONE_SDP } else { BROWSER_SDP };
                    let sdp = if status == 200 { sdp } else { "" };
                    let answer = reply(request, status, &[("Contact", &contact("alice"))], sdp);
                    match outgoing {
                        true => bench.upstream_sends(answer),
                        false => bench.browser_sends(flow, answer),
                    }
                }
                _ => bench.wait(Duration::from_millis(dice.below(2000))),
            }
        }
        bench.close(flow);
        bench.relay_answers = true;
        while !bench.open_asks.is_empty() {
            bench.relay_replies();
        }
        bench.ignore_output();
    }
    bench.assert_no_calls();
    assert_eq!(bench.calls_at_relay(), [""; 0]);
}

#[test]
fn nothing_secret_stands_in_what_an_operator_reads() {
    let mut bench = Bench::guarded(|_| {});
    let flow = bench.open(1);
    bench.register(flow, "alice");
    let sdp = format!(
        "{BROWSER_SDP}a=ice-pwd:PLANTED\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:PLANTED\r\n"
    );
    let given = "Proxy-Authorization: Digest username=\"alice\", realm=\"x\", nonce=\"PLANTED\", uri=\"sip:x\", response=\"PLANTED\"";
    for (branch, status) in [("1", 407), ("22", 486), ("333", 603)] {
        bench.browser_sends(flow, invite(branch, "alice", branch, given, &sdp));
        bench.browser_gets(flow);
        let up = bench.upstream_gets();
        bench.upstream_sends(reply(&up, status, &[("X", "PLANTED")], ""));
        bench.browser_gets(flow);
        bench.ignore_output();
    }
    let typed = String::from_utf8(invite("4", "alice", "4444", given, &sdp)).unwrap();
    for bad in [
        typed.replace("CSeq: 4", "CSeq: PLANTED"),
        typed.replace("INVITE sip", "PLANTED sip"),
        "PLANTED\r\n\r\n".to_owned(),
    ] {
        bench.browser_sends(flow, bad);
    }
    bench.wait(Duration::from_secs(3600));
    bench.ignore_output();
    let seen = format!("{:?}", bench.events);
    assert!(seen.contains("Refused") && seen.contains("Dropped"));
    // A method is what it is called.
    let seen = seen.replace("method: \"PLANTED\"", "");
    assert!(!seen.contains("PLANTED"), "{seen}");
}
