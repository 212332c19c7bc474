//! Two agents over a bad network: they find each other, keep each other, and notice when they lose each other.

use std::time::Duration;

use crate::network::{Network, Node, credentials, introduce};
use causeway_ice::{Agent, Config, Local, Output, Role};

const BROWSER: &str = "198.51.100.7:4000";
const RELAY: &str = "192.0.2.1:30000";
const SECOND: Duration = Duration::from_secs(1);

fn browser() -> Node {
    Node::new(Config::full(credentials(1), true, 7), &[BROWSER])
}

fn lite_relay() -> Node {
    Node::new(Config::lite(credentials(2)), &[RELAY])
}

fn both_selected(nodes: &[&mut Node]) -> bool {
    nodes.iter().all(|node| node.agent.selected().is_some())
}

#[test]
fn a_browser_and_a_lite_relay_are_joined_within_two_round_trips() {
    let (mut network, mut browser, mut relay) = (Network::new(1), browser(), lite_relay());
    introduce(&network, &mut browser, &mut relay);
    assert!(network.run(&mut [&mut browser, &mut relay], SECOND, both_selected));
    assert!(
        network.elapsed() <= Duration::from_millis(20),
        "{:?}",
        network.elapsed()
    );
    assert!(relay.has_selected(RELAY, BROWSER) && browser.has_selected(BROWSER, RELAY));
    assert!(relay.agent.validated(BROWSER.parse().unwrap()));
    assert_eq!(
        relay.events[0].1,
        Output::Validated(BROWSER.parse().unwrap())
    );
}

#[test]
fn a_lite_relay_answers_before_it_knows_the_browsers_answer() {
    let (mut network, mut browser, mut relay) = (Network::new(1), browser(), lite_relay());
    let (offer, candidates) = relay.description();
    browser.agent.set_remote(offer, network.now);
    browser
        .agent
        .add_remote(&candidates[0], network.now)
        .unwrap();
    assert!(network.run(&mut [&mut browser, &mut relay], SECOND, both_selected));
    relay
        .agent
        .set_remote(browser.agent.credentials().clone(), network.now);
    assert!(relay.has_selected(RELAY, BROWSER));
    assert!(relay.agent.validated(BROWSER.parse().unwrap()));
}

#[test]
fn what_a_stranger_proved_before_the_answer_is_withdrawn_by_the_answer() {
    let (mut network, mut stranger, mut relay) = (Network::new(1), browser(), lite_relay());
    let (offer, candidates) = relay.description();
    stranger.agent.set_remote(offer, network.now);
    stranger
        .agent
        .add_remote(&candidates[0], network.now)
        .unwrap();
    assert!(network.run(&mut [&mut stranger, &mut relay], SECOND, both_selected));
    relay.agent.set_remote(credentials(9), network.now);
    assert!(!relay.agent.validated(BROWSER.parse().unwrap()));
    assert_eq!(relay.agent.selected(), None);
}

#[test]
fn two_full_agents_are_joined_in_either_role_at_a_third_of_loss() {
    for seed in 0..40 {
        let controlling = seed % 2 == 0;
        let mut network = Network::new(seed);
        network.loss = 33;
        network.delay = (Duration::from_millis(1), Duration::from_millis(120));
        let mut one = Node::new(
            Config::full(credentials(1), controlling, 7),
            &[BROWSER, "10.1.1.1:5000"],
        );
        let mut other = Node::new(
            Config::full(credentials(2), !controlling, 9),
            &[RELAY, "10.1.1.2:6000"],
        );
        introduce(&network, &mut one, &mut other);
        assert!(
            network.run(&mut [&mut one, &mut other], 20 * SECOND, both_selected),
            "seed {seed}"
        );
        // Both settle on one pair, whatever was nominated on the way.
        network.loss = 0;
        let agree = |nodes: &[&mut Node]| {
            let pairs = nodes
                .iter()
                .filter_map(|node| node.agent.selected())
                .collect::<Vec<_>>();
            pairs.len() == 2
                && pairs[0].local == pairs[1].remote
                && pairs[0].remote == pairs[1].local
        };
        assert!(
            network.run(&mut [&mut one, &mut other], 20 * SECOND, agree),
            "seed {seed}"
        );
    }
}

#[test]
fn a_lossy_path_to_a_lite_relay_still_works() {
    for seed in 0..40 {
        let mut network = Network::new(seed);
        network.loss = 40;
        network.delay = (Duration::from_millis(1), Duration::from_millis(200));
        let (mut browser, mut relay) = (browser(), lite_relay());
        introduce(&network, &mut browser, &mut relay);
        assert!(
            network.run(&mut [&mut browser, &mut relay], 20 * SECOND, both_selected),
            "seed {seed}"
        );
    }
}

