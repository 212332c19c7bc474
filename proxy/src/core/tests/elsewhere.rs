//! Several relays: calls are spread over them, and a new one whose relay is dead or full goes to the next.

use std::net::SocketAddr;
use std::time::Duration;

use control_proto::{Command as Ng, Request, Response};
use sip::Message;

use super::super::*;
use super::bench::*;

const PHONE: [(&str, &str); 1] = [("Contact", "<sip:bob@10.0.0.9>")];
const RELAYS: [&str; 3] = ["192.0.2.7:2223", "192.0.2.8:2223", "192.0.2.9:2223"];

fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.pings.clear();
    bench.input(Input::Relays(
        RELAYS.map(|at| Relay::new(address(at))).to_vec(),
    ));
    // The bench knows the first already.
    assert_eq!(bench.pings, RELAYS.map(address)[1..], "asked at once");
    bench
}

fn calls(bench: &mut Bench, flow: FlowId) -> Message {
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    bench.upstream_gets()
}

fn forty_calls(bench: &mut Bench, flow: FlowId) {
    for call in 0..40 {
        let (id, branch) = (format!("c{call}"), format!("{call}b"));
        bench.browser_sends(flow, invite(&id, "alice", &branch, "", BROWSER_SDP));
    }
}

/// The questions about calls, and whom they went to.
fn about_calls(bench: &Bench) -> Vec<(Ng, SocketAddr)> {
    let asked = bench.asked.iter().zip(&bench.asked_at);
    asked.map(|(request, at)| (request.command, *at)).collect()
}

/// The oldest offer that has no answer.
fn open_offer(bench: &mut Bench) -> AskId {
    let is_offer = |(_, request): &(AskId, Request)| request.command == Ng::Offer;
    let at = bench.open_asks.iter().position(is_offer).unwrap();
    bench.open_asks.remove(at).unwrap().0
}

/// The relay takes the oldest offer that has no answer.
fn taken(bench: &mut Bench) {
    let is_offer = |(_, request): &(AskId, Request)| request.command == Ng::Offer;
    let at = bench.open_asks.iter().position(is_offer).unwrap();
    let offer = bench.open_asks.remove(at).unwrap();
    bench.open_asks.push_front(offer);
    bench.relay_replies();
}

#[test]
fn a_call_stays_with_its_relay_and_calls_are_spread() {
    let mut bench = bench();
    let flow = bench.open(1);
    let up = calls(&mut bench, flow);
    bench.upstream_sends(reply(&up, 200, &PHONE, PHONE_SDP));
    bench.browser_gets(flow);
    let answer = bench.browser_gets(flow);
    // The others come and go meanwhile, and so does this one's place in the list.
    let (_, at) = about_calls(&bench)[0];
    let others: Vec<_> = RELAYS
        .map(address)
        .into_iter()
        .filter(|a| *a != at)
        .collect();
    bench.input(Input::Relays(
        others.iter().map(|at| Relay::new(*at)).collect(),
    ));
    bench.browser_sends(flow, in_dialog("BYE", &answer, 2, "", "bye"));
    let bye = bench.upstream_gets();
    bench.upstream_sends(reply(&bye, 200, &[], ""));
    let asked = about_calls(&bench);
    assert_eq!(
        asked,
        [(Ng::Offer, at), (Ng::Answer, at), (Ng::Delete, at)],
        "by the token alone"
    );
    bench.asked.clear();
    bench.asked_at.clear();
    forty_calls(&mut bench, flow);
    let used: std::collections::HashSet<_> =
        about_calls(&bench).iter().map(|(_, at)| *at).collect();
    assert_eq!(
        used,
        others.into_iter().collect(),
        "a relay that has left gets none"
    );
}

