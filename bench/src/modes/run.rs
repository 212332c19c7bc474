//! Calls that talk: loss, latency, CPU time per packet and memory per call.

use peers::clock::microseconds;
use peers::ng::Ng;
use peers::process;

use super::stand;
use crate::args::Run;
use crate::figures::Figures;
use crate::traffic::{Report, traffic};

/// Percent of lost packets above which the other figures say little.
const MAX_LOSS: f64 = 0.1;

pub(crate) fn run(arguments: &Run, figures: &mut Figures) -> Result<(), String> {
    let common = &arguments.common;
    let mut ng = Ng::connect(common.ng, None)?;
    let mut standing = stand(common, &arguments.sending, &mut ng, 1, figures)?;
    let rate = arguments.pps * 2.0 * common.calls() as f64;
    let pace = arguments
        .sending
        .pace(rate, arguments.warmup, arguments.seconds);
    let report = traffic(&mut standing.engine, pace, common.pid);
    let resident = process::resident(common.pid).saturating_sub(standing.resident);
    figures.put("kb_per_call", resident as f64 / common.calls() as f64);
    put(&report, figures);
    standing.setup.tear_down(common.calls(), &mut ng)?;
    judge(&report)
}

fn put(report: &Report, figures: &mut Figures) {
    let counts = report.counts;
    println!(
        "  {:.1} s, {:.0} packets/s: sent {}, lost {}, duplicate {}, reordered {}, corrupt {}, undecryptable {}, \
         from a wrong source {}, stray {}, refused by the kernel {}",
        report.seconds,
        report.sent as f64 / report.seconds,
        report.sent,
        report.lost,
        counts.duplicate,
        counts.reordered,
        counts.corrupt,
        counts.undecryptable,
        counts.wrong_source,
        counts.stray,
        counts.refused
    );
    for (name, value) in [
        ("sent", report.sent),
        ("lost", report.lost),
        ("duplicate", counts.duplicate),
        ("reordered", counts.reordered),
        ("bad", counts.bad()),
    ] {
        figures.put(name, value as f64);
    }
    let percentile = |p| microseconds(report.latency.percentile(p));
    for (name, p) in [("p50", 50.0), ("p99", 99.0), ("p999", 99.9)] {
        figures.put(format!("latency_us_{name}"), percentile(p));
    }
    let each = report.relay.microseconds() / report.received.max(1) as f64;
    figures.put("cpu_us_per_packet", each);
    let own = 100.0 * report.own.seconds() / report.seconds;
    figures.put("generator_core_percent", own);
    println!(
        "  latency {:.0}/{:.0}/{:.0} us (median, p99, p99.9), greatest {:.0} us\n  \
         relay: {each:.2} us a packet, {:.0} % of it in user mode, {:.1} % of a core, {:.2} switches a packet\n  \
         generator: {own:.0} % of a core, at most {:.1} ms late",
        percentile(50.0),
        percentile(99.0),
        percentile(99.9),
        microseconds(report.latency.max()),
        100.0 * report.relay.user_share(),
        100.0 * report.relay.seconds() / report.seconds,
        report.relay.switches() as f64 / report.received.max(1) as f64,
        microseconds(report.late) / 1e3
    );
}

fn judge(report: &Report) -> Result<(), String> {
    let loss = 100.0 * report.lost as f64 / report.sent.max(1) as f64;
    if loss > MAX_LOSS {
        return Err(format!("{loss:.2} % of the packets were lost"));
    }
    match report.counts.bad() {
        0 => Ok(()),
        bad => Err(format!("{bad} packets were not what was sent")),
    }
}
