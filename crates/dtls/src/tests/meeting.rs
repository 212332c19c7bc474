//! Good peers on good and bad networks.

use std::time::Duration;

use srtp::{Inbound, Outbound};

use super::network::{Client, Network, Node, SECOND, client, fingerprints, join};
use crate::engine::Dimpl;
use crate::{Endpoint, Failure, Fingerprint, Hash, Identity, Keys, Role};

fn identities() -> [Identity; 2] {
    [Identity::generate().unwrap(), Identity::generate().unwrap()]
}

/// A client and a passive endpoint that expect each other.
fn nodes(kind: Client, network: &Network) -> [Node; 2] {
    let [ours, theirs] = identities();
    let passive = Endpoint::new(&theirs, Role::Passive, fingerprints(&ours), network.now);
    let mut active = client(kind, &ours, &theirs, network.now);
    active.start(network.now);
    [Node::new(active), Node::new(passive)]
}

const CLIENTS: [Client; 5] = [
    Client::Ours,
    Client::Dimpl12,
    Client::Dtls13,
    Client::Cut(240),
    Client::Cut(120),
];

/// Our own client and a server of dimpl's.
fn ours_and_dimpl(network: &Network) -> [Node; 2] {
    let [ours, theirs] = identities();
    let mut active = client(Client::Ours, &ours, &theirs, network.now);
    active.start(network.now);
    let expected = fingerprints(&ours);
    let passive = Endpoint::with_engine(Role::Passive, expected, network.now, move |now| {
        Box::new(Dimpl::new(&theirs, now))
    });
    [Node::new(active), Node::new(passive)]
}

/// What one protects, the other reads, in both directions.
fn assert_agree(one: &Keys, other: &Keys) {
    assert_eq!(one.suite, other.suite);
    for (from, to) in [(one, other), (other, one)] {
        let mut buffer = [0_u8; 64];
        buffer[..16].copy_from_slice(&[
            0x80, 0, 0, 1, 0, 0, 0, 160, 0, 0, 0, 5, b'm', b'e', b'o', b'w',
        ]);
        let length = Outbound::new(&from.local).protect(&mut buffer, 16).unwrap();
        assert_ne!(&buffer[12..16], b"meow");
        let length = Inbound::new(&to.remote)
            .unprotect(&mut buffer[..length])
            .unwrap();
        assert_eq!(&buffer[12..length], b"meow");
    }
}

#[test]
fn both_versions_and_both_roles_agree_on_keys_that_work() {
    for kind in CLIENTS {
        let mut network = Network::new(1);
        let mut nodes = nodes(kind, &network);
        assert!(join(&mut network, &mut nodes, 5 * SECOND), "{kind:?}");
        assert!(
            network.now - network.start <= Duration::from_millis(40),
            "{kind:?} {:?}",
            network.now - network.start
        );
        let longest = network.log.iter().map(|it| it.bytes.len()).max();
        assert!(longest <= Some(1200), "{kind:?} {longest:?}");
        assert_agree(
            nodes[0].keys.as_ref().unwrap(),
            nodes[1].keys.as_ref().unwrap(),
        );
        assert_ne!(
            nodes[0].keys.as_ref().unwrap().local,
            nodes[0].keys.as_ref().unwrap().remote
        );
    }
}

/// A handshake whose last flight is lost again and again waits longer each time, so a rare one is late.
#[test]
fn loss_delay_reordering_and_doubling_only_cost_time() {
    for kind in CLIENTS {
        let joined = (0..25).filter(|seed| {
            let mut network = Network::bad(*seed);
            let mut nodes = nodes(kind, &network);
            let joined = join(&mut network, &mut nodes, 35 * SECOND);
            if joined {
                assert_agree(
                    nodes[0].keys.as_ref().unwrap(),
                    nodes[1].keys.as_ref().unwrap(),
                );
            }
            assert!(
                nodes.iter().all(|node| node.failure.is_none()),
                "{kind:?} seed {seed}"
            );
            joined
        });
        let joined = joined.count();
        assert!(joined >= 23, "{kind:?} {joined} of 25");
    }
}

#[test]
fn our_client_and_a_server_of_another_make_agree_over_a_bad_network_too() {
    let joined = (0..25).filter(|seed| {
        let mut network = Network::bad(*seed);
        let mut nodes = ours_and_dimpl(&network);
        let joined = join(&mut network, &mut nodes, 35 * SECOND);
        if joined {
            assert_agree(
                nodes[0].keys.as_ref().unwrap(),
                nodes[1].keys.as_ref().unwrap(),
            );
        }
        joined
    });
    let joined = joined.count();
    assert!(joined >= 23, "{joined} of 25");
}

