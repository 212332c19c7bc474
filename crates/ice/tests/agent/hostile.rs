//! What strangers and bad peers send: silence for those who do not know the password, bounds for those who do.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::network::{Network, Node, credentials, pair};
use causeway_ice::{
    Agent, Candidate, Config, Credentials, Forbidden, Kind, Local, MAX_REMOTE_CANDIDATES, Output,
    Reason, Skipped, Verdict, stun,
};
use proptest::prelude::*;

const RELAY: &str = "192.0.2.1:30000";
pub(crate) const WIFI: &str = "198.51.100.7:4000";
pub(crate) const MOBILE: &str = "203.0.113.77:5000";

pub(crate) fn relay() -> Agent {
    let mut agent = Agent::new(Config::lite(credentials(2)));
    agent
        .add_local(Local::host(RELAY.parse().unwrap()))
        .unwrap();
    agent.set_remote(credentials(1), Instant::now());
    agent
}

/// A check as a browser would send it.
fn check(local: &Credentials, remote: &Credentials, priority: u32, nominate: bool) -> Vec<u8> {
    check_of(local, remote, 7, (priority, nominate))
}

/// The same of an agent with a tie-breaker.
pub(crate) fn check_of(
    local: &Credentials,
    remote: &Credentials,
    tie_breaker: u64,
    (priority, nominate): (u32, bool),
) -> Vec<u8> {
    let username = format!("{}:{}", remote.ufrag(), local.ufrag());
    let transaction = is::stun::TransId::new();
    let request = is::stun::StunMessage::binding_request(
        &username,
        transaction,
        true,
        tie_breaker,
        priority,
        nominate,
    );
    let mut buffer = vec![0; 600];
    let hmac = |key: &[u8], parts: &[&[u8]]| {
        is::Sha1HmacProvider::sha1_hmac(&is::DefaultSha1HmacProvider, key, parts)
    };
    let length = request
        .to_bytes(Some(remote.pwd().as_bytes()), &mut buffer, hmac)
        .unwrap();
    buffer.truncate(length);
    buffer
}

fn outputs(agent: &mut Agent) -> Vec<Output> {
    std::iter::from_fn(|| agent.poll()).collect()
}

pub(crate) fn receive(agent: &mut Agent, from: &str, bytes: &[u8], now: Instant) -> Verdict {
    agent.receive(RELAY.parse().unwrap(), from.parse().unwrap(), bytes, now)
}

#[test]
fn a_wrong_ufrag_is_met_with_silence() {
    let (mut agent, now) = (relay(), Instant::now());
    let wrong_ours = check(&credentials(1), &credentials(5), 1, true);
    let wrong_theirs = check(&credentials(5), &credentials(2), 1, true);
    for bytes in [wrong_ours, wrong_theirs] {
        assert_eq!(
            receive(&mut agent, WIFI, &bytes, now),
            Verdict::Dropped(Reason::WrongUfrag)
        );
    }
    assert_eq!(outputs(&mut agent), vec![]);
    assert!(!agent.validated(WIFI.parse().unwrap()));
}

#[test]
fn bad_integrity_is_met_with_silence_by_lite_and_full() {
    let guessed = Credentials::new(credentials(2).ufrag(), "abcdefghijklmnopqrstuvwxyz").unwrap();
    let bytes = check(&credentials(1), &guessed, 1, true);
    let now = Instant::now();
    for config in [
        Config::lite(credentials(2)),
        Config::full(credentials(2), false, 3),
    ] {
        let mut agent = Agent::new(config);
        agent
            .add_local(Local::host(RELAY.parse().unwrap()))
            .unwrap();
        agent.set_remote(credentials(1), now);
        assert_eq!(
            receive(&mut agent, WIFI, &bytes, now),
            Verdict::Dropped(Reason::BadIntegrity)
        );
        assert_eq!(outputs(&mut agent), vec![]);
        assert!(!agent.validated(WIFI.parse().unwrap()));
    }
}

#[test]
fn a_check_without_a_good_fingerprint_is_dropped_before_any_hmac() {
    let (mut agent, now) = (relay(), Instant::now());
    let mut bytes = check(&credentials(1), &credentials(2), 1, true);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    assert_eq!(
        receive(&mut agent, WIFI, &bytes, now),
        Verdict::Dropped(Reason::BadFingerprint)
    );
    bytes.truncate(bytes.len() - 8);
    bytes[3] -= 8;
    assert_eq!(
        receive(&mut agent, WIFI, &bytes, now),
        Verdict::Dropped(Reason::BadFingerprint)
    );
    assert_eq!(outputs(&mut agent), vec![]);
}

