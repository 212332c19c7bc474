//! RTCP of the demo's endpoints (RFC 3550 section 6).

use std::time::{Instant, SystemTime};

use rtp::rtcp::{SenderInfo, Writer};
use rtp::{Error, Header, NtpTime, Reception};

/// What an endpoint reports: on what it has sent up to its `next` packet, in packets and octets, and on what it hears; as whom,
/// and whether it leaves.
pub(crate) fn compound(
    name: &str,
    next: &Header,
    (packets, octets): (u32, u32),
    reception: Option<&mut Reception>,
    goodbye: bool,
) -> Result<Vec<u8>, Error> {
    let block = reception.map(|it| it.report_block(Instant::now()));
    let info = SenderInfo {
        ntp: NtpTime::from_system_time(SystemTime::now()),
        timestamp: next.timestamp,
        packets,
        octets,
    };
    let mut buffer = [0; 256];
    let mut writer = Writer::new(&mut buffer);
    match packets {
        0 => writer.receiver_report(next.ssrc, block.as_slice())?,
        _ => writer.sender_report(next.ssrc, &info, block.as_slice())?,
    }
    writer.source_description(next.ssrc, name)?;
    if goodbye {
        writer.bye(next.ssrc)?;
    }
    let len = writer.len();
    Ok(buffer.get(..len).unwrap_or_default().to_vec())
}
