//! Strangers who got hold of a verified path (SECURITY: the ClientHello race): they cost nothing but their packets.

use std::time::{Duration, Instant};

use testkit::{Dice, Peer};

use super::network::{Client, Network, Node, SECOND, Side, client, fingerprints, join};
use crate::{Endpoint, Identity, Output, Reason, Role, Verdict};

/// A ClientHello that offers TLS_NULL_WITH_NULL_NULL and nothing else, as in the advisories about this race.
fn null_cipher_hello(random: u8) -> Vec<u8> {
    let mut body = vec![0xfe, 0xfd];
    body.extend([random; 32]);
    body.extend([0, 0]); // no session, no cookie
    body.extend([0, 2, 0, 0]); // one suite: NULL
    body.extend([1, 0]); // no compression
    hello(&body)
}

fn hello(body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    let mut message = vec![
        1, length[1], length[2], length[3], 0, 0, 0, 0, 0, length[1], length[2], length[3],
    ];
    message.extend_from_slice(body);
    let mut record = vec![22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0];
    record.extend((message.len() as u16).to_be_bytes());
    record.extend(message);
    record
}

fn pair(kind: Client, now: Instant) -> [Node; 2] {
    let (ours, theirs) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let mut active = client(kind, &ours, &theirs, now);
    active.start(now);
    let passive = Endpoint::new(&theirs, Role::Passive, fingerprints(&ours), now);
    [Node::new(active), Node::new(passive)]
}

const KINDS: [Client; 4] = [
    Client::Ours,
    Client::Dimpl12,
    Client::Dtls13,
    Client::Cut(120),
];

#[test]
fn a_bad_hello_before_the_good_one_poisons_nothing() {
    for kind in KINDS {
        let mut network = Network::new(1);
        let mut nodes = pair(kind, network.now);
        let bad = null_cipher_hello(1);
        nodes[1].endpoint.receive(&bad, network.now);
        assert_eq!(nodes[1].endpoint.poll(), None, "nobody is answered");
        assert!(join(&mut network, &mut nodes, 5 * SECOND), "{kind:?}");
        assert!(
            network.now - network.start < Duration::from_millis(100),
            "no retransmission was needed"
        );
    }
}

#[test]
fn bad_hellos_garbage_and_alerts_all_through_the_handshake_poison_nothing() {
    for kind in KINDS {
        for seed in 0..10 {
            let mut network = Network::new(seed);
            let mut nodes = pair(kind, network.now);
            let mut joined = false;
            for round in 0..200_u8 {
                let garbage = [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 4, round, 1, 2, 3];
                let alert = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40];
                let now = network.now;
                let passive = &mut nodes[1].endpoint;
                passive.receive(&null_cipher_hello(round), now);
                passive.receive(&garbage, now);
                assert_eq!(
                    passive.receive(&alert, now),
                    Verdict::Dropped(Reason::PlainAlert)
                );
                assert_eq!(
                    nodes[0].endpoint.receive(&alert, now),
                    Verdict::Dropped(Reason::PlainAlert)
                );
                joined = joined || join(&mut network, &mut nodes, Duration::from_millis(5));
            }
            assert!(
                joined || join(&mut network, &mut nodes, 10 * SECOND),
                "{kind:?} seed {seed}"
            );
        }
    }
}

#[test]
fn a_spray_of_hellos_makes_only_so_many_engines() {
    let mut network = Network::new(1);
    let mut nodes = pair(Client::Ours, network.now);
    let verdicts = (0..1000).map(|index| {
        network.now += Duration::from_millis(1);
        nodes[1]
            .endpoint
            .receive(&null_cipher_hello((index % 251) as u8), network.now)
    });
    let dropped = verdicts
        .filter(|verdict| *verdict == Verdict::Dropped(Reason::TooManyHellos))
        .count();
    assert!(dropped > 900, "{dropped}");
    assert!(
        join(&mut network, &mut nodes, 10 * SECOND),
        "the good hello is repeated until it finds a place"
    );
}

#[test]
fn a_hello_after_the_keys_changes_nothing() {
    let mut network = Network::new(1);
    let mut nodes = pair(Client::Ours, network.now);
    assert!(join(&mut network, &mut nodes, SECOND));
    let late = nodes[1]
        .endpoint
        .receive(&null_cipher_hello(9), network.now);
    assert_eq!(late, Verdict::Dropped(Reason::LateHello));
    let mut stranger = pair(Client::Ours, network.now);
    let mut elsewhere = Network::new(2);
    elsewhere.collect(&mut stranger[0]);
    let late = nodes[1]
        .endpoint
        .receive(&elsewhere.log[0].bytes, network.now);
    assert_eq!(late, Verdict::Dropped(Reason::LateHello));
    assert_eq!(nodes[1].endpoint.poll(), None);
}

#[test]
fn a_peer_that_starts_anew_before_it_is_done_is_served() {
    // A page that lost its first connection half way: same certificate, a new hello.
    let mut network = Network::new(1);
    let (ours, theirs) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let passive = Endpoint::new(&theirs, Role::Passive, fingerprints(&ours), network.now);
    let mut nodes = [
        Node::new(client(Client::Ours, &ours, &theirs, network.now)),
        Node::new(passive),
    ];
    nodes[0].endpoint.start(network.now);
    network.run(&mut nodes, Duration::from_millis(6), |_| false);
    network.forget();
    nodes[0] = Node::new(client(Client::Dtls13, &ours, &theirs, network.now));
    nodes[0].endpoint.start(network.now);
    assert!(join(&mut network, &mut nodes, 5 * SECOND));
}

