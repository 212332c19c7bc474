//! Calls to the users of the edge: to several devices at once, and from browser to browser.

use std::time::Duration;

use control_proto::Command as Ng;
use sip::{Message, Method};

use super::super::*;
use super::bench::*;
use super::household::*;

const ALICE: &str = "sip:alice@example.com";

/// Alice on two devices.
fn two_devices() -> (Bench, [FlowId; 2]) {
    let mut bench = household();
    let flows = [bench.open(1), bench.open(2)];
    for (flow, device) in flows.iter().zip(["phone", "desk"]) {
        let accepted = bench.sign_in(*flow, "alice", register_as("alice", device, "", 1));
        assert_eq!(accepted.status(), Some(200));
    }
    (bench, flows)
}

fn statuses(messages: &[Message]) -> Vec<u16> {
    messages.iter().filter_map(Message::status).collect()
}

fn answered(bench: &mut Bench, flow: FlowId, request: &Message, status: u16) {
    let sdp = if status == 200 { BROWSER_SDP } else { "" };
    let contact = contact("alice");
    let mut answer = Message::parse(reply(request, status, &[("Contact", &contact)], sdp)).unwrap();
    let to = format!("{};tag=of{}", request.header("To").unwrap(), flow.0);
    answer.set("To", to).unwrap();
    bench.browser_sends(flow, answer.into_bytes());
}

#[test]
fn a_call_rings_every_device_and_the_first_that_answers_has_it() {
    let (mut bench, [phone, desk]) = two_devices();
    bench.upstream_sends(call_to(ALICE, "c"));
    let [at_phone, at_desk] = [phone, desk].map(|flow| bench.browser_gets(flow));
    assert_ne!(
        body(&at_phone),
        body(&at_desk),
        "each has a media session of its own"
    );
    assert_eq!(bench.calls_at_relay().len(), 2);
    answered(&mut bench, phone, &at_phone, 180);
    answered(&mut bench, desk, &at_desk, 180);
    answered(&mut bench, desk, &at_desk, 200);
    assert_eq!(statuses(&bench.upstream_has()), [100, 180, 180, 200]);
    let cancel = bench.browser_gets(phone);
    assert!(cancel.is(&Method::Cancel));
    assert!(cancel.header("Reason").unwrap().contains("cause=200"));
    bench.browser_sends(phone, reply(&cancel, 200, &[], ""));
    answered(&mut bench, phone, &at_phone, 487);
    assert!(bench.browser_gets(phone).is(&Method::Ack));
    assert_eq!(
        bench.calls_at_relay().len(),
        1,
        "the loser's media is released"
    );
    bench.silence();
    bench.wait(Duration::from_secs(40));
    assert!(
        bench.upstream_has().is_empty(),
        "the 2xx is the caller's own to acknowledge"
    );
    bench.assert_drained();
}

#[test]
fn the_best_refusal_is_the_callers_and_one_for_all_ends_the_others() {
    let (mut bench, [phone, desk]) = two_devices();
    bench.upstream_sends(call_to(ALICE, "c1"));
    let [at_phone, at_desk] = [phone, desk].map(|flow| bench.browser_gets(flow));
    answered(&mut bench, phone, &at_phone, 486);
    assert_eq!(
        statuses(&bench.upstream_has()),
        [100],
        "the other may still answer"
    );
    answered(&mut bench, desk, &at_desk, 500);
    assert_eq!(statuses(&bench.upstream_has()), [486]);
    bench.ignore_output();

    bench.upstream_sends(call_to(ALICE, "c2"));
    let [at_phone, at_desk] = [phone, desk].map(|flow| bench.browser_gets(flow));
    answered(&mut bench, desk, &at_desk, 180);
    answered(&mut bench, phone, &at_phone, 603);
    assert!(
        bench
            .browser_has(desk)
            .iter()
            .any(|m| m.is(&Method::Cancel))
    );
    answered(&mut bench, desk, &at_desk, 487);
    assert_eq!(statuses(&bench.upstream_has()), [100, 180, 603]);
    assert!(bench.calls_at_relay().is_empty());
    bench.assert_drained();
}

