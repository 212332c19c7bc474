//! RTP as it lies in a datagram, edits of its header, and what a receiver counts of a stream.

use std::time::Duration;

use rtp::{Header, Kind, Packet, PacketMut, Reception, demux};

use crate::Reached;
use crate::pieces::pieces;
use crate::world::start;

/// Each piece is a packet of one stream.
pub(super) fn run(input: &[u8]) -> Reached {
    let mut reception: Option<Reception> = None;
    let mut now = start();
    for bytes in pieces(input) {
        let _ = demux(bytes);
        let Ok(packet) = Packet::parse(bytes) else {
            assert!(PacketMut::parse(&mut bytes.to_vec()).is_err());
            continue;
        };
        is_whole(&packet, bytes);
        is_rewritten(&packet, bytes);
        now += Duration::from_millis(u64::from(bytes[0]));
        match &mut reception {
            None => {
                let (sequence, timestamp) = (packet.sequence(), packet.timestamp());
                reception = Some(Reception::new(
                    packet.ssrc(),
                    8000,
                    sequence,
                    timestamp,
                    now,
                ));
            }
            Some(reception) => {
                reception.packet(packet.sequence(), packet.timestamp(), now);
                let block = reception.report_block(now);
                assert!(
                    (-0x80_0000..=0x7f_ffff).contains(&block.lost),
                    "24 bits with sign"
                );
                assert_eq!(block.extended_highest, reception.extended_highest());
            }
        }
    }
    Reached::taken(reception.is_some())
}

/// Header, extension, payload and padding are all of the packet, and each lies in it.
fn is_whole(packet: &Packet<'_>, bytes: &[u8]) {
    let extension = packet.extension().map_or(0, |(_, data)| 4 + data.len());
    let head = Header::LEN + 4 * packet.csrcs().count() + extension;
    assert_eq!(
        head + packet.payload().len() + packet.padding(),
        bytes.len()
    );
    assert_eq!(
        &bytes[head..head + packet.payload().len()],
        packet.payload()
    );
    assert!(matches!(demux(bytes), Kind::Rtp | Kind::Rtcp));
}

fn is_rewritten(before: &Packet<'_>, bytes: &[u8]) {
    let mut copy = bytes.to_vec();
    let mut packet = PacketMut::parse(&mut copy).unwrap();
    packet.set_payload_type(bytes[0]);
    packet.set_sequence(!before.sequence());
    packet.set_timestamp(!before.timestamp());
    packet.set_ssrc(!before.ssrc());
    let length = packet.remove_extension();
    let after = Packet::parse(&copy[..length]).unwrap();
    assert_eq!(after.payload_type(), bytes[0] & 0x7f);
    assert_eq!(after.marker(), before.marker());
    assert_eq!(after.sequence(), !before.sequence());
    assert_eq!(after.timestamp(), !before.timestamp());
    assert_eq!(after.ssrc(), !before.ssrc());
    assert_eq!(after.extension(), None);
    assert!(after.csrcs().eq(before.csrcs()));
    assert_eq!(
        (after.payload(), after.padding()),
        (before.payload(), before.padding())
    );
}
