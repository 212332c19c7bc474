//! What the phone says: a tune, a tone or nothing, in samples of 8 kHz.

use std::f32::consts::TAU;

use super::Voice;

/// Samples per second.
pub(crate) const RATE: u32 = 8000;

/// Samples per packet: 20 ms.
pub(crate) const FRAME: usize = 160;

/// Loud, with room for G.711's error.
const LOUDNESS: f32 = 12_000.0;

/// A tune of our own, in Hz and units of 150 ms.
const TUNE: [(f32, u32); 14] = [
    (392.0, 2),
    (494.0, 2),
    (587.0, 2),
    (784.0, 4),
    (740.0, 2),
    (659.0, 2),
    (587.0, 4),
    (523.0, 2),
    (587.0, 2),
    (659.0, 2),
    (494.0, 4),
    (440.0, 2),
    (392.0, 4),
    (0.0, 4),
];

const UNIT: u32 = RATE * 150 / 1000;

/// Makes samples. The phase goes on from note to note, so that nothing clicks.
#[derive(Debug)]
pub(crate) struct Sound {
    voice: Voice,
    phase: f32,
    sample: u32,
}

impl Sound {
    pub(crate) const fn new(voice: Voice) -> Self {
        Self {
            voice,
            phase: 0.0,
            sample: 0,
        }
    }

    /// The next 20 ms; `None` for a voice that makes no sound of its own.
    pub(crate) fn frame(&mut self) -> Option<[i16; FRAME]> {
        if matches!(self.voice, Voice::Echo | Voice::Silent) {
            return None;
        }
        Some(std::array::from_fn(|_| self.next()))
    }

    fn next(&mut self) -> i16 {
        let pitch = match self.voice {
            Voice::Tone(pitch) => pitch,
            _ => note(self.sample),
        };
        self.sample = self.sample.wrapping_add(1);
        self.phase = (self.phase + pitch / RATE as f32).fract();
        if pitch == 0.0 {
            self.phase = 0.0;
        }
        ((self.phase * TAU).sin() * LOUDNESS) as i16
    }
}

/// The tune's pitch at a sample.
fn note(sample: u32) -> f32 {
    let length: u32 = TUNE.iter().map(|(_, units)| units).sum();
    let mut unit = sample / UNIT % length;
    for (pitch, units) in TUNE {
        if unit < units {
            return pitch;
        }
        unit -= units;
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tune_has_many_notes_and_a_tone_has_one() {
        let pitches: std::collections::HashSet<_> =
            (0..10 * RATE).map(|sample| note(sample) as u32).collect();
        assert!(pitches.len() > 6);
        assert!(Sound::new(Voice::Echo).frame().is_none());
        let frame = Sound::new(Voice::Tone(1000.0)).frame().unwrap();
        assert_eq!(frame[3], -frame[7]); // 1 kHz is eight samples long
    }
}
