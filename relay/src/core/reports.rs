//! RTCP that the relay makes itself: reports, where `generate RTCP` asks for them, and the request for a key frame when a
//! side with video begins to hear.
//!
//! Otherwise reports pass as they are: packets keep their numbers, so what one end tells of them is true for the other.

use std::time::{Duration, Instant, UNIX_EPOCH};

use control_proto::{Command, Request, Response, Value, flag};
use rtp::NtpTime;
use rtp::rtcp::{ReportBlock, SenderInfo, Writer, packet_type};
use sdp::MediaKind;

use super::call::Call;
use super::deadline::after;
use super::leg::Leg;
use super::path::{self, Media};
use super::sources::Source;
use super::table::Key;
use super::{Drop, Shard};

/// Time between two reports (RFC 3550 section 6.2: five seconds at least on average).
const INTERVAL: Duration = Duration::from_secs(5);

/// Room for a report on every stream of a leg and the description of its sender.
const ROOM: usize = 512;

/// Reports on one leg's behalf.
#[derive(Debug, Clone)]
pub(super) struct Reports {
    next: Instant,
    /// Who reports while nothing is sent to this side.
    ssrc: u32,
    cname: String,
}

impl Reports {
    pub(super) fn next(&self) -> Instant {
        self.next
    }
}

impl Shard {
    /// Takes from an offer or answer what does not concern its body. What cannot be done is said in the reply, and is no
    /// reason to end the call.
    pub(super) fn take_wishes(
        &mut self,
        request: &Request,
        reply: Response,
        now: Instant,
    ) -> Response {
        let key = request.call_id.as_ref().and_then(|id| self.by_id.get(id));
        let Some(key) = key.copied() else {
            return reply;
        };
        let recorded = self.take_recording_wish(key, request, now);
        let ordered = self.take_orders(key, request);
        if let Some(on) = wants_reports(request) {
            self.make_reports(key, on, now);
        }
        if request.command == Command::Answer {
            let legs = self.leg_keys(key);
            legs.into_iter().for_each(|leg| self.ask_for_key_frame(leg));
        }
        match recorded.and(ordered) {
            Ok(()) => reply,
            Err(refused) => reply.with_warning(refused.to_string()),
        }
    }

    fn make_reports(&mut self, key: Key<Call>, on: bool, now: Instant) {
        let cname = format!("{:016x}", self.random_u64());
        for leg in self.leg_keys(key) {
            let ssrc = (self.random_u64() >> 32) as u32;
            if let Some(leg) = self.legs.get_mut(leg) {
                let fresh = Reports {
                    next: after(now, INTERVAL),
                    ssrc,
                    cname: cname.clone(),
                };
                let reports = leg.reports.take().filter(|_| on);
                leg.reports = reports.or_else(|| on.then(|| Box::new(fresh)));
            }
            self.arm_leg(leg);
        }
    }

    /// Sends the report to this side that is due.
    pub(super) fn report(&mut self, key: Key<Leg>, now: Instant) {
        let unix = self.config.anchor.unix_at(now);
        let time = UNIX_EPOCH.checked_add(unix).unwrap_or(UNIX_EPOCH);
        let ntp = NtpTime::from_system_time(time);
        let Some(peer) = self.legs.get(key).and_then(|leg| leg.peer) else {
            return;
        };
        let Some((leg, other)) = self.legs.pair_mut(key, peer) else {
            return;
        };
        let Some(reports) = leg.reports.as_mut().filter(|reports| reports.next <= now) else {
            return;
        };
        reports.next = after(now, INTERVAL);
        let reports = reports.clone();
        let mut buffer = [0; ROOM];
        let mut writer = Writer::new(&mut buffer);
        if write(&mut writer, leg, other, &reports, ntp, now).is_ok() {
            let len = writer.len();
            self.send_made(key, Media::Rtcp, buffer.get(..len).unwrap_or_default());
        }
        self.arm_leg(key);
    }

    /// Asks whoever this side hears for a picture that stands alone: it has not seen what came before.
    pub(super) fn ask_for_key_frame(&mut self, key: Key<Leg>) {
        let Some(source) = self.legs.get(key).and_then(|leg| leg.peer) else {
            return;
        };
        let latest = self.legs.get(source).and_then(|leg| leg.sources.latest());
        if let Some(media) = latest.map(Source::ssrc) {
            self.request_key_frame(source, media);
        }
    }

