//! The relay's part: interfaces, ports, and a file of its own.

use std::path::Path;

use relay::server::SharedPort;

use super::super::{Edge, Relay};
use super::{GOOD, parse};

#[test]
fn interfaces_have_any_names_several_addresses_and_aliases() {
    let text = GOOD.replace(
        "public  = \"203.0.113.1\"",
        "public = [\"10.0.0.1\", \"2001:db8::1\"]\nadvertise = \"203.0.113.1\"\ntos = 184\nstrict_source = true",
    ) + "[media.interfaces]\nzone = [\"10.1.0.4!198.51.100.9\", \"fd00::4\"]\nlan = \"192.168.0.1\"\ninternal = \"private\"\n";
    let media = parse(&text).unwrap().relay.media;
    let names: Vec<_> = media.faces.iter().map(|face| face.name.as_str()).collect();
    assert_eq!(names, ["public", "private", "zone", "lan"]);
    let told = |name: &str| -> Vec<String> {
        let addresses = media.addresses(name).iter();
        addresses
            .map(|address| format!("{}!{}", address.bind, address.told))
            .collect()
    };
    assert_eq!(
        told("public"),
        ["10.0.0.1!203.0.113.1", "2001:db8::1!2001:db8::1"]
    );
    assert_eq!(told("zone"), ["10.1.0.4!198.51.100.9", "fd00::4!fd00::4"]);
    assert_eq!(told("internal"), told("private"));
    assert_eq!(media.tos, 184);
    assert!(media.strict_source && !parse(GOOD).unwrap().relay.media.strict_source);
}

#[test]
fn advertise_does_not_guess_which_of_two_addresses_it_is_for() {
    let text = GOOD.replace(
        "\"203.0.113.1\"",
        "[\"10.0.0.1\", \"10.0.0.2\"]\nadvertise = \"203.0.113.1\"",
    );
    let error = parse(&text).unwrap_err();
    assert_eq!(error.line, Some(7));
    assert!(
        error.to_string().contains("\"10.0.0.1!203.0.113.1\""),
        "{error}"
    );
}

#[test]
fn a_relay_alone_may_have_interfaces_of_other_names_only() {
    let path = Path::new("/etc/causeway/relay.toml");
    let text = "[media.interfaces]\nwan = \"203.0.113.1\"\ndmz = \"10.0.0.9\"\n";
    let media = Relay::parse(path, text).unwrap().media;
    let names: Vec<_> = media.faces.iter().map(|face| face.name.as_str()).collect();
    assert_eq!(names, ["wan", "dmz"]);
}

#[test]
fn a_relay_alone_needs_only_its_own_part() {
    let text = "[relay]\nlisten = [\"udp:10.0.0.9:2223\", \"tcp:10.0.0.9:2223\"]\n[media]\npublic = \"203.0.113.1\"\nprivate = \"10.0.0.9\"\n";
    let path = Path::new("/etc/causeway/relay.toml");
    let relay = Relay::parse(path, text).unwrap();
    let controls: Vec<_> = relay.controls.iter().map(ToString::to_string).collect();
    assert_eq!(controls, ["udp:10.0.0.9:2223", "tcp:10.0.0.9:2223"]);

    let one = text.replace(
        "[\"udp:10.0.0.9:2223\", \"tcp:10.0.0.9:2223\"]",
        "\"udp:10.0.0.9:2223\"",
    );
    assert_eq!(Relay::parse(path, &one).unwrap().controls.len(), 1);
    let odd = text.replace("tcp:", "smtp:");
    let error = Relay::parse(path, &odd).unwrap_err();
    assert_eq!(error.line, Some(2));
    assert!(
        error.to_string().contains("'smtp:10.0.0.9:2223'"),
        "{error}"
    );
    let homeless = text.replace("private = \"10.0.0.9\"", "");
    assert!(
        Relay::parse(path, &homeless)
            .unwrap_err()
            .to_string()
            .contains("private is missing")
    );
    assert!(
        Edge::parse(path, text)
            .unwrap_err()
            .to_string()
            .contains("domain is missing")
    );
}

#[test]
fn browsers_share_a_port_unless_the_file_says_otherwise() {
    let port =
        |line: &str| parse(&format!("{GOOD}{line}\n")).map(|edge| edge.relay.media.browser_port);
    assert_eq!(port("").unwrap(), SharedPort::First);
    assert_eq!(port("browser_port = 3478").unwrap(), SharedPort::At(3478));
    assert_eq!(port("browser_port = \"own\"").unwrap(), SharedPort::None);
    for bad in ["0", "65536", "-1", "\"any\""] {
        let error = port(&format!("browser_port = {bad}")).unwrap_err();
        assert_eq!(error.line, Some(9));
        assert!(error.what.contains("browser_port = 3478"), "{error}");
    }
}
