//! `play DTMF`: telephone events (RFC 4733) as if a party had sent them. They take the next sequence numbers of its stream;
//! its own packets make room meanwhile and are numbered on afterwards, so that the receiver sees one stream without a gap.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use control_proto::{Request, Response, Value, flag};
use rtp::{Header, Packet, PacketMut};
use sdp::MediaKind;

use super::codecs::Codec;
use super::leg::Leg;
use super::path::Media;
use super::refused::Refused;
use super::sources::Source;
use super::table::Key;
use super::{Drop, Shard};

/// Events that wait their turn on one leg; a calling card's number is shorter.
const MAX_WAITING: usize = 64;

/// Between two packets of one event.
const TICK: Duration = Duration::from_millis(20);

/// The packet that ends an event is sent this often (RFC 4733 section 2.5.1.4).
const ENDS: u8 = 3;

const DURATION: Duration = Duration::from_millis(250);
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_millis(5000);

/// In dBm0 without its sign.
const VOLUME: u8 = 8;

/// One key that is pressed.
#[derive(Debug, Clone, Copy)]
struct Tone {
    event: u8,
    volume: u8,
    duration: Duration,
    /// Until the next one.
    pause: Duration,
}

/// What is played towards one side, and how its stream is numbered since.
#[derive(Debug)]
pub(super) struct Injection {
    waiting: VecDeque<Tone>,
    playing: Option<Playing>,
    /// The stream that the events belong to.
    ssrc: u32,
    /// The last sequence number that went out.
    last: u16,
    /// What is added to the numbers of the party's own packets.
    shift: u16,
    next: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Playing {
    tone: Tone,
    codec: Codec,
    timestamp: u32,
    elapsed: Duration,
    ends: u8,
}

impl Injection {
    fn new(stream: Option<&Source>, random: u64) -> Self {
        Self {
            waiting: VecDeque::new(),
            playing: None,
            ssrc: stream.map_or((random & 0xffff_ffff) as u32, Source::ssrc),
            last: stream.map_or((random >> 48) as u16, |source| source.last.sequence),
            shift: 0,
            next: None,
        }
    }

    /// When the next packet is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// What is added to the numbers of a stream.
    pub(super) fn moved_by(&self, ssrc: u32) -> u16 {
        if ssrc == self.ssrc { self.shift } else { 0 }
    }

    /// Numbers a packet of the party's own, or drops it while an event is played.
    pub(super) fn number(&mut self, packet: &mut [u8]) -> Result<(), Drop> {
        let Ok(read) = Packet::parse(packet) else {
            return Err(Drop::Malformed);
        };
        let (ssrc, sequence) = (read.ssrc(), read.sequence());
        if ssrc != self.ssrc {
            (self.ssrc, self.last, self.shift) = (ssrc, sequence.wrapping_sub(1), 0);
        }
        if self.playing.is_some() {
            self.shift = self.shift.wrapping_sub(1);
            return Err(Drop::EventPlayed);
        }
        if self.shift != 0
            && let Ok(mut packet) = PacketMut::parse(packet)
        {
            packet.set_sequence(sequence.wrapping_add(self.shift));
        }
        let out = sequence.wrapping_add(self.shift);
        if out.wrapping_sub(self.last) < 1 << 15 {
            self.last = out;
        }
        Ok(())
    }

    /// The packet that is due, if any. `stream` is the party's own; `codec` how events are written.
    fn packet(
        &mut self,
        stream: Option<&Source>,
        codec: Option<Codec>,
        now: Instant,
    ) -> Option<[u8; 16]> {
        self.next.filter(|next| *next <= now)?;
        let (is_first, mut playing) = match self.playing {
            Some(playing) => (false, playing),
            None => {
                let begun = self.waiting.pop_front().zip(codec);
                let Some((tone, codec)) = begun else {
                    self.next = None;
                    return None;
                };
                let playing = Playing {
                    tone,
                    codec,
                    timestamp: stream.map_or(0, |source| source.timestamp(now)),
                    elapsed: Duration::ZERO,
                    ends: 0,
                };
                (true, playing)
            }
        };
        let elapsed = playing.elapsed.saturating_add(TICK);
        let is_over = elapsed >= playing.tone.duration;
        playing.elapsed = elapsed.min(playing.tone.duration);
        playing.ends = playing.ends.saturating_add(u8::from(is_over));
        let all_said = playing.ends >= ENDS;
        let pause = if all_said { playing.tone.pause } else { TICK };
        self.next = now.checked_add(pause.max(TICK));
        self.playing = (!all_said).then_some(playing);
        self.last = self.last.wrapping_add(1);
        self.shift = self.shift.wrapping_add(1);
        Some(self.write(&playing, is_first, is_over))
    }

