//! The life of calls: when they end, what they leave behind, what is known of them.

use std::time::Duration;

use causeway_relay::core::{EventKind, Received, Seats};
use control_proto::{Command, Value, flag};

use crate::bodies::{OTHER_PHONE, PHONE, chromium};
use crate::media::{browser_calls, browser_calls_in, phone};
use crate::world::*;

fn delete(call: &str) -> control_proto::Request {
    request(Command::Delete, call)
}

#[test]
fn an_unanswered_offer_is_freed_after_a_minute() {
    let mut world = World::new();
    world.sdp(&offer_to_phone("c", "a", None, &chromium()));
    world.advance(Duration::from_millis(59_999));
    assert_eq!((world.shard.calls(), world.sockets.open.len()), (1, 3));
    world.advance(Duration::from_millis(1));
    assert_eq!((world.shard.calls(), world.sockets.open.len()), (0, 0));
    assert_eq!(world.events, [EventKind::Unanswered]);
    assert_eq!(
        world.command(&answer("c", "a", "b", PHONE)).error_reason(),
        Some("Unknown call-id")
    );
}

#[test]
fn a_call_answered_at_the_last_moment_has_its_time_to_speak() {
    let mut world = World::new();
    world.sdp(&plain_offer("c", "a", PHONE));
    world.advance(Duration::from_secs(59));
    world.sdp(&answer("c", "a", "b", OTHER_PHONE));
    world.advance(Duration::from_secs(59));
    assert_eq!(world.shard.calls(), 1);
}

#[test]
fn a_call_that_rings_for_long_lives_as_long_as_its_offer_is_repeated() {
    let mut world = World::new();
    for _ in 0..10 {
        world.sdp(&offer_to_phone("c", "a", None, &chromium()));
        world.advance(Duration::from_secs(30));
    }
    assert!(world.command(&answer("c", "a", "b", PHONE)).is_ok());
}

#[test]
fn a_call_that_talks_for_too_long_is_freed_at_its_final_timeout() {
    let age = Duration::from_secs(240);
    let mut call = browser_calls_in(World::with(|config| config.final_timeout = Some(age)));
    for _ in 0..23 {
        call.browser.step(&mut call.world);
        call.world.advance(Duration::from_secs(10));
    }
    assert_eq!(call.world.shard.calls(), 1);
    call.browser.step(&mut call.world);
    call.world.advance(Duration::from_secs(10));
    assert_eq!(call.world.shard.calls(), 0);
    assert_eq!(call.world.events.last(), Some(&EventKind::TooLong));
    assert!(call.world.sockets.open.is_empty());
}

#[test]
fn a_silent_call_is_freed_and_one_with_media_or_consent_is_not() {
    let mut call = browser_calls();
    for _ in 0..30 {
        call.browser.step(&mut call.world);
        call.world.advance(Duration::from_secs(10));
    }
    assert_eq!(
        call.world.shard.calls(),
        1,
        "the browser's consent checks keep it"
    );
    call.world.sent.clear();
    call.world.advance(Duration::from_secs(61));
    assert_eq!(call.world.shard.calls(), 0);
    assert_eq!(call.world.events.last(), Some(&EventKind::Silent));
    assert!(call.world.sockets.open.is_empty());
}

#[test]
fn a_call_on_hold_may_be_silent() {
    let mut world = World::new();
    let held = format!("{PHONE}a=sendonly\r\n");
    world.sdp(&plain_offer("c", "a", &held));
    world.sdp(&answer(
        "c",
        "a",
        "b",
        &format!("{OTHER_PHONE}a=recvonly\r\n"),
    ));
    world.advance(Duration::from_secs(3599));
    assert_eq!(world.shard.calls(), 1);
    world.advance(Duration::from_secs(1));
    assert_eq!(world.shard.calls(), 0);
}

#[test]
fn delete_without_delay_closes_the_ports_at_once_and_lets_them_rest() {
    let mut world = World::with(|config| config.ports = 30_000..=30_003);
    world.sdp(&plain_offer("c", "a", PHONE));
    assert_eq!(world.sockets.open.len(), 4);
    let mut request = delete("c");
    request.delete_delay = Some(Duration::ZERO);
    assert!(world.command(&request).is_ok());
    assert_eq!((world.shard.calls(), world.sockets.open.len()), (0, 0));
    world.advance(Duration::from_millis(4_900));
    let offer = plain_offer("d", "a", PHONE);
    assert_eq!(
        world.command(&offer).error_reason(),
        Some("Ran out of ports")
    );
    world.advance(Duration::from_millis(100));
    assert!(world.command(&offer).is_ok());
}

