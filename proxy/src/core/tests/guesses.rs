//! Passwords that are guessed, at the SIP server and at an edge that is its own registrar.

use std::time::Duration;

use super::super::*;
use super::bench::*;

fn few(config: &mut Config) {
    config.limits.guesses_per_account = 2;
    config.limits.guesses_per_address = 4;
}

/// A REGISTER with credentials of this user, and what the SIP server says to it, if it hears of it.
fn guess(bench: &mut Bench, flow: FlowId, user: &str, number: u32, answer: u16) -> Option<u16> {
    let given = format!(
        "Authorization: Digest username=\"{user}\", realm=\"example.com\", nonce=\"n{number}\", uri=\"sip:example.com\", response=\"0\""
    );
    let text = String::from_utf8(register(user, number)).unwrap();
    let text = text.replace("Supported:", &format!("{given}\r\nSupported:"));
    bench.browser_sends(flow, text);
    if let Some(up) = bench.upstream_has().pop() {
        let contact = up.header("Contact").unwrap().into_owned();
        let challenge = "Digest realm=\"example.com\", nonce=\"m\"";
        let headers = [("Contact", &*contact), ("WWW-Authenticate", challenge)];
        bench.upstream_sends(reply(&up, answer, &headers, ""));
    }
    bench.browser_gets(flow).status()
}

#[test]
fn wrong_passwords_of_an_account_are_bounded_wherever_they_come_from() {
    for wrong in [401, 403] {
        let mut bench = Bench::guarded(few);
        let from = |bench: &mut Bench, n: u64| bench.open_from(n, &format!("198.51.100.{n}:9"));
        let tried = (1..40).filter(|n| {
            let flow = from(&mut bench, *n);
            let status = guess(&mut bench, flow, "alice", *n as u32, wrong);
            assert!([Some(wrong), Some(503)].contains(&status));
            status == Some(wrong)
        });
        assert_eq!(tried.count(), 6, "{wrong}");
        assert_eq!(bench.dropped(Drop::Guessing), 33);
        // Others are not concerned, and in a minute it is two more.
        let flow = from(&mut bench, 50);
        assert_eq!(guess(&mut bench, flow, "bob", 1, 200), Some(200));
        bench.wait(Duration::from_secs(60));
        let flow = from(&mut bench, 51);
        let again = (10..20).filter(|n| guess(&mut bench, flow, "alice", *n, wrong) == Some(wrong));
        assert_eq!(again.count(), 2);
    }
}

#[test]
fn nobody_is_locked_out_by_what_strangers_guess_for_his_account() {
    let mut bench = Bench::guarded(few);
    let home = bench.open_from(1, "203.0.113.1:1");
    assert_eq!(guess(&mut bench, home, "alice", 1, 200), Some(200));
    let eve = bench.open_from(2, "198.51.100.66:1");
    let statuses: Vec<_> = (2..12)
        .map(|n| guess(&mut bench, eve, "alice", n, 401))
        .collect();
    assert_eq!(statuses.last(), Some(&Some(503)));
    let home_again = bench.open_from(3, "203.0.113.1:2");
    assert_eq!(guess(&mut bench, home_again, "alice", 20, 200), Some(200));
}

#[test]
fn credentials_that_nobody_looked_at_make_nobody_known() {
    let mut bench = Bench::guarded(few);
    let eve = bench.open_from(1, "198.51.100.66:1");
    assert_eq!(guess(&mut bench, eve, "eve", 1, 200), Some(200));
    let page = message(
        &format!(
            "MESSAGE sip:bob@example.com SIP/2.0
             Via: SIP/2.0/WSS eve.invalid;branch=z9hG4bKpage
             Max-Forwards: 69
             To: <sip:bob@example.com>
             From: <sip:eve@example.com>;tag=1
             Call-ID: page
             CSeq: 1 MESSAGE
             Contact: {}
             Authorization: Digest username=\"alice\", realm=\"x\", nonce=\"n\", uri=\"sip:x\", response=\"0\"",
            contact("eve"),
        ),
        "",
    );
    bench.browser_sends(eve, page);
    let up = bench.upstream_gets();
    bench.upstream_sends(reply(&up, 200, &[], ""));
    assert_eq!(bench.browser_gets(eve).status(), Some(200));
    let others = bench.open_from(2, "198.51.100.67:1");
    let of_others = (2..20).find(|n| guess(&mut bench, others, "alice", *n, 401) == Some(503));
    assert!(of_others.is_some());
    let of_eve = guess(&mut bench, eve, "alice", 20, 401);
    assert_eq!(
        of_eve,
        Some(503),
        "nobody has seen her prove that she is alice"
    );
}

#[test]
fn wrong_passwords_from_an_address_are_bounded_whosever_they_are() {
    let mut bench = Bench::guarded(few);
    let flow = bench.open_from(1, "198.51.100.66:1");
    let tried = (1..40)
        .filter(|n| guess(&mut bench, flow, &format!("user{n}"), *n, 401) == Some(401))
        .count();
    assert_eq!(tried, 12);
    let neighbour = bench.open_from(2, "198.51.100.67:1");
    assert_eq!(guess(&mut bench, neighbour, "bob", 1, 200), Some(200));
}

#[test]
fn a_first_challenge_and_a_nonce_that_has_aged_are_no_guesses() {
    let mut bench = Bench::guarded(few);
    let flow = bench.open_from(1, "203.0.113.1:1");
    for number in 1..50 {
        let with = number % 2 == 0;
        let mut text = String::from_utf8(register("alice", number)).unwrap();
        if with {
            text = text.replace(
                "Supported:",
                "Authorization: Digest username=\"alice\", realm=\"x\", nonce=\"old\", uri=\"sip:x\", response=\"0\"\r\nSupported:",
            );
        }
        bench.browser_sends(flow, text);
        let up = bench.upstream_gets();
        let stale = if with { ", stale=TRUE" } else { "" };
        let challenge = format!("Digest realm=\"x\", nonce=\"n\"{stale}");
        bench.upstream_sends(reply(&up, 401, &[("WWW-Authenticate", &challenge)], ""));
        assert_eq!(bench.browser_gets(flow).status(), Some(401), "{number}");
    }
}