#[test]
fn an_answer_is_never_larger_than_its_question() {
    let (mut agent, now) = (relay(), Instant::now());
    let bytes = check(&credentials(1), &credentials(2), 1, false);
    assert_eq!(receive(&mut agent, WIFI, &bytes, now), Verdict::Accepted);
    for output in outputs(&mut agent) {
        if let Output::Send {
            bytes: answer, to, ..
        } = output
        {
            assert_eq!(to.to_string(), WIFI);
            assert!(
                answer.len() <= bytes.len(),
                "{} > {}",
                answer.len(),
                bytes.len()
            );
        }
    }
}

#[test]
fn the_first_valid_check_selects_and_a_nomination_moves_the_pair() {
    let (mut agent, now) = (relay(), Instant::now());
    let (browser, ours) = (credentials(1), credentials(2));
    assert_eq!(
        receive(&mut agent, WIFI, &check(&browser, &ours, 100, false), now),
        Verdict::Accepted
    );
    assert_eq!(agent.selected(), Some(pair(RELAY, WIFI)));
    assert_eq!(
        receive(&mut agent, MOBILE, &check(&browser, &ours, 50, false), now),
        Verdict::Accepted
    );
    assert_eq!(
        agent.selected(),
        Some(pair(RELAY, WIFI)),
        "a mere check moves nothing"
    );
    receive(&mut agent, MOBILE, &check(&browser, &ours, 50, true), now);
    assert_eq!(agent.selected(), Some(pair(RELAY, MOBILE)));
    assert!(outputs(&mut agent).contains(&Output::Selected(pair(RELAY, MOBILE))));
    assert!(
        agent.validated(WIFI.parse().unwrap()),
        "both ways stay open for media in flight"
    );
}

#[test]
fn of_several_nominations_at_once_the_best_counts_and_a_later_one_wins_when_it_stands_alone() {
    let (mut agent, mut now) = (relay(), Instant::now());
    let (browser, ours) = (credentials(1), credentials(2));
    receive(&mut agent, WIFI, &check(&browser, &ours, 100, true), now);
    now += Duration::from_millis(20);
    receive(&mut agent, MOBILE, &check(&browser, &ours, 50, true), now);
    assert_eq!(
        agent.selected(),
        Some(pair(RELAY, WIFI)),
        "Firefox nominates all it has"
    );
    // The browser has left the WLAN: only the worse pair is nominated from now on.
    now += Duration::from_millis(2500);
    receive(&mut agent, MOBILE, &check(&browser, &ours, 50, true), now);
    assert_eq!(agent.selected(), Some(pair(RELAY, MOBILE)));
    now += Duration::from_millis(20);
    receive(&mut agent, WIFI, &check(&browser, &ours, 100, true), now);
    assert_eq!(
        agent.selected(),
        Some(pair(RELAY, WIFI)),
        "a better one wins at once"
    );
}

#[test]
fn a_copied_check_from_elsewhere_does_not_move_a_nominated_pair() {
    // An on-path listener repeats the browser's own nomination from his address.
    let (mut agent, now) = (relay(), Instant::now());
    let nomination = check(&credentials(1), &credentials(2), 100, true);
    receive(&mut agent, WIFI, &nomination, now);
    receive(&mut agent, "198.51.100.66:6666", &nomination, now);
    assert_eq!(agent.selected(), Some(pair(RELAY, WIFI)));
}

#[test]
fn ten_thousand_candidates_cost_bounded_work_and_send_nothing_to_forbidden_places() {
    let now = Instant::now();
    let mut agent = Agent::new(Config::full(credentials(2), true, 3));
    agent
        .add_local(Local::host(RELAY.parse().unwrap()))
        .unwrap();
    agent.set_remote(credentials(1), now);
    let mut taken = 0;
    for index in 0..10_000_u32 {
        let text = match index % 5 {
            0 => format!("{index} 1 udp {index} 127.0.0.1 4000 typ host"),
            1 => format!("{index} 1 udp {index} 169.254.169.254 80 typ host"),
            2 => format!("{index} 65535 udp {index} 198.51.100.7 4000 typ host"),
            3 => format!("{index} 1 udp {index} 5b1c2f0e.local 4000 typ host"),
            _ => format!("{index} 1 udp {index} 198.51.100.7 {} typ host", 1 + index),
        };
        taken +=
            Candidate::parse(&text).is_ok_and(|one| agent.add_remote(&one, now).is_ok()) as usize;
    }
    assert_eq!(taken, MAX_REMOTE_CANDIDATES);
    let allowed: SocketAddr = WIFI.parse().unwrap();
    let mut sent = 0;
    let mut time = now;
    while time < now + Duration::from_secs(60) {
        agent.timeout(time);
        for output in outputs(&mut agent) {
            if let Output::Send { to, .. } = output {
                assert_eq!(to.ip(), allowed.ip());
                sent += 1;
            }
        }
        time = agent
            .deadline()
            .unwrap()
            .max(time + Duration::from_millis(1));
    }
    assert!(sent > 0 && sent < MAX_REMOTE_CANDIDATES * 12, "{sent}");
}