#[test]
fn a_call_that_is_taken_back_stops_ringing_everywhere() {
    let (mut bench, [phone, desk]) = two_devices();
    let invite = call_to(ALICE, "c");
    bench.upstream_sends(invite.clone());
    let [at_phone, at_desk] = [phone, desk].map(|flow| bench.browser_gets(flow));
    answered(&mut bench, phone, &at_phone, 180);
    bench.upstream_sends(
        Message::cancel(&Message::parse(invite).unwrap())
            .unwrap()
            .into_bytes(),
    );
    assert!(bench.browser_gets(phone).is(&Method::Cancel));
    assert!(
        bench.browser_has(desk).is_empty(),
        "it has not rung yet: its CANCEL waits"
    );
    answered(&mut bench, desk, &at_desk, 180);
    assert!(bench.browser_gets(desk).is(&Method::Cancel));
    answered(&mut bench, phone, &at_phone, 487);
    answered(&mut bench, desk, &at_desk, 487);
    assert_eq!(statuses(&bench.upstream_has()), [100, 180, 200, 180, 487]);
    assert!(bench.calls_at_relay().is_empty());
    bench.assert_drained();
}

#[test]
fn who_answers_although_the_call_was_taken_back_has_it() {
    let (mut bench, [phone, desk]) = two_devices();
    let invite = call_to(ALICE, "c");
    bench.upstream_sends(invite.clone());
    let [at_phone, at_desk] = [phone, desk].map(|flow| bench.browser_gets(flow));
    answered(&mut bench, phone, &at_phone, 180);
    answered(&mut bench, desk, &at_desk, 180);
    let cancel = Message::cancel(&Message::parse(invite).unwrap()).unwrap();
    bench.upstream_sends(cancel.into_bytes());
    answered(&mut bench, phone, &at_phone, 200);
    answered(&mut bench, desk, &at_desk, 487);
    assert_eq!(statuses(&bench.upstream_has()), [100, 180, 180, 200, 200]);
    assert_eq!(bench.calls_at_relay().len(), 1);
}

#[test]
fn who_answers_when_the_caller_has_gone_is_hung_up_on() {
    let (mut bench, [phone, desk]) = two_devices();
    let bob = bench.open(3);
    let text = String::from_utf8(invite("c", "bob", "1", "", BROWSER_SDP)).unwrap();
    let text = text.replace("sip:bob@example.com SIP", "sip:alice@example.com SIP");
    bench.place(bob, "bob", text.into());
    let [at_phone, at_desk] = [phone, desk].map(|flow| bench.browser_gets(flow));
    bench.close(bob);
    answered(&mut bench, phone, &at_phone, 200);
    let got = bench.browser_has(phone);
    assert!(got[0].is(&Method::Ack) && got[1].is(&Method::Bye));
    bench.browser_sends(phone, reply(&got[1], 200, &[], ""));
    answered(&mut bench, desk, &at_desk, 486);
    bench.ignore_output();
    assert!(bench.calls_at_relay().is_empty());
    bench.assert_drained();
}

#[test]
fn a_browser_of_two_that_leaves_is_waited_for_and_then_the_other_is_told() {
    for who in ["alice", "bob"] {
        for comes_back in [true, false] {
            let mut bench = household();
            let (alice, bob) = (bench.open(1), bench.open(2));
            bench.sign_in(alice, "alice", register("alice", 1));
            bench.sign_in(bob, "bob", register("bob", 1));
            bench.place(alice, "alice", invite("c", "alice", "1", "", BROWSER_SDP));
            let at_bob = bench.browser_gets(bob);
            let contact = contact("bob");
            bench.browser_sends(
                bob,
                reply(&at_bob, 200, &[("Contact", &contact)], BROWSER_SDP),
            );
            assert_eq!(bench.final_at(alice).status(), Some(200));
            let (left, stays) = if who == "alice" {
                (alice, bob)
            } else {
                (bob, alice)
            };
            bench.close(left);
            bench.wait(Duration::from_secs(10));
            if comes_back {
                let again = bench.open(3);
                assert_eq!(
                    bench.sign_in(again, who, register(who, 3)).status(),
                    Some(200)
                );
            }
            bench.wait(Duration::from_secs(30));
            let ended = bench.browser_has(stays).iter().any(|m| m.is(&Method::Bye));
            assert_eq!(ended, !comes_back, "{who}");
            assert_eq!(bench.calls_at_relay().is_empty(), ended);
        }
    }
}

