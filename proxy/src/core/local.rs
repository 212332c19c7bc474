//! Requests to the edge itself: OPTIONS, by which clients and the upstream see whether we live.

use sip::{Message, Method};

use super::config::Config;
use super::names::Side;
use super::refusal::Answer;

/// The answer, if the request is to us: an OPTIONS without user to our domain, or from the upstream to our
/// address, or one that may go no further (RFC 3261 section 11).
pub(super) fn answer(request: &Message, from: Side, config: &Config) -> Option<Answer> {
    if !request.is(&Method::Options) {
        return None;
    }
    let uri = request.uri()?;
    let ours = match from {
        Side::Browser => uri.user().is_none() && uri.host().eq_ignore_ascii_case(&config.domain),
        Side::Phone => uri.user().is_none() && !request.has("Route"),
    };
    let last_hop = request.max_forwards() == Some(0);
    let in_dialog = request.to_tag().is_some();
    ((ours || last_hop) && !in_dialog).then(|| Answer::new(200, "OK"))
}
