//! What is known of the RTP streams that a leg hears, one by one: how many packets came, what was lost on the way to us,
//! and what the far end reports of its own reception.

use std::time::{Duration, Instant};

use rtp::rtcp::{Compound, ReportBlock, SenderInfo};
use rtp::{NtpTime, Packet, Reception};
use sdp::MediaKind;

use super::codecs::Codecs;
use super::gaps::Gaps;
use super::leg::Leg;
use super::quality::{Quality, Sample};
use super::reports::makes_key_frames;

/// Streams of one leg that are known at once. A browser's video has two (RTX), a simulcast up to six; of more, the one
/// that was silent longest is forgotten.
const MAX_SOURCES: usize = 8;

/// Time between two requests of ours to one stream: a picture that stands alone is many packets.
const BETWEEN_REQUESTS: Duration = Duration::from_secs(1);

/// The clock of payload types that nobody has explained: that of telephony.
const DEFAULT_CLOCK: u32 = 8000;

/// The streams that one leg hears.
#[derive(Debug, Default)]
pub(super) struct Sources(Vec<Source>);

/// One stream.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) reception: Reception,
    pub(super) packets: u64,
    /// Of RTP packets without their protection.
    pub(super) bytes: u64,
    /// Those that no command held back.
    pub(super) passed: u64,
    pub(super) passed_bytes: u64,
    pub(super) last: Last,
    pub(super) quality: Box<Quality>,
    clock_rate: u32,
    /// Its numbers; and whether packets of it were lost since a picture was last asked for.
    gaps: Gaps,
    has_lost: bool,
    /// It carries pictures itself, and does not repair others'.
    has_pictures: bool,
    /// When the relay asked it for a picture that stands alone.
    asked: Option<Instant>,
    /// The last sender report about it that went to the other side.
    told: Option<(u32, Instant)>,
}

/// The last packet of a stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Last {
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) at: Instant,
}

impl Sources {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Source> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Source> {
        self.0.iter_mut()
    }

    pub(super) fn get_mut(&mut self, ssrc: u32) -> Option<&mut Source> {
        self.0.iter_mut().find(|source| source.ssrc() == ssrc)
    }

    /// The one heard last.
    pub(super) fn latest(&self) -> Option<&Source> {
        self.0.iter().max_by_key(|source| source.last.at)
    }

    /// When anything was heard first, of the streams that are known.
    pub(super) fn first_heard(&self) -> Option<Instant> {
        let all = self.0.iter();
        all.map(|source| source.reception.first_arrival()).min()
    }

    fn add(&mut self, source: Source) {
        let oldest =
            (0..self.0.len()).min_by_key(|at| self.0.get(*at).map(|source| source.last.at));
        if let Some(oldest) = oldest.filter(|_| self.0.len() >= MAX_SOURCES) {
            self.0.swap_remove(oldest);
        }
        self.0.push(source);
    }
}

impl Source {
    fn new(packet: &Packet<'_>, codecs: &Codecs, now: Instant) -> Self {
        let codec = codecs.get(packet.payload_type());
        let clock_rate = codec.map_or(DEFAULT_CLOCK, |codec| codec.clock_rate);
        let (ssrc, sequence, timestamp) = (packet.ssrc(), packet.sequence(), packet.timestamp());
        Self {
            reception: Reception::new(ssrc, clock_rate, sequence, timestamp, now),
            packets: 0,
            bytes: 0,
            passed: 0,
            passed_bytes: 0,
            last: Last::of(packet, now),
            quality: Box::default(),
            clock_rate,
            gaps: Gaps::new(sequence),
            has_lost: false,
            has_pictures: !codecs.repairs(packet.payload_type()),
            asked: None,
            told: None,
        }
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.reception.ssrc()
    }

    /// In Hz.
    pub(super) fn clock_rate(&self) -> u32 {
        self.clock_rate
    }

    /// The other side is told of this stream by a sender report with this time.
    pub(super) fn told(&mut self, ntp: NtpTime, now: Instant) {
        self.told = Some((ntp.middle(), now));
    }

    /// From us to who wrote the block and back (RFC 3550 section 6.4.1).
    fn round_trip(&self, block: &ReportBlock, now: Instant) -> Option<Duration> {
        let (middle, at) = self.told.filter(|(middle, _)| *middle == block.last_sr)?;
        if middle == 0 {
            return None;
        }
        // In 65536ths of a second.
        let held = u64::from(block.delay_since_last_sr).saturating_mul(1_000_000_000) >> 16;
        let held = Duration::from_nanos(held);
        now.saturating_duration_since(at).checked_sub(held)
    }

    pub(super) fn jitter(&self, units: u32) -> Duration {
        let scaled = u64::from(units).saturating_mul(1_000_000);
        let micros = scaled.checked_div(u64::from(self.clock_rate));
        Duration::from_micros(micros.unwrap_or(scaled))
    }
}

