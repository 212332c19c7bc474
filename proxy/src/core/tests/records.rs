//! Every call leaves a record, and only one.

use std::time::Duration;

use control_proto::{Outcome, Response};

use super::super::*;
use super::bench::*;

const SECOND: Duration = Duration::from_secs(1);

/// The records so far.
pub(super) fn records(bench: &Bench) -> Vec<CallRecord> {
    let record = |event: &Event| match event {
        Event::CallEnded(record) => Some(CallRecord::clone(record)),
        _ => None,
    };
    bench.events.iter().filter_map(record).collect()
}

/// The only record, by status, who ended the call, and why.
fn only(bench: &mut Bench) -> (u16, Party, String) {
    bench.ignore_output();
    bench.assert_drained();
    let all = records(bench);
    let [record] = all.as_slice() else {
        panic!("one record, and not {all:?}");
    };
    (record.status, record.ended_by, record.reason.clone())
}

fn outcome(status: u16, by: Party, reason: &str) -> (u16, Party, String) {
    (status, by, reason.to_owned())
}

#[test]
fn a_call_is_recorded_when_somebody_has_hung_up() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.register(flow, "alice");
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    let up = bench.upstream_gets();
    bench.wait(SECOND * 3);
    bench.ignore_output();
    bench.upstream_sends(reply(
        &up,
        200,
        &[("Contact", "<sip:bob@10.0.0.9>")],
        PHONE_SDP,
    ));
    let answer = bench.browser_gets(flow);
    bench.wait(SECOND * 60);
    assert_eq!(records(&bench), []);
    let bye = String::from_utf8(in_dialog("BYE", &answer, 2, "", "bye")).unwrap();
    let reason = "Reason: Q.850;cause=16\r\nMax-Forwards";
    bench.browser_sends(flow, bye.replace("Max-Forwards", reason));
    let bye = bench.upstream_gets();
    bench.upstream_sends(reply(&bye, 200, &[], ""));

    let ended = outcome(200, Party::Browser, "Q.850;cause=16");
    assert_eq!(only(&mut bench), ended);
    let record = records(&bench).remove(0);
    assert_eq!(record.call_id, "c");
    assert_eq!(
        (&*record.from, &*record.to),
        ("alice@example.com", "bob@example.com")
    );
    assert!(record.browser_called);
    assert_eq!(
        (record.lasted, record.talked),
        (SECOND * 63, Some(SECOND * 60))
    );
    assert_eq!(record.flow, Some(flow));
    assert!(record.client.is_some());
    let media = bench.asked[0].call_id.clone();
    assert_eq!(record.media, media);
}

#[test]
fn who_hung_up_is_known_whoever_called() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    let call = bench.call_browser(flow, &path, "c");
    bench.upstream_sends(to_browser("BYE", &call.at_phone, 2, "", "bye"));
    let bye = bench.browser_gets(flow);
    bench.browser_sends(flow, reply(&bye, 200, &[], ""));
    assert_eq!(only(&mut bench), outcome(200, Party::Phone, "BYE"));
    assert!(!records(&bench)[0].browser_called);
}

#[test]
fn a_phone_that_hangs_up_while_the_browser_is_away_ends_the_call() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    let call = bench.call_browser(flow, &path, "c");
    bench.close(flow);
    bench.upstream_sends(to_browser("BYE", &call.at_phone, 2, "", "bye"));
    assert_eq!(only(&mut bench), outcome(200, Party::Phone, "BYE"));
}

#[test]
fn a_call_whose_browser_left_was_ended_by_the_edge() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.register(flow, "alice");
    bench.call_phone(flow, "c");
    bench.close(flow);
    let reason = "SIP;cause=480;text=\"The Browser's Connection Closed\"";
    assert_eq!(only(&mut bench), outcome(200, Party::Edge, reason));
}

#[test]
fn a_refused_call_names_who_refused_it() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    let up = bench.upstream_gets();
    bench.upstream_sends(reply(&up, 486, &[], ""));
    assert_eq!(only(&mut bench), outcome(486, Party::Phone, "Scripted"));
    assert_eq!(records(&bench)[0].talked, None);

    let mut bench = Bench::new();
    bench.relay_answers = false;
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    let (id, _) = bench.open_asks.pop_front().unwrap();
    let full = Response {
        outcome: Outcome::LoadLimit(String::new()),
        ..Response::ok()
    };
    bench.relay_answers = true;
    bench.input(Input::Relayed {
        id,
        reply: Ok(full),
    });
    let full = outcome(503, Party::Edge, "The Media Relay Is Full");
    assert_eq!(only(&mut bench), full);
}

#[test]
fn a_call_to_a_browser_that_is_not_there_is_recorded_too() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    bench.close(flow);
    bench.upstream_sends(incoming("c", "alice", &path, PHONE_SDP));
    let gone = outcome(480, Party::Edge, "The Browser Is Not Connected");
    assert_eq!(only(&mut bench), gone);
}

