//! RTCP compound packets: read one by one, written one after another (RFC 3550 section 6, RFC 4585, RFC 5104).

mod read;
mod write;

pub use read::{Compound, Feedback, Packet, Report};
pub use write::Writer;

use crate::NtpTime;

/// Packet types (RFC 3550 section 12.1, RFC 4585 section 6.1, RFC 3611).
pub mod packet_type {
    /// Sender report.
    pub const SENDER_REPORT: u8 = 200;
    /// Receiver report.
    pub const RECEIVER_REPORT: u8 = 201;
    /// Source description.
    pub const SOURCE_DESCRIPTION: u8 = 202;
    /// A source leaves.
    pub const BYE: u8 = 203;
    /// Defined by an application.
    pub const APPLICATION: u8 = 204;
    /// Feedback on transport: generic NACK (format 1), transport-wide congestion control (15).
    pub const TRANSPORT_FEEDBACK: u8 = 205;
    /// Feedback on a payload: PLI (format 1), FIR (4), REMB and others (15).
    pub const PAYLOAD_FEEDBACK: u8 = 206;
    /// Extended report.
    pub const EXTENDED_REPORT: u8 = 207;
}

/// Feedback formats that are written here.
pub(crate) mod format {
    pub(crate) const NACK: u8 = 1;
    pub(crate) const PLI: u8 = 1;
    pub(crate) const FIR: u8 = 4;
}

/// What a sender tells about its own stream (RFC 3550 section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderInfo {
    /// The time of day of this report.
    pub ntp: NtpTime,
    /// The same moment in the stream's clock.
    pub timestamp: u32,
    /// RTP packets sent since the source began.
    pub packets: u32,
    /// Payload bytes sent since the source began.
    pub octets: u32,
}

/// What a receiver tells about one source (RFC 3550 section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportBlock {
    /// The source reported on.
    pub ssrc: u32,
    /// 256ths of the packets since the report before.
    pub fraction_lost: u8,
    /// Packets lost in all, 24 bits with sign.
    pub lost: i32,
    /// Wraps and highest sequence number.
    pub extended_highest: u32,
    /// In the codec's clock.
    pub jitter: u32,
    /// The middle 32 bits of the last sender report's time, zero without one.
    pub last_sr: u32,
    /// How long ago that came, in 65536ths of a second.
    pub delay_since_last_sr: u32,
}
