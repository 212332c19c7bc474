//! Several relays as processes: one is killed and comes back, one is drained, one is an rtpengine.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)] // a test may stop on the first surprise

mod parts;

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use parts::house::{Folder, House};
use parts::process::{PATIENCE, Process};
use testkit::open_metrics;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::{sleep, timeout};

const LOST: &str = "its calls are ended";

/// A relay, where it takes commands, and where it is asked how it is.
struct Relay {
    process: Process,
    control: String,
    door: SocketAddr,
}

impl Relay {
    async fn start(house: &House, folder: &Folder, name: &str, control: &str) -> Self {
        let more = format!("[relay]\nlisten = \"udp:{control}\"\nmetrics = \"127.0.0.1:0\"\n");
        let file = folder.write(&format!("{name}.toml"), &house.edge(&more));
        let mut process = Process::start("relay", &file);
        let control = process.says("commands: udp:").await;
        let door = process.door().await;
        Self {
            process,
            control,
            door,
        }
    }

    async fn calls(&self) -> usize {
        number(self.door, "causeway_relay_", "causeway_relay_calls").await
    }
}

async fn number(door: SocketAddr, prefix: &'static str, name: &str) -> usize {
    let page = tokio::task::spawn_blocking(move || open_metrics::get(door, "/metrics").1);
    let samples = open_metrics::samples(&page.await.unwrap(), prefix);
    samples[name] as usize
}

/// A proxy before these relays, that gives lost calls up after 2 s; where browsers come.
async fn proxy(house: &House, folder: &Folder, relays: &[&str]) -> (Process, String) {
    let list: Vec<_> = relays.iter().map(|at| format!("\"udp:{at}\"")).collect();
    let more = format!(
        "[relay]\ncontrol = [{}]\n[calls]\ngrace = 2\n",
        list.join(", ")
    );
    let mut proxy = Process::start("proxy", &folder.write("proxy.toml", &house.edge(&more)));
    let browsers = proxy.says("browsers: ws://").await;
    (proxy, browsers)
}

#[tokio::test]
async fn of_three_relays_one_is_killed_new_calls_work_and_those_it_had_are_ended() {
    let house = House::start().await;
    let folder = Folder::new("three");
    let mut relays = Vec::new();
    for name in ["a", "b", "c"] {
        relays.push(Relay::start(&house, &folder, name, "127.0.0.1:0").await);
    }
    let controls: Vec<_> = relays.iter().map(|relay| relay.control.as_str()).collect();
    let (mut proxy, browsers) = proxy(&house, &folder, &controls).await;
    let door = proxy.door().await;
    let alice = house.alice(&browsers).await;
    let mut calls = Vec::new();
    for _ in 0..6 {
        calls.push(house.call(&alice).await);
    }
    let mut shares = Vec::new();
    for relay in &relays {
        shares.push(relay.calls().await);
    }
    assert_eq!(shares.iter().sum::<usize>(), 6, "{shares:?}");
    let most = (0..3).max_by_key(|at| shares[*at]).unwrap();
    let (lost, killed) = (shares[most], relays.remove(most));
    let control = killed.control.clone();
    killed.process.kill().await;
    // At once, before anybody can know but by asking in vain; and when it is known.
    for _ in 0..4 {
        house.assert_call_works(&alice).await;
    }
    let said = proxy.says(LOST).await;
    assert!(said.contains(&format!("calls={lost}")), "{lost}: {said}");
    let left = async {
        while number(door, "causeway_proxy_", "causeway_proxy_calls").await != 6 - lost {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, left).await.expect("they are not ended");
    for _ in 0..4 {
        house.assert_call_works(&alice).await;
    }

    let again = Relay::start(&house, &folder, "again", &control).await;
    proxy.says("the relay takes calls again").await;
    let taken = async {
        while again.calls().await == 0 {
            calls.push(house.call(&alice).await);
        }
    };
    timeout(PATIENCE * 2, taken)
        .await
        .expect("it gets no calls");
}

#[tokio::test]
async fn a_relay_that_is_told_to_stop_keeps_its_call_and_new_ones_go_elsewhere() {
    let house = House::start().await;
    let folder = Folder::new("drained");
    let first = Relay::start(&house, &folder, "first", "127.0.0.1:0").await;
    let second = Relay::start(&house, &folder, "second", "127.0.0.1:0").await;
    let controls = [first.control.as_str(), second.control.as_str()];
    let (mut proxy, browsers) = proxy(&house, &folder, &controls).await;
    let alice = house.alice(&browsers).await;
    let call = house.call(&alice).await;
    let (has_it, other) = match first.calls().await {
        1 => (first, second),
        _ => (second, first),
    };
    let ended = tokio::spawn(has_it.process.terminate());
    proxy.says("the relay is being drained").await;
    let heard = call.heard().packets;
    let mut others = Vec::new();
    for _ in 0..4 {
        others.push(house.call(&alice).await);
    }
    assert_eq!(other.calls().await, 4);
    assert!(call.heard().packets > heard, "it is still heard");
    assert!(!ended.is_finished(), "it waits for its call");
    call.hang_up().unwrap();
    timeout(PATIENCE, call.ended()).await.unwrap();
    assert_eq!(ended.await.unwrap(), Some(0));
}

/// A free port of loopback, freed for whoever cannot say which one he took.
fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

/// On a machine that has it, as `cargo xtask install` sees to.
#[tokio::test]
async fn ours_and_rtpengine_serve_in_one_pool() {
    if !Path::new("/usr/bin/rtpengine").exists() {
        return;
    }
    let house = House::start().await;
    let folder = Folder::new("mixed");
    let ng = format!("127.0.0.1:{}", free_port());
    let mut rtpengine = tokio::process::Command::new("/usr/bin/rtpengine")
        .args([
            "--config-file=none",
            "--foreground",
            "--log-stderr",
            "--log-level=6",
            "--table=-1",
            "--no-fallback",
            "--num-threads=2",
            "--interface=public/127.0.0.1",
            "--interface=private/127.0.0.1",
            "--port-min=20000",
            "--port-max=20999",
        ])
        .arg(format!("--listen-ng={ng}"))
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(rtpengine.stderr.take().unwrap()).lines();
    let ready = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("Startup complete") {
                return true;
            }
        }
        false
    };
    assert!(
        timeout(PATIENCE, ready).await.unwrap(),
        "rtpengine does not start"
    );
    let ours = Relay::start(&house, &folder, "ours", "127.0.0.1:0").await;
    let (_proxy, browsers) = proxy(&house, &folder, &[&ours.control, &ng]).await;
    let alice = house.alice(&browsers).await;
    let mut calls = Vec::new();
    let both = async {
        loop {
            calls.push(house.call(&alice).await);
            let at_ours = ours.calls().await;
            if at_ours > 0 && at_ours < calls.len() {
                return;
            }
        }
    };
    timeout(PATIENCE * 2, both)
        .await
        .expect("one of them gets none");
    for call in calls {
        call.hang_up().unwrap();
        timeout(PATIENCE, call.ended()).await.unwrap();
    }
}
