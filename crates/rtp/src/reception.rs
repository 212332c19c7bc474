//! What a receiver knows of one source: loss, jitter and the extended highest sequence number
//! (RFC 3550 appendices A.1, A.3, A.8), as a report block tells it.

use std::time::{Duration, Instant};

use crate::ntp::{self, NtpTime};
use crate::rtcp::ReportBlock;

/// A jump ahead of this many packets or more is a restart or a stray (RFC 3550 A.1).
const MAX_DROPOUT: u16 = 3000;

/// A step back of this many packets or more is one, too.
const MAX_MISORDER: u16 = 100;

/// Reception of one source.
#[derive(Debug, Clone)]
pub struct Reception {
    ssrc: u32,
    clock_rate: u32,
    base: u16,
    highest: u16,
    /// Wraps of the sequence number, times 65536.
    cycles: u32,
    /// What follows a jump; a second packet in line with it is a restart.
    after_jump: Option<u16>,
    received: u32,
    expected_before: u32,
    received_before: u32,
    first_arrival: Instant,
    last_transit: u32,
    /// Times 16, as A.8 keeps it.
    jitter: u32,
    last_report: Option<(NtpTime, Instant)>,
}

impl Reception {
    /// When its first packet came.
    #[must_use]
    pub fn first_arrival(&self) -> Instant {
        self.first_arrival
    }

    /// Begins with the source's first packet. `clock_rate` is the codec's, in Hz.
    #[must_use]
    pub fn new(ssrc: u32, clock_rate: u32, sequence: u16, timestamp: u32, now: Instant) -> Self {
        let mut reception = Self {
            ssrc,
            clock_rate,
            base: sequence,
            highest: sequence,
            cycles: 0,
            after_jump: None,
            received: 1,
            expected_before: 0,
            received_before: 0,
            first_arrival: now,
            last_transit: 0,
            jitter: 0,
            last_report: None,
        };
        reception.last_transit = reception.transit(timestamp, now);
        reception
    }

    /// Counts one more packet.
    pub fn packet(&mut self, sequence: u16, timestamp: u32, now: Instant) {
        if !self.place(sequence) {
            return;
        }
        self.received = self.received.wrapping_add(1);
        let transit = self.transit(timestamp, now);
        let change = transit.wrapping_sub(self.last_transit).cast_signed();
        let change = change.unsigned_abs();
        self.last_transit = transit;
        // J += (|D| - J) / 16, in sixteenths.
        let decay = self.jitter.saturating_add(8) >> 4;
        self.jitter = self.jitter.saturating_add(change).saturating_sub(decay);
    }

    /// Notes a sender report of the source, so that its sender can tell the round-trip time from our next report.
    pub fn sender_report(&mut self, ntp: NtpTime, now: Instant) {
        self.last_report = Some((ntp, now));
    }

    /// The source.
    #[must_use]
    pub const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Packets received, duplicates included.
    #[must_use]
    pub const fn received(&self) -> u32 {
        self.received
    }

    /// Packets expected less packets received; negative when duplicates came.
    #[must_use]
    pub const fn lost(&self) -> i32 {
        self.expected().wrapping_sub(self.received).cast_signed()
    }

    /// Interarrival jitter in units of the codec's clock.
    #[must_use]
    pub const fn jitter(&self) -> u32 {
        self.jitter >> 4
    }

    /// Wraps and highest sequence number.
    #[must_use]
    pub const fn extended_highest(&self) -> u32 {
        self.cycles.wrapping_add(self.highest as u32)
    }

