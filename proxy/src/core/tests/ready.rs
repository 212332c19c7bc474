//! What `/ready` says: whether a new call would come about, as far as the edge can know.

use std::time::Duration;

use super::super::*;
use super::bench::*;

const SECOND: Duration = Duration::from_secs(1);

fn hop(last: u8) -> Hop {
    Hop::udp(address(&format!("192.0.2.{last}:5060")))
}

/// An edge with this one address of the SIP server.
fn bench(only: Hop) -> Bench {
    let mut bench = Bench::new();
    bench.upstreams(&[Target::new(only)]);
    bench
}

#[test]
fn an_edge_whose_only_server_is_silent_is_not_ready_until_that_answers() {
    let mut bench = bench(hop(5));
    let flow = bench.open(1);
    bench.register(flow, "alice");
    assert_eq!(bench.core.unready(bench.now), None);
    bench.wait(SECOND);
    bench.browser_sends(flow, register("alice", 7));
    bench.wait(33 * SECOND);
    assert_eq!(bench.browser_gets(flow).status(), Some(408));
    let why = bench.core.unready(bench.now).unwrap();
    assert!(why.contains("SIP server"), "{why}");
    // Requests go there all the same, and it is asked: nobody else would find out.
    assert!(!bench.questions.is_empty());
    bench.living = vec![hop(5)];
    bench.wait(6 * SECOND);
    assert_eq!(bench.core.unready(bench.now), None);
    bench.questions.clear();
    bench.wait(60 * SECOND);
    assert!(bench.questions.is_empty(), "it lives");
}

#[test]
fn an_edge_whose_only_server_refuses_connections_is_not_ready() {
    let only = Hop {
        transport: Transport::Tcp,
        ..hop(5)
    };
    let mut bench = bench(only);
    bench.input(Input::HopUnreachable { hop: only });
    assert!(bench.core.unready(bench.now).is_some());
    bench.ignore_output();
}

#[test]
fn a_request_that_the_only_server_alone_does_not_answer_leaves_the_edge_ready() {
    let mut bench = bench(hop(5));
    let flow = bench.open(1);
    bench.register(flow, "alice");
    bench.browser_sends(flow, register("alice", 7));
    bench.wait(20 * SECOND);
    bench.ignore_output();
    let other = bench.open(2);
    bench.register(other, "bob");
    bench.wait(13 * SECOND);
    assert_eq!(bench.browser_gets(flow).status(), Some(408));
    assert_eq!(bench.core.unready(bench.now), None);
    bench.ignore_output();
}

#[test]
fn an_edge_whose_only_relay_does_not_answer_is_not_ready_until_that_does() {
    let mut bench = Bench::new();
    bench.wait(3 * SECOND);
    assert_eq!(bench.core.unready(bench.now), None);
    bench.dead_relays.push(address(RELAY));
    bench.wait(5 * SECOND);
    let why = bench.core.unready(bench.now).unwrap();
    assert!(why.contains("relay"), "{why}");
    bench.dead_relays.clear();
    bench.wait(5 * SECOND);
    assert_eq!(bench.core.unready(bench.now), None);
}
