//! Floods of messages that are SIP, from one connection, one household, one account.

use std::time::Duration;

use sip::Method;

use super::super::*;
use super::bench::*;

const SECOND: Duration = Duration::from_secs(1);

/// An OPTIONS that the edge answers itself.
fn options(number: usize) -> Vec<u8> {
    message(
        &format!(
            "OPTIONS sip:example.com SIP/2.0
             Via: SIP/2.0/WSS a.invalid;branch=z9hG4bKo{number}
             Max-Forwards: 69
             To: <sip:example.com>
             From: <sip:alice@example.com>;tag=1
             Call-ID: o{number}
             CSeq: 1 OPTIONS"
        ),
        "",
    )
}

fn few(config: &mut Config) {
    config.limits.messages_per_flow = 10;
    config.limits.messages_per_address = 20;
}

/// How many of so many messages are served, and how many refused.
fn flood(bench: &mut Bench, flow: FlowId, from: usize, count: usize) -> (usize, usize) {
    for number in from..from + count {
        bench.browser_sends(flow, options(number));
    }
    let answers = bench.browser_has(flow);
    let with = |status| {
        let is = |answer: &&sip::Message| answer.status() == Some(status);
        answers.iter().filter(is).count()
    };
    (with(200), with(503))
}

#[test]
fn a_connection_that_floods_is_refused_then_closed_and_leaves_nothing_behind() {
    let mut bench = Bench::guarded(few);
    let (flood_flow, other) = (bench.open(1), bench.open_from(2, "203.0.113.5:9"));
    assert_eq!(flood(&mut bench, flood_flow, 0, 60), (40, 20));
    // It may go on when it has waited.
    bench.wait(SECOND);
    assert_eq!(flood(&mut bench, flood_flow, 100, 10), (10, 0));
    assert_eq!(flood(&mut bench, flood_flow, 200, 500), (0, 41));
    assert_eq!(bench.closed, [flood_flow]);
    assert_eq!(bench.dropped(Drop::OverLimit), 459);
    // What comes before the connection is closed in fact is not even looked at.
    assert_eq!(flood(&mut bench, flood_flow, 1000, 500), (0, 0));
    assert_eq!(bench.closed, [flood_flow], "once");
    assert_eq!(flood(&mut bench, other, 2000, 10), (10, 0));
    bench.close(flood_flow);
    bench.assert_drained();
}

#[test]
fn those_who_are_refused_are_told_to_come_again_at_different_times() {
    let mut bench = Bench::guarded(few);
    let flow = bench.open(1);
    flood(&mut bench, flow, 0, 40);
    let mut times: Vec<u32> = (0..50)
        .map(|number| {
            bench.browser_sends(flow, options(100 + number));
            let refused = bench.browser_gets(flow);
            refused.header("Retry-After").unwrap().parse().unwrap()
        })
        .collect();
    times.sort_unstable();
    times.dedup();
    assert!(
        times.len() > 5 && times.iter().all(|it| (5..=15).contains(it)),
        "{times:?}"
    );
}

#[test]
fn an_address_has_a_limit_over_all_its_connections_and_a_household_of_ipv6_is_one() {
    let mut bench = Bench::guarded(few);
    for (base, [first, second, third], stranger) in [
        (
            0,
            ["192.0.2.1:1", "192.0.2.1:2", "192.0.2.1:3"],
            "192.0.2.2:1",
        ),
        (
            10,
            ["[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::ffff:3]:1"],
            "[2001:db8:0:1::1]:1",
        ),
    ] {
        let mut at = |number: u64, peer| bench.open_from(base + number, peer);
        let flows = [at(1, first), at(2, second), at(3, third), at(4, stranger)];
        let seen = flows.map(|flow| flood(&mut bench, flow, flow.0 as usize * 1000, 40));
        assert_eq!(seen, [(40, 0), (40, 0), (0, 40), (40, 0)], "{first}");
    }
}

#[test]
fn the_usual_limits_leave_room_for_a_thousand_agents_who_come_back_at_once() {
    let mut bench = Bench::guarded(|_| {});
    for number in 0..1000 {
        let flow = bench.open_from(number, "192.0.2.1:1");
        let at = number as usize * 10;
        assert_eq!(flood(&mut bench, flow, at, 8), (8, 0), "{number}");
    }
    assert!(bench.closed.is_empty());
}

fn rings(bench: &mut Bench, flow: FlowId, call: usize) -> bool {
    let branch = "x".repeat(call + 1);
    bench.browser_sends(
        flow,
        invite(&format!("call{call}"), "alice", &branch, "", ""),
    );
    let statuses: Vec<_> = bench.browser_has(flow);
    statuses.iter().all(|it| it.status() == Some(100))
}

#[test]
fn calls_that_ring_are_bounded_by_connection_and_account_and_make_room_when_they_end() {
    let mut bench = Bench::guarded(|config| {
        config.limits.ringing_per_flow = 3;
        config.limits.ringing_per_account = 5;
        config.policy.callers = Callers::Anyone;
    });
    let flows = [bench.open(1), bench.open(2), bench.open(3)];
    let count = |bench: &mut Bench, flow, from: usize| {
        (from..from + 4)
            .filter(|call| rings(bench, flow, *call))
            .count()
    };
    assert_eq!(count(&mut bench, flows[0], 0), 3);
    assert_eq!(count(&mut bench, flows[2], 10), 2);
    // Another account on another connection is not concerned.
    let other = bench.open(4);
    bench.browser_sends(other, invite("c", "carol", "carol", "", ""));
    assert_eq!(bench.browser_gets(other).status(), Some(100));
    // What is answered makes room, and so does a connection that closes.
    let up = bench.upstream_has().into_iter();
    let invites: Vec<_> = up.filter(|it| it.is(&Method::Invite)).collect();
    bench.upstream_sends(reply(&invites[0], 486, &[], ""));
    bench.browser_has(flows[0]);
    assert_eq!(count(&mut bench, flows[2], 20), 1);
    bench.close(flows[0]);
    assert_eq!(
        count(&mut bench, flows[2], 30),
        0,
        "the connection has its three"
    );
    bench.close(flows[2]);
    bench.ignore_output();
    bench.assert_drained();
}

#[test]
fn an_account_begins_so_many_calls_in_a_minute_and_no_more() {
    let mut bench = Bench::guarded(|config| config.limits.calls_per_account = 2);
    let flow = bench.open(1);
    bench.register(flow, "alice");
    let call = |bench: &mut Bench, number| {
        let went = rings(bench, flow, number);
        if let Some(up) = bench.upstream_has().pop() {
            bench.upstream_sends(reply(&up, 486, &[], ""));
            bench.browser_has(flow);
            bench.upstream_has();
        }
        went
    };
    let made = (0..20).filter(|number| call(&mut bench, *number)).count();
    assert_eq!(made, 6);
    bench.wait(SECOND * 60);
    let made = (20..40).filter(|number| call(&mut bench, *number)).count();
    assert_eq!(made, 2);
}