#[test]
fn two_that_both_control_settle_it_by_the_tie_breaker() {
    for (ours, theirs) in [(1, 2), (2, 1)] {
        let mut network = Network::new(ours);
        let mut one = Node::new(Config::full(credentials(1), true, ours), &[BROWSER]);
        let mut other = Node::new(Config::full(credentials(2), true, theirs), &[RELAY]);
        introduce(&network, &mut one, &mut other);
        assert!(network.run(&mut [&mut one, &mut other], 5 * SECOND, both_selected));
    }
}

#[test]
fn a_full_agent_that_thinks_it_is_controlled_is_told_by_the_lite_one() {
    let (mut network, mut relay) = (Network::new(1), lite_relay());
    let mut phone = Node::new(Config::full(credentials(1), false, 7), &[BROWSER]);
    introduce(&network, &mut phone, &mut relay);
    assert!(network.run(&mut [&mut phone, &mut relay], 5 * SECOND, both_selected));
}

#[test]
fn a_full_answerer_that_knows_its_peer_is_lite_controls_from_the_start() {
    let (mut network, mut relay) = (Network::new(1), lite_relay());
    let mut phone = Node::new(Config::full(credentials(1), false, 7), &[BROWSER]);
    phone.agent.face_lite_peer();
    introduce(&network, &mut phone, &mut relay);
    assert!(network.run(&mut [&mut phone, &mut relay], SECOND, both_selected));
    assert!(
        network.elapsed() <= Duration::from_millis(20),
        "{:?}",
        network.elapsed()
    );
}

#[test]
fn behind_a_nat_the_advertised_address_is_told_and_the_bound_one_used() {
    let mut network = Network::new(1);
    let mut relay = Node::new(Config::lite(credentials(2)), &[]);
    let local = Local {
        advertised: "203.0.113.9:30000".parse().unwrap(),
        ..Local::host(RELAY.parse().unwrap())
    };
    let candidate = relay.agent.add_local(local).unwrap().clone();
    assert_eq!(candidate.address.to_string(), "203.0.113.9:30000");
    let mut browser = browser();
    let credentials = relay.agent.credentials().clone();
    browser.agent.set_remote(credentials, network.now);
    // The NAT: what the browser sends to the advertised address comes in at the bound one.
    let reachable = causeway_ice::Candidate {
        address: RELAY.parse().unwrap(),
        ..candidate
    };
    browser.agent.add_remote(&reachable, network.now).unwrap();
    assert!(network.run(&mut [&mut browser, &mut relay], SECOND, both_selected));
    assert!(relay.has_selected(RELAY, BROWSER));
}

#[test]
fn a_browser_that_goes_silent_loses_its_consent_and_gets_it_back_when_it_returns() {
    let (mut network, mut browser, mut relay) = (Network::new(1), browser(), lite_relay());
    introduce(&network, &mut browser, &mut relay);
    assert!(
        network
            .run(&mut [&mut browser, &mut relay], 60 * SECOND, |_| false)
            .eq(&false)
    );
    assert!(
        !relay.was_disconnected() && !browser.was_disconnected(),
        "kept for a minute"
    );
    network.dead.push(BROWSER.parse().unwrap());
    let lost = |nodes: &[&mut Node]| nodes.iter().all(|node| node.was_disconnected());
    let since = network.elapsed();
    assert!(network.run(&mut [&mut browser, &mut relay], 60 * SECOND, lost));
    assert!(network.elapsed() - since <= 31 * SECOND);
    assert!(!relay.agent.validated(BROWSER.parse().unwrap()));

    network.dead.clear();
    let mut returned = Node::new(
        Config::full(credentials(1), true, 7),
        &["203.0.113.50:7000"],
    );
    let (credentials, candidates) = relay.description();
    returned.agent.set_remote(credentials, network.now);
    returned
        .agent
        .add_remote(&candidates[0], network.now)
        .unwrap();
    assert!(network.run(&mut [&mut returned, &mut relay], SECOND, both_selected));
}

