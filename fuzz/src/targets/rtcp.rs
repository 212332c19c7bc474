//! Compound RTCP: the walk over it ends where the datagram does, and what reports and feedback say can be written
//! again.

use rtp::rtcp::{Compound, Feedback, Packet, Report, Writer};

use crate::Reached;

pub(super) fn run(input: &[u8]) -> Reached {
    let Ok(compound) = Compound::parse(input) else {
        return Reached::Refused;
    };
    let mut length = 0;
    for packet in compound {
        let declared = u16::from_be_bytes([input[length + 2], input[length + 3]]);
        length += 4 + 4 * usize::from(declared);
        assert!(packet.count < 32 && packet.body.len() <= length);
        assert!(packet.bye().count() <= usize::from(packet.count));
        if let Some(report) = packet.report() {
            is_written_again(&report, &packet);
        }
        if let Some(feedback) = packet.feedback() {
            is_asked_again(&feedback);
        }
    }
    assert_eq!(length, input.len(), "the walk ends at the end");
    Reached::Taken
}

fn is_written_again(report: &Report<'_>, packet: &Packet<'_>) {
    let blocks: Vec<_> = report.blocks().collect();
    assert_eq!(blocks.len(), usize::from(packet.count));
    let mut buffer = [0; 1024];
    let mut writer = Writer::new(&mut buffer);
    match &report.sender {
        Some(info) => writer.sender_report(report.ssrc, info, &blocks).unwrap(),
        None => writer.receiver_report(report.ssrc, &blocks).unwrap(),
    }
    let length = writer.len();
    // All but an extension by a profile, which is not written.
    assert_eq!(packet.body[..length - 4], buffer[4..length]);
}

fn is_asked_again(feedback: &Feedback<'_>) {
    let lost: Vec<u16> = feedback.lost().collect();
    assert!(lost.len() <= 17 * feedback.information.len() / 4);
    let mut buffer = vec![0; 16 + 4 * lost.len()];
    let mut writer = Writer::new(&mut buffer);
    writer.nack(feedback.sender, feedback.media, &lost).unwrap();
    let length = writer.len();
    let mut again = Compound::parse(&buffer[..length]).unwrap();
    let packet = again.next().unwrap();
    let mut heard: Vec<u16> = packet.feedback().unwrap().lost().collect();
    let mut asked = lost;
    for numbers in [&mut heard, &mut asked] {
        numbers.sort_unstable();
        numbers.dedup();
    }
    assert_eq!(heard, asked);
}
