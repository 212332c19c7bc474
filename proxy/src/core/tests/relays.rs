//! Relays that come and go: drained, dead, started anew, out of the list; and an edge that never heard of the call.

use std::time::Duration;

use control_proto::{Command as Ng, Response};
use sip::{Message, Method};

use super::super::*;
use super::bench::*;

const OTHER: &str = "192.0.2.8:2223";
const GRACE: Duration = Duration::from_secs(20);

/// A call at the only relay.
fn call() -> (Bench, FlowId, Call) {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.register(flow, "alice");
    let call = bench.call_phone(flow, "c");
    (bench, flow, call)
}

/// Both sides have been hung up on, for this reason.
fn assert_ended(bench: &mut Bench, flow: FlowId) {
    let (to_phone, to_browser) = (bench.upstream_gets(), bench.browser_gets(flow));
    for bye in [&to_phone, &to_browser] {
        assert!(bye.is(&Method::Bye), "{}", text(bye));
        let reason = bye.header("Reason").unwrap_or_default();
        assert!(reason.contains("The Media Relay Is Lost"), "{reason}");
    }
    bench.upstream_sends(reply(&to_phone, 200, &[], ""));
    bench.browser_sends(flow, reply(&to_browser, 200, &[], ""));
    assert_eq!(bench.count(Ng::Delete), 0, "there is nobody to tell");
    let ended = bench.events.iter().filter_map(|event| match event {
        Event::CallEnded(record) => Some(record.ended_by),
        _ => None,
    });
    assert_eq!(ended.collect::<Vec<_>>(), [Party::Edge]);
}

fn relays(bench: &mut Bench, list: &[&str]) {
    let list = list.iter().map(|at| Relay::new(address(at)));
    bench.input(Input::Relays(list.collect()));
}

/// Where the next new call is offered.
fn next_call(bench: &mut Bench, flow: FlowId, call: &str) -> std::net::SocketAddr {
    let branch = format!("{call}b");
    bench.browser_sends(flow, invite(call, "alice", &branch, "", BROWSER_SDP));
    bench.ignore_output();
    *bench.asked_at.last().expect("an offer")
}

#[test]
fn a_relay_that_is_drained_keeps_its_calls_and_gets_no_new_one_until_it_is_back() {
    let (mut bench, flow, call) = call();
    let drained = address(RELAY);
    relays(&mut bench, &[RELAY, OTHER]);
    bench.pong = Response::pong().with("draining", 1);
    bench.dead_relays.push(address(OTHER));
    bench.wait(Duration::from_secs(1));
    assert!(
        bench
            .events
            .contains(&Event::RelayDrains { relay: drained })
    );
    // The other is dead: one that is drained is still asked before it, and refuses at once.
    bench.wait(Duration::from_secs(2));
    assert_eq!(next_call(&mut bench, flow, "n"), drained);
    bench.dead_relays = vec![drained];
    bench.pong = Response::pong();
    bench.wait(Duration::from_secs(1));
    for n in 0..20 {
        assert_eq!(
            next_call(&mut bench, flow, &format!("n{n}")),
            address(OTHER)
        );
    }
    // What it has stays with it.
    bench.browser_sends(flow, in_dialog("BYE", &call.at_browser, 2, "", "bye"));
    let bye = bench.upstream_gets();
    bench.upstream_sends(reply(&bye, 200, &[], ""));
    assert_eq!(bench.count(Ng::Delete), 1);
    assert_eq!(bench.asked_at.last(), Some(&drained));

    bench.dead_relays.clear();
    bench.wait(Duration::from_secs(2));
    assert!(bench.events.contains(&Event::RelayUp { relay: drained }));
    let used = (0..20).map(|n| next_call(&mut bench, flow, &format!("m{n}")));
    assert!(
        used.collect::<Vec<_>>().contains(&drained),
        "its share again"
    );
}

#[test]
fn a_relay_that_was_started_anew_has_lost_its_calls_and_both_sides_are_told() {
    let (mut bench, flow, _) = call();
    bench.pong = Response::pong().with("instance", "one");
    bench.wait(Duration::from_secs(2));
    bench.silence();
    bench.pong = Response::pong().with("instance", "two");
    bench.wait(Duration::from_secs(1));
    let (relay, calls) = (address(RELAY), 1);
    assert!(bench.events.contains(&Event::RelayLost { relay, calls }));
    assert_ended(&mut bench, flow);
    bench.silence();
}

