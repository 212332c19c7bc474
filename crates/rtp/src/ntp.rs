//! NTP timestamps as RTCP carries them (RFC 3550 section 4). Reads no clock: the caller hands in the time of day.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds from 1900 (NTP's era) to 1970 (Unix's).
const TO_1970: u64 = 2_208_988_800;

/// 32 bits of seconds since 1900, 32 bits of fraction. Wraps in 2036, as NTP does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// The timestamp of a time of day. Times before 1970 count as 1970.
    #[must_use]
    pub fn from_system_time(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = since.as_secs().wrapping_add(TO_1970);
        Self(seconds << 32 | fraction(since))
    }

    /// The middle 32 bits, 16 of seconds and 16 of fraction: what a report block's LSR holds.
    #[must_use]
    pub const fn middle(self) -> u32 {
        (self.0 >> 16 & 0xffff_ffff) as u32
    }
}

/// A duration in units of 1/65536 s, as DLSR has it; saturates after 18 hours.
pub(crate) fn short(duration: Duration) -> u32 {
    let units = duration.as_secs() << 16 | fraction(duration) >> 16;
    u32::try_from(units).unwrap_or(u32::MAX)
}

fn fraction(duration: Duration) -> u64 {
    (u64::from(duration.subsec_nanos()) << 32) / 1_000_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_time_of_day() {
        // 2026-01-01 00:00:00.5 UTC.
        let time = UNIX_EPOCH + Duration::from_millis(1_767_225_600_500);
        let ntp = NtpTime::from_system_time(time);
        assert_eq!(ntp.0 >> 32, 3_976_214_400);
        assert_eq!(ntp.0 & 0xffff_ffff, 0x8000_0000);
        assert_eq!(ntp.middle(), (3_976_214_400_u64 << 16 | 0x8000) as u32);
    }

    #[test]
    fn short_durations_are_in_units_of_a_65536th() {
        assert_eq!(short(Duration::from_millis(1500)), 0x1_8000);
        assert_eq!(short(Duration::from_secs(100_000)), u32::MAX);
    }
}