#[test]
fn a_cancelled_call_was_ended_by_its_caller() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let call = invite("c", "alice", "1", "", BROWSER_SDP);
    bench.browser_sends(flow, call.clone());
    let up = bench.upstream_gets();
    bench.upstream_sends(reply(&up, 180, &[], ""));
    let cancel = String::from_utf8(invite("c", "alice", "1", "", "")).unwrap();
    bench.browser_sends(flow, cancel.replace("INVITE", "CANCEL"));
    let cancel = bench.upstream_gets();
    bench.upstream_sends(reply(&cancel, 200, &[], ""));
    bench.upstream_sends(reply(&up, 487, &[], ""));
    assert_eq!(only(&mut bench), outcome(487, Party::Browser, "Cancelled"));
}

#[test]
fn a_caller_whose_connection_closed_has_ended_its_call() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    let up = bench.upstream_gets();
    bench.upstream_sends(reply(&up, 180, &[], ""));
    bench.close(flow);
    let cancel = bench.upstream_gets();
    bench.upstream_sends(reply(&cancel, 200, &[], ""));
    bench.upstream_sends(reply(&up, 487, &[], ""));
    let left = outcome(487, Party::Browser, "The Browser's Connection Closed");
    assert_eq!(only(&mut bench), left);
}

#[test]
fn a_call_that_nobody_answered_was_ended_by_the_edge_and_is_free_again() {
    for rings in [true, false] {
        let mut bench = Bench::new();
        let flow = bench.open(1);
        let path = bench.register(flow, "alice");
        bench.upstream_sends(incoming("c", "alice", &path, PHONE_SDP));
        let down = bench.browser_gets(flow);
        if rings {
            bench.browser_sends(
                flow,
                reply(&down, 180, &[("Contact", &contact("alice"))], ""),
            );
        }
        bench.ignore_output();
        bench.wait(SECOND * if rings { 184 } else { 31 });
        bench.silence();
        bench.wait(SECOND * 40);
        assert_eq!(bench.calls_at_relay(), [""; 0]);
        let reason = match rings {
            true => "Nobody Answered",
            false => "The Browser Did Not Answer",
        };
        assert_eq!(only(&mut bench), outcome(408, Party::Edge, reason));
    }
}

#[test]
fn a_challenge_that_the_caller_can_meet_is_no_end_and_wrong_credentials_are() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let challenge = [("Proxy-Authenticate", "Digest realm=\"x\", nonce=\"n\"")];
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    let up = bench.upstream_gets();
    bench.upstream_sends(reply(&up, 407, &challenge, ""));
    bench.ignore_output();
    assert_eq!(records(&bench), []);
    let shown = "Proxy-Authorization: Digest username=\"alice\", realm=\"x\", nonce=\"n\", uri=\"sip:bob@example.com\", response=\"0\"";
    bench.browser_sends(flow, invite("c", "alice", "22", shown, BROWSER_SDP));
    let up = bench.upstream_gets();
    bench.upstream_sends(reply(&up, 407, &challenge, ""));
    assert_eq!(only(&mut bench), outcome(407, Party::Phone, "Scripted"));
}

#[test]
fn calls_that_stand_when_the_edge_stops_are_written_down() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.register(flow, "alice");
    bench.call_phone(flow, "c");
    bench.wait(SECOND * 60);
    bench.input(Input::Stopping);
    let stopped = outcome(200, Party::Edge, "The Edge Stopped");
    assert_eq!(only(&mut bench), stopped);
}

#[test]
fn a_server_that_wants_credentials_for_the_edges_bye_gets_it_once_and_the_call_is_over_all_the_same()
 {
    for status in [401, 407] {
        let mut bench = Bench::new();
        let flow = bench.open(1);
        bench.register(flow, "alice");
        bench.call_phone(flow, "c");
        bench.close(flow);
        bench.wait(SECOND * 20);
        let bye = bench.upstream_gets();
        assert!(bye.is(&sip::Method::Bye));
        let challenge = [("Proxy-Authenticate", "Digest realm=\"x\", nonce=\"n\"")];
        bench.upstream_sends(reply(&bye, status, &challenge, ""));
        assert_eq!(bench.calls_at_relay(), [""; 0], "its media is free");
        let refused = Event::HangUpRefused {
            call_id: "c".to_owned(),
            status,
        };
        assert_eq!(
            bench
                .events
                .iter()
                .filter(|event| **event == refused)
                .count(),
            1
        );
        bench.wait(SECOND * 120);
        bench.silence();
        let reason = "SIP;cause=480;text=\"The Browser's Connection Closed\"";
        assert_eq!(only(&mut bench), outcome(200, Party::Edge, reason));
        bench.assert_no_calls();
    }
}
