//! How good a stream sounds where it is heard: a mean opinion score out of loss, delay and jitter (ITU-T G.107), and how
//! `query` shows it.

use std::time::{Duration, Instant};

use control_proto::{Dictionary, Value};

use super::sources::Source;

/// Entries of the progression; when there are more, every second one goes and the next come half as often.
const MAX_PROGRESSION: usize = 32;

/// How often the progression has an entry at first.
const INTERVAL: Duration = Duration::from_secs(5);

/// Packets before our own measure of a stream says anything: a second of speech.
const ENOUGH: u32 = 50;

/// What one report says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    at: Instant,
    /// Ten times the score: 10 to 45.
    mos: u64,
    /// In percent.
    loss: u64,
    /// In milliseconds.
    jitter: u64,
    /// In microseconds: through us from end to end, and on the side that reports.
    round_trip: u64,
    round_trip_leg: u64,
}

/// What was reported of a stream in its life.
#[derive(Debug, Default)]
pub(super) struct Quality {
    count: u64,
    sum: [u64; 5],
    /// Of the scores, times a hundred.
    mos_squares: u64,
    lowest: Option<Sample>,
    highest: Option<Sample>,
    progression: Vec<Sample>,
    halved: u32,
}

impl Sample {
    /// `loss` is a share of one; `round_trips` are those of the side that hears, and of the side that speaks.
    pub(super) fn new(
        at: Instant,
        loss: f64,
        jitter: Duration,
        round_trips: [Option<Duration>; 2],
    ) -> Self {
        let [near, far] = round_trips.map(Option::unwrap_or_default);
        let round_trip = near.saturating_add(far);
        Self {
            at,
            mos: mos(loss, jitter, round_trip),
            loss: nearest(loss.clamp(0.0, 1.0) * 100.0),
            jitter: millis(jitter),
            round_trip: micros(round_trip),
            round_trip_leg: micros(near),
        }
    }

    fn values(&self) -> [u64; 5] {
        let Self {
            mos,
            loss,
            jitter,
            round_trip,
            round_trip_leg,
            ..
        } = *self;
        [mos, loss, jitter, round_trip, round_trip_leg]
    }
}

impl Quality {
    pub(super) fn add(&mut self, sample: Sample) {
        self.count = self.count.saturating_add(1);
        for (sum, value) in self.sum.iter_mut().zip(sample.values()) {
            *sum = sum.saturating_add(value);
        }
        let square = sample.mos.saturating_mul(sample.mos);
        self.mos_squares = self.mos_squares.saturating_add(square);
        if self.lowest.is_none_or(|lowest| sample.mos < lowest.mos) {
            self.lowest = Some(sample);
        }
        if self.highest.is_none_or(|highest| sample.mos > highest.mos) {
            self.highest = Some(sample);
        }
        let interval = self.interval();
        let last = self.progression.last();
        if last.is_some_and(|last| sample.at.saturating_duration_since(last.at) < interval) {
            return;
        }
        if self.progression.len() >= MAX_PROGRESSION {
            let mut keep = false;
            self.progression.retain(|_| {
                keep = !keep;
                keep
            });
            self.halved = self.halved.saturating_add(1);
        }
        self.progression.push(sample);
    }

    /// How many scores there were, their sum and that of their squares.
    pub(super) fn scores(&self) -> (u64, f64, f64) {
        let [sum, ..] = self.sum;
        (
            self.count,
            sum as f64 / 10.0,
            self.mos_squares as f64 / 100.0,
        )
    }

    fn interval(&self) -> Duration {
        INTERVAL.saturating_mul(1_u32.checked_shl(self.halved).unwrap_or(u32::MAX))
    }

    fn dictionary(&self, seconds: &dyn Fn(Instant) -> i64) -> Option<Dictionary> {
        let (lowest, highest) = (self.lowest?, self.highest?);
        let dated = |sample: &Sample| {
            let reported = Dictionary::new().with("reported at", seconds(sample.at));
            entry(reported, sample.values())
        };
        let average = self.sum.map(|sum| sum.checked_div(self.count).unwrap_or(0));
        let average = entry(Dictionary::new(), average).with("samples", integer(self.count));
        let entries: Vec<Value> = self
            .progression
            .iter()
            .map(|sample| dated(sample).into())
            .collect();
        let progression = Dictionary::new()
            .with("interval", integer(self.interval().as_secs()))
            .with("entries", entries);
        Some(
            Dictionary::new()
                .with("average MOS", average)
                .with("lowest MOS", dated(&lowest))
                .with("highest MOS", dated(&highest))
                .with("MOS progression", progression),
        )
    }
}

