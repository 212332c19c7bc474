//! Loops (RFC 3261 section 16.3, RFC 5393 section 4.2). A branch of ours ends in a mark: a hash of all that decides where a
//! request goes. A request that brings a branch of ours with the mark that it would get now would go the same way again.
//! With another mark it spirals, as a call from one browser to another through the upstream does, and may.

use sip::Message;

use super::names::{MARKED_BRANCH, Names, Side};
use super::refusal::Answer;

/// The mark of a request as it came.
pub(super) fn mark(names: &Names, request: &Message, from: Side) -> String {
    let side: &[u8] = match from {
        Side::Browser => b"up",
        Side::Phone => b"down",
    };
    let number = request.cseq().map_or(0, |cseq| cseq.number).to_be_bytes();
    let text = [
        request.uri_text(),
        request.call_id(),
        request.from_tag(),
        request.to_tag(),
    ];
    let mut parts = Vec::with_capacity(16);
    parts.push(side);
    parts.extend(text.map(|text| text.unwrap_or_default().as_bytes()));
    parts.push(&number);
    for name in ["Route", "Proxy-Require"] {
        parts.push(name.as_bytes());
        parts.extend(request.raw_values(name));
    }
    names.mark(&parts)
}

/// 482 for a request that has been here before as it is now.
pub(super) fn check(names: &Names, request: &Message, from: Side) -> Result<(), Answer> {
    let branches = request.vias().filter_map(|via| via.ok()?.branch());
    let mut marked = branches.filter(|branch| branch.len() == MARKED_BRANCH);
    // Most requests come with nothing that could be ours.
    let been_here = marked.next().is_some_and(|first| {
        let mark = mark(names, request, from);
        first.ends_with(&mark) || marked.any(|branch| branch.ends_with(&mark))
    });
    match been_here {
        true => Err(Answer::new(482, "Loop Detected")),
        false => Ok(()),
    }
}
