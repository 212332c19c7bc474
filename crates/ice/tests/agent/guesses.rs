//! Checks with wrong passwords by the thousand, and those of others among them.

use std::time::{Duration, Instant};

use causeway_ice::{Agent, Config, Credentials, Local, Reason, Verdict};

use crate::hostile::{MOBILE, WIFI, check_of, receive, relay};
use crate::network::credentials;

/// Wrong passwords that are looked at, from one place and in one span.
const MOST: usize = 50;
const PEERS: u64 = 1;
const STRANGERS: u64 = 2;

/// Of the peer, or of somebody who knows both fragments.
fn check(tie_breaker: u64) -> Vec<u8> {
    let ours = credentials(2);
    let ours = match tie_breaker {
        PEERS => ours,
        _ => Credentials::new(ours.ufrag(), "abcdefghijklmnopqrstuvwxyz").unwrap(),
    };
    check_of(&credentials(1), &ours, tie_breaker, (1, true))
}

/// How many of so many forged checks from there are looked at.
fn flood(agent: &mut Agent, from: &str, count: usize, now: Instant) -> usize {
    let forged = check(STRANGERS);
    let refused = (0..count).map(|_| receive(agent, from, &forged, now));
    refused
        .filter(|verdict| *verdict == Verdict::Dropped(Reason::BadIntegrity))
        .count()
}

#[test]
fn wrong_passwords_from_one_address_are_looked_at_so_often_in_a_second_and_no_more() {
    let mut now = Instant::now();
    let mut full = Agent::new(Config::full(credentials(2), false, 3));
    full.add_local(Local::host("192.0.2.1:30000".parse().unwrap()))
        .unwrap();
    full.set_remote(credentials(1), now);
    for mut agent in [relay(), full] {
        for _ in 0..3 {
            assert_eq!(flood(&mut agent, WIFI, 10_000, now), MOST);
            let verdict = receive(&mut agent, WIFI, &check(STRANGERS), now);
            assert_eq!(verdict, Verdict::Dropped(Reason::TooManyGuesses));
            now += Duration::from_secs(1);
        }
    }
}

#[test]
fn a_flood_from_one_address_keeps_nobody_out_at_another_and_its_own_only_for_a_second() {
    let (mut agent, now) = (relay(), Instant::now());
    flood(&mut agent, WIFI, 1000, now);
    let shut = receive(&mut agent, WIFI, &check(PEERS), now);
    assert_eq!(shut, Verdict::Dropped(Reason::TooManyGuesses));
    let other = receive(&mut agent, MOBILE, &check(PEERS), now);
    assert_eq!(other, Verdict::Accepted);
    let later = now + Duration::from_secs(1);
    let again = receive(&mut agent, WIFI, &check(PEERS), later);
    assert_eq!(again, Verdict::Accepted);
}

#[test]
fn a_peer_that_has_proved_itself_is_heard_through_a_flood_in_its_own_name() {
    let (mut agent, mut now) = (relay(), Instant::now());
    assert_eq!(
        receive(&mut agent, WIFI, &check(PEERS), now),
        Verdict::Accepted
    );
    for _ in 0..12 {
        now += Duration::from_secs(5);
        agent.timeout(now);
        assert_eq!(flood(&mut agent, WIFI, 1000, now), MOST);
        // Also from where it moves to.
        flood(&mut agent, MOBILE, 1000, now);
        for from in [WIFI, MOBILE] {
            assert_eq!(
                receive(&mut agent, from, &check(PEERS), now),
                Verdict::Accepted
            );
        }
    }
    assert!(agent.validated(WIFI.parse().unwrap()));
}

#[test]
fn whoever_has_all_addresses_causes_a_bounded_number_of_looks() {
    let (mut agent, now) = (relay(), Instant::now());
    let looked: usize = (0..100_u8)
        .map(|net| flood(&mut agent, &format!("203.0.{net}.9:4000"), 1000, now))
        .sum();
    assert!((MOST..=64 * MOST).contains(&looked), "{looked}");
}