#[test]
fn a_new_call_that_its_relay_has_no_room_for_goes_to_the_next_at_once() {
    let mut bench = bench();
    bench.relay_answers = false;
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    for full in [
        Response::load_limit("full"),
        Response::error("Ran out of ports"),
    ] {
        let id = open_offer(&mut bench);
        bench.input(Input::Relayed {
            id,
            reply: Ok(full),
        });
    }
    taken(&mut bench);
    assert!(bench.upstream_gets().is(&sip::Method::Invite));
    let offers: Vec<_> = about_calls(&bench);
    let offered: Vec<_> = offers
        .iter()
        .filter(|(command, _)| *command == Ng::Offer)
        .map(|(_, at)| *at)
        .collect();
    let deleted: Vec<_> = offers
        .iter()
        .filter(|(command, _)| *command == Ng::Delete)
        .map(|(_, at)| *at)
        .collect();
    assert_eq!(offered.len(), 3);
    assert_eq!(
        deleted,
        offered[..2],
        "what they may hold of it all the same is ended"
    );
    let unique: std::collections::HashSet<_> = offered.iter().collect();
    assert_eq!(unique.len(), 3, "each is asked once");
}

#[test]
fn where_all_are_full_the_caller_hears_so() {
    let mut bench = bench();
    bench.relay_answers = false;
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    bench.browser_gets(flow);
    for _ in RELAYS {
        let id = open_offer(&mut bench);
        let reply = Ok(Response::load_limit("full"));
        bench.input(Input::Relayed { id, reply });
    }
    assert_eq!(bench.browser_gets(flow).status(), Some(503));
    bench.silence();
}

#[test]
fn a_dead_relay_costs_a_new_call_a_second_and_the_next_one_nothing() {
    let mut bench = bench();
    bench.relay_answers = false;
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    let dead = about_calls(&bench)[0].1;
    bench.dead_relays.push(dead);
    bench.wait(Duration::from_millis(999));
    assert_eq!(about_calls(&bench).len(), 1, "one datagram may be lost");
    bench.wait(Duration::from_millis(1));
    let offers: Vec<_> = about_calls(&bench);
    let last = offers
        .iter()
        .rfind(|(command, _)| *command == Ng::Offer)
        .unwrap();
    assert_ne!(last.1, dead);
    open_offer(&mut bench);
    taken(&mut bench);
    assert!(bench.upstream_gets().is(&sip::Method::Invite));
    assert!(bench.events.contains(&Event::RelayDown { relay: dead }));

    // Nobody is sent there until it answers again.
    bench.asked.clear();
    bench.asked_at.clear();
    forty_calls(&mut bench, flow);
    assert!(about_calls(&bench).iter().all(|(_, at)| *at != dead));
    bench.dead_relays.clear();
    bench.wait(Duration::from_secs(2));
    assert!(bench.events.contains(&Event::RelayUp { relay: dead }));
}

#[test]
fn a_closed_control_port_is_news_before_any_question_is_overdue() {
    let mut bench = bench();
    let dead = address(RELAYS[0]);
    bench.input(Input::RelayUnreachable(dead));
    assert!(bench.events.contains(&Event::RelayDown { relay: dead }));
    let flow = bench.open(1);
    forty_calls(&mut bench, flow);
    assert!(about_calls(&bench).iter().all(|(_, at)| *at != dead));
}

#[test]
fn the_invite_with_credentials_keeps_its_session_when_the_relays_change() {
    let mut bench = bench();
    let flow = bench.open(1);
    let up = calls(&mut bench, flow);
    bench.upstream_sends(reply(
        &up,
        407,
        &[("Proxy-Authenticate", "Digest realm=\"x\", nonce=\"1\"")],
        "",
    ));
    let at = about_calls(&bench)[0].1;
    let others = RELAYS.map(address).into_iter().filter(|other| *other != at);
    bench.input(Input::Relays(others.map(Relay::new).collect()));
    bench.browser_sends(flow, invite("c", "alice", "2", "", BROWSER_SDP));
    let offers: Vec<_> = about_calls(&bench);
    assert_eq!(offers, [(Ng::Offer, at), (Ng::Offer, at)]);
}
