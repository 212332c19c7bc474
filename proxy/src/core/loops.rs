//! Loops (RFC 3261 section 16.3, RFC 5393 section 4.2). A branch of ours ends in a mark: a hash of all that decides where a
//! request goes. A request that brings a branch of ours with the mark that it would get now would go the same way again.
//! With another mark it spirals, as a call from one browser to another through the upstream does, and may.

use sip::Message;

use super::names::{Names, Side};
use super::refusal::Answer;

/// The mark of a request as it came.
pub(super) fn mark(names: &Names, request: &Message, from: Side) -> String {
    let side: &[u8] = match from {
        Side::Browser => b"up",
        Side::Phone => b"down",
    };
    let number = request.cseq().map_or(0, |cseq| cseq.number).to_be_bytes();
    let text = |text: Option<&str>| text.unwrap_or_default().as_bytes().to_vec();
    let mut parts = vec![
        side.to_vec(),
        text(request.uri_text()),
        text(request.call_id()),
        text(request.from_tag()),
        text(request.to_tag()),
        number.to_vec(),
    ];
    for name in ["Route", "Proxy-Require"] {
        let values = request.raw_values(name).map(<[u8]>::to_vec);
        parts.push(name.into());
        parts.extend(values);
    }
    names.mark(&parts)
}

/// 482 for a request that has been here before as it is now.
pub(super) fn check(names: &Names, request: &Message, from: Side) -> Result<(), Answer> {
    let mark = mark(names, request, from);
    let been_here = request
        .vias()
        .filter_map(Result::ok)
        .any(|via| via.branch().is_some_and(|branch| branch.ends_with(&mark)));
    match been_here {
        true => Err(Answer::new(482, "Loop Detected")),
        false => Ok(()),
    }
}