    /// Asks `source` for a picture of its stream `media` that stands alone. A receiver report with nothing in it goes
    /// before: that is what a browser takes for a compound packet.
    pub(super) fn request_key_frame(&mut self, source: Key<Leg>, media: u32) {
        let sender = (self.random_u64() >> 32) as u32;
        if !self.legs.get(source).is_some_and(makes_key_frames) {
            return;
        }
        let mut buffer = [0; 32];
        let mut writer = Writer::new(&mut buffer);
        let written = writer
            .receiver_report(sender, &[])
            .and_then(|()| writer.picture_loss(sender, media));
        let len = writer.len();
        if written.is_ok() {
            self.send_made(source, Media::Rtcp, buffer.get(..len).unwrap_or_default());
        }
    }

    /// Sends a packet of our own to this side, from the port that its medium uses.
    pub(super) fn send_made(&mut self, key: Key<Leg>, kind: Media, packet: &[u8]) {
        let carrier = self.carrier(key);
        if let Some(leg) = self.legs.get_mut(carrier) {
            self.outputs.extend(path::made(leg, kind, packet).ok());
        }
    }

    pub(super) fn leg_keys(&self, key: Key<Call>) -> Vec<Key<Leg>> {
        let parties = self
            .calls
            .get(key)
            .into_iter()
            .flat_map(|call| &call.parties);
        parties
            .flat_map(|party| party.legs.iter().copied())
            .collect()
    }

    pub(super) fn random_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        (self.random)(&mut bytes);
        u64::from_ne_bytes(bytes)
    }
}

/// What becomes of one RTCP packet on its way from `leg` to `other`. Of a subscriber only feedback passes.
pub(super) fn passes(packet_type: u8, leg: &Leg, other: &Leg) -> Result<(), Drop> {
    match packet_type {
        // Feedback is for AVPF only (RFC 4585 section 4.1).
        packet_type::TRANSPORT_FEEDBACK | packet_type::PAYLOAD_FEEDBACK
            if !other.terms.protocol.has_feedback() =>
        {
            Err(Drop::FeedbackToAvp)
        }
        packet_type::SENDER_REPORT
        | packet_type::RECEIVER_REPORT
        | packet_type::SOURCE_DESCRIPTION
        | packet_type::EXTENDED_REPORT
            if other.reports.is_some() || leg.listens =>
        {
            Err(Drop::ReportReplaced)
        }
        _ => Ok(()),
    }
}

fn wants_reports(request: &Request) -> Option<bool> {
    if request.flags.has(flag::GENERATE_RTCP) {
        return Some(true);
    }
    let word = request.other.get("generate-rtcp").and_then(Value::as_str)?;
    match word.to_ascii_lowercase().as_str() {
        "on" | "yes" | "1" => Some(true),
        "off" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// A report to `leg`: on what it is sent, which comes from `other`, and on what is heard from it.
fn write(
    writer: &mut Writer<'_>,
    leg: &mut Leg,
    other: &mut Leg,
    reports: &Reports,
    ntp: NtpTime,
    now: Instant,
) -> Result<(), rtp::Error> {
    let heard = leg.sources.iter_mut();
    let blocks: Vec<ReportBlock> = heard
        .map(|source| source.reception.report_block(now))
        .collect();
    let latest = other.sources.latest().map(Source::ssrc);
    let ssrc = match latest.and_then(|ssrc| other.sources.get_mut(ssrc)) {
        Some(source) => {
            let info = sender_info(source, ntp, now);
            writer.sender_report(source.ssrc(), &info, &blocks)?;
            source.told(ntp, now);
            source.ssrc()
        }
        None => {
            writer.receiver_report(reports.ssrc, &blocks)?;
            reports.ssrc
        }
    };
    writer.source_description(ssrc, &reports.cname)
}

fn sender_info(source: &Source, ntp: NtpTime, now: Instant) -> SenderInfo {
    let headers = source.passed.saturating_mul(rtp::Header::LEN as u64);
    SenderInfo {
        ntp,
        // All three wrap, as their fields do.
        timestamp: source.timestamp(now),
        packets: (source.passed & 0xffff_ffff) as u32,
        octets: (source.passed_bytes.saturating_sub(headers) & 0xffff_ffff) as u32,
    }
}

/// Whether this side sends pictures, and hears feedback on them.
pub(super) fn makes_key_frames(leg: &Leg) -> bool {
    leg.terms.kind == MediaKind::Video && leg.terms.protocol.has_feedback()
}