#[test]
fn candidates_that_point_at_us_or_nowhere_are_skipped_with_a_reason() {
    let now = Instant::now();
    let mut agent = relay();
    let candidate = |address: &str| Candidate {
        foundation: "1".into(),
        component: 1,
        priority: 1,
        address: address.parse().unwrap(),
        kind: Kind::Host,
    };
    assert_eq!(agent.add_remote(&candidate(RELAY), now), Err(Skipped::Ours));
    let forbidden = |reason| Err(Skipped::Forbidden(reason));
    assert_eq!(
        agent.add_remote(&candidate("127.0.0.1:9"), now),
        forbidden(Forbidden::Loopback)
    );
    assert_eq!(
        agent.add_remote(&candidate("0.0.0.0:9"), now),
        forbidden(Forbidden::Unspecified)
    );
    assert_eq!(
        agent.add_remote(&candidate("224.0.0.1:9"), now),
        forbidden(Forbidden::NotUnicast)
    );
    let second = Candidate {
        component: 2,
        ..candidate(WIFI)
    };
    assert_eq!(agent.add_remote(&second, now), Err(Skipped::OtherComponent));
    assert_eq!(agent.add_remote(&candidate(WIFI), now), Ok(()));
}

#[test]
fn loopback_is_allowed_where_we_are_bound_to_it() {
    let now = Instant::now();
    let mut agent = Agent::new(Config::lite(credentials(2)));
    let bound: SocketAddr = "127.0.0.1:30000".parse().unwrap();
    agent.add_local(Local::host(bound)).unwrap();
    let bytes = check(&credentials(1), &credentials(2), 1, true);
    assert_eq!(
        agent.receive(bound, "127.0.0.1:4000".parse().unwrap(), &bytes, now),
        Verdict::Accepted
    );
    let bytes = check(&credentials(1), &credentials(2), 1, true);
    let loopback = receive(&mut relay(), "127.0.0.1:4000", &bytes, now);
    assert_eq!(
        loopback,
        Verdict::Dropped(Reason::Forbidden(Forbidden::Loopback))
    );
}

#[test]
fn a_full_agent_takes_answers_only_from_whom_it_asked() {
    let mut network = Network::new(1);
    let mut agent = Agent::new(Config::full(credentials(2), true, 3));
    agent
        .add_local(Local::host(RELAY.parse().unwrap()))
        .unwrap();
    agent.set_remote(credentials(1), network.now);
    let text = "1 1 udp 1 198.51.100.7 4000 typ host";
    agent
        .add_remote(&Candidate::parse(text).unwrap(), network.now)
        .unwrap();
    let asked = outputs(&mut agent);
    let Some(Output::Send { bytes, .. }) = asked.first() else {
        panic!("no check: {asked:?}")
    };
    // The peer's answer, as made by the peer, but sent on from another address.
    let mut peer = Node::new(Config::lite(credentials(1)), &[WIFI]);
    peer.agent.set_remote(credentials(2), network.now);
    peer.agent.receive(
        WIFI.parse().unwrap(),
        RELAY.parse().unwrap(),
        bytes,
        network.now,
    );
    let Some(Output::Send { bytes: answer, .. }) = peer.agent.poll() else {
        panic!("no answer")
    };
    let elsewhere = receive(&mut agent, MOBILE, &answer, network.now);
    assert_eq!(elsewhere, Verdict::Dropped(Reason::UnknownTransaction));
    assert_eq!(
        receive(&mut agent, WIFI, &answer, network.now),
        Verdict::Accepted
    );
    network.run(&mut [&mut peer], Duration::from_millis(1), |_| true);
    assert_eq!(agent.selected(), Some(pair(RELAY, WIFI)));
}

#[test]
fn a_full_agent_bounds_the_addresses_of_a_peer_that_knows_the_password() {
    let now = Instant::now();
    let mut agent = Agent::new(Config::full(credentials(2), false, 3));
    agent
        .add_local(Local::host(RELAY.parse().unwrap()))
        .unwrap();
    agent.set_remote(credentials(1), now);
    let verdicts = (1..=1000_u16).map(|port| {
        let from = SocketAddr::from(([198, 51, 100, 7], port));
        agent.receive(
            RELAY.parse().unwrap(),
            from,
            &check(&credentials(1), &credentials(2), 1, false),
            now,
        )
    });
    let refused = verdicts
        .filter(|verdict| *verdict == Verdict::Dropped(Reason::TooManySources))
        .count();
    assert_eq!(refused, 1000 - 4 * MAX_REMOTE_CANDIDATES);
}

