//! What the shell answers at the status door, and the numbers of a proxy as they are written down.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use net::status::{About, Answer, Page, Question};

use super::Shell;
use super::counting::Counts;
use crate::core::Figures;

/// What was asked of one relay.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) relay: SocketAddr,
    /// Offers that began a call, or that repeat one.
    pub(super) offers: u64,
    pub(super) answered: u64,
    pub(super) unanswered: u64,
    /// Times that nobody listened at its control port.
    pub(super) closed: u64,
    pub(super) seconds: f64,
}

impl Asked {
    /// Nothing yet.
    pub(super) fn of(relay: SocketAddr) -> Self {
        Self {
            relay,
            offers: 0,
            answered: 0,
            unanswered: 0,
            closed: 0,
            seconds: 0.0,
        }
    }

    /// One more command has been answered, or will not be.
    pub(super) fn outcome(&mut self, answered: bool, took: Duration) {
        match answered {
            true => {
                self.answered = self.answered.saturating_add(1);
                self.seconds += took.as_secs_f64();
            }
            false => self.unanswered = self.unanswered.saturating_add(1),
        }
    }
}

/// Messages that wait for the core.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Queues {
    pub(super) flows: usize,
    pub(super) connections: usize,
}

/// Everything that is told.
struct Numbers {
    figures: Figures,
    counts: Counts,
    relays: Vec<Asked>,
    queues: Queues,
    turned_away: Vec<(&'static str, u64)>,
    certificate_expires: Option<SystemTime>,
}

impl Shell {
    /// Answers a question. That it does shows that the loop turns.
    pub(super) fn tell(&self, question: Question, queues: Queues) {
        let now = Instant::now();
        match question.about {
            About::Health => question.judge(None),
            About::Ready => question.judge(self.core.unready(now)),
            About::Metrics => {
                let numbers = Numbers {
                    figures: self.core.figures(now),
                    counts: self.counts.clone(),
                    relays: self.relays.asked(),
                    queues,
                    turned_away: self.gate.told(),
                    certificate_expires: self.certificate_expires.as_ref().and_then(|ask| ask()),
                };
                question.answer(Answer::Metrics(Box::new(move |page| numbers.write(page))));
            }
        }
    }
}

impl Numbers {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        self.browsers(page)?;
        self.messages(page)?;
        self.calls(page)?;
        self.upstreams(page)?;
        self.relays(page)
    }

    fn browsers(&self, page: &mut Page<'_>) -> fmt::Result {
        let (now, so_far) = (&self.figures, &self.counts);
        let help = "1 while it is being stopped, and takes no new call";
        page.gauge("draining", help, u64::from(now.draining))?;
        let [secure, plain] = now.flows;
        let flows = [("wss", secure), ("ws", plain)];
        page.gauges("flows", "Open WebSockets", ["transport"], labelled(flows))?;
        page.counter(
            "flows_opened",
            "WebSockets that were opened",
            so_far.flows_opened,
        )?;
        let closed = so_far.flows_closed.iter().map(|(why, n)| (*why, *n));
        let help = "WebSockets that have closed, by reason: ping_lost are those that were silent";
        page.counters("flows_closed", help, ["reason"], labelled(closed))?;
        let help = "Connections for browsers that became no WebSocket, by reason";
        page.counters(
            "connections_refused",
            help,
            ["reason"],
            labelled(self.turned_away.iter().copied()),
        )?;
        let [there, away] = now.clients;
        let clients = [("connected", there), ("away", away)];
        page.gauges(
            "clients",
            "Registered clients",
            ["state"],
            labelled(clients),
        )?;
        let help = "Registrations that were granted, refreshes among them";
        page.counter("registrations", help, so_far.registered)?;
        page.counter(
            "unregistrations",
            "Clients that have unregistered",
            so_far.unregistered,
        )?;
        let help = "Clients that came back on another WebSocket";
        page.counter("clients_returned", help, so_far.rebound)?;
        let help = "REGISTERs that wait for their turn (register_rate)";
        page.gauge("registers_waiting", help, now.waiting_registers)?;
        let help = "Times that REGISTERs began to wait for their turn";
        page.counter("register_waits", help, so_far.register_waits)?;
        let Some(expires) = self.certificate_expires else {
            return Ok(());
        };
        let left = match expires.duration_since(SystemTime::now()) {
            Ok(left) => left.as_secs_f64(),
            Err(over) => -over.duration().as_secs_f64(),
        };
        let help = "Until the certificate in use expires; negative when it has";
        page.gauge("certificate_remaining_seconds", help, left)
    }

    fn messages(&self, page: &mut Page<'_>) -> fmt::Result {
        let (now, so_far) = (&self.figures, &self.counts);
        let by = |((side, kind), count): (&(&str, &str), &u64)| {
            ([(*side).to_owned(), (*kind).to_owned()], *count)
        };
        let requests = now.counted.requests.iter().map(by);
        let help = "Requests that came, retransmissions among them, by side and method";
        page.counters("requests", help, ["from", "method"], requests)?;
        let responses = now.counted.responses.iter().map(by);
        let help = "Responses that came, by side and class";
        page.counters("responses", help, ["from", "class"], responses)?;
        let help = "Messages that were thrown away, by reason";
        page.counters("drops", help, ["reason"], counted(&so_far.dropped))?;
        let refused = so_far.refused.iter();
        let refused = refused.map(|((status, why), n)| ([status.to_string(), why.clone()], *n));
        let help = "Requests that the edge itself has refused, by status and reason";
        page.counters("refusals", help, ["status", "reason"], refused)?;
        let help = "Bearer tokens that let nobody in, by reason";
        let tokens = counted(&so_far.tokens_refused);
        page.counters("tokens_refused", help, ["reason"], tokens)?;
        let help = "Proofs of the edge's for a user that the SIP server has refused";
        page.counter("accounts_refused", help, so_far.accounts_refused)?;
        let help = "Requests under way, or remembered for their retransmissions";
        page.gauge("transactions", help, now.transactions)?;
        let queues = [
            ("flows", self.queues.flows),
            ("connections", self.queues.connections),
        ];
        let help = "What has come and was not looked at yet";
        page.gauges("queue_length", help, ["queue"], labelled(queues))
    }

