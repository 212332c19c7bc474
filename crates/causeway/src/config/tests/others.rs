//! The SIP servers and the relays: by address, by name, with their shares.

use std::path::Path;

use super::super::{Edge, described};
use super::{GOOD, parse};

#[test]
fn upstreams_are_addresses_and_names_with_their_shares() {
    let list = "[\"tcp:127.0.0.6\", { to = \"tls:sip.example.com\", weight = 3, priority = 1 }, \"sip.example.net\"]";
    let text = GOOD.replace("\"udp:127.0.0.5:5060\"", list);
    let text = text.replace(
        "[listen]",
        "dns = [\"127.0.0.2\", \"[::1]:5353\"]\nregister_rate = 50\n[listen]",
    );
    let text = text.replace(
        "[listen]",
        "[listen]\nudp = \"127.0.0.4:5060\"\ntcp = \"127.0.0.4:5060\"",
    );
    // A certificate for the TLS side; any file that can be read does here.
    let file = std::env::current_exe().unwrap();
    let certificate =
        format!("[listen]\ncert = {file:?}\nkey = {file:?}\ntls = \"127.0.0.4:5061\"");
    let edge = parse(&text.replace("[listen]", &certificate)).unwrap();
    let said = [
        "tcp:127.0.0.6:5060",
        "tls:sip.example.com (by DNS) (priority 1, weight 3)",
        "sip.example.net (by DNS)",
    ];
    assert_eq!(edge.upstream.described(), said);
    assert_eq!(edge.upstream.hop.to_string(), "tcp:127.0.0.6:5060");
    let dns: Vec<_> = edge.upstream.dns.iter().map(ToString::to_string).collect();
    assert_eq!(dns, ["127.0.0.2:53", "[::1]:5353"]);
    assert_eq!(edge.upstream.register_rate, Some(50));
}

#[test]
fn a_name_that_nobody_knows_today_is_no_mistake() {
    let text = GOOD.replace("udp:127.0.0.5:5060", "sip.no-such-host.invalid");
    let text = text.replace("[listen]", "[listen]\nudp = \"127.0.0.4:5060\"");
    let edge = parse(&text).unwrap();
    assert_eq!(
        edge.upstream.described(),
        ["sip.no-such-host.invalid (by DNS)"]
    );
    assert_eq!(edge.listen.own()[0].to_string(), "udp:127.0.0.4:5060");
}

#[test]
fn relays_are_addresses_and_names_with_shares() {
    let relays = |control: &str| {
        let section = format!("[relay]\ncontrol = {control}\n[media]");
        let edge = Edge::parse(Path::new("edge.toml"), &GOOD.replace("[media]", &section));
        edge.map(|edge| edge.relays.iter().map(described).collect::<Vec<_>>())
    };
    let list = "[\"udp:10.0.0.9:2223\", { to = \"10.0.0.10\", weight = 2 }, { to = \"udp:r.example.com\", priority = 1 }]";
    assert_eq!(
        relays(list).unwrap(),
        [
            "udp:10.0.0.9:2223",
            "udp:10.0.0.10:2223 (priority 0, weight 2)",
            "udp:r.example.com (by DNS) (priority 1, weight 1)",
        ]
    );
    let one = relays("\"relays.example.com:2300\"").unwrap();
    assert_eq!(one, ["udp:relays.example.com:2300 (by DNS)"]);
    let error = relays("\"10.0.0.9:x\"").unwrap_err();
    assert!(error.what.contains("udp:relays.example.com"), "{error}");
}