#[test]
fn a_restart_keeps_the_old_pair_until_the_new_credentials_have_proved_themselves() {
    let (mut network, mut browser, mut relay) = (Network::new(1), browser(), lite_relay());
    introduce(&network, &mut browser, &mut relay);
    assert!(network.run(&mut [&mut browser, &mut relay], SECOND, both_selected));

    relay.agent.restart(credentials(3));
    network.run(&mut [&mut browser, &mut relay], 60 * SECOND, |_| false);
    assert!(
        relay.has_selected(RELAY, BROWSER),
        "media goes on before the browser knows"
    );
    assert!(
        !browser.was_disconnected(),
        "its consent checks with the old password are answered"
    );

    browser.agent.restart(credentials(4));
    introduce(&network, &mut browser, &mut relay);
    assert!(relay.has_selected(RELAY, BROWSER));
    assert!(relay.agent.validated(BROWSER.parse().unwrap()));
    network.run(&mut [&mut browser, &mut relay], 60 * SECOND, |_| false);
    assert!(relay.has_selected(RELAY, BROWSER) && browser.has_selected(BROWSER, RELAY));
    assert!(!relay.was_disconnected() && !browser.was_disconnected());
}

#[test]
fn a_full_agent_keeps_the_old_pair_through_a_restart_too() {
    let mut network = Network::new(1);
    let mut relay = Node::new(Config::full(credentials(2), false, 9), &[RELAY]);
    let mut browser = browser();
    introduce(&network, &mut browser, &mut relay);
    assert!(network.run(&mut [&mut browser, &mut relay], 3 * SECOND, both_selected));
    for (node, seed) in [(&mut relay, 3), (&mut browser, 4)] {
        node.agent.restart(credentials(seed));
    }
    introduce(&network, &mut browser, &mut relay);
    assert!(relay.has_selected(RELAY, BROWSER) && relay.agent.validated(BROWSER.parse().unwrap()));
    network.run(&mut [&mut browser, &mut relay], 60 * SECOND, |_| false);
    assert!(relay.has_selected(RELAY, BROWSER) && relay.agent.validated(BROWSER.parse().unwrap()));
    assert!(!relay.was_disconnected() && !browser.was_disconnected());
}

#[test]
fn a_full_agent_answers_early_checks_as_soon_as_it_knows_the_peer() {
    let mut network = Network::new(1);
    let mut relay = Node::new(Config::full(credentials(2), false, 9), &[RELAY]);
    let mut browser = browser();
    let (offer, candidates) = relay.description();
    browser.agent.set_remote(offer, network.now);
    browser
        .agent
        .add_remote(&candidates[0], network.now)
        .unwrap();
    let answered = network.run(&mut [&mut browser, &mut relay], 2 * SECOND, both_selected);
    assert!(!answered);
    relay
        .agent
        .set_remote(browser.agent.credentials().clone(), network.now);
    let since = network.elapsed();
    assert!(network.run(&mut [&mut browser, &mut relay], SECOND, both_selected));
    assert!(
        network.elapsed() - since <= Duration::from_millis(300),
        "{:?}",
        network.elapsed() - since
    );
}

#[test]
fn another_process_goes_on_with_the_exported_state() {
    let (mut network, mut browser, mut relay) = (Network::new(1), browser(), lite_relay());
    introduce(&network, &mut browser, &mut relay);
    assert!(network.run(&mut [&mut browser, &mut relay], 3 * SECOND, both_selected));
    let state = relay.agent.export();
    drop(relay);

    let agent = Agent::restore(state.clone(), network.now).unwrap();
    let mut second = Node {
        agent,
        events: vec![],
    };
    assert!(second.has_selected(RELAY, BROWSER), "it may send at once");
    assert!(second.agent.validated(BROWSER.parse().unwrap()));
    assert_eq!(second.agent.export(), state);
    network.run(&mut [&mut browser, &mut second], 60 * SECOND, |_| false);
    assert!(!browser.was_disconnected() && !second.was_disconnected());
}

#[test]
fn a_full_agent_goes_on_from_its_exported_state_too() {
    let mut network = Network::new(1);
    let mut relay = Node::new(Config::full(credentials(2), false, 9), &[RELAY]);
    let mut browser = browser();
    introduce(&network, &mut browser, &mut relay);
    assert!(network.run(&mut [&mut browser, &mut relay], 3 * SECOND, both_selected));
    let state = relay.agent.export();
    assert!(matches!(state.role, Role::Full { .. }));
    let mut second = Node {
        agent: Agent::restore(state, network.now).unwrap(),
        events: vec![],
    };
    assert!(second.has_selected(RELAY, BROWSER));
    network.run(&mut [&mut browser, &mut second], 60 * SECOND, |_| false);
    assert!(!browser.was_disconnected() && !second.was_disconnected());
    assert!(second.has_selected(RELAY, BROWSER));
}
