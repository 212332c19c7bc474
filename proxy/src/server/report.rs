//! The core's events as log lines. Counting them by name is all that is needed for metrics later.

use crate::core::Event;

/// One line each; what any peer can provoke at will is logged at debug only.
pub(super) fn log(event: &Event) {
    match event {
        Event::Dropped { from, reason } => tracing::debug!(?from, %reason, "dropped"),
        Event::Refused {
            from,
            method,
            status,
            reason,
        } => {
            tracing::debug!(?from, method, status, reason, "refused");
        }
        Event::Registered { flow, aor, expires } => {
            tracing::info!(flow = flow.0, aor, expires, "registered");
        }
        Event::Rebound { flow, aor } => {
            tracing::info!(flow = flow.0, aor, "came back on a new flow")
        }
        Event::CallAnswered { call_id } => tracing::info!(call_id, "call answered"),
        Event::CallReleased { call_id } => tracing::info!(call_id, "call released"),
        Event::RelayRefused { call_id, reason } => tracing::warn!(call_id, reason, "no media"),
        Event::UpstreamSilent { upstream, method } => {
            tracing::warn!(%upstream, method, "the SIP server does not answer; see that it runs at `upstream`");
        }
    }
}