#[test]
fn an_active_endpoint_outlives_answers_that_are_not_meant_for_it() {
    let mut network = Network::new(1);
    let mut other = pair(Client::Ours, network.now);
    network.run(&mut other, Duration::from_millis(8), |_| false);
    let answers = network.log.into_iter().filter(|sent| sent.to == Side(0));
    let mut network = Network::new(2);
    let mut nodes = pair(Client::Ours, network.now);
    let mut count = 0;
    for sent in answers {
        nodes[0].endpoint.receive(&sent.bytes, network.now);
        count += 1;
    }
    assert!(count > 0);
    assert!(matches!(nodes[0].endpoint.poll(), Some(Output::Send(_))));
    assert_eq!(nodes[0].endpoint.poll(), None, "nothing but its own hello");
    assert!(join(&mut network, &mut nodes, SECOND));
}

#[test]
fn bytes_of_any_kind_are_dropped_without_harm() {
    let mut network = Network::new(7);
    let mut nodes = pair(Client::Ours, network.now);
    let mut dice = Dice::new(7);
    for round in 0..4000_u32 {
        let length = dice.below(200) as usize;
        let mut bytes = dice.bytes(length);
        if let Some(first) = bytes.first_mut() {
            *first = 20 + dice.below(44) as u8;
        }
        if let Some(version) = bytes.get_mut(1..5) {
            version.copy_from_slice(&[0xfe, 0xfd, 0, dice.below(2) as u8]);
        }
        if let Some(field) = bytes.get_mut(11..13) {
            field.copy_from_slice(&(length.saturating_sub(13) as u16).to_be_bytes());
        }
        for node in &mut nodes {
            node.endpoint.receive(&bytes, network.now);
        }
        if round % 100 == 0 {
            network.now += Duration::from_millis(1);
        }
    }
    assert!(nodes.iter().all(|node| node.failure.is_none()));
}

#[test]
fn a_spoilt_flight_never_panics_and_never_yields_keys_of_another() {
    let mut network = Network::new(3);
    let mut clean = pair(Client::Ours, network.now);
    assert!(join(&mut network, &mut clean, SECOND));
    let log = network.log.clone();
    for (round, sent) in log.iter().cycle().take(400).enumerate() {
        let mut nodes = pair(Client::Ours, network.now);
        let mut bytes = sent.bytes.clone();
        let at = (round * 131) % bytes.len();
        bytes[at] ^= 1 << (round % 8);
        nodes[sent.to.0].endpoint.receive(&bytes, network.now);
        for node in &mut nodes {
            let mut quiet = Network::new(1);
            quiet.collect(node);
            assert_eq!((&node.keys, node.failure), (&None, None));
        }
    }
}

/// A stranger on a verified path who sees the handshake and sends his own Certificate, ClientKeyExchange and
/// CertificateVerify before the peer's come.
#[test]
fn a_forged_flight_costs_a_handshake_of_dtls_12_time_and_not_its_life() {
    let mut elsewhere = Network::new(1);
    let mut other = pair(Client::Ours, elsewhere.now);
    assert!(join(&mut elsewhere, &mut other, SECOND));
    let to_server = elsewhere.log.iter().filter(|sent| sent.to == Side(1));
    let forged = to_server.map(|sent| sent.bytes.clone()).nth(1).unwrap();

    let mut network = Network::new(2);
    let mut nodes = pair(Client::Ours, network.now);
    network.run(&mut nodes, Duration::from_millis(6), |_| false);
    for _ in 0..20 {
        let verdict = nodes[1].endpoint.receive(&forged, network.now);
        assert_eq!(verdict, Verdict::Taken);
    }
    assert!(join(&mut network, &mut nodes, 5 * SECOND));
}

/// The least that can be said of a message, many times: what rtc-dtls 0.21 takes with a recursion as deep and without a
/// bound.
#[test]
fn fragments_of_one_byte_cost_little() {
    let mut network = Network::new(1);
    let mut nodes = pair(Client::Ours, network.now);
    network.run(&mut nodes, Duration::from_millis(6), |_| false);
    for offset in 0..20_000_u32 {
        let at = offset.to_be_bytes();
        let mut record = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 13];
        record.extend([11, 0, 0x40, 0, 0, 1, at[1], at[2], at[3], 0, 0, 1, 7]);
        nodes[1].endpoint.receive(&record, network.now);
    }
    assert!(join(&mut network, &mut nodes, 5 * SECOND));
}

/// Every third datagram of the client's, but for its hello, comes with a bit of it turned. (What a server says is only in
/// part signed when a client answers it; that is DTLS 1.2's own weakness, and costs the attempt.)
#[test]
fn a_flight_of_dtls_12_that_is_spoilt_on_the_way_is_taken_when_it_is_repeated() {
    for seed in 0..40 {
        let start = Network::new(seed).now;
        let mut nodes = pair(Client::Ours, start);
        let mut dice = Dice::new(seed);
        let joined = (0..3000_u32).any(|round| {
            let now = start + Duration::from_millis(10) * round;
            for index in 0..2 {
                nodes[index].timeout(now);
                while let Some(mut sent) = nodes[index].poll(Duration::ZERO) {
                    if index == 0 && sent.bytes.get(13) != Some(&1) && dice.chance(33) {
                        let at = dice.below(sent.bytes.len() as u64) as usize;
                        sent.bytes[at] ^= 1 << dice.below(8);
                    }
                    nodes[1 - index].receive(&sent, now);
                }
            }
            nodes.iter().all(|node| node.keys.is_some())
        });
        assert!(joined, "seed {seed}");
        let [ours, theirs] = nodes.map(|node| node.keys.unwrap());
        assert_eq!((ours.local, ours.remote), (theirs.remote, theirs.local));
    }
}
