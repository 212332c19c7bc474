//! Numbers and lists of the file reach the programs, and what is left out stays as it is.

use std::path::Path;

use proxy::core::{Callers, Method};

use super::super::{ConfigError, Relay};
use super::{GOOD, parse};

#[test]
fn what_browsers_may_do_can_be_said_and_is_little_where_nothing_is() {
    let policy = |lines: &str| {
        let edge = parse(&format!("{GOOD}[browsers]\n{lines}\n"))?;
        Ok::<_, ConfigError>(crate::programs::core_config(&edge).policy)
    };
    let usual = policy("").unwrap();
    assert_eq!(usual.callers, Callers::Own);
    assert!(usual.methods.contains(&Method::Publish) && usual.strip.is_empty());
    let given = policy(
        "callers = \"anyone\"\nmethods = [\"REGISTER\", \"ACK\", \"CANCEL\", \"INVITE\"]\nstrip = [\"X-*\", \"Subject\"]\nassert_identity = true",
    );
    let given = given.unwrap();
    assert_eq!((given.callers, given.methods.len()), (Callers::Anyone, 4));
    assert_eq!(given.strip, ["X-*", "Subject"]);
    assert!(given.assert_identity && !usual.assert_identity);
    for (bad, why) in [
        ("callers = \"all\"", "write \"own\""),
        ("methods = [\"INVITE\"]", "lacks REGISTER"),
        ("methods = [\"IN VITE\"]", "is no method"),
        ("strip = [\"*\"]", "would take out Via"),
        ("strip = [\"call-id\"]", "would take out Call-ID"),
        ("strip = [\"Co*\"]", "would take out Contact"),
        ("strip = [\"a b\"]", "no header's name"),
        ("strip = [\"X-*-Y\"]", "no header's name"),
    ] {
        let error = policy(bad).unwrap_err();
        assert!(error.what.contains(why) && error.line.is_some(), "{error}");
    }
}

#[test]
fn what_browsers_may_do_at_once_reaches_the_proxy_and_what_is_left_out_stays() {
    let limits = |lines: &str| {
        let edge = parse(&format!("{GOOD}[limits]\n{lines}\n"))?;
        Ok::<_, ConfigError>(crate::programs::core_config(&edge).limits)
    };
    let usual = limits("").unwrap();
    let given = limits(
        "messages_per_connection = 10\nmessages_per_address = 11\nringing_per_connection = 12\n\
         ringing_per_account = 13\ncalls_per_account = 14\nwrong_passwords_per_address = 15\n\
         wrong_passwords_per_account = 16\nsilent = 17\nunregistered = 18",
    );
    let numbers = |limits: proxy::core::Limits| {
        let (silent, unregistered) = (limits.silent.as_secs(), limits.unregistered.as_secs());
        let [flow, address] = [limits.messages_per_flow, limits.messages_per_address];
        let rings = [limits.ringing_per_flow, limits.ringing_per_account];
        let [calls, all, own] = [
            limits.calls_per_account,
            limits.guesses_per_address,
            limits.guesses_per_account,
        ];
        let rings = rings.map(|it| it as u64);
        let rates = [flow, address, calls, all, own].map(u64::from);
        [&rates[..2], &rings, &rates[2..], &[silent, unregistered]].concat()
    };
    assert_eq!(numbers(given.unwrap()), (10..=18).collect::<Vec<_>>());
    assert_eq!(numbers(usual), [100, 2000, 30, 60, 120, 60, 10, 10, 60]);
    for bad in [
        "silent = 0",
        "messages_per_connection = 1",
        "calls_per_account = -1",
    ] {
        let error = limits(bad).unwrap_err();
        assert!(error.what.contains("cannot be meant"), "{error}");
    }
}

#[test]
fn what_the_file_says_of_calls_reaches_the_proxy_and_what_is_left_out_stays() {
    let limits = |calls: &str| {
        let edge = parse(&format!("{GOOD}[calls]\n{calls}\n")).unwrap();
        crate::programs::core_config(&edge).limits
    };
    let (usual, given) = (limits(""), limits("grace = 5\nlongest = 7200"));
    let seconds = std::time::Duration::from_secs;
    assert_eq!((usual.grace, given.grace), (seconds(20), seconds(5)));
    assert_eq!(usual.longest_call, seconds(24 * 3600));
    assert_eq!(given.longest_call, seconds(7200));
    let records = |calls: &str| {
        let edge = parse(&format!("{GOOD}[calls]\n{calls}\n")).unwrap();
        edge.calls.records
    };
    assert_eq!(records(""), None);
    assert_eq!(
        records("records = \"calls.jsonl\"").as_deref(),
        Some(Path::new("/etc/causeway/calls.jsonl"))
    );
    let wrong = parse(&format!("{GOOD}[calls]\nlongest = 5\n"));
    assert!(wrong.unwrap_err().what.contains("from 60 to"));
}

#[test]
fn numbers_of_the_file_reach_the_relay_and_what_is_left_out_stays() {
    let path = Path::new("/etc/causeway/relay.toml");
    let config = |numbers: &str| {
        let text = format!("[relay]\n{numbers}\n[media]\nprivate = \"10.0.0.9\"\n");
        crate::programs::relay_config(&Relay::parse(path, &text).unwrap()).core
    };
    let usual = config("");
    let given = config(
        "answer_timeout = 90\nsilence_timeout = 30\nhold_timeout = 7200\nfinal_timeout = 14400\n\
         delete_delay = 0\naudio_packet_rate = 500\nmax_calls = 2",
    );
    let seconds = std::time::Duration::from_secs;
    assert_eq!(usual.answer_timeout, seconds(60));
    assert_eq!(given.answer_timeout, seconds(90));
    assert_eq!(given.silence_timeout, seconds(30));
    assert_eq!(given.hold_timeout, seconds(7200));
    assert_eq!(
        (usual.final_timeout, given.final_timeout),
        (None, Some(seconds(14400)))
    );
    assert_eq!(given.delete_delay, seconds(0));
    assert_eq!(given.packet_rates.audio, 500);
    assert_eq!(given.packet_rates.other, usual.packet_rates.other);
    assert!(format!("{:?}", given.seats).contains("limit: 2"));
}