#[test]
fn one_port_finds_the_leg_of_a_check_without_keys() {
    let bytes = check(&credentials(1), &credentials(2), 1, false);
    let peek = stun::peek(&bytes).unwrap();
    assert_eq!(
        peek.ufrags,
        Some((credentials(2).ufrag(), credentials(1).ufrag()))
    );
    assert!(peek.is_request());
}

fn agents() -> [Agent; 2] {
    let now = Instant::now();
    [
        Config::lite(credentials(2)),
        Config::full(credentials(2), true, 3),
    ]
    .map(|config| {
        let mut agent = Agent::new(config);
        agent
            .add_local(Local::host(RELAY.parse().unwrap()))
            .unwrap();
        agent.set_remote(credentials(1), now);
        let text = "1 1 udp 1 198.51.100.7 4000 typ host";
        agent
            .add_remote(&Candidate::parse(text).unwrap(), now)
            .unwrap();
        agent
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_bytes_never_panic_and_never_get_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for mut agent in agents() {
            outputs(&mut agent);
            let verdict = receive(&mut agent, WIFI, &bytes, Instant::now());
            prop_assert!(matches!(verdict, Verdict::Dropped(_)));
            prop_assert!(outputs(&mut agent).is_empty());
        }
    }

    #[test]
    fn a_spoilt_check_never_panics_and_never_validates(at in 0_usize..120, byte in any::<u8>(), cut in 0_usize..120) {
        let mut bytes = check(&credentials(1), &credentials(2), 1, true);
        let before = bytes.clone();
        let length = bytes.len();
        bytes[at % length] = byte;
        bytes.truncate(length - cut % length);
        prop_assume!(bytes != before);
        for mut agent in agents() {
            outputs(&mut agent);
            let verdict = receive(&mut agent, WIFI, &bytes, Instant::now());
            prop_assert!(matches!(verdict, Verdict::Dropped(_)), "{:?}", verdict);
            prop_assert!(!agent.validated(WIFI.parse().unwrap()));
        }
    }

    /// Whoever knows the password may still write what he likes: attributes of any type and length, well signed.
    #[test]
    fn a_well_signed_message_of_arbitrary_attributes_never_panics(
        class in 0_u8..4,
        attributes in proptest::collection::vec((any::<u8>(), any::<u8>(), proptest::collection::vec(any::<u8>(), 0..24)), 0..8),
    ) {
        for mut agent in agents() {
            let mine = outputs(&mut agent);
            let transaction = mine.iter().find_map(|output| match output {
                Output::Send { bytes, .. } => bytes.get(8..20).map(<[u8]>::to_vec),
                _ => None,
            });
            let bytes = signed(class, &transaction.unwrap_or_else(|| vec![7; 12]), &attributes);
            receive(&mut agent, WIFI, &bytes, Instant::now());
            agent.timeout(Instant::now());
        }
    }
}

type Attribute = (u8, u8, Vec<u8>);

fn signed(class: u8, transaction: &[u8], attributes: &[Attribute]) -> Vec<u8> {
    let typ = 1_u16 | u16::from(class & 1) << 4 | u16::from(class >> 1) << 8;
    let mut message = typ.to_be_bytes().to_vec();
    message.extend_from_slice(&[0, 0]);
    message.extend_from_slice(&stun::MAGIC_COOKIE);
    message.extend_from_slice(transaction);
    let push = |message: &mut Vec<u8>, typ: [u8; 2], value: &[u8]| {
        message.extend_from_slice(&typ);
        message.extend_from_slice(&(value.len() as u16).to_be_bytes());
        message.extend_from_slice(value);
        message.resize(message.len().next_multiple_of(4), 0);
    };
    let username = format!("{}:{}", credentials(2).ufrag(), credentials(1).ufrag());
    push(&mut message, [0, 6], username.as_bytes());
    for (high, low, value) in attributes {
        // Mostly the types that are read, sometimes any.
        let typ = if high & 0xc0 == 0 {
            [*high & 1, *low & 0x3f]
        } else {
            [0x80 | (high & 1), *low & 0x3f]
        };
        push(&mut message, typ, value);
    }
    let password = if class < 2 {
        credentials(2)
    } else {
        credentials(1)
    };
    let total = (message.len() + 24 - 20) as u16;
    message[2..4].copy_from_slice(&total.to_be_bytes());
    let provider = is::DefaultSha1HmacProvider;
    let mac = is::Sha1HmacProvider::sha1_hmac(&provider, password.pwd().as_bytes(), &[&message]);
    push(&mut message, [0, 8], &mac);
    let total = (message.len() + 8 - 20) as u16;
    message[2..4].copy_from_slice(&total.to_be_bytes());
    let crc = crc32(&message) ^ 0x5354_554e;
    push(&mut message, [0x80, 0x28], &crc.to_be_bytes());
    message
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 {
                (crc >> 1) ^ 0xedb8_8320
            } else {
                crc >> 1
            }
        })
    })
}
