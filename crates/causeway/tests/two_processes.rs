//! The binary as an operator runs it: proxy and relay as two processes, one of them dying, one told nonsense.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)] // a test may stop on the first surprise

mod parts;

use parts::house::{DOMAIN, Folder, House};
use parts::process::{Process, once};

const BROWSER_OFFER: &str = include_str!("parts/browser_offer.sdp");

#[tokio::test]
async fn the_proxy_starts_a_relay_of_its_own_and_another_when_that_is_killed() {
    let house = House::start().await;
    let folder = Folder::new("own_relay");
    let mut proxy = Process::start("proxy", &folder.write("edge.toml", &house.edge("")));
    let browsers = proxy.says("browsers: ws://").await;
    let alice = house.alice(&browsers).await;
    house.assert_call_works(&alice).await;

    let first = proxy.only_child().await;
    first.kill();
    // The proxy asks again until the new one answers at the same control port.
    house.assert_call_works(&alice).await;
    let second = proxy.only_child().await;
    assert_ne!(first.id(), second.id());
}

#[tokio::test]
async fn a_killed_proxy_leaves_no_relay_behind() {
    let house = House::start().await;
    let folder = Folder::new("no_orphan");
    let mut proxy = Process::start("proxy", &folder.write("edge.toml", &house.edge("")));
    proxy.says("browsers: ws://").await;
    let relay = proxy.only_child().await;
    assert!(relay.is_alive());
    proxy.kill().await;
    relay.ended().await;
}

#[tokio::test]
async fn a_ctrl_c_in_the_terminal_is_not_for_the_relay() {
    let house = House::start().await;
    let folder = Folder::new("ctrl_c");
    let mut proxy = Process::start("proxy", &folder.write("edge.toml", &house.edge("")));
    proxy.says("browsers: ws://").await;
    let relay = proxy.only_child().await;
    assert_eq!(relay.group(), Some(relay.id()), "a group of its own");
    assert_eq!(proxy.terminate().await, Some(0));
    relay.ended().await;
}

#[tokio::test]
async fn proxy_and_relay_that_are_started_apart_share_nothing_but_the_control_port() {
    let house = House::start().await;
    let folder = Folder::new("apart");
    let listen = "[relay]\nlisten = \"udp:127.0.0.1:0\"\n";
    let mut relay = Process::start("relay", &folder.write("relay.toml", &house.edge(listen)));
    let control = relay.says("commands: udp:").await;
    let named = format!("[relay]\ncontrol = [\"udp:{control}\"]\n");
    let mut proxy = Process::start("proxy", &folder.write("proxy.toml", &house.edge(&named)));
    let browsers = proxy.says("browsers: ws://").await;
    assert!(proxy.children().is_empty(), "it has a relay already");

    let alice = house.alice(&browsers).await;
    house.assert_call_works(&alice).await;
    for process in [proxy, relay] {
        assert_eq!(process.terminate().await, Some(0));
    }
}

#[tokio::test]
async fn with_a_key_the_relay_serves_the_proxy_that_has_it_and_no_other() {
    let house = House::start().await;
    let folder = Folder::new("key");
    folder.write("right", "0123456789abcdef0123456789abcdef\n");
    folder.write("wrong", "fedcba9876543210fedcba9876543210\n");
    let listen = "[relay]\nlisten = \"udp:127.0.0.1:0\"\ncontrol_key = \"right\"\n";
    let mut relay = Process::start("relay", &folder.write("relay.toml", &house.edge(listen)));
    let control = relay.says("commands: udp:").await;
    for key in ["right", "wrong"] {
        let named = format!("[relay]\ncontrol = [\"udp:{control}\"]\ncontrol_key = \"{key}\"\n");
        let mut proxy = Process::start("proxy", &folder.write("proxy.toml", &house.edge(&named)));
        let browsers = proxy.says("browsers: ws://").await;
        let alice = house.alice(&browsers).await;
        match key {
            "right" => house.assert_call_works(&alice).await,
            _ => house.assert_call_is_refused(&alice).await,
        }
    }
    let own = "[relay]\ncontrol_key = \"right\"\n";
    let mut proxy = Process::start("proxy", &folder.write("own.toml", &house.edge(own)));
    let browsers = proxy.says("browsers: ws://").await;
    let alice = house.alice(&browsers).await;
    house.assert_call_works(&alice).await;
}

#[tokio::test]
async fn a_wrong_setting_stops_the_start_with_one_sentence_naming_file_and_line() {
    let house = House::start().await;
    let folder = Folder::new("wrong");
    let text = house.edge("").replace("udp:127.0.0.1:", "ws:127.0.0.1:");
    let file = folder.write("edge.toml", &text);
    for program in ["proxy", "relay", "check"] {
        let ended = once(&[program.as_ref(), file.as_os_str()]).await;
        assert_eq!(ended.status.code(), Some(1), "{program}");
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("edge.toml") && said.contains('2'), "{said}");
        assert!(said.contains("write upstream = \"udp:127.0.0.1:"), "{said}");
    }
}

#[tokio::test]
async fn check_says_what_would_run_and_prints_both_descriptions_of_a_given_call() {
    let house = House::start().await;
    let folder = Folder::new("check");
    let file = folder.write("edge.toml", &house.edge(""));
    let message = folder.write("offer.sdp", BROWSER_OFFER);
    let arguments = ["check".as_ref(), file.as_os_str(), "--message".as_ref()];
    let ended = once(&[&arguments[..], &[message.as_os_str()]].concat()).await;
    let said = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(ended.status.code(), Some(0), "{said}");
    assert!(said.contains(DOMAIN), "{said}");
    let bodies: Vec<_> = said.split("v=0").skip(1).collect();
    let [to_phone, to_browser] = bodies.as_slice() else {
        panic!("two descriptions are wanted: {said}");
    };
    assert!(
        to_phone.contains(" RTP/AVP 111 0 126") && !to_phone.contains("ice-ufrag"),
        "{said}"
    );
    assert!(to_browser.contains(" UDP/TLS/RTP/SAVPF 0"), "{said}");
    assert!(
        to_browser.contains("a=fingerprint:") && to_browser.contains("a=ice-lite"),
        "{said}"
    );
}

#[tokio::test]
async fn the_demo_makes_a_call_by_itself_and_ends_well() {
    let ended = once(&["demo".as_ref(), "--once".as_ref()]).await;
    let said = String::from_utf8_lossy(&ended.stdout);
    let complained = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(0), "{said}{complained}");
}
