//! How many and how long: the numbers under `[relay]`. What the file leaves out stays as the relay has it.

use std::ops::RangeInclusive;
use std::time::Duration;

use relay::core;
use toml::Spanned;

use super::{Fault, file, judge::fault};

const DAY: u64 = 24 * 3600;
/// A proxy of ours reminds the relay of an open offer every 25 s: a shorter time would end calls that ring.
const ANSWER: RangeInclusive<u64> = 30..=DAY;
/// Phones report every 5 s, browsers check every 5 s, and some of that is lost.
const SILENCE: RangeInclusive<u64> = 15..=DAY;
const HOLD: RangeInclusive<u64> = 15..=30 * DAY;
const FINAL: RangeInclusive<u64> = 60..=30 * DAY;
const DELETE: RangeInclusive<u64> = 0..=DAY;
/// Less than half would be another machine's work.
const LOAD: RangeInclusive<u64> = 50..=100;
const CALLS: RangeInclusive<u64> = 1..=1_000_000;
/// Below this, speech in packets of 10 ms would be cut.
const RATE: RangeInclusive<u64> = 100..=1_000_000;

/// systemd kills what has not ended after 90 s, unless its file says otherwise (TimeoutStopSec).
const DRAIN_USUAL: Duration = Duration::from_secs(60);
const DRAIN: RangeInclusive<u64> = 0..=7 * DAY;

/// How long calls are waited for by a program that is told to stop.
pub(super) fn drain_timeout(given: &Number) -> Result<Duration, Fault> {
    let given = seconds(given, "drain_timeout", DRAIN)?;
    Ok(given.unwrap_or(DRAIN_USUAL))
}

/// A browser far away answers within a second or two.
pub(super) const PING: RangeInclusive<u64> = 2..=3600;

/// The numbers that the file gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    max_load: Option<u8>,
    max_calls: Option<usize>,
    answer_timeout: Option<Duration>,
    silence_timeout: Option<Duration>,
    hold_timeout: Option<Duration>,
    final_timeout: Option<Duration>,
    delete_delay: Option<Duration>,
    audio_packet_rate: Option<u32>,
    other_packet_rate: Option<u32>,
}

impl Limits {
    /// The numbers, if each can be meant.
    pub(super) fn of(relay: &file::Relay) -> Result<Self, Fault> {
        let limits = Self {
            max_load: number(&relay.max_load, "max_load", "percent of a core", LOAD)?,
            max_calls: number(&relay.max_calls, "max_calls", "calls", CALLS)?,
            answer_timeout: seconds(&relay.answer_timeout, "answer_timeout", ANSWER)?,
            silence_timeout: seconds(&relay.silence_timeout, "silence_timeout", SILENCE)?,
            hold_timeout: seconds(&relay.hold_timeout, "hold_timeout", HOLD)?,
            final_timeout: seconds(&relay.final_timeout, "final_timeout", FINAL)?,
            delete_delay: seconds(&relay.delete_delay, "delete_delay", DELETE)?,
            audio_packet_rate: rate(&relay.audio_packet_rate, "audio_packet_rate")?,
            other_packet_rate: rate(&relay.other_packet_rate, "other_packet_rate")?,
        };
        Ok(limits)
    }

    /// Percent of its core from which on a media thread takes no more calls.
    pub(crate) fn max_load(&self) -> Option<u8> {
        self.max_load
    }

    /// Tells them to the relay.
    pub(crate) fn apply(&self, core: &mut core::Config) {
        if let Some(calls) = self.max_calls {
            core.seats = core::Seats::new(calls);
        }
        let rates = core.packet_rates;
        core.answer_timeout = self.answer_timeout.unwrap_or(core.answer_timeout);
        core.silence_timeout = self.silence_timeout.unwrap_or(core.silence_timeout);
        core.hold_timeout = self.hold_timeout.unwrap_or(core.hold_timeout);
        core.final_timeout = self.final_timeout.or(core.final_timeout);
        core.delete_delay = self.delete_delay.unwrap_or(core.delete_delay);
        core.packet_rates = core::PacketRates {
            audio: self.audio_packet_rate.unwrap_or(rates.audio),
            other: self.other_packet_rate.unwrap_or(rates.other),
        };
    }
}

type Number = Option<Spanned<i64>>;

pub(super) fn seconds(
    given: &Number,
    name: &str,
    bounds: RangeInclusive<u64>,
) -> Result<Option<Duration>, Fault> {
    let seconds = number(given, name, "seconds", bounds)?;
    Ok(seconds.map(Duration::from_secs))
}

fn rate(given: &Number, name: &str) -> Result<Option<u32>, Fault> {
    number(given, name, "packets a second", RATE)
}

pub(super) fn number<T: TryFrom<u64>>(
    given: &Number,
    name: &str,
    unit: &str,
    bounds: RangeInclusive<u64>,
) -> Result<Option<T>, Fault> {
    let Some(given) = given else { return Ok(None) };
    let number = u64::try_from(*given.get_ref())
        .ok()
        .filter(|number| bounds.contains(number));
    match number.and_then(|number| T::try_from(number).ok()) {
        Some(number) => Ok(Some(number)),
        None => {
            let what = format!(
                "{name} = {} cannot be meant; write {unit}, from {} to {}",
                given.get_ref(),
                bounds.start(),
                bounds.end()
            );
            Err(fault(Some(given.span().start), what))
        }
    }
}