#[test]
fn delete_with_delay_goes_on_relaying_and_a_new_offer_revives_the_call() {
    let mut world = World::new();
    let out = world.sdp(&plain_offer("c", "a", PHONE));
    world.sdp(&answer("c", "a", "b", OTHER_PHONE));
    let mut late = delete("c");
    late.delete_delay = Some(Duration::from_secs(30));
    world.command(&late);
    world.advance(Duration::from_secs(29));
    assert!(
        world
            .pass(
                "10.0.0.30:5000".parse().unwrap(),
                addresses(&out).0,
                &rtp(1, 1, b"x")
            )
            .is_some()
    );
    world.sdp(&plain_offer("c", "a", PHONE));
    world.advance(Duration::from_secs(2));
    assert_eq!(world.shard.calls(), 1, "revived");
    world.command(&late);
    world.advance(Duration::from_secs(30));
    assert_eq!(world.shard.calls(), 0);
}

#[test]
fn delete_of_an_unknown_call_or_tag_is_a_warning_unless_fatal() {
    let mut world = World::new();
    world.sdp(&plain_offer("c", "a", PHONE));
    let mut wrong_tag = delete("c");
    wrong_tag.from_tag = Some("x".into());
    for mut request in [delete("unknown"), wrong_tag] {
        let response = world.command(&request);
        assert!(response.is_ok() && response.warning.is_some());
        request.flags.set(flag::FATAL);
        assert_eq!(
            world.command(&request).error_reason(),
            Some("Call-ID not found or tags didn't match")
        );
    }
    assert_eq!(world.shard.calls(), 1);
    let response = world.command(&delete("c"));
    assert!(
        response.other.get("tags").is_some(),
        "the statistics come with it"
    );
    assert_eq!(world.shard.calls(), 0);
}

#[test]
fn deleting_one_branch_of_a_fork_leaves_the_others() {
    let mut world = World::new();
    let branch = |name: &str| {
        let mut offer = plain_offer("c", "a", PHONE);
        offer.via_branch = Some(name.into());
        offer
    };
    let (one, two) = (world.sdp(&branch("1")), world.sdp(&branch("2")));
    assert_ne!(addresses(&one), addresses(&two));
    assert_eq!(world.sockets.open.len(), 6);
    let mut losing = delete("c");
    (losing.from_tag, losing.via_branch) = (Some("a".into()), Some("1".into()));
    world.command(&losing);
    assert_eq!((world.shard.calls(), world.sockets.open.len()), (1, 4));
    let mut won = answer("c", "a", "b", OTHER_PHONE);
    won.via_branch = Some("2".into());
    let to_caller = world.sdp(&won);
    assert!(
        world
            .pass(phone(), addresses(&to_caller).0, &rtp(1, 1, b"x"))
            .is_some()
    );
}

#[test]
fn a_full_port_range_is_refused_in_exact_words_and_leaves_nothing_behind() {
    let mut world = World::with(|config| config.ports = 30_000..=30_005);
    world.sdp(&plain_offer("one", "a", PHONE));
    let response = world.command(&plain_offer("two", "a", PHONE));
    assert_eq!(response.error_reason(), Some("Ran out of ports"));
    assert_eq!((world.shard.calls(), world.sockets.open.len()), (1, 4));
}

#[test]
fn ports_that_another_program_holds_are_skipped() {
    let mut world = World::with(|config| config.ports = 30_000..=30_007);
    world.sockets.taken.extend([30_001, 30_004]);
    let out = world.sdp(&plain_offer("c", "a", PHONE));
    assert!([30_002, 30_006].contains(&addresses(&out).0.port()));
}

#[test]
fn one_call_too_many_is_refused_in_exact_words() {
    let mut world = World::with(|config| config.seats = Seats::new(1));
    world.sdp(&plain_offer("one", "a", PHONE));
    let mut two = plain_offer("two", "a", PHONE);
    assert_eq!(
        world.command(&two).error_reason(),
        Some("Parallel session limit reached")
    );
    two.supports = vec!["load limit".into()];
    let refused = control_proto::Outcome::LoadLimit("Parallel session limit reached".into());
    assert_eq!(world.command(&two).outcome, refused);
    assert!(
        world.command(&plain_offer("one", "a", PHONE)).is_ok(),
        "a call that is here goes on"
    );
    world.command(&delete("one"));
    assert!(
        world.command(&two).is_ok(),
        "the seat of a call that is gone is free"
    );
}

