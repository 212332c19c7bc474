//! Programs that are told to stop while a call stands: it goes on, nothing new begins, and they end with it.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)] // a test may stop on the first surprise

mod parts;

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use demo::webphone::Call;
use parts::house::{Folder, House};
use parts::process::{PATIENCE, Process};
use parts::websocket::{WebSocket, knock};
use testkit::open_metrics;
use tokio::io::AsyncReadExt as _;
use tokio::time::{sleep, timeout};

/// A door is read by a thread of its own: the web phone runs on this one.
async fn get(door: SocketAddr, path: &'static str) -> (u16, String) {
    let got = tokio::task::spawn_blocking(move || open_metrics::get(door, path));
    got.await.unwrap()
}

async fn until_draining(door: SocketAddr) {
    let draining = async {
        loop {
            let (status, why) = get(door, "/ready").await;
            if status == 503 {
                assert!(why.starts_with("draining"), "{why}");
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, draining).await.expect("it stays ready");
    assert_eq!(get(door, "/health").await.0, 200);
}

/// Sound still comes back.
async fn assert_goes_on(call: &Call) {
    let more = call.heard().packets + 50;
    timeout(PATIENCE, call.until_heard(more))
        .await
        .expect("the call has no sound any more");
}

/// What a WebSocket client is answered.
async fn upgrade(address: &str) -> String {
    let mut stream = knock(address).await;
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer))
        .await
        .expect("it is let in")
        .unwrap();
    answer
}

#[tokio::test]
async fn a_proxy_that_is_told_to_stop_ends_with_its_last_call() {
    let house = House::start().await;
    let folder = Folder::new("drained_proxy");
    let mut proxy = Process::start("proxy", &folder.write("edge.toml", &house.edge("")));
    let browsers = proxy.says("browsers: ws://").await;
    let door = proxy.door().await;
    let relay = proxy.only_child().await;
    let alice = house.alice(&browsers).await;
    let mut idle = WebSocket::open(&browsers).await;
    let call = house.call(&alice).await;

    // systemd signals both.
    relay.ask_to_end();
    proxy.ask_to_end();
    until_draining(door).await;
    let refused = upgrade(&browsers).await;
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    assert!(refused.contains("\r\nRetry-After: "), "{refused}");
    assert_eq!(idle.closed().await, Some(1012), "Service Restart");
    house.assert_call_is_refused(&alice).await;
    assert_goes_on(&call).await;
    assert!(proxy.is_running() && relay.is_alive());

    call.hang_up().unwrap();
    call.ended().await;
    assert_eq!(proxy.ended().await, Some(0));
    relay.ended().await;
}

#[tokio::test]
async fn a_second_signal_ends_a_proxy_at_once_and_its_calls_are_written_down() {
    let house = House::start().await;
    let folder = Folder::new("stopped_proxy");
    let records = "[calls]\nrecords = \"calls.jsonl\"\n";
    let file = folder.write("edge.toml", &house.edge(records));
    let mut proxy = Process::start("proxy", &file);
    let browsers = proxy.says("browsers: ws://").await;
    let door = proxy.door().await;
    let alice = house.alice(&browsers).await;
    let _call = house.call(&alice).await;
    proxy.ask_to_end();
    until_draining(door).await;
    assert!(proxy.is_running());
    assert_eq!(proxy.terminate().await, Some(0));
    let written = std::fs::read_to_string(file.with_file_name("calls.jsonl")).unwrap();
    assert!(written.contains("\"ended_by\":\"edge\""), "{written}");
}

#[tokio::test]
async fn a_proxy_waits_no_longer_for_its_calls_than_it_is_told_to() {
    let house = House::start().await;
    let folder = Folder::new("impatient_proxy");
    let patience = "[calls]\ndrain_timeout = 1\n";
    let mut proxy = Process::start("proxy", &folder.write("edge.toml", &house.edge(patience)));
    let browsers = proxy.says("browsers: ws://").await;
    let alice = house.alice(&browsers).await;
    let _call = house.call(&alice).await;
    let asked = Instant::now();
    assert_eq!(proxy.terminate().await, Some(0));
    assert!(asked.elapsed() >= Duration::from_secs(1), "it did not wait");
}

#[tokio::test]
async fn a_relay_that_is_told_to_stop_takes_no_new_call_says_so_and_ends_with_its_last() {
    let house = House::start().await;
    let folder = Folder::new("drained_relay");
    let listen = "[relay]\nlisten = \"udp:127.0.0.1:0\"\nmetrics = \"127.0.0.1:0\"\n";
    let mut relay = Process::start("relay", &folder.write("relay.toml", &house.edge(listen)));
    let control = relay.says("commands: udp:").await;
    let door = relay.door().await;
    let named = format!("[relay]\ncontrol = [\"udp:{control}\"]\n");
    let mut proxy = Process::start("proxy", &folder.write("proxy.toml", &house.edge(&named)));
    let browsers = proxy.says("browsers: ws://").await;
    let alice = house.alice(&browsers).await;
    let call = house.call(&alice).await;
    assert_eq!(ping(&control, "a"), "a d6:result4:ponge");

    relay.ask_to_end();
    until_draining(door).await;
    assert_eq!(ping(&control, "b"), "b d6:result4:pong8:drainingi1ee");
    house.assert_call_is_refused(&alice).await;
    assert_goes_on(&call).await;
    assert!(relay.is_running());
    call.hang_up().unwrap();
    call.ended().await;
    assert_eq!(relay.ended().await, Some(0));
}

/// What a relay answers to ng's `ping`.
fn ping(control: &str, cookie: &str) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let ping = format!("{cookie} d7:command4:pinge");
    socket.send_to(ping.as_bytes(), control).unwrap();
    let mut buffer = [0; 1024];
    let length = socket.recv(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}
