//! The numbers of a relay, for `/metrics`, and what follows from them for `/ready`. They are gathered by message, as for
//! `statistics`: no packet is slower because somebody looks.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use net::status::Page;

use super::gathering::ShardFigures;
use super::handshakes::Measures;
use crate::core::{Drop, InterfacePorts, Seats, Statistics};

/// Everything that is told.
pub(super) struct Figures {
    /// Of all shards together.
    pub(super) statistics: Statistics,
    /// Of each alone, by its number.
    pub(super) shards: Vec<(usize, ShardFigures)>,
    /// Name, number, number of those refused, and time of the commands that came.
    pub(super) commands: Vec<(&'static str, u64, u64, Duration)>,
    /// What was ignored at the control port, by reason.
    pub(super) unauthentic: [(&'static str, u64); 3],
    pub(super) backend: String,
    pub(super) seats: Seats,
    pub(super) handshakes: Arc<Measures>,
    pub(super) recorder_waiting: Option<usize>,
}

impl Figures {
    /// Why no new call would be taken.
    pub(super) fn unready(&self) -> Option<String> {
        if self.seats.is_closed() {
            return Some("draining: it is being stopped, and takes no new call".to_owned());
        }
        let (taken, limit) = (self.seats.taken(), self.seats.limit());
        if taken >= limit {
            return Some(format!(
                "full: {taken} calls of {limit} (setting [relay] max_calls)"
            ));
        }
        if self.shards.iter().all(|(_, shard)| shard.turning.is_full) {
            return Some(
                "full: every media thread's core is (setting [relay] max_load)".to_owned(),
            );
        }
        let full = self.statistics.interfaces.iter().find(|one| free(one) == 0);
        full.map(|one| {
            let InterfacePorts { name, address, .. } = one;
            format!("no port is free on {address} of '{name}' (setting [media] ports)")
        })
    }

    /// Writes it all down.
    pub(super) fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        self.calls(page)?;
        self.packets(page)?;
        self.threads(page)?;
        self.handshakes(page)?;
        self.control(page)
    }

    fn calls(&self, page: &mut Page<'_>) -> fmt::Result {
        let now = &self.statistics;
        let help = "1 while it is being stopped, and takes no new call";
        page.gauge("draining", help, u64::from(self.seats.is_closed()))?;
        page.gauge("calls", "Calls that stand", now.sessions)?;
        page.gauge(
            "calls_limit",
            "Calls that may stand at once",
            self.seats.limit(),
        )?;
        page.gauge(
            "legs",
            "Media of all parties of the calls that stand",
            now.media,
        )?;
        let ended = [
            ("deleted", now.deleted),
            ("unanswered", now.unanswered),
            ("silent", now.silent),
            ("silent_on_hold", now.silent_on_hold),
            ("too_long", now.too_long),
        ];
        let help = "Calls that are over, by what ended them";
        page.counters("calls_ended", help, ["by"], labelled(ended))?;
        let help = "Commands refused for want of ports, seats or time";
        page.counter("calls_refused", help, now.rejected)?;
        let help = "Media of calls that are over in which nothing came from one side, or from none";
        let silent = [("one", now.one_way), ("both", now.zero_way)];
        page.counters("silent_media", help, ["sides"], labelled(silent))?;
        let [offerer, answerer] = now.first_heard;
        let sides = [("offerer", offerer), ("answerer", answerer)];
        let help = "Media of calls that are over in which this side was heard";
        let heard = sides.map(|(side, it)| (side, it.media));
        page.counters("heard_media", help, ["side"], labelled(heard))?;
        let help = "Time from the answer to the first packet of these media, all together";
        let took = sides.map(|(side, it)| (side, it.took.as_secs_f64()));
        page.counters("first_packet_seconds", help, ["side"], labelled(took))?;
        let help = "Time that the calls which are over took, all together";
        page.counter("call_seconds", help, now.duration.as_secs_f64())?;
        page.counter(
            "mos_reports",
            "Reports of receivers that gave a score (MOS)",
            now.scores,
        )?;
        page.counter("mos", "The sum of these scores", now.score_sum)?;
        let ports = |of: fn(&InterfacePorts) -> u64| {
            let label = |one: &InterfacePorts| [one.name.clone(), one.address.to_string()];
            let all = now.interfaces.iter();
            all.map(|one| (label(one), of(one))).collect::<Vec<_>>()
        };
        let labels = ["interface", "address"];
        page.gauges(
            "ports_used",
            "Media ports that are open, or rest after use",
            labels,
            ports(|one| one.used),
        )?;
        page.gauges(
            "ports_free",
            "Media ports that are free",
            labels,
            ports(free),
        )
    }

    fn packets(&self, page: &mut Page<'_>) -> fmt::Result {
        let (received, sent) = (&self.statistics.relayed, &self.statistics.sent);
        let help = "Packets of media that were accepted, and that left";
        let packets = [("in", received.packets), ("out", sent.packets)];
        page.counters("packets", help, ["direction"], labelled(packets))?;
        let bytes = [("in", received.bytes), ("out", sent.bytes)];
        page.counters(
            "bytes",
            "Octets of these packets",
            ["direction"],
            labelled(bytes),
        )?;
        let reasons = Drop::ALL.map(|reason| (reason.name(), received.dropped(reason)));
        let help = "Packets that went nowhere, by reason";
        page.counters("drops", help, ["reason"], labelled(reasons))?;
        let help = "Datagrams for sockets that are closed";
        page.counter("strays", help, self.statistics.strays)
    }

    fn threads(&self, page: &mut Page<'_>) -> fmt::Result {
        let label = ["shard"];
        let each = |of: fn(&ShardFigures) -> f64| {
            let shards = self.shards.iter();
            shards.map(move |(number, one)| ([number.to_string()], of(one)))
        };
        let help = "Part of its core that a media thread used in the last second";
        page.gauges("shard_load", help, label, each(|one| one.turning.load))?;
        let help = "1 while a media thread takes no new calls for want of time";
        page.gauges(
            "shard_full",
            help,
            label,
            each(|one| f64::from(one.turning.is_full)),
        )?;
        page.gauges(
            "shard_calls",
            "Calls of a media thread",
            label,
            each(|one| one.calls as f64),
        )?;
        let help = "Packets that a media thread has accepted";
        page.counters("shard_packets", help, label, each(|one| one.packets as f64))?;
        let help = "Timers that a media thread has served";
        page.counters(
            "shard_timers",
            help,
            label,
            each(|one| one.turning.timers as f64),
        )?;
        let help = "How late these timers were, all together";
        let lateness = each(|one| one.turning.lateness.as_secs_f64());
        page.counters("shard_timer_lateness_seconds", help, label, lateness)?;
        let help = "Datagrams that the system did not take from a media thread";
        page.counters(
            "shard_unsent",
            help,
            label,
            each(|one| one.turning.unsent as f64),
        )?;
        let help = "Datagrams that came to a media thread and were handed over to another";
        let over = each(|one| one.turning.handed.over as f64);
        page.counters("shard_handed_over", help, label, over)?;
        let help =
            "Datagrams of another media thread that were dropped for want of room on the way";
        let dropped = each(|one| one.turning.handed.dropped as f64);
        page.counters("shard_not_handed_over", help, label, dropped)?;
        let help = "Which way media takes through the system";
        page.gauges(
            "backend",
            help,
            ["backend"],
            [([self.backend.clone()], 1_u64)],
        )?;
        match self.recorder_waiting {
            Some(waiting) => {
                let help = "Octets of recordings that wait for the disk";
                page.gauge("recorder_backlog_bytes", help, waiting)
            }
            None => Ok(()),
        }
    }

    fn handshakes(&self, page: &mut Page<'_>) -> fmt::Result {
        let of = &self.handshakes;
        let begun = of.begun.load(Ordering::Relaxed);
        page.counter("dtls_handshakes", "DTLS handshakes that have begun", begun)?;
        let help = "DTLS handshakes that ended without keys";
        page.counter(
            "dtls_handshakes_failed",
            help,
            of.failed.load(Ordering::Relaxed),
        )?;
        let help = "Time from the first datagram of a DTLS handshake to its keys";
        page.histogram(
            "dtls_handshake_seconds",
            help,
            of.took.sum(),
            &of.took.told(),
        )
    }

    fn control(&self, page: &mut Page<'_>) -> fmt::Result {
        let results = self.commands.iter().flat_map(|(name, count, failed, _)| {
            let done = count.saturating_sub(*failed);
            let label = |result: &str| [(*name).to_owned(), result.to_owned()];
            [(label("ok"), done), (label("error"), *failed)]
        });
        let help = "Commands (ng), by what came of them";
        page.counters("control_requests", help, ["command", "result"], results)?;
        let took = self.commands.iter();
        let took = took.map(|(name, _, _, took)| ([(*name).to_owned()], took.as_secs_f64()));
        let help = "Time from a command to its reply, all together";
        page.counters("control_request_seconds", help, ["command"], took)?;
        let help = "Messages at the control port that were ignored, by reason";
        page.counters(
            "control_ignored",
            help,
            ["reason"],
            labelled(self.unauthentic),
        )
    }
}

fn free(one: &InterfacePorts) -> u64 {
    (one.range.len() as u64).saturating_sub(one.used)
}

fn labelled<const N: usize, V>(samples: [(&'static str, V); N]) -> [([String; 1], V); N] {
    samples.map(|(label, value)| ([label.to_owned()], value))
}
