//! Packets at an even pace over all legs, and what came of those that were sent within a window.

use peers::clock::{self, SECOND};
use peers::histogram::Histogram;
use peers::process::Cpu;
use peers::random::Same;

use crate::calls::Counts;
use crate::engine::Engine;

/// Packets that are sent before what has come is looked at.
const BURST: u64 = 256;
/// Each browser's consent is refreshed this often (RFC 7675).
const CONSENT: u64 = 5 * SECOND;
/// What is on its way may take this long after the last packet was sent.
const ON_ITS_WAY: u64 = SECOND * 2 / 5;

/// How the packets are sent.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    /// Packets a second, of all legs together.
    pub(crate) rate: f64,
    /// Seconds before the window.
    pub(crate) warmup: f64,
    /// Seconds that are measured.
    pub(crate) window: f64,
    /// Nanoseconds between looks at the clock.
    pub(crate) tick: u64,
}

/// What came of a window.
pub(crate) struct Report {
    pub(crate) seconds: f64,
    pub(crate) sent: u64,
    /// Of those, never received.
    pub(crate) lost: u64,
    /// Packets that came during the window.
    pub(crate) received: u64,
    /// The relay's and our own.
    pub(crate) relay: Cpu,
    pub(crate) own: Cpu,
    /// From the start of the warm-up to the end.
    pub(crate) counts: Counts,
    pub(crate) latency: Histogram,
    /// The longest that a packet was sent after its time, in nanoseconds.
    pub(crate) late: u64,
}

/// The state of things when the window opened.
struct Mark {
    at: u64,
    sent: Vec<u64>,
    relay: Cpu,
    own: Cpu,
    received: u64,
}

impl Mark {
    fn now(engine: &Engine, pid: Option<u32>) -> Self {
        Self {
            at: clock::now(),
            sent: engine.calls.legs.iter().map(|leg| leg.sent).collect(),
            relay: pid.map(Cpu::of).unwrap_or_default(),
            own: Cpu::own(),
            received: engine.calls.counts.received,
        }
    }
}

/// Sends for warm-up and window, and reports.
pub(crate) fn traffic(engine: &mut Engine, pace: Pace, pid: Option<u32>) -> Report {
    let before = engine.calls.counts;
    let start = clock::now();
    let opens = start + clock::nanoseconds(pace.warmup);
    let ends = opens + clock::nanoseconds(pace.window);
    engine.calls.latency = Histogram::new();
    engine.calls.window = opens..ends;
    let mut sending = Sending::new(engine, start, pace);
    while clock::now() < opens {
        sending.step(engine);
    }
    let first = Mark::now(engine, pid);
    sending.late = 0;
    while clock::now() < ends {
        sending.step(engine);
    }
    let last = Mark::now(engine, pid);
    engine.settle(ON_ITS_WAY);
    report(engine, &sending, &first, &last, before)
}

fn report(
    engine: &mut Engine,
    sending: &Sending,
    first: &Mark,
    last: &Mark,
    before: Counts,
) -> Report {
    let (mut sent, mut lost) = (0, 0);
    for (number, (from, to)) in first.sent.iter().zip(&last.sent).enumerate() {
        let seen = &engine.calls.legs[number ^ 1].seen;
        sent += to - from;
        lost += (*from..*to).filter(|packet| !seen.has(*packet)).count() as u64;
    }
    Report {
        seconds: (last.at - first.at) as f64 / SECOND as f64,
        sent,
        lost,
        received: last.received - first.received,
        relay: last.relay.since(first.relay),
        own: last.own.since(first.own),
        counts: engine.calls.counts.since(before),
        latency: std::mem::replace(&mut engine.calls.latency, Histogram::new()),
        late: sending.late,
    }
}

/// The pace of the packets.
struct Sending {
    start: u64,
    /// Nanoseconds from packet to packet.
    gap: f64,
    tick: u64,
    /// The order in which legs send: shuffled, so that neighbours in time are strangers in memory.
    order: Vec<usize>,
    browsers: Vec<usize>,
    sent: u64,
    next_consent: u64,
    consents: usize,
    next_rtcp: u64,
    late: u64,
}

impl Sending {
    fn new(engine: &Engine, start: u64, pace: Pace) -> Self {
        let legs = &engine.calls.legs;
        let is_browser = |number: &usize| legs[*number].browser.is_some();
        Self {
            start,
            gap: SECOND as f64 / pace.rate.max(1.0),
            tick: pace.tick.max(1),
            order: shuffled(legs.len()),
            browsers: (0..legs.len()).filter(is_browser).collect(),
            sent: 0,
            next_consent: start + SECOND,
            consents: 0,
            next_rtcp: start,
            late: 0,
        }
    }

    fn step(&mut self, engine: &mut Engine) {
        let now = clock::now();
        let due = self.due(now);
        if due > self.sent {
            self.late = self.late.max(now.saturating_sub(self.time_of(self.sent)));
        }
        let until = due.min(self.sent + BURST);
        while self.sent < until {
            let at = self.sent % self.order.len() as u64;
            engine.send_packet(self.order[at as usize]);
            self.sent += 1;
        }
        engine.flush();
        engine.receive(8);
        self.aside(engine, now);
        let now = clock::now();
        if self.due(now) <= self.sent {
            // To the next packet, but not sooner than the next tick.
            let next = self.time_of(self.sent + 1).saturating_sub(now);
            clock::sleep(next.max(self.tick - now % self.tick).min(SECOND / 500));
        }
    }

    /// What is sent and emptied beside the packets.
    fn aside(&mut self, engine: &mut Engine, now: u64) {
        if !self.browsers.is_empty() && now >= self.next_consent {
            let leg = self.browsers[self.consents % self.browsers.len()];
            self.next_consent = now + CONSENT / self.browsers.len() as u64;
            self.consents += 1;
            engine.consent(leg);
        }
        if now >= self.next_rtcp {
            self.next_rtcp = now + SECOND / 10;
            engine.drain_rtcp();
        }
    }

    /// Packets that should have been sent by then.
    fn due(&self, now: u64) -> u64 {
        (now.saturating_sub(self.start) as f64 / self.gap) as u64
    }

    fn time_of(&self, packet: u64) -> u64 {
        self.start + (packet as f64 * self.gap) as u64
    }
}

fn shuffled(count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut same = Same(0x2545_f491_4f6c_dd1d);
    for i in (1..count).rev() {
        let j = same.number() % (i as u64 + 1);
        order.swap(i, j as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_leg_has_its_turn() {
        let mut order = shuffled(1001);
        assert_ne!(order, (0..1001).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..1001).collect::<Vec<_>>());
    }
}
