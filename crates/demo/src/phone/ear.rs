//! What the phone hears: how much, how loud, which pitch, which digits. So that a test can tell music from noise.

use std::collections::VecDeque;
use std::f32::consts::TAU;
use std::time::{Duration, Instant};

use super::sound::RATE;

/// The last second is listened to.
const MEMORY: usize = RATE as usize;

/// Below this mean amplitude it is silence: G.711's own noise is lower.
const SILENCE: f32 = 50.0;

/// What was heard so far.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Heard {
    /// RTP packets of a negotiated payload type.
    pub packets: u32,
    /// Bytes of their payload.
    pub octets: u32,
    /// Packets that never came.
    pub lost: i32,
    /// Root mean square of the last second of sound, 0 to 32767.
    pub energy: f32,
    /// The strongest pitch of the last second in Hz; `None` in silence.
    pub frequency: Option<f32>,
    /// Digits by RFC 4733, in order.
    pub digits: String,
    /// Sender reports that came, on the port above RTP's.
    pub sender_reports: u32,
    /// Receiver report blocks about us.
    pub report_blocks: u32,
    /// Packets sent so far, to compare with what others heard.
    pub sent: u32,
    /// How long it was silent between packets.
    pub pauses: Pauses,
}

/// How often a packet was waited for so long, in steps of [`PAUSE`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pauses {
    counts: Vec<u32>,
    last: Option<Instant>,
}

/// The steps of [`Pauses`].
const PAUSE: Duration = Duration::from_millis(5);
/// Pauses of over a second are as one of a second.
const LONGEST: usize = 200;

impl Pauses {
    pub(crate) fn packet(&mut self, now: Instant) {
        if let Some(last) = self.last.replace(now) {
            let step = (now - last).as_micros() / PAUSE.as_micros();
            let step = usize::try_from(step).unwrap_or(LONGEST).min(LONGEST);
            if self.counts.len() <= step {
                self.counts.resize(step + 1, 0);
            }
            self.counts[step] += 1;
        }
    }

    /// The longest since an earlier look, rounded down to 5 ms.
    #[must_use]
    pub fn longest_since(&self, before: &Self) -> Duration {
        let then = |step| before.counts.get(step).copied().unwrap_or(0);
        let longest = (0..self.counts.len()).rfind(|step| self.counts[*step] > then(*step));
        PAUSE * longest.map_or(0, |step| step as u32)
    }
}

/// Remembers the last second of sound.
#[derive(Debug, Default)]
pub(crate) struct Ear {
    samples: VecDeque<i16>,
}

impl Ear {
    pub(crate) fn hear(&mut self, samples: impl Iterator<Item = i16>) {
        for sample in samples {
            if self.samples.len() >= MEMORY {
                self.samples.pop_front();
            }
            self.samples.push_back(sample);
        }
    }

    pub(crate) fn energy(&self) -> f32 {
        let sum: f32 = self.samples.iter().map(|&it| f32::from(it).powi(2)).sum();
        (sum / (self.samples.len().max(1) as f32)).sqrt()
    }

    /// The strongest of the pitches from 100 Hz up to 3400 Hz, in steps of 10 Hz.
    pub(crate) fn frequency(&self) -> Option<f32> {
        if self.energy() < SILENCE {
            return None;
        }
        let pitches = (10..=340).map(|tens| tens as f32 * 10.0);
        let strengths = pitches.map(|pitch| (pitch, self.strength(pitch)));
        let strongest = strengths.max_by(|a, b| a.1.total_cmp(&b.1));
        strongest.map(|(pitch, _)| pitch)
    }

    /// Goertzel's filter at one pitch.
    fn strength(&self, pitch: f32) -> f32 {
        let factor = 2.0 * (TAU * pitch / RATE as f32).cos();
        let (mut last, mut before) = (0.0_f32, 0.0_f32);
        for &sample in &self.samples {
            let next = f32::from(sample) + factor * last - before;
            before = last;
            last = next;
        }
        last * last + before * before - factor * last * before
    }
}

#[cfg(test)]
mod tests {
    use super::super::Voice;
    use super::super::sound::Sound;
    use super::*;

    #[test]
    fn the_longest_pause_is_that_of_the_stretch_that_is_asked_for() {
        let (mut pauses, start) = (Pauses::default(), Instant::now());
        for at in [0, 20, 81, 101] {
            pauses.packet(start + Duration::from_millis(at));
        }
        let look = pauses.clone();
        assert_eq!(look.longest_since(&Pauses::default()).as_millis(), 60);
        pauses.packet(start + Duration::from_millis(122));
        assert_eq!(pauses.longest_since(&look).as_millis(), 20);
    }

    #[test]
    fn a_tone_is_heard_at_its_pitch_and_silence_has_none() {
        for pitch in [200.0, 440.0, 1000.0, 3000.0] {
            let (mut ear, mut sound) = (Ear::default(), Sound::new(Voice::Tone(pitch)));
            for _ in 0..50 {
                ear.hear(sound.frame().unwrap().into_iter());
            }
            assert_eq!(ear.frequency(), Some(pitch));
            assert!((8000.0..9000.0).contains(&ear.energy()));
        }
        let mut ear = Ear::default();
        ear.hear([0; 8000].into_iter());
        assert_eq!(ear.frequency(), None);
    }
}
