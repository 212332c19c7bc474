//! Every conversion: any of the six protocols to any, with ICE or without, with rtcp-mux or without, both ways.

use causeway_relay::core::IceRole;
use dtls::Identity;

use crate::crossing::{call, pairs};
use crate::world::*;

#[test]
fn rtp_and_rtcp_pass_both_ways_between_all_protocols_with_and_without_ice_and_mux() {
    let identity = Identity::generate().unwrap();
    let mut failures = Vec::new();
    for (a, b) in pairs() {
        for ice in [IceRole::Lite, IceRole::Full] {
            let mut world = World::with(|config| config.ice = ice);
            let is_lite = ice == IceRole::Lite;
            if (a.ice || b.ice || is_lite)
                && let Err(why) = call("c", (a, b), is_lite, &identity, &mut world)
            {
                failures.push(format!("{why}: {a:?} to {b:?}, relay {ice:?}"));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} fail:\n{}",
        failures.len(),
        failures.join("\n")
    );
}