    fn write(&self, playing: &Playing, is_first: bool, is_over: bool) -> [u8; 16] {
        let rate = u128::from(playing.codec.clock_rate);
        let units = playing.elapsed.as_millis().saturating_mul(rate) / 1000;
        let [high, low] = u16::try_from(units).unwrap_or(u16::MAX).to_be_bytes();
        let end = u8::from(is_over) << 7 | playing.tone.volume;
        let mut packet = [0; 16];
        let header = Header {
            marker: is_first,
            payload_type: playing.codec.number,
            sequence: self.last,
            timestamp: playing.timestamp,
            ssrc: self.ssrc,
        };
        // The header has room in sixteen bytes, and leaves four.
        let rest = header.write(&mut packet).ok();
        if let Some(rest) = rest.and_then(<[u8]>::first_chunk_mut) {
            *rest = [playing.tone.event, end, high, low];
        }
        packet
    }
}

impl Source {
    /// What the stream's clock says now.
    pub(super) fn timestamp(&self, now: Instant) -> u32 {
        let since = now.saturating_duration_since(self.last.at);
        let rate = u128::from(self.clock_rate());
        let units = since.as_micros().saturating_mul(rate) / 1_000_000;
        // Timestamps wrap.
        let units = (units & 0xffff_ffff) as u32;
        self.last.timestamp.wrapping_add(units)
    }
}

impl Shard {
    /// Puts events into what a party, or with `all` each, sends.
    pub(super) fn play_dtmf(
        &mut self,
        request: &Request,
        now: Instant,
    ) -> Result<Response, Refused> {
        let key = self.known_call(request)?;
        let tones = tones(request)?;
        let call = self.calls.get(key).ok_or(Refused::UnknownCallId)?;
        let parties: Vec<usize> = if request.flags.has(flag::ALL) {
            (0..call.parties.len()).collect()
        } else {
            vec![self.party_named(key, request)?]
        };
        let senders = parties.iter().filter_map(|party| call.party(*party));
        let senders: Vec<Key<Leg>> = senders.flat_map(|party| party.legs.clone()).collect();
        let played = senders
            .into_iter()
            .filter_map(|sender| self.play(sender, &tones, now))
            .count();
        if played == 0 {
            return Err(Refused::NoDtmf);
        }
        Ok(Response::ok())
    }

    /// `None` when the receiver of this leg's packets has agreed to no events.
    fn play(&mut self, sender: Key<Leg>, tones: &[Tone], now: Instant) -> Option<()> {
        let random = self.random_u64();
        let receiver = self.legs.get(sender)?.peer?;
        let (from, to) = self.legs.pair_mut(sender, receiver)?;
        event_codec(from, to)?;
        let injection = to
            .injection
            .get_or_insert_with(|| Box::new(Injection::new(stream(from), random)));
        let room = MAX_WAITING.saturating_sub(injection.waiting.len());
        injection.waiting.extend(tones.iter().take(room));
        injection.next = injection.next.or(Some(now));
        self.play_on(receiver, now);
        Some(())
    }

    /// Sends the packet of an event that is due.
    pub(super) fn play_on(&mut self, receiver: Key<Leg>, now: Instant) {
        let Some(sender) = self.legs.get(receiver).and_then(|leg| leg.peer) else {
            return;
        };
        let Some((from, to)) = self.legs.pair_mut(sender, receiver) else {
            return;
        };
        let codec = event_codec(from, to);
        let injection = to.injection.as_mut();
        if let Some(packet) = injection.and_then(|play| play.packet(stream(from), codec, now)) {
            self.send_made(receiver, Media::Rtp, &packet);
        }
        self.arm_leg(receiver);
    }
}

fn stream(leg: &Leg) -> Option<&Source> {
    leg.sources.latest()
}

/// Of the events that the receiver takes, those with the clock of the stream they are put into.
fn event_codec(from: &Leg, to: &Leg) -> Option<Codec> {
    if to.terms.kind != MediaKind::Audio {
        return None;
    }
    let main = || to.codecs.main().map(|codec| codec.clock_rate);
    to.codecs
        .event(stream(from).map(Source::clock_rate).or_else(main))
}

fn tones(request: &Request) -> Result<Vec<Tone>, Refused> {
    let value = request
        .other
        .get("code")
        .or_else(|| request.other.get("digit"));
    let events = events(value.ok_or(Refused::NoDtmfCode)?).ok_or(Refused::NoDtmfCode)?;
    let millis = |key: &str, default: Duration| {
        let given = request.other.get(key).and_then(Value::as_integer);
        let given = given.and_then(|given| u64::try_from(given).ok());
        given.map_or(default, Duration::from_millis).min(LONGEST)
    };
    let volume = request.other.get("volume").and_then(Value::as_integer);
    let volume = volume.and_then(|volume| u8::try_from(volume.unsigned_abs()).ok());
    let (duration, pause) = (millis("duration", DURATION), millis("pause", PAUSE));
    let tone = |event| Tone {
        event,
        volume: volume.unwrap_or(VOLUME).min(63),
        duration: duration.max(Duration::from_millis(100)),
        pause,
    };
    Ok(events.into_iter().map(tone).collect())
}

/// A number from 0 to 15, or the keys by their names, one or several.
fn events(value: &Value) -> Option<Vec<u8>> {
    let key = |key: char| match key {
        '0'..='9' => u8::try_from(key.to_digit(10)?).ok(),
        '*' => Some(10),
        '#' => Some(11),
        'A'..='D' => u8::try_from(key.to_digit(16)?.checked_add(2)?).ok(),
        _ => None,
    };
    match value.as_integer() {
        Some(number @ 0..=15) => Some(vec![u8::try_from(number).ok()?]),
        _ => {
            let keys = value.as_str().filter(|keys| !keys.is_empty())?;
            keys.chars()
                .map(|name| key(name.to_ascii_uppercase()))
                .collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_given_by_number_or_by_name() {
        let of = |text: &str| events(&Value::from(text));
        assert_eq!(events(&Value::from(11_i64)), Some(vec![11]));
        assert_eq!(of("12"), Some(vec![12]));
        assert_eq!(of("*#a"), Some(vec![10, 11, 12]));
        assert_eq!(of("D"), Some(vec![15]));
        assert_eq!(of("0815"), Some(vec![0, 8, 1, 5]));
        assert_eq!(of("E"), None);
        assert_eq!(of(""), None);
    }
}