impl Last {
    fn of(packet: &Packet<'_>, at: Instant) -> Self {
        Self {
            sequence: packet.sequence(),
            timestamp: packet.timestamp(),
            at,
        }
    }
}

impl Leg {
    /// Notes a plain RTP packet of this side; whether it begins a stream. `passes`: no command holds it back. Nothing
    /// is allocated but for the first packet of a stream.
    pub(super) fn note_rtp(&mut self, packet: &[u8], passes: bool, now: Instant) -> bool {
        let Ok(read) = Packet::parse(packet) else {
            return false;
        };
        let sources = &mut self.sources;
        let known = sources.get_mut(read.ssrc()).is_some();
        if !known {
            sources.add(Source::new(&read, &self.codecs, now));
        }
        let Some(source) = sources.get_mut(read.ssrc()) else {
            return false;
        };
        if known {
            source
                .reception
                .packet(read.sequence(), read.timestamp(), now);
        }
        source.has_lost |= source.gaps.note(read.sequence());
        let len = packet.len() as u64;
        source.packets = source.packets.wrapping_add(1);
        source.bytes = source.bytes.wrapping_add(len);
        if passes {
            source.passed = source.passed.wrapping_add(1);
            source.passed_bytes = source.passed_bytes.wrapping_add(len);
        }
        source.last = Last::of(&read, now);
        !known
    }

    /// The other side begins to send, and so to hear: what was sent to it before may be lost.
    pub(super) fn was_unheard(&mut self) {
        for source in self.sources.iter_mut() {
            source.has_lost = true;
        }
    }

    /// The stream of this plain packet, when a picture that stands alone is to be asked for it: packets were lost on
    /// the way to us, and `other`, which hears it, has no words to ask with. `None` for most of the time after, so that
    /// what is asked for may come.
    pub(super) fn lost_picture(&mut self, packet: &[u8], other: &Leg, now: Instant) -> Option<u32> {
        let cannot_ask = !other.terms.protocol.has_feedback() && !other.terms.held;
        if !cannot_ask || !makes_key_frames(self) {
            return None;
        }
        let source = self.sources.get_mut(Packet::parse(packet).ok()?.ssrc())?;
        let waits = |at: Instant| now.saturating_duration_since(at) < BETWEEN_REQUESTS;
        if !(source.has_lost && source.has_pictures) || source.asked.is_some_and(waits) {
            return None;
        }
        (source.has_lost, source.asked) = (false, Some(now));
        Some(source.ssrc())
    }

    /// The streams of pictures, for a request by name: each is to be asked for one that stands alone, unless it was a
    /// moment ago. `None` where there is none to ask.
    pub(super) fn pictures_to_ask(&mut self, now: Instant) -> Option<Vec<u32>> {
        if !makes_key_frames(self) {
            return None;
        }
        let pictures = self.sources.iter_mut().filter(|source| source.has_pictures);
        let pictures: Vec<&mut Source> = pictures.collect();
        if pictures.is_empty() {
            return None;
        }
        let waits = |at: Instant| now.saturating_duration_since(at) < BETWEEN_REQUESTS;
        let free = pictures
            .into_iter()
            .filter(|source| !source.asked.is_some_and(waits));
        let asked = free.map(|source| {
            source.asked = Some(now);
            source.ssrc()
        });
        Some(asked.collect())
    }

    /// Notes the reports in a plain compound packet of this side; `other` is whose streams it hears.
    pub(super) fn note_rtcp(&mut self, compound: &[u8], other: &mut Leg, now: Instant) {
        let Ok(compound) = Compound::parse(compound) else {
            return;
        };
        // How a subscriber hears it is not how the call sounds.
        if self.listens {
            return;
        }
        for report in compound.filter_map(|packet| packet.report()) {
            if let Some(info) = report.sender {
                self.note_sender(report.ssrc, &info, now);
            }
            for block in report.blocks() {
                self.note_block(&block, other, now);
            }
        }
    }

    fn note_sender(&mut self, ssrc: u32, info: &SenderInfo, now: Instant) {
        if let Some(source) = self.sources.get_mut(ssrc) {
            source.reception.sender_report(info.ntp, now);
            source.told(info.ntp, now);
        }
    }

    /// This side tells how it hears a stream of the other.
    fn note_block(&mut self, block: &ReportBlock, other: &mut Leg, now: Instant) {
        let far = other.round_trip;
        let is_audio = other.terms.kind == MediaKind::Audio;
        let Some(source) = other.sources.get_mut(block.ssrc) else {
            return;
        };
        let near = source.round_trip(block, now);
        self.round_trip = near.or(self.round_trip);
        if is_audio {
            source.quality.add(Sample::new(
                now,
                f64::from(block.fraction_lost) / 256.0,
                source.jitter(block.jitter),
                [self.round_trip, far],
            ));
        }
    }
}