#[test]
fn a_device_is_tried_on_its_other_flow_when_one_fails_and_newest_first() {
    let mut bench = household();
    let (old, new) = (bench.open(1), bench.open(2));
    for (flow, id) in [(old, "1"), (new, "2")] {
        let text = String::from_utf8(register_as("alice", "phone", "", 1)).unwrap();
        let text = text.replace("reg-id=1", &format!("reg-id={id}"));
        assert_eq!(
            bench.sign_in(flow, "alice", text.into()).status(),
            Some(200)
        );
    }
    bench.upstream_sends(call_to(ALICE, "c"));
    let at_new = bench.browser_gets(new);
    assert!(bench.browser_has(old).is_empty(), "one device rings once");
    answered(&mut bench, new, &at_new, 180);
    bench.close(new);
    let at_old = bench.browser_gets(old);
    assert_eq!(at_old.call_id(), Some("c"));
    answered(&mut bench, old, &at_old, 200);
    assert_eq!(statuses(&bench.upstream_has()), [100, 180, 200]);
    assert_eq!(bench.calls_at_relay().len(), 1);

    bench.upstream_sends(call_to(ALICE, "d"));
    let at_old = bench.browser_gets(old);
    answered(&mut bench, old, &at_old, 486);
    assert_eq!(
        statuses(&bench.upstream_has()),
        [100, 486],
        "a device's own word counts"
    );
    bench.upstream_sends(call_to(ALICE, "e"));
    bench.browser_has(old);
    bench.close(old);
    assert_eq!(
        statuses(&bench.upstream_has()),
        [100, 480],
        "430 is not for callers"
    );
    bench.assert_drained();
}

#[test]
fn one_page_with_two_registrations_of_one_user_gets_a_call_once() {
    let mut bench = household();
    let flow = bench.open(1);
    for device in ["first", "second"] {
        bench.sign_in(flow, "alice", register_as("alice", device, "", 1));
    }
    bench.upstream_sends(call_to(ALICE, "c"));
    let got = bench.browser_has(flow);
    assert_eq!(got.len(), 1);
    assert_eq!(
        got[0].uri_text(),
        Some("sip:secondx7@second.invalid;transport=ws")
    );
}

