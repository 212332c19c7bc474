//! How many packets a peer may send: what its medium can need, several times over. The excess is dropped, so that one
//! peer's flood costs neither its own far end nor its neighbours.

use std::time::{Duration, Instant};

use sdp::MediaKind;

use super::Drop;

/// Packets a second, from one side, of one medium. A second's worth may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketRates {
    /// Of sound: packets of 5 ms are 200, doubled by redundancy; the rest is margin.
    pub audio: u32,
    /// Of pictures and anything else: a shared screen at 30 Mbit/s is some 3000.
    pub other: u32,
}

impl Default for PacketRates {
    fn default() -> Self {
        Self {
            audio: 1000,
            other: 15_000,
        }
    }
}

/// The time at which a peer that had kept its rate would send its next packet.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace(Option<Instant>);

impl PacketRates {
    pub(super) fn of(self, kind: &MediaKind) -> u32 {
        match kind {
            MediaKind::Audio => self.audio,
            MediaKind::Video | MediaKind::Other(_) => self.other,
        }
    }
}

impl Pace {
    /// Takes one more packet, or says that it is too many.
    pub(super) fn admit(&mut self, per_second: u32, now: Instant) -> Result<(), Drop> {
        const BURST: Duration = Duration::from_secs(1);
        let due = self.0.map_or(now, |due| due.max(now));
        if due.saturating_duration_since(now) >= BURST {
            return Err(Drop::TooMany);
        }
        self.0 = due.checked_add(BURST.checked_div(per_second).unwrap_or(BURST));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_that_is_kept_is_never_cut_and_a_flood_is_cut_to_it() {
        let (start, mut pace) = (Instant::now(), Pace::default());
        for packet in 0..10_000 {
            assert_eq!(
                pace.admit(1000, start + Duration::from_millis(packet)),
                Ok(())
            );
        }
        let mut flood = Pace::default();
        let passed = (0..500_000)
            .filter(|packet| {
                flood
                    .admit(1000, start + Duration::from_micros(20 * packet))
                    .is_ok()
            })
            .count();
        assert!(
            (10_990..=11_010).contains(&passed),
            "{passed} in ten seconds"
        );
        let later = start + Duration::from_secs(20);
        assert_eq!(flood.admit(1000, later), Ok(()), "it recovers");
    }
}
