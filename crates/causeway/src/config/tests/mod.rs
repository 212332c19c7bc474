//! What a file means, and what the operator is told of one that is wrong.

mod limits;
mod listen;
mod media;
mod others;
mod registration;
mod sentences;

use std::path::Path;

use proxy::core::Transport;

use super::{ConfigError, Edge};

const GOOD: &str = r#"domain   = "example.com"
upstream = "udp:127.0.0.5:5060"
[listen]
ws = "0.0.0.0:8080"
[media]
public  = "203.0.113.1"
private = "127.0.0.4"
ports   = "30000-39999"
"#;

fn parse(text: &str) -> Result<Edge, ConfigError> {
    Edge::parse(Path::new("/etc/causeway/edge.toml"), text)
}

#[test]
fn the_short_file_is_a_whole_edge() {
    let edge = parse(GOOD).unwrap();
    assert_eq!(edge.upstream.hop.to_string(), "udp:127.0.0.5:5060");
    let own = edge.listen.own();
    assert!(
        matches!(&own[..], [own] if own.address.ip().is_loopback()
            && (own.transport, own.address.port()) == (Transport::Udp, 5060)),
        "the address towards the upstream: {own:?}"
    );
    assert_eq!(edge.relay.media.ports, 30_000..=39_999);
    assert!(edge.relays.is_empty());
    assert!(
        edge.relay
            .controls
            .iter()
            .all(|c| c.address.ip().is_loopback()),
        "commands from this machine only unless told otherwise"
    );
}

#[test]
fn the_example_of_the_readme_needs_no_media_section() {
    let edge =
        parse("domain = \"a.example\"\nupstream = \"127.0.0.5\"\n[listen]\nws = \"0.0.0.0:80\"\n")
            .unwrap();
    assert_eq!(edge.upstream.hop.address.port(), 5060);
    assert_eq!(
        edge.relay.media.addresses("public"),
        edge.relay.media.addresses("private")
    );
}
