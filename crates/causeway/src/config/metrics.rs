//! Where a program says how it is: `metrics` under `[listen]` for the proxy, under `[relay]` for the relay. Whoever reaches
//! it reads how many calls there are, and changes nothing.

use std::net::{Ipv4Addr, SocketAddr};

use net::status::Place;

use super::Fault;
use super::judge::{Text, wrong};

/// The proxy's port on this machine when nothing is said.
pub(super) const PROXY: u16 = 9091;
/// The relay's.
pub(super) const RELAY: u16 = 9092;

/// The place that is named, or the usual one; `None` where it is to be none.
pub(super) fn judge(
    given: &Option<Text>,
    public: bool,
    usual: u16,
) -> Result<Option<Place>, Fault> {
    let Some(text) = given else {
        return Ok(Some(Place {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, usual)),
            named: false,
        }));
    };
    if text.get_ref() == "off" {
        return Ok(None);
    }
    let Ok(address) = text.get_ref().parse::<SocketAddr>() else {
        let what = format!(
            "metrics = \"{}\" is not an address with a port; write it as \"127.0.0.1:{usual}\", or \"off\"",
            text.get_ref()
        );
        return Err(wrong(text, what));
    };
    if net::bind::is_public(address.ip()) && !public {
        let what = format!(
            "metrics = \"{address}\" can be reached from public networks, and whoever reaches it reads how many calls there are; \
             name a loopback or private address, or write public_metrics = true where something else keeps strangers away"
        );
        return Err(wrong(text, what));
    }
    Ok(Some(Place {
        address,
        named: true,
    }))
}