#[test]
fn a_browser_calls_a_browser_of_the_same_edge_with_one_media_session_and_no_server_between() {
    let mut bench = household();
    let (alice, bob) = (bench.open(1), bench.open(2));
    bench.sign_in(alice, "alice", register("alice", 1));
    bench.sign_in(bob, "bob", register("bob", 1));
    bench.place(alice, "alice", invite("c", "alice", "1", "", BROWSER_SDP));
    let at_bob = bench.browser_gets(bob);
    assert_eq!(
        at_bob.uri_text(),
        Some("sip:bobx7@bob.invalid;transport=ws")
    );
    assert!(!at_bob.has("Proxy-Authorization"));
    assert_eq!(at_bob.record_routes().count(), 2);
    let offer = bench.asked.last().unwrap();
    assert_eq!(offer.direction, Some(["public".into(), "public".into()]));
    bench.browser_sends(
        bob,
        reply(&at_bob, 200, &[("Contact", &contact("bob"))], BROWSER_SDP),
    );
    let at_alice = bench.final_at(alice);
    assert_eq!(at_alice.status(), Some(200));
    assert_eq!(bench.calls_at_relay().len(), 1);

    let to_bob = |method, cseq| {
        let text = String::from_utf8(in_dialog(method, &at_alice, cseq, "", method)).unwrap();
        text.replace("sip:bob@10.0.0.9", "sip:bobx7@bob.invalid;transport=ws")
    };
    bench.browser_sends(alice, to_bob("ACK", 2));
    let ack = bench.browser_gets(bob);
    assert!(ack.is(&Method::Ack) && !ack.has("Route"));
    // From the callee's side.
    let info = String::from_utf8(from_callee("INFO", &at_bob, 1, "", "info")).unwrap();
    let info = info
        .replace("UDP 192.0.2.5", "WSS bob.invalid")
        .replace("bobtag;tag=bobtag", "bobtag");
    bench.browser_sends(bob, info);
    assert!(bench.browser_gets(alice).is(&Method::Info));
    // Nobody else may.
    let thief = bench.open(3);
    bench.browser_sends(thief, to_bob("BYE", 3));
    assert_eq!(bench.browser_gets(thief).status(), Some(403));

    // The callee comes back on another socket, and the BYE finds it there.
    let again = bench.open(4);
    bench.sign_in(again, "bob", register("bob", 3));
    assert!(bench.browser_gets(again).is(&Method::Info));
    bench.browser_sends(alice, to_bob("BYE", 4));
    let bye = bench.browser_gets(again);
    assert!(bye.is(&Method::Bye));
    bench.browser_sends(again, reply(&bye, 200, &[], ""));
    assert_eq!(bench.browser_gets(alice).status(), Some(200));
    assert_eq!(bench.count(Ng::Delete), 1);
    assert!(bench.upstream_has().is_empty());
    bench.ignore_output();
    bench.assert_drained();
}

#[test]
fn a_caller_that_goes_away_takes_its_call_to_several_back() {
    let (mut bench, [phone, desk]) = two_devices();
    let bob = bench.open(3);
    bench.place(bob, "bob", {
        let text = String::from_utf8(invite("c", "bob", "1", "", BROWSER_SDP)).unwrap();
        text.replace("sip:bob@example.com SIP", "sip:alice@example.com SIP")
            .into()
    });
    for flow in [phone, desk] {
        let at = bench.browser_gets(flow);
        answered(&mut bench, flow, &at, 183);
    }
    let ringing = bench.final_at(bob);
    assert_eq!(ringing.status(), Some(183));
    assert!(
        ringing.body().is_empty(),
        "which of them answers is not known yet"
    );
    bench.close(bob);
    for flow in [phone, desk] {
        assert!(bench.browser_gets(flow).is(&Method::Cancel));
    }
    bench.ignore_output();
    bench.assert_drained();
    assert!(bench.calls_at_relay().is_empty());
}

#[test]
fn a_call_waits_a_moment_for_a_client_that_has_just_gone() {
    let mut bench = household();
    let flow = bench.open(1);
    bench.sign_in(flow, "alice", register("alice", 1));
    bench.close(flow);
    let invite = call_to(ALICE, "c");
    bench.upstream_sends(invite.clone());
    assert_eq!(statuses(&bench.upstream_has()), [100]);
    bench.wait(Duration::from_secs(2));
    let back = bench.open(2);
    bench.sign_in(back, "alice", register("alice", 3));
    let at_browser = bench.browser_gets(back);
    assert_eq!(at_browser.call_id(), Some("c"));
    answered(&mut bench, back, &at_browser, 486);
    let busy = bench.upstream_gets();
    assert_eq!(busy.status(), Some(486));
    let invite = Message::parse(invite).unwrap();
    let ack = Message::ack_to_failure(&invite, &busy).unwrap();
    bench.upstream_sends(ack.into_bytes());

    bench.close(back);
    // One that is taken back waits no longer.
    let third = call_to(ALICE, "e");
    bench.upstream_sends(third.clone());
    let third = Message::parse(third).unwrap();
    bench.upstream_sends(Message::cancel(&third).unwrap().into_bytes());
    let ended = bench.upstream_has();
    assert_eq!(statuses(&ended), [100, 200, 487]);
    let ack = Message::ack_to_failure(&third, &ended[2]).unwrap();
    bench.upstream_sends(ack.into_bytes());
    bench.upstream_sends(call_to(ALICE, "d"));
    bench.wait(Duration::from_secs(3));
    assert_eq!(statuses(&bench.upstream_has()), [100]);
    bench.wait(Duration::from_secs(1));
    assert_eq!(statuses(&bench.upstream_has()), [480]);
    bench.assert_drained();
}

