//! An edge that gets its certificate by itself, as an operator runs it. Needs Debian's `pebble`, and is left out without it.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)] // a test may stop on the first surprise

mod parts;

use std::net::SocketAddr;
use std::path::PathBuf;

use parts::house::{Folder, House};
use parts::process::{Process, once};
use testkit::{Pebble, has_pebble};

/// An edge whose port for browsers is `address`, and a CA that looks for its challenges at `looked_at`.
fn start(house: &House, folder: &Folder, address: SocketAddr, looked_at: u16) -> (PathBuf, Pebble) {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (chain, key) = (own.cert.pem(), own.signing_key.serialize_pem());
    let file = folder.write("edge.toml", "");
    let place = file.parent().unwrap();
    let mut pebble = Pebble::new(place, looked_at, 7_776_000, &chain, &key);
    pebble.start();
    let acme = format!(
        "[acme]\nnames = [\"edge.example\"]\ndirectory = \"{}\"\nca = \"ca.pem\"\n",
        pebble.directory()
    );
    let listen = format!("wss = \"{address}\"\ncert = \"auto\"\n");
    let text = house.edge(&acme).replace("ws = \"127.0.0.1:0\"\n", &listen);
    std::fs::write(&file, text).unwrap();
    (file, pebble)
}

fn free() -> SocketAddr {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    port.local_addr().unwrap()
}

#[tokio::test]
async fn an_edge_gets_its_certificate_by_itself_and_check_says_what_it_would_do() {
    if !has_pebble() {
        return;
    }
    let house = House::start().await;
    let folder = Folder::new("own_certificate");
    let address = free();
    let (file, _pebble) = start(&house, &folder, address, address.port());
    let place = file.parent().unwrap();

    let check = ["check".as_ref(), file.as_os_str()];
    let said = String::from_utf8(once(&check).await.stdout).unwrap();
    assert!(said.contains("certificate none yet"), "{said}");
    assert!(!place.join("acme").exists(), "check writes nothing");

    let mut proxy = Process::start("proxy", &file);
    proxy.says("issued by the CA").await;
    let said = String::from_utf8(once(&check).await.stdout).unwrap();
    assert!(said.contains("for 89 more days"), "{said}");
    let kept = said.split_once("kept in ").unwrap().1;
    let kept = kept.split_once(", for").unwrap().0;
    // The chain that is kept vouches for what is shown.
    let trust = net::tls::client_config(Some(kept.as_ref()), None).unwrap();
    let name = net::tls::server_name("edge.example").unwrap();
    let connected = net::stream::connect(address, Some((trust, name))).await;
    assert!(connected.is_ok(), "{connected:?}");
    assert_eq!(proxy.terminate().await, Some(0));
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_is_told_once_with_the_cure() {
    if !has_pebble() {
        return;
    }
    let house = House::start().await;
    let folder = Folder::new("not_ours");
    let (file, _pebble) = start(&house, &folder, free(), free().port());
    let mut proxy = Process::start("proxy", &file);
    let said = proxy.says("could not see that edge.example is ours").await;
    assert!(said.contains("port 443"), "{said}");
    assert!(said.contains("Failed to connect"), "{said}");
    assert_eq!(proxy.terminate().await, Some(0));
}
