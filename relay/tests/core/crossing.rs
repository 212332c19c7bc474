//! One call between two peers, each in its own manner, with RTP and RTCP both ways.

use std::time::Duration;

use control_proto::TransportProtocol::{self, *};
use control_proto::{Command, Ice, Request};
use dtls::Identity;
use rtp::Kind;

use crate::peer::{Manner, Peer, connect};
use crate::wire::{Sent, Wire};

const PROTOCOLS: [TransportProtocol; 6] = [
    RtpAvp,
    RtpAvpf,
    RtpSavp,
    RtpSavpf,
    UdpTlsRtpSavp,
    UdpTlsRtpSavpf,
];

/// Each protocol with each, and for both sides ICE or not, rtcp-mux or not.
pub fn pairs() -> impl Iterator<Item = (Manner, Manner)> {
    let protocols = PROTOCOLS
        .into_iter()
        .flat_map(|from| PROTOCOLS.map(|to| (from, to)));
    protocols.flat_map(|(from, to)| {
        (0..16_u8).map(move |bits| {
            let bit = |n: u8| bits & (1 << n) != 0;
            let manner = |protocol, ice, mux| Manner { protocol, ice, mux };
            (manner(from, bit(0), bit(1)), manner(to, bit(2), bit(3)))
        })
    })
}

/// `relay_is_lite` says who nominates: the full agent controls a lite one, and of two full ones the offerer does
/// (RFC 8445 section 6.1.1).
pub fn call(
    id: &str,
    (a, b): (Manner, Manner),
    relay_is_lite: bool,
    identity: &Identity,
    wire: &mut impl Wire,
) -> Result<(), &'static str> {
    let (mut caller, mut callee) = set_up(id, (a, b), relay_is_lite, identity, wire)?;
    for sequence in 1..4 {
        for packet in [speech(sequence), REPORT.to_vec()] {
            pass(&packet, &mut caller, &mut callee, wire)?;
            pass(&packet, &mut callee, &mut caller, wire)?;
        }
    }
    Ok(())
}

/// Two peers in a call, who may speak.
pub fn set_up<'a>(
    id: &str,
    (a, b): (Manner, Manner),
    relay_is_lite: bool,
    identity: &'a Identity,
    wire: &mut impl Wire,
) -> Result<(Peer<'a>, Peer<'a>), &'static str> {
    let mut caller = Peer::new(a, 7, true, identity, wire);
    let mut callee = Peer::new(b, 8, relay_is_lite, identity, wire);
    let mut offer = Request::new(Command::Offer);
    offer.call_id = Some(id.into());
    offer.from_tag = Some("a".into());
    offer.sdp = Some(caller.body(None).into_bytes());
    offer.transport_protocol = Some(b.protocol);
    offer.ice = Some(if b.ice { Ice::Force } else { Ice::Remove });
    offer.rtcp_mux.offer = b.mux;
    offer.rtcp_mux.demux = a.mux && !b.mux;
    let offered = wire.body(&offer);
    callee.take(&offered, wire);
    let mut answer = Request::new(Command::Answer);
    answer.call_id = Some(id.into());
    answer.from_tag = Some("a".into());
    answer.to_tag = Some("b".into());
    answer.sdp = Some(callee.body(Some(&offered)).into_bytes());
    let answered = wire.body(&answer);
    caller.take(&answered, wire);
    // A full relay may still wait for the nomination that is on its way.
    let settle = if relay_is_lite { 0 } else { 200 };
    if !connect(
        &mut caller,
        &mut callee,
        Duration::from_millis(settle),
        wire,
    ) {
        return Err("not connected");
    }
    Ok((caller, callee))
}

/// The packet arrives as it was sent, from where its receiver expects it.
pub fn pass(
    packet: &[u8],
    from: &mut Peer<'_>,
    to: &mut Peer<'_>,
    wire: &mut impl Wire,
) -> Result<(), &'static str> {
    from.send(packet, wire);
    let sent = media(from, to, wire).ok_or("nothing came")?;
    if to.hear(sent).as_deref() != Some(packet) {
        return Err("another packet, or from another port");
    }
    Ok(())
}

/// The next datagram that is neither STUN nor DTLS.
pub fn media(a: &mut Peer<'_>, b: &mut Peer<'_>, wire: &mut impl Wire) -> Option<Sent> {
    for _ in 0..50 {
        a.step(wire);
        b.step(wire);
        let is_media = |sent: &Sent| matches!(rtp::demux(&sent.bytes), Kind::Rtp | Kind::Rtcp);
        if let Some(at) = wire.came().iter().position(is_media) {
            return wire.came().remove(at);
        }
        wire.wait(Duration::from_millis(100));
    }
    None
}

/// A receiver report without blocks.
pub const REPORT: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 1];

pub fn speech(sequence: u8) -> Vec<u8> {
    let mut packet = vec![0x80, 0, 0, sequence, 0, 0, sequence, 0, 0, 0, 0, 1];
    packet.extend(b"speech");
    packet
}