#[test]
fn a_full_core_takes_no_new_call_and_goes_on_with_those_it_has() {
    let mut world = World::new();
    world.sdp(&plain_offer("one", "a", PHONE));
    world.shard.set_overloaded(true);
    let mut two = plain_offer("two", "a", PHONE);
    let legacy = Some("Parallel session limit reached");
    assert_eq!(world.command(&two).error_reason(), legacy);
    two.supports = vec!["load limit".into()];
    let refused = control_proto::Outcome::LoadLimit("CPU usage limit exceeded".into());
    assert_eq!(world.command(&two).outcome, refused);
    world.sdp(&answer("one", "a", "b", PHONE));
    world.sdp(&plain_offer("one", "a", PHONE));
    world.shard.set_overloaded(false);
    assert!(world.command(&two).is_ok());
}

#[test]
fn a_thousand_calls_leave_nothing_behind() {
    let mut world = World::new();
    for i in 0..1000 {
        let name = format!("call {i}");
        world.sdp(&offer_to_phone(&name, "a", None, &chromium()));
        world.sdp(&answer(&name, "a", "b", PHONE));
        world.command(&delete(&name));
    }
    assert_eq!((world.shard.calls(), world.sockets.open.len()), (0, 0));
    world.advance(Duration::from_secs(10));
    assert_eq!(world.shard.deadline(), None);
}

#[test]
fn query_tells_what_the_sip_modules_read() {
    let mut call = browser_calls();
    (0..3).for_each(|sequence| call.talk(sequence));
    let response = call.world.command(&request(Command::Query, "c"));
    let at = |path: &[&str]| -> Value {
        path.iter().fold(
            Value::Dictionary(response.other.clone()),
            |value, step| match (&value, step.parse::<usize>()) {
                (Value::List(list), Ok(index)) => list[index].clone(),
                (Value::Dictionary(dictionary), _) => dictionary
                    .get(step)
                    .unwrap_or_else(|| panic!("no {step} in {dictionary:?}"))
                    .clone(),
                (other, _) => panic!("{step} of {other:?}"),
            },
        )
    };
    assert_eq!(at(&["created"]).as_integer(), Some(1_800_000_000));
    assert_eq!(at(&["totals", "RTP", "packets"]).as_integer(), Some(6));
    assert_eq!(at(&["tags", "a", "tag"]).as_str(), Some("a"));
    assert_eq!(
        at(&["tags", "a", "subscriptions", "0", "tag"]).as_str(),
        Some("b")
    );
    let stream = ["tags", "b", "medias", "0", "streams", "0"];
    let of = |key: &str| at(&[&stream[..], &[key]].concat());
    assert_eq!(of("local port").as_integer(), Some(call.rtp.port().into()));
    assert_eq!(of("SSRC").as_integer(), Some(0xf0e));
    assert_eq!(
        at(&[&stream[..], &["endpoint", "port"]].concat()).as_integer(),
        Some(4000)
    );
    assert_eq!(
        at(&[&stream[..], &["stats", "packets"]].concat()).as_integer(),
        Some(3)
    );
    assert_eq!(
        at(&["tags", "a", "medias", "0", "protocol"]).as_str(),
        Some("UDP/TLS/RTP/SAVPF")
    );

    let fresh = call.world.sdp(&plain_offer("d", "a", PHONE));
    assert!(!fresh.is_empty());
    let response = call.world.command(&request(Command::Query, "d"));
    let tags = response
        .other
        .get("tags")
        .and_then(Value::as_dictionary)
        .unwrap();
    assert!(tags.get("<untagged 1>").is_some());
}

#[test]
fn a_datagram_that_was_still_on_its_way_when_the_socket_closed_is_counted_and_gone() {
    let mut world = World::new();
    world.sdp(&plain_offer("c", "a", PHONE));
    let ids: Vec<_> = world.sockets.open.keys().copied().collect();
    world.command(&delete("c"));
    for id in &ids {
        let mut buffer = rtp(1, 1, b"late");
        let len = buffer.len();
        assert_eq!(
            world
                .shard
                .receive(*id, phone(), &mut buffer, len, world.now),
            Received::Nothing
        );
    }
    assert_eq!(world.shard.strays(), ids.len() as u64);
}
