//! Every conversion: any of the six protocols to any, with ICE or without, with rtcp-mux or without, both ways.

use causeway_relay::core::IceRole;
use control_proto::Ice;
use control_proto::TransportProtocol::{self, *};
use dtls::Identity;

use crate::peer::{Manner, Peer, connect};
use crate::world::*;

const PROTOCOLS: [TransportProtocol; 6] = [
    RtpAvp,
    RtpAvpf,
    RtpSavp,
    RtpSavpf,
    UdpTlsRtpSavp,
    UdpTlsRtpSavpf,
];

/// The caller's and the callee's ICE and rtcp-mux: each with each.
fn manners(
    from: TransportProtocol,
    to: TransportProtocol,
) -> impl Iterator<Item = (Manner, Manner)> {
    (0..16_u8).map(move |bits| {
        let bit = |n: u8| bits & (1 << n) != 0;
        let manner = |protocol, ice, mux| Manner { protocol, ice, mux };
        (manner(from, bit(0), bit(1)), manner(to, bit(2), bit(3)))
    })
}

#[test]
fn rtp_and_rtcp_pass_both_ways_between_all_protocols_with_and_without_ice_and_mux() {
    let identity = Identity::generate().unwrap();
    let mut failures = Vec::new();
    for (from, to) in PROTOCOLS
        .into_iter()
        .flat_map(|from| PROTOCOLS.map(|to| (from, to)))
    {
        for (a, b) in manners(from, to) {
            for ice in [IceRole::Lite, IceRole::Full] {
                if (a.ice || b.ice || ice == IceRole::Lite)
                    && let Err(why) = call(a, b, ice, &identity)
                {
                    failures.push(format!("{why}: {a:?} to {b:?}, relay {ice:?}"));
                }
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

fn call(a: Manner, b: Manner, ice: IceRole, identity: &Identity) -> Result<(), &'static str> {
    let mut world = World::with(|config| config.ice = ice);
    // The full agent controls a lite one; of two full ones the offerer does (RFC 8445 section 6.1.1).
    let controls = ice == IceRole::Lite;
    let mut caller = Peer::new(a, 7, true, identity);
    let mut callee = Peer::new(b, 8, controls, identity);
    let mut offer = plain_offer("c", "a", &caller.body(None));
    offer.transport_protocol = Some(b.protocol);
    offer.ice = Some(if b.ice { Ice::Force } else { Ice::Remove });
    offer.rtcp_mux.offer = b.mux;
    offer.rtcp_mux.demux = a.mux && !b.mux;
    let offered = world.sdp(&offer);
    callee.take(&offered, &world);
    let mut reply = answer("c", "a", "b", &callee.body(Some(&offered)));
    reply.dtls = None;
    let answered = world.sdp(&reply);
    caller.take(&answered, &world);
    if !connect(&mut caller, &mut callee, &mut world) {
        return Err("not connected");
    }
    for sequence in 1..4 {
        let (packet, report) = (rtp(sequence, 1, b"speech"), rtcp(1, &[]));
        for packet in [packet, report] {
            for forth in [true, false] {
                let (from, to) = if forth {
                    (&mut caller, &mut callee)
                } else {
                    (&mut callee, &mut caller)
                };
                from.send(&packet, &mut world);
                let sent = world.sent.pop_front().ok_or("nothing came")?;
                if to.hear(sent).as_deref() != Some(&packet) {
                    return Err("another packet, or from another port");
                }
            }
        }
    }
    Ok(())
}
