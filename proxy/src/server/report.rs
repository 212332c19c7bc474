//! The core's events as log lines. Counting them by name is all that is needed for metrics later.

use crate::core::{Drop, Event, Hop, Source};

/// What came over a connection never reached the core: whoever connected would not be heard, or half a message came.
pub(super) fn unheard(hop: Hop, reason: Drop) {
    let from = Source::Upstream(hop);
    log(&Event::Dropped { from, reason });
}

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
        Event::Registered {
            flow,
            aor,
            expires,
            refreshed,
        } => match refreshed {
            true => tracing::debug!(flow = flow.0, aor, expires, "registered again"),
            false => tracing::info!(flow = flow.0, aor, expires, "registered"),
        },
        Event::Rebound { flow, aor } => {
            tracing::info!(flow = flow.0, aor, "came back on a new flow")
        }
        // A call's line is its record.
        Event::CallAnswered { call_id } => tracing::debug!(call_id, "call answered"),
        Event::CallReleased { call_id } => tracing::debug!(call_id, "call released"),
        Event::CallEnded(_) => {}
        Event::MediaSeen {
            call_id,
            fault: Some(why),
            ..
        } => tracing::warn!(call_id, why, "somebody heard nothing"),
        Event::MediaSeen { .. } => {}
        Event::RelayRefused { call_id, reason } => tracing::warn!(call_id, reason, "no media"),
        Event::Upstreams { upstreams } => {
            let list: Vec<_> = upstreams.iter().map(ToString::to_string).collect();
            tracing::info!("SIP server: {}", list.join(", "));
        }
        Event::UpstreamDown { upstream } => {
            tracing::warn!(%upstream, "does not answer; requests go to the SIP server's other addresses, if it has any");
        }
        Event::UpstreamUp { upstream } => tracing::info!(%upstream, "answers again"),
        Event::UpstreamRests { upstream, rest } => {
            tracing::warn!(%upstream, ?rest, "asks to be left alone (503); requests go elsewhere");
        }
        Event::FailedOver { method, upstream } => {
            tracing::debug!(%upstream, method, "sent again, to another address");
        }
        Event::RegistersWait => tracing::info!(
            "more clients register than `register_rate` lets pass; they wait for their turn"
        ),
        Event::TooLarge { upstream, size } => {
            tracing::warn!(%upstream, size, "a request over 1300 octets goes in fragments, which networks may lose; let the SIP server take TCP there, or speak to it by tcp: or tls:");
        }
        Event::RelayDown { relay } => {
            tracing::warn!(%relay, "the relay does not answer; new calls go to the others");
        }
        Event::RelayUp { relay } => tracing::info!(%relay, "the relay takes calls again"),
        Event::RelayDrains { relay } => {
            tracing::info!(%relay, "the relay is being drained; new calls go to the others");
        }
        Event::RelayLost { relay, calls } => {
            tracing::warn!(%relay, calls, "the relay was silent for too long, or was started anew: its calls are ended");
        }
        Event::HangUpRefused {
            call_id,
            status: status @ (401 | 407),
        } => {
            tracing::warn!(
                call_id,
                status,
                "the SIP server wants credentials for a BYE of the edge's own, which has none: the phone may not hear that its call is over; let requests within calls pass without"
            );
        }
        Event::HangUpRefused { call_id, status } => {
            tracing::warn!(
                call_id,
                status,
                "the other side did not take the BYE of a call that the edge has ended"
            );
        }
        Event::TokenRefused { flow, why } => {
            tracing::debug!(flow = flow.0, %why, "a token was refused");
        }
        Event::NoAccount { flow, name } => {
            tracing::warn!(
                flow = flow.0,
                name,
                "a token's user has no account; add a line for him to [sign_in] accounts"
            );
        }
        Event::AccountRefused { flow, user } => {
            tracing::warn!(
                flow = flow.0,
                user,
                "the SIP server refuses the account; see his password in [sign_in] accounts, and [sign_in] realm"
            );
        }
        Event::UpstreamSilent { upstream, method } => {
            tracing::warn!(%upstream, method, "the SIP server does not answer; see that it runs at `upstream`");
        }
    }
}