impl Source {
    /// The stream's entry in the dictionary `SSRC`. Where nobody reports, what we ourselves have heard counts: it is
    /// as good as the far end's reception at best.
    pub(super) fn score(
        &self,
        is_audio: bool,
        seconds: &dyn Fn(Instant) -> i64,
    ) -> Option<Dictionary> {
        let lost = i64::from(self.reception.lost()).max(0);
        let score = match self.quality.dictionary(seconds) {
            Some(reported) => reported,
            None if is_audio && self.reception.received() >= ENOUGH => {
                let expected = i64::from(self.reception.received()).saturating_add(lost);
                let jitter = self.jitter(self.reception.jitter());
                let mut heard = Quality::default();
                let share = lost as f64 / expected.max(1) as f64;
                heard.add(Sample::new(self.last.at, share, jitter, [None; 2]));
                heard.dictionary(seconds)?
            }
            None => return None,
        };
        Some(score.with("cumulative loss", lost))
    }

    /// The stream's entry in `ingress SSRCs`.
    pub(super) fn counts(&self) -> Dictionary {
        let jitter = self.jitter(self.reception.jitter());
        Dictionary::new()
            .with("SSRC", i64::from(self.ssrc()))
            .with("packets", integer(self.packets))
            .with("bytes", integer(self.bytes))
            .with("lost", i64::from(self.reception.lost()))
            .with("jitter", integer(millis(jitter)))
            .with("last RTP timestamp", i64::from(self.last.timestamp))
            .with("last RTP seq", i64::from(self.last.sequence))
    }
}

/// Ten times the mean opinion score, by the E-model (G.107) with G.711's figures for concealed random loss (G.113
/// appendix I: Bpl 25.1). Delay is half the round trip and a jitter buffer of twice the jitter.
fn mos(loss: f64, jitter: Duration, round_trip: Duration) -> u64 {
    const PERFECT: f64 = 93.2;
    const CONCEALED: f64 = 25.1;
    let delay = (round_trip.as_secs_f64() / 2.0 + 2.0 * jitter.as_secs_f64()) * 1000.0;
    let of_delay = 0.024 * delay + 0.11 * (delay - 177.3).max(0.0);
    let percent = loss.clamp(0.0, 1.0) * 100.0;
    let of_loss = 95.0 * percent / (percent + CONCEALED);
    let r = (PERFECT - of_delay - of_loss).clamp(0.0, 100.0);
    let score = 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6;
    nearest(score.clamp(1.0, 4.5) * 10.0)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from a float `as` takes the nearest that there is, and zero for what is no number"
)]
fn nearest(value: f64) -> u64 {
    value.round() as u64
}

fn entry(dictionary: Dictionary, [mos, loss, jitter, round_trip, leg]: [u64; 5]) -> Dictionary {
    dictionary
        .with("MOS", integer(mos))
        .with("packet loss", integer(loss))
        .with("jitter", integer(jitter))
        .with("round-trip time", integer(round_trip))
        .with("round-trip time leg", integer(leg))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Duration = Duration::ZERO;

    #[test]
    fn a_perfect_line_scores_44_and_everything_bad_lowers_it() {
        let half = Duration::from_millis(500);
        assert_eq!(mos(0.0, NONE, NONE), 44);
        assert_eq!(mos(0.01, NONE, NONE), 43);
        assert_eq!(mos(0.1, NONE, NONE), 34);
        assert_eq!(mos(0.0, NONE, half), 40);
        assert_eq!(mos(0.0, half, NONE), 10);
        assert_eq!(mos(1.0, half, half), 10);
    }

    #[test]
    fn the_worst_the_best_and_the_average_are_told_apart() {
        let mut quality = Quality::default();
        for loss in [0.1, 0.0, 0.3] {
            quality.add(Sample::new(Instant::now(), loss, NONE, [None; 2]));
        }
        let (lowest, highest) = (quality.lowest.unwrap(), quality.highest.unwrap());
        assert_eq!((lowest.mos, lowest.loss), (21, 30));
        assert_eq!((highest.mos, highest.loss), (44, 0));
        assert_eq!((quality.sum[0] / quality.count, quality.sum[1]), (33, 40));
    }

    #[test]
    fn the_progression_is_bounded_and_spans_the_whole_life() {
        let (start, mut quality) = (Instant::now(), Quality::default());
        for second in 0..100_000 {
            let at = start + Duration::from_secs(second);
            quality.add(Sample::new(at, 0.0, NONE, [None; 2]));
        }
        let first = quality.progression.first().unwrap().at;
        let last = quality.progression.last().unwrap().at;
        assert!(quality.progression.len() <= MAX_PROGRESSION);
        assert_eq!(first, start);
        assert!(last - start > Duration::from_secs(80_000));
        assert_eq!(quality.count, 100_000);
    }
}