#[test]
fn a_hello_in_two_datagrams_is_taken_in_either_order() {
    for is_swapped in [false, true] {
        let mut network = Network::new(1);
        let mut nodes = nodes(Client::Cut(120), &network);
        let [active, passive] = &mut nodes;
        network.collect(active);
        let mut pieces = network
            .log
            .iter()
            .map(|datagram| datagram.bytes.clone())
            .collect::<Vec<_>>();
        assert_eq!(
            pieces.len(),
            2,
            "{:?}",
            pieces.iter().map(Vec::len).collect::<Vec<_>>()
        );
        if is_swapped {
            pieces.reverse();
        }
        for piece in &pieces {
            passive.endpoint.receive(piece, network.now);
        }
        network.log.clear();
        network.collect(passive);
        assert!(
            !network.log.is_empty(),
            "the whole hello is answered, swapped: {is_swapped}"
        );
        assert!(
            join(&mut network, &mut nodes, 5 * SECOND),
            "swapped: {is_swapped}"
        );
    }
}

#[test]
fn a_wrong_fingerprint_never_yields_keys() {
    for kind in CLIENTS {
        for is_wrong_at_the_server in [false, true] {
            let mut network = Network::new(1);
            let [ours, theirs] = identities();
            let stranger = Identity::generate().unwrap();
            let (for_client, for_server) = if is_wrong_at_the_server {
                (&theirs, &stranger)
            } else {
                (&stranger, &ours)
            };
            let mut active = client(kind, &ours, for_client, network.now);
            active.start(network.now);
            let passive = Endpoint::new(
                &theirs,
                Role::Passive,
                fingerprints(for_server),
                network.now,
            );
            let mut nodes = [Node::new(active), Node::new(passive)];
            network.run(&mut nodes, 50 * SECOND, |_| false);
            let fooled = usize::from(is_wrong_at_the_server);
            assert_eq!(nodes[fooled].keys, None, "{kind:?}");
            assert_eq!(
                nodes[fooled].failure,
                Some(Failure::WrongFingerprint),
                "{kind:?}"
            );
        }
    }
}

#[test]
fn no_acceptable_fingerprint_is_a_wrong_one() {
    let mut network = Network::new(1);
    let mut nodes = nodes(Client::Ours, &network);
    nodes[1].endpoint.expect(vec![]);
    network.run(&mut nodes, 2 * SECOND, |_| false);
    assert_eq!(
        (&nodes[1].keys, nodes[1].failure),
        (&None, Some(Failure::WrongFingerprint))
    );
}

#[test]
fn keys_wait_for_the_fingerprint_that_comes_with_the_answer() {
    for is_right in [true, false] {
        let mut network = Network::new(1);
        let [ours, theirs] = identities();
        let mut active = client(Client::Ours, &ours, &theirs, network.now);
        active.start(network.now);
        let passive = Endpoint::new(&theirs, Role::Passive, None, network.now);
        let mut nodes = [Node::new(active), Node::new(passive)];
        network.run(&mut nodes, 5 * SECOND, |nodes| nodes[0].keys.is_some());
        network.run(&mut nodes, 5 * SECOND, |_| false);
        assert_eq!((&nodes[1].keys, nodes[1].failure), (&None, None));
        let answer = if is_right { &ours } else { &theirs };
        nodes[1]
            .endpoint
            .expect(vec![Fingerprint::of(Hash::Sha512, answer.certificate())]);
        network.run(&mut nodes, 5 * SECOND, |_| false);
        assert_eq!(nodes[1].keys.is_some(), is_right);
        assert_eq!(nodes[1].failure.is_some(), !is_right);
    }
}

#[test]
fn nobody_at_the_other_end_fails_an_active_endpoint_in_time_and_costs_a_passive_one_nothing() {
    let mut network = Network::new(1);
    network.loss = 100;
    let mut nodes = nodes(Client::Ours, &network);
    assert_eq!(nodes[1].endpoint.deadline(), None);
    network.run(&mut nodes, 60 * SECOND, |nodes| nodes[0].failure.is_some());
    assert_eq!(nodes[0].failure, Some(Failure::TimedOut));
    assert!(network.now - network.start <= 41 * SECOND);
    assert!(network.log.len() <= 20, "{}", network.log.len());
    assert_eq!(nodes[0].endpoint.deadline(), None);
}

#[test]
fn a_good_bye_is_reported_and_takes_no_keys_away() {
    let mut network = Network::new(1);
    let mut nodes = nodes(Client::Ours, &network);
    assert!(join(&mut network, &mut nodes, SECOND));
    nodes[0].endpoint.close();
    network.run(&mut nodes, SECOND, |nodes| nodes[1].is_closed);
    assert!(nodes[1].is_closed);
    assert_eq!(nodes[1].failure, None);
}
