//! What has happened so far, by kind: the core's events as numbers. The names are few, whatever peers make up.

use std::collections::BTreeMap;

use net::ws::Closing;

use crate::core::{BadToken, Drop, Event, Hop, Party, class};

/// Refusals that are told apart. Their reasons are ours, and a relay's words stand in some.
const MAX_REASONS: usize = 64;

/// Counts since the start.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    /// Messages that were thrown away.
    pub(super) dropped: BTreeMap<Drop, u64>,
    /// Requests that the edge itself has refused, by status and reason.
    pub(super) refused: BTreeMap<(u16, String), u64>,
    /// Tokens that let nobody in.
    pub(super) tokens_refused: BTreeMap<BadToken, u64>,
    /// Accounts that the SIP server has refused.
    pub(super) accounts_refused: u64,
    pub(super) registered: u64,
    pub(super) unregistered: u64,
    /// Clients that came back on another WebSocket.
    pub(super) rebound: u64,
    pub(super) answered: u64,
    /// Calls that are over, by the class of their INVITE's final status and by who ended them.
    pub(super) ended: BTreeMap<(&'static str, &'static str), u64>,
    pub(super) talk_seconds: f64,
    /// BYEs of the edge's own that were refused.
    pub(super) hangups_refused: u64,
    /// Calls in which one side heard nothing.
    pub(super) soundless: u64,
    pub(super) relay_refused: u64,
    pub(super) upstream_down: BTreeMap<Hop, u64>,
    pub(super) upstream_rests: u64,
    pub(super) failed_over: BTreeMap<Hop, u64>,
    pub(super) upstream_silent: u64,
    pub(super) too_large: u64,
    pub(super) register_waits: u64,
    pub(super) relay_down: u64,
    pub(super) flows_opened: u64,
    pub(super) flows_closed: BTreeMap<&'static str, u64>,
}

impl Counts {
    /// One thing that happened.
    pub(super) fn event(&mut self, event: &Event) {
        match event {
            Event::Dropped { reason, .. } => self.dropped(*reason),
            Event::Refused { status, reason, .. } => self.refused(*status, reason),
            Event::Registered { expires: 0, .. } => add(&mut self.unregistered),
            Event::Registered { .. } => add(&mut self.registered),
            Event::Rebound { .. } => add(&mut self.rebound),
            Event::CallAnswered { .. } => add(&mut self.answered),
            Event::CallEnded(record) => {
                let by = match record.ended_by {
                    Party::Browser => "browser",
                    Party::Phone => "phone",
                    Party::Edge => "edge",
                };
                let ended = self.ended.entry((class(record.status), by));
                add(ended.or_default());
                self.talk_seconds += record.talked.unwrap_or_default().as_secs_f64();
            }
            Event::MediaSeen { fault: Some(_), .. } => add(&mut self.soundless),
            Event::RelayRefused { .. } => add(&mut self.relay_refused),
            Event::Upstreams { upstreams } => {
                // Those that have left the list are told no more: with DNS there may be others every day.
                self.upstream_down.retain(|hop, _| upstreams.contains(hop));
                self.failed_over.retain(|hop, _| upstreams.contains(hop));
            }
            Event::UpstreamDown { upstream } => {
                add(self.upstream_down.entry(*upstream).or_default());
            }
            Event::UpstreamRests { .. } => add(&mut self.upstream_rests),
            Event::FailedOver { upstream, .. } => {
                add(self.failed_over.entry(*upstream).or_default());
            }
            Event::UpstreamSilent { .. } => add(&mut self.upstream_silent),
            Event::TooLarge { .. } => add(&mut self.too_large),
            Event::RegistersWait => add(&mut self.register_waits),
            Event::RelayDown { .. } => add(&mut self.relay_down),
            Event::TokenRefused { why, .. } => add(self.tokens_refused.entry(*why).or_default()),
            Event::AccountRefused { .. } => add(&mut self.accounts_refused),
            Event::HangUpRefused { .. } => add(&mut self.hangups_refused),
            // In the log alone.
            _ => {}
        }
    }

    /// A message was thrown away.
    pub(super) fn dropped(&mut self, reason: Drop) {
        add(self.dropped.entry(reason).or_default());
    }

    /// A WebSocket has closed.
    pub(super) fn closed(&mut self, why: Closing) {
        let why = match why {
            Closing::ByPeer => "by_peer",
            Closing::Protocol => "protocol",
            Closing::Silent => "ping_lost",
            Closing::Slow => "slow",
            Closing::ByUs => "by_us",
        };
        add(self.flows_closed.entry(why).or_default());
    }

    fn refused(&mut self, status: u16, reason: &str) {
        // In brackets stands what somebody else has said.
        let reason = reason.split(" (").next().unwrap_or_default();
        let known = (status, reason.to_owned());
        let key = match self.refused.len() < MAX_REASONS || self.refused.contains_key(&known) {
            true => known,
            false => (status, "other".to_owned()),
        };
        add(self.refused.entry(key).or_default());
    }
}

fn add(count: &mut u64) {
    *count = count.saturating_add(1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{FlowId, Source};

    #[test]
    fn reasons_that_peers_make_up_are_no_new_names() {
        let mut counts = Counts::default();
        let refused = |reason: String| Event::Refused {
            from: Source::Flow(FlowId(1)),
            method: "INVITE".to_owned(),
            status: 488,
            reason,
        };
        for word in 0..1000 {
            counts.event(&refused(format!("The SDP Cannot Be Used ({word})")));
        }
        assert_eq!(counts.refused.len(), 1);
        for word in 0..1000 {
            counts.event(&refused(format!("Reason {word}")));
        }
        assert!(counts.refused.len() <= MAX_REASONS + 1);
        assert_eq!(counts.refused.values().sum::<u64>(), 2000);
    }
}