#[test]
fn a_browser_that_leaves_another_is_hung_up_for_though_that_one_registers_meanwhile() {
    let mut bench = household();
    let (alice, bob) = (bench.open(1), bench.open(2));
    bench.sign_in(alice, "alice", register("alice", 1));
    bench.sign_in(bob, "bob", register("bob", 1));
    bench.place(alice, "alice", invite("c", "alice", "1", "", BROWSER_SDP));
    let at_bob = bench.browser_gets(bob);
    bench.browser_sends(
        bob,
        reply(&at_bob, 200, &[("Contact", &contact("bob"))], BROWSER_SDP),
    );
    assert_eq!(bench.final_at(alice).status(), Some(200));
    bench.close(bob);
    bench.wait(Duration::from_secs(10));
    bench.sign_in(alice, "alice", register("alice", 3));
    bench.ignore_output();
    bench.wait(Duration::from_secs(10));
    let bye = bench.browser_gets(alice);
    assert!(bye.is(&Method::Bye) && bye.has("Reason"));
    assert_eq!(bench.calls_at_relay(), [""; 0]);
    // And should it come back, it hears of that, whatever the other has done since.
    bench.sign_in(alice, "alice", register("alice", 5));
    let again = bench.open(3);
    bench.sign_in(again, "bob", register("bob", 3));
    let to_bob = bench.browser_has(again);
    assert!(to_bob.iter().any(|message| message.is(&Method::Bye)));
}

#[test]
fn a_browser_that_calls_several_devices_hears_of_each_by_its_own_tag() {
    let (mut bench, [phone, desk]) = two_devices();
    let caller = bench.open(3);
    let signed = bench.sign_in(caller, "bob", register_as("bob", "bob", "", 1));
    assert_eq!(signed.status(), Some(200));
    let call = String::from_utf8(invite("c", "bob", "1", "", BROWSER_SDP)).unwrap();
    let call = call
        .replace(
            "sip:bob@example.com SIP/2.0",
            "sip:alice@example.com SIP/2.0",
        )
        .replace("To: <sip:bob@", "To: <sip:alice@");
    bench.place(caller, "bob", call.into_bytes());
    let [at_phone, at_desk] = [phone, desk].map(|flow| bench.browser_gets(flow));
    for (flow, request, status) in [
        (phone, &at_phone, 180),
        (desk, &at_desk, 180),
        (desk, &at_desk, 200),
    ] {
        answered(&mut bench, flow, request, status);
        let seen = bench.final_at(caller);
        assert_eq!(seen.status(), Some(status));
        assert_eq!(seen.to_tag(), Some(&*format!("of{}", flow.0)));
    }
    assert!(bench.core.calls.swaps().is_empty());
}

#[test]
fn the_record_of_a_call_that_no_device_took_names_the_one_whose_answer_was_given() {
    let (mut bench, [phone, desk]) = two_devices();
    bench.upstream_sends(call_to(ALICE, "c"));
    let [at_phone, at_desk] = [phone, desk].map(|flow| bench.browser_gets(flow));
    answered(&mut bench, phone, &at_phone, 480);
    answered(&mut bench, desk, &at_desk, 486);
    assert_eq!(statuses(&bench.upstream_has()), [100, 486]);
    let records = super::records::records(&bench);
    let [record] = records.as_slice() else {
        panic!("one record, and not {records:?}");
    };
    assert_eq!((record.status, record.flow), (486, Some(desk)));
    assert!(record.client.is_some());
    let media = bench.asked.iter().map(|asked| asked.call_id.clone());
    let media: Vec<_> = media.collect();
    assert!(record.media.is_some() && media.contains(&record.media));
}
