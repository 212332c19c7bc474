//! Reliable provisional responses (RFC 3262) pass where both ends know them. A browser that has no PRACK (JsSIP) is not asked
//! for them: it would ignore that, or refuse the call. A caller that requires them gets the call without them all the same.

use sip::{Error, Message, Method};

use super::flows::Flow;
use super::options;

const OPTION: &str = "100rel";

/// Learns from a browser's request whether it knows PRACK.
pub(super) fn learn(flow: &mut Flow, request: &Message) {
    let supports = request.lists("Supported", OPTION);
    if supports || request.has("Allow") {
        flow.prack = Some(supports || request.lists("Allow", "PRACK"));
    }
}

/// Takes the wish for PRACK out of an INVITE for a browser that has said, and not of that.
pub(super) fn spare(flow: &Flow, request: &mut Message) -> Result<(), Error> {
    if flow.prack != Some(false) || !request.is(&Method::Invite) {
        return Ok(());
    }
    options::take_out(request, OPTION)
}
