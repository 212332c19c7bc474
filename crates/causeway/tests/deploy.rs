//! What stands in deploy/ fits the programs: each number of the dashboard is there, and each file is one that they take.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)] // a test may stop on the first surprise

mod parts;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use parts::house::{Folder, House};
use parts::process::{Process, once};
use testkit::open_metrics;

fn deploy(file: &str) -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    top.join("deploy").join(file)
}

/// Every word in it that is a number of ours.
fn named(text: &str) -> BTreeSet<&str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !is_word(c));
    let ours = ["causeway_proxy_", "causeway_relay_"];
    words
        .filter(|word| ours.iter().any(|prefix| word.starts_with(prefix)))
        .collect()
}

#[tokio::test]
async fn every_number_of_the_dashboard_is_told_by_the_programs() {
    let house = House::start().await;
    let folder = Folder::new("dashboard");
    let listen = "[relay]\nlisten = \"udp:127.0.0.1:0\"\nmetrics = \"127.0.0.1:0\"\n";
    let mut relay = Process::start("relay", &folder.write("relay.toml", &house.edge(listen)));
    let control = relay.says("commands: udp:").await;
    let relay_door = relay.door().await;
    let relays = format!("[relay]\ncontrol = [\"udp:{control}\"]\n");
    let mut proxy = Process::start("proxy", &folder.write("proxy.toml", &house.edge(&relays)));
    proxy.says("browsers: ws://").await;
    let proxy_door = proxy.door().await;
    let mut told = String::new();
    for door in [proxy_door, relay_door] {
        let page = tokio::task::spawn_blocking(move || open_metrics::get(door, "/metrics"));
        told += &page.await.unwrap().1;
    }
    // A family without samples yet has its type all the same; the samples of counters and histograms have endings.
    let families: BTreeSet<&str> = told
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let text = std::fs::read_to_string(deploy("grafana/causeway.json")).unwrap();
    let shown = named(&text);
    assert!(shown.len() > 20, "{shown:?}");
    for name in shown {
        let family = ["_total", "_bucket", "_sum", "_count"]
            .iter()
            .find_map(|ending| name.strip_suffix(ending));
        // A certificate's time is told where there is one.
        let is_told = families.contains(name) || family.is_some_and(|f| families.contains(f));
        assert!(
            is_told || name == "causeway_proxy_certificate_remaining_seconds",
            "{name} is nowhere in\n{told}"
        );
    }
}

#[tokio::test]
async fn the_files_of_the_containers_are_taken() {
    let mine = std::fs::read_to_string(deploy("docker/proxy.toml")).unwrap();
    let folder = Folder::new("compose");
    // The SIP server of the file is nobody's here; what an address of ours towards it would be is not the question.
    let proxy = mine
        .replace("10.0.0.5:5060", "127.0.0.1:5062")
        .replace("/var/lib/causeway", ".");
    let file = folder.write("proxy.toml", &proxy);
    let ended = once(&["check".as_ref(), file.as_os_str()]).await;
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(0), "{said}");
    let compose = std::fs::read_to_string(deploy("docker/compose.yaml")).unwrap();
    for number in ["1", "2"] {
        let name = format!("relay-{number}.toml");
        assert!(compose.contains(&name));
        let relay = std::fs::read_to_string(deploy(&format!("docker/{name}"))).unwrap();
        let control = relay
            .lines()
            .find_map(|line| line.strip_prefix("listen  = "));
        assert!(
            mine.contains(control.unwrap()),
            "the proxy knows it: {relay}"
        );
    }
}
