//! `[relay] control`: the relays that the proxy commands, as addresses and names, with weights and priorities.

use std::net::{IpAddr, SocketAddr};

use proxy::core::{Hop, Transport};
use proxy::server::{Listed, ListedPlace};
use toml::Spanned;

use super::judge::fault;
use super::{Fault, file, upstream};

/// rtpengine's customary port.
const PORT: u16 = 2223;

/// All of them; none where the setting is left out.
pub(super) fn judge(given: &Option<Spanned<file::Upstreams>>) -> Result<Vec<Listed>, Fault> {
    let Some(given) = given else {
        return Ok(Vec::new());
    };
    let entries = given.get_ref().as_slice().iter();
    let at = Some(given.span().start);
    let entries = entries.map(|entry| upstream::judge_entry(entry, place));
    entries
        .collect::<Result<_, _>>()
        .map_err(|what| fault(at, what))
}

/// `[udp:]HOST[:PORT]`.
fn place(text: &str) -> Result<ListedPlace, String> {
    let rest = match text.split_once(':') {
        Some(("udp", rest)) => rest,
        Some((other @ ("tcp" | "tls" | "ws" | "wss" | "http" | "https" | "unix"), _)) => {
            return Err(format!(
                "relays are commanded over udp, not '{other}'; write it as \"udp:10.0.0.9:2223\""
            ));
        }
        _ => text,
    };
    if let Ok(ip) = rest.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok(ListedPlace::Hop(Hop::udp(SocketAddr::new(ip, PORT))));
    }
    match upstream::place(rest) {
        Ok(ListedPlace::Name { host, port, .. }) => Ok(ListedPlace::Name {
            host,
            transport: Some(Transport::Udp),
            port,
        }),
        Ok(address) => Ok(address),
        Err(_) => Err(format!(
            "the relay '{rest}' is neither an address nor a name, with or without a port; write it as \"udp:10.0.0.9:2223\" or \"udp:relays.example.com\""
        )),
    }
}
