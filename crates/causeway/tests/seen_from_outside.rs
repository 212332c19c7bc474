//! What an operator sees of a proxy and a relay that serve: metrics, health, readiness.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)] // a test may stop on the first surprise

mod parts;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use parts::house::{Folder, House};
use parts::process::{PATIENCE, Process};
use testkit::open_metrics;
use tokio::time::{sleep, timeout};

const PROXY: &str = "causeway_proxy_";
const RELAY: &str = "causeway_relay_";

/// A door is read by a thread of its own: the web phone runs on this one.
async fn get(door: SocketAddr, path: &'static str) -> (u16, String) {
    let got = tokio::task::spawn_blocking(move || open_metrics::get(door, path));
    got.await.unwrap()
}

async fn metrics(door: SocketAddr, prefix: &str) -> BTreeMap<String, f64> {
    let (status, text) = get(door, "/metrics").await;
    assert_eq!(status, 200, "{text}");
    for secret in ["alice", "echo", "sesame", "a=", "sip:", "Digest"] {
        assert!(!text.contains(secret), "{secret} is in\n{text}");
    }
    open_metrics::samples(&text, prefix)
}

/// Waits until a number is what it is to be.
async fn until(door: SocketAddr, name: &str, expected: f64) -> BTreeMap<String, f64> {
    let prefix = [PROXY, RELAY].into_iter().find(|p| name.starts_with(p));
    let reached = async {
        loop {
            let now = metrics(door, prefix.unwrap()).await;
            if now.get(name) == Some(&expected) {
                return now;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let reached = timeout(PATIENCE, reached).await;
    reached.unwrap_or_else(|_| panic!("{name} does not become {expected}"))
}

#[tokio::test]
async fn a_call_is_seen_at_both_programs_and_nobody_is_named() {
    let house = House::start().await;
    let folder = Folder::new("metrics");
    let listen = "[relay]\nlisten = \"udp:127.0.0.1:0\"\nmetrics = \"127.0.0.1:0\"\n";
    let mut relay = Process::start("relay", &folder.write("relay.toml", &house.edge(listen)));
    let control = relay.says("commands: udp:").await;
    let relay_door = relay.door().await;
    let named = format!("[relay]\ncontrol = [\"udp:{control}\"]\n");
    let mut proxy = Process::start("proxy", &folder.write("proxy.toml", &house.edge(&named)));
    let browsers = proxy.says("browsers: ws://").await;
    let proxy_door = proxy.door().await;
    for door in [proxy_door, relay_door] {
        for path in ["/health", "/ready"] {
            assert_eq!(get(door, path).await, (200, "ok\n".to_owned()), "{path}");
        }
    }

    let alice = house.alice(&browsers).await;
    let call = house.call(&alice).await;
    let seen = until(proxy_door, "causeway_proxy_calls", 1.0).await;
    for (name, least) in [
        ("flows{transport=\"ws\"}", 1.0),
        ("clients{state=\"connected\"}", 1.0),
        ("registrations_total", 1.0),
        ("invites_total", 1.0),
        ("requests_total{from=\"browser\",method=\"INVITE\"}", 1.0),
        ("responses_total{from=\"server\",class=\"2xx\"}", 2.0),
        (&format!("relay_offers_total{{relay=\"{control}\"}}"), 1.0),
        (&format!("relay_answers_total{{relay=\"{control}\"}}"), 2.0),
    ] {
        let value = seen.get(&format!("{PROXY}{name}")).copied();
        assert!(value >= Some(least), "{name}: {value:?}");
    }
    let seen = metrics(relay_door, RELAY).await;
    for (name, least) in [
        ("calls", 1.0),
        ("packets_total{direction=\"in\"}", 60.0),
        ("packets_total{direction=\"out\"}", 60.0),
        ("dtls_handshakes_total", 1.0),
        ("dtls_handshake_seconds_count", 1.0),
        (
            "control_requests_total{command=\"answer\",result=\"ok\"}",
            1.0,
        ),
    ] {
        let value = seen.get(&format!("{RELAY}{name}")).copied();
        assert!(value >= Some(least), "{name}: {value:?}");
    }
    call.hang_up().unwrap();
    call.ended().await;
    let ended = "causeway_proxy_calls_ended_total{class=\"2xx\",by=\"browser\"}";
    until(proxy_door, ended, 1.0).await;
    until(relay_door, "causeway_relay_calls", 0.0).await;
    drop(alice);
    until(proxy_door, "causeway_proxy_flows{transport=\"ws\"}", 0.0).await;
}

#[tokio::test]
async fn an_edge_without_a_relay_that_lives_is_healthy_and_not_ready() {
    let house = House::start().await;
    let folder = Folder::new("unready");
    // Nobody listens there.
    let dead = "[relay]\ncontrol = [\"udp:127.0.0.1:1\", \"udp:127.0.0.1:2\"]\n";
    let mut proxy = Process::start("proxy", &folder.write("proxy.toml", &house.edge(dead)));
    let door = proxy.door().await;
    let unready = async {
        loop {
            let (status, why) = get(door, "/ready").await;
            if status == 503 {
                return why;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let why = timeout(PATIENCE, unready).await.expect("it stays ready");
    assert!(why.starts_with("no relay takes calls"), "{why}");
    assert_eq!(get(door, "/health").await.0, 200);
}

#[tokio::test]
async fn a_call_without_sound_says_why_in_its_record_and_in_both_logs() {
    let house = House::start().await;
    let folder = Folder::new("soundless");
    let listen = "[relay]\nlisten = \"udp:127.0.0.1:0\"\nmetrics = \"127.0.0.1:0\"\n";
    let mut relay = Process::start("relay", &folder.write("relay.toml", &house.edge(listen)));
    let control = relay.says("commands: udp:").await;
    let relay_door = relay.door().await;
    let named =
        format!("[calls]\nrecords = \"calls.jsonl\"\n[relay]\ncontrol = [\"udp:{control}\"]\n");
    let file = folder.write("proxy.toml", &house.edge(&named));
    let mut proxy = Process::start("proxy", &file);
    let browsers = proxy.says("browsers: ws://").await;
    let proxy_door = proxy.door().await;
    let alice = house.alice(&browsers).await;
    house.assert_call_works(&alice).await;
    let call = house.silent_call(&alice).await;
    until(
        relay_door,
        "causeway_relay_dtls_handshake_seconds_count",
        2.0,
    )
    .await;
    call.hang_up().unwrap();
    call.ended().await;
    until(proxy_door, "causeway_proxy_soundless_calls_total", 1.0).await;
    let why = "the browser sent nothing to UDP port";
    assert!(relay.says("somebody heard nothing").await.contains(why));
    assert!(proxy.says("somebody heard nothing").await.contains(why));
    assert_eq!(proxy.terminate().await, Some(0));
    let records = std::fs::read_to_string(file.with_file_name("calls.jsonl")).unwrap();
    let records: Vec<_> = records.lines().collect();
    let [sound, silence] = records.as_slice() else {
        panic!("two calls: {records:?}");
    };
    assert!(sound.contains("\"fault\":null"), "{sound}");
    assert!(silence.contains(why), "{silence}");
}