    /// The report block of now; the next one's loss fraction counts from here.
    pub fn report_block(&mut self, now: Instant) -> ReportBlock {
        let expected = self.expected();
        let expected_since = expected.wrapping_sub(self.expected_before);
        let received_since = self.received.wrapping_sub(self.received_before);
        self.expected_before = expected;
        self.received_before = self.received;
        // Duplicates may make more received than expected: nothing was lost then.
        let lost_since = u64::from(expected_since.saturating_sub(received_since));
        let fraction_lost = (lost_since << 8)
            .checked_div(u64::from(expected_since))
            .map_or(0, |fraction| u8::try_from(fraction).unwrap_or(u8::MAX));
        let (last_sr, delay) = self.last_report.map_or((0, 0), |(ntp, at)| {
            (ntp.middle(), ntp::short(now.saturating_duration_since(at)))
        });
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost,
            lost: self.lost().clamp(-0x80_0000, 0x7f_ffff),
            extended_highest: self.extended_highest(),
            jitter: self.jitter(),
            last_sr,
            delay_since_last_sr: delay,
        }
    }

    /// Places a sequence number; whether the packet counts.
    fn place(&mut self, sequence: u16) -> bool {
        let ahead = sequence.wrapping_sub(self.highest);
        if ahead < MAX_DROPOUT {
            if sequence < self.highest {
                self.cycles = self.cycles.wrapping_add(1 << 16);
            }
            self.highest = sequence;
        } else if ahead <= u16::MAX - MAX_MISORDER {
            if self.after_jump != Some(sequence) {
                self.after_jump = Some(sequence.wrapping_add(1));
                return false;
            }
            self.restart(sequence);
            return true;
        }
        self.after_jump = None;
        true
    }

    /// Two packets in line after a jump: the source began its numbering again.
    const fn restart(&mut self, sequence: u16) {
        self.base = sequence;
        self.highest = sequence;
        self.cycles = 0;
        self.received = 0;
        self.received_before = 0;
        self.expected_before = 0;
        self.after_jump = None;
    }

    const fn expected(&self) -> u32 {
        self.extended_highest()
            .wrapping_sub(self.base as u32)
            .wrapping_add(1)
    }

    /// Arrival less timestamp, in the codec's clock; only differences of it mean something.
    fn transit(&self, timestamp: u32, now: Instant) -> u32 {
        let since = now.saturating_duration_since(self.first_arrival);
        units(since, self.clock_rate).wrapping_sub(timestamp)
    }
}

/// A duration in the codec's clock, wrapping as RTP timestamps do.
fn units(duration: Duration, clock_rate: u32) -> u32 {
    let clock_rate = u64::from(clock_rate);
    // Both products wrap at multiples of 2^32, or fit: 30 bits by 32.
    let whole = duration.as_secs().wrapping_mul(clock_rate);
    let part = u64::from(duration.subsec_nanos()).wrapping_mul(clock_rate) / 1_000_000_000;
    (whole.wrapping_add(part) & 0xffff_ffff) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(20);

    fn started(sequence: u16) -> (Reception, Instant) {
        let now = Instant::now();
        (Reception::new(7, 8000, sequence, 0, now), now)
    }

    #[test]
    fn a_steady_stream_has_no_loss_and_no_jitter_through_a_wrap() {
        let (mut reception, start) = started(65_500);
        for n in 1..1000_u32 {
            let sequence = 65_500_u16.wrapping_add(n as u16);
            reception.packet(sequence, 160 * n, start + TICK * n);
        }
        assert_eq!(reception.lost(), 0);
        assert_eq!(reception.jitter(), 0);
        assert_eq!(reception.received(), 1000);
        assert_eq!(reception.extended_highest(), 65_500 + 999);
    }

    #[test]
    fn the_loss_fraction_is_since_the_last_report() {
        let (mut reception, start) = started(0);
        for n in (1..100_u32).filter(|n| n % 4 != 0) {
            reception.packet(n as u16, 160 * n, start + TICK * n);
        }
        let block = reception.report_block(start);
        assert_eq!((block.fraction_lost, block.lost), (61, 24)); // 24 of 100
        for n in 100..200_u32 {
            reception.packet(n as u16, 160 * n, start + TICK * n);
        }
        let block = reception.report_block(start);
        assert_eq!((block.fraction_lost, block.lost), (0, 24));
    }

    #[test]
    fn jitter_comes_near_the_mean_deviation() {
        let (mut reception, start) = started(0);
        for n in 1..500_u32 {
            let late = if n % 2 == 0 { 10 } else { 0 };
            let at = start + TICK * n + Duration::from_millis(late);
            reception.packet(n as u16, 160 * n, at);
        }
        // Every transit differs by 10 ms (80 units) from the one before.
        assert!(
            (70..=80).contains(&reception.jitter()),
            "{}",
            reception.jitter()
        );
    }

    #[test]
    fn one_stray_number_changes_nothing_and_two_in_line_are_a_restart() {
        let (mut reception, now) = started(100);
        reception.packet(101, 0, now);
        reception.packet(40_000, 0, now);
        assert_eq!(reception.extended_highest(), 101);
        reception.packet(102, 0, now);
        reception.packet(40_000, 0, now);
        reception.packet(40_001, 0, now);
        assert_eq!(reception.extended_highest(), 40_001);
        assert_eq!(reception.lost(), 0);
    }

    #[test]
    fn the_senders_report_is_answered_with_its_age() {
        let (mut reception, start) = started(0);
        reception.sender_report(NtpTime(0x1111_2222_3333_4444), start);
        let block = reception.report_block(start + Duration::from_millis(250));
        assert_eq!(block.last_sr, 0x2222_3333);
        assert_eq!(block.delay_since_last_sr, 0x4000);
    }
}