#[test]
fn a_call_that_began_while_the_relay_was_started_anew_goes_on() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.pong = Response::pong().with("instance", "one");
    bench.wait(Duration::from_secs(2));
    bench.now += Duration::from_millis(500);
    bench.call_phone(flow, "c");
    bench.pong = Response::pong().with("instance", "two");
    bench.wait(Duration::from_secs(3));
    bench.silence();
}

#[test]
fn a_relay_that_says_nothing_of_its_process_is_given_up_when_it_is_silent_for_as_long_as_the_grace()
{
    let (mut bench, flow, _) = call();
    bench.dead_relays.push(address(RELAY));
    bench.wait(GRACE);
    bench.silence();
    // It may come back in time.
    bench.dead_relays.clear();
    bench.wait(GRACE * 2);
    bench.silence();
    bench.dead_relays.push(address(RELAY));
    bench.wait(GRACE + Duration::from_secs(3));
    assert_ended(&mut bench, flow);
    bench.wait(GRACE * 2);
    let lost = |event: &&Event| matches!(event, Event::RelayLost { .. });
    assert_eq!(bench.events.iter().filter(lost).count(), 1, "told once");
}

#[test]
fn the_calls_of_a_dead_relay_are_ended_five_hundred_in_a_second() {
    let mut bench = Bench::with(|config| config.limits.calls_per_account = u32::MAX);
    let flow = bench.open(1);
    for n in 0..600 {
        let (call, branch) = (format!("c{n}"), format!("{n}b"));
        bench.browser_sends(flow, invite(&call, "alice", &branch, "", BROWSER_SDP));
        bench.browser_gets(flow);
        let up = bench.upstream_gets();
        let contact = ("Contact", "<sip:bob@10.0.0.9>");
        bench.upstream_sends(reply(&up, 200, &[contact], PHONE_SDP));
        let answer = bench.browser_gets(flow);
        bench.browser_sends(flow, in_dialog("ACK", &answer, 1, "", &format!("{n}a")));
        bench.upstream_gets();
    }
    let relay = address(RELAY);
    bench.dead_relays.push(relay);
    // A second for the answer that does not come, and another until that is looked at.
    bench.wait(GRACE + Duration::from_secs(2));
    assert!(
        bench
            .events
            .contains(&Event::RelayLost { relay, calls: 600 })
    );
    let ended = |bench: &Bench| {
        let is_end = |event: &&Event| matches!(event, Event::CallEnded(_));
        bench.events.iter().filter(is_end).count()
    };
    assert_eq!(ended(&bench), 500);
    bench.wait(Duration::from_secs(1));
    assert_eq!(ended(&bench), 600);
}

#[test]
fn a_relay_that_has_left_the_list_is_asked_whether_it_lives_until_it_does_not() {
    let (mut bench, flow, _) = call();
    relays(&mut bench, &[OTHER]);
    bench.wait(Duration::from_secs(3 * 3600));
    bench.silence();
    bench.pings.clear();
    bench.wait(Duration::from_secs(1));
    assert!(bench.pings.contains(&address(RELAY)));
    bench.dead_relays.push(address(RELAY));
    bench.wait(GRACE + Duration::from_secs(3));
    assert_ended(&mut bench, flow);
    bench.pings.clear();
    bench.wait(Duration::from_secs(10));
    assert!(!bench.pings.contains(&address(RELAY)), "forgotten");
}

/// Another edge with the same keys and the same list, which never saw the call begin.
#[test]
fn an_edge_that_never_heard_of_a_call_finds_its_relay_by_the_token() {
    let all = ["192.0.2.7:2223", "192.0.2.8:2223", "192.0.2.9:2223"];
    let mut used = Vec::new();
    for n in 0..12 {
        let mut first = Bench::new();
        relays(&mut first, &all);
        let flow = first.open(1);
        let call = first.call_phone(flow, &format!("c{n}"));
        let at = first.asked_at[0];
        let calls = &first.asked[0].call_id;

        let mut second = Bench::beside();
        let mut shuffled = all;
        shuffled.reverse();
        relays(&mut second, &shuffled);
        let bye: Vec<u8> = to_browser_from(&call.at_phone);
        second.upstream_sends(bye);
        assert_eq!(
            second.upstream_gets().status(),
            Some(480),
            "the browser is not here"
        );
        assert_eq!(second.asked_at, [at]);
        assert_eq!(&second.asked[0].call_id, calls);
        used.push(at);
    }
    used.sort_unstable();
    used.dedup();
    assert!(used.len() > 1, "by chance all are at one relay");
}

/// The BYE of a phone that was called, by the route that the INVITE brought.
fn to_browser_from(invite: &Message) -> Vec<u8> {
    from_callee("BYE", invite, 1, "", "bye")
}