    fn calls(&self, page: &mut Page<'_>) -> fmt::Result {
        let (now, so_far) = (&self.figures, &self.counts);
        page.gauge("calls", "Calls that stand", now.calls)?;
        page.gauge(
            "calls_limit",
            "Calls that may stand at once",
            now.calls_limit,
        )?;
        let help = "INVITEs that begin a call; one that repeats a challenged one counts again";
        page.counter("invites", help, now.counted.invites)?;
        page.counter(
            "calls_answered",
            "Calls that were answered",
            so_far.answered,
        )?;
        let ended = so_far.ended.iter();
        let ended = ended.map(|((class, by), n)| ([(*class).to_owned(), (*by).to_owned()], *n));
        let help = "Calls that are over, by the class of their INVITE's final status and by who ended them";
        page.counters("calls_ended", help, ["class", "by"], ended)?;
        let help = "Time that was talked in calls which are over";
        page.counter("call_seconds", help, so_far.talk_seconds)?;
        let help = "Calls in which one side heard nothing, as the relay says when they are over";
        page.counter("soundless_calls", help, so_far.soundless)?;
        let help = "BYEs of the edge's own that were refused";
        page.counter("hangups_refused", help, so_far.hangups_refused)?;
        let help = "Calls whose media is being agreed on";
        page.gauge("media_sessions", help, now.media_sessions)
    }

    fn upstreams(&self, page: &mut Page<'_>) -> fmt::Result {
        let (now, so_far) = (&self.figures, &self.counts);
        let lives = now.upstreams.iter();
        let lives = labelled(lives.map(|one| (one.hop, u64::from(one.lives))));
        let help =
            "1 where the SIP server's address answers; the only one always counts as answering";
        page.gauges("upstream_up", help, ["upstream"], lives)?;
        let answered = now.upstreams.iter();
        let answered =
            labelled(answered.filter_map(|one| Some((one.hop, one.answer_time?.as_secs_f64()))));
        let help = "How long the last OPTIONS was unanswered";
        page.gauges("upstream_answer_seconds", help, ["upstream"], answered)?;
        let help = "Times that an address did not answer any more";
        let down = counted(&so_far.upstream_down);
        page.counters("upstream_failures", help, ["upstream"], down)?;
        let help = "Requests that went here after another address had failed them";
        let over = counted(&so_far.failed_over);
        page.counters("failovers", help, ["upstream"], over)?;
        let help = "Times that an address asked to be left alone (503)";
        page.counter("upstream_rests", help, so_far.upstream_rests)?;
        let help = "Requests that no address has answered";
        page.counter("upstream_silences", help, so_far.upstream_silent)?;
        let help = "Requests over 1300 octets that went by UDP for want of TCP";
        page.counter("large_datagrams", help, so_far.too_large)
    }

    fn relays(&self, page: &mut Page<'_>) -> fmt::Result {
        let (now, so_far, relay) = (&self.figures, &self.counts, ["relay"]);
        let up = now.relays.iter();
        let up = labelled(up.map(|one| (one.address, u64::from(one.takes_calls))));
        let help = "1 where new calls may go: the relay lives, has room, and is not being drained";
        page.gauges("relay_up", help, relay, up)?;
        let each = |of: fn(&Asked) -> u64| {
            let all = self.relays.iter();
            labelled(all.map(move |one| (one.relay, of(one))))
        };
        page.counters(
            "relay_offers",
            "Offers that a relay was given",
            relay,
            each(|one| one.offers),
        )?;
        let help = "Commands that a relay has answered";
        page.counters("relay_answers", help, relay, each(|one| one.answered))?;
        let help = "Commands that a relay has not answered, however often they were sent";
        page.counters("relay_timeouts", help, relay, each(|one| one.unanswered))?;
        let help = "Times that nobody listened at a relay's control port";
        page.counters("relay_closed", help, relay, each(|one| one.closed))?;
        let seconds = self.relays.iter();
        let seconds = labelled(seconds.map(|one| (one.relay, one.seconds)));
        let help = "Time from commands to their answers, all together";
        page.counters("relay_answer_seconds", help, relay, seconds)?;
        let help = "Commands that no relay has answered yet";
        page.gauge("relay_asks", help, now.relay_asks)?;
        let help = "Bodies that a relay would not rewrite, or for which there was no relay";
        page.counter("relay_refusals", help, so_far.relay_refused)?;
        let help = "Times that a relay did not answer any more";
        page.counter("relay_failures", help, so_far.relay_down)
    }
}

/// Samples of a family with one label.
fn labelled<L: ToString, V>(
    samples: impl IntoIterator<Item = (L, V)>,
) -> impl Iterator<Item = ([String; 1], V)> {
    let samples = samples.into_iter();
    samples.map(|(label, value)| ([label.to_string()], value))
}

/// What was counted apart, each under its name.
fn counted<'a, L: ToString + 'a>(
    counts: impl IntoIterator<Item = (L, &'a u64)>,
) -> impl Iterator<Item = ([String; 1], u64)> {
    labelled(counts.into_iter().map(|(label, n)| (label, *n)))
}
