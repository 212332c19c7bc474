//! Browsers that all register at once, as after a restart of the edge.

use std::time::Duration;

use sip::{Message, Method};

use super::super::*;
use super::bench::*;

const SECOND: Duration = Duration::from_secs(1);

/// An edge that lets so many REGISTERs pass in a second.
fn bench(rate: u32) -> Bench {
    Bench::with(|config| config.limits.register_rate = rate)
}

/// Lets that many browsers come, and each register.
fn storm(bench: &mut Bench, browsers: u64) {
    for number in 0..browsers {
        let flow = bench.open(number);
        bench.browser_sends(flow, register(&format!("user{number}"), 1));
    }
}

fn with_credentials(user: &str) -> Vec<u8> {
    let request = String::from_utf8(register(user, 2)).unwrap();
    let headers = "Authorization: Digest username=\"x\"\r\nSupported:";
    request.replacen("Supported:", headers, 1).into()
}

fn registered(request: &Message) -> Vec<u8> {
    let contact = request.header("Contact").unwrap().into_owned();
    reply(request, 200, &[("Contact", &contact)], "")
}

#[test]
fn registers_go_up_in_steady_flow_and_every_browser_gets_its_answer() {
    let mut bench = bench(100);
    storm(&mut bench, 500);
    let mut sent = 0;
    for step in 0..50 {
        let requests = bench.upstream_has();
        sent += requests.len();
        let (most, least) = (10 + 10 * (step + 1), 10 * step);
        assert!((least..=most).contains(&sent), "{sent} after {step} tenths");
        for request in requests {
            bench.upstream_sends(registered(&request));
        }
        bench.wait(SECOND / 10);
    }
    for number in 0..500 {
        assert_eq!(bench.browser_gets(FlowId(number)).status(), Some(200));
    }
    let told = bench
        .events
        .iter()
        .filter(|event| **event == Event::RegistersWait);
    assert_eq!(told.count(), 1);
    bench.assert_drained();
}

#[test]
fn a_few_at_a_time_do_not_wait() {
    let mut bench = bench(100);
    for number in 0..200 {
        let flow = bench.open(number);
        bench.browser_sends(flow, register(&format!("user{number}"), 1));
        assert!(bench.upstream_gets().is(&Method::Register));
        bench.wait(SECOND / 100);
    }
    assert!(!bench.events.contains(&Event::RegistersWait));
}

#[test]
fn who_would_wait_for_too_long_is_told_when_to_come_again_each_at_another_time() {
    let mut bench = bench(10);
    storm(&mut bench, 200);
    let refused: Vec<u32> = (0..200)
        .flat_map(|number| bench.browser_has(FlowId(number)))
        .map(|answer| {
            assert_eq!(answer.status(), Some(503));
            answer.header("Retry-After").unwrap().parse().unwrap()
        })
        .collect();
    assert!((95..=100).contains(&refused.len()), "{}", refused.len());
    assert!(refused.iter().all(|seconds| (10..30).contains(seconds)));
    let different: std::collections::HashSet<_> = refused.iter().collect();
    assert!(different.len() > 10, "{different:?}");
}

#[test]
fn who_has_answered_a_challenge_goes_first() {
    let mut bench = bench(10);
    storm(&mut bench, 50);
    bench.upstream_has();
    let flow = bench.open(1000);
    bench.browser_sends(flow, with_credentials("alice"));
    bench.wait(SECOND / 10);
    let next = bench.upstream_gets();
    assert!(next.has("Authorization"));
}

#[test]
fn a_browser_that_has_gone_gives_its_turn_to_others() {
    let mut bench = bench(10);
    storm(&mut bench, 20);
    let first = bench.upstream_has().len();
    for number in 0..19 {
        bench.close(FlowId(number));
    }
    bench.wait(SECOND / 10);
    let next = bench.upstream_has();
    assert!(first < 19);
    assert_eq!(next.len(), 1);
    let alive = next[0].header("To").unwrap().into_owned();
    assert!(alive.contains("user19"), "{alive}");
    bench.ignore_output();
    bench.assert_drained();
}

#[test]
fn nothing_else_waits_behind_registers() {
    let mut bench = bench(1);
    storm(&mut bench, 10);
    bench.upstream_has();
    bench.browser_sends(FlowId(0), invite("c", "user0", "1", "", BROWSER_SDP));
    assert!(bench.upstream_gets().is(&Method::Invite));
}
