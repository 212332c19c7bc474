//! One request that comes twice to one browser: over two branches of a fork, or back to who sent it. Browsers' libraries
//! answer both with 482; others ring twice, or call themselves. So neither is delivered (RFC 3261 section 8.2.2.2).

use sip::{Message, Method};

use super::Core;
use super::face::Source;
use super::refusal::Answer;
use super::transactions::{ContextId, Proxied};

impl Core {
    /// The refusal owed to a request that `to` has already, or has sent.
    pub(super) fn once_for_each(
        &mut self,
        id: ContextId,
        request: &Message,
        to: Source,
    ) -> Result<(), Answer> {
        let Source::Flow(flow) = to else {
            return Ok(());
        };
        if request.to_tag().is_some() {
            return Ok(());
        }
        for other in self.transactions.of_flow(flow) {
            let Some(known) = self.transactions.get_mut(other).filter(|_| other != id) else {
                continue;
            };
            if !is_same(known, request) {
                continue;
            }
            if known.from == to {
                return Err(its_own(request));
            }
            if is_sent_to(known, to) {
                return Err(Answer::new(482, "Loop Detected (Merged Request)"));
            }
        }
        Ok(())
    }
}

/// What a call to oneself gets: busy, which a server takes for a reason to try the voice mail.
fn its_own(request: &Message) -> Answer {
    match request.is(&Method::Invite) {
        true => Answer::new(486, "The Caller Is Calling Itself"),
        false => Answer::new(482, "Loop Detected (Own Request)"),
    }
}

fn is_sent_to(known: &Proxied, to: Source) -> bool {
    known.branch.as_ref().is_some_and(|branch| branch.to == to)
}

/// The same request, whatever way it came, and whatever number it had (`numbers.rs`).
fn is_same(known: &Proxied, other: &Message) -> bool {
    let one = &known.request;
    let sent = known.branch.as_ref().map(|branch| &branch.sent);
    one.call_id() == other.call_id()
        && one.from_tag() == other.from_tag()
        && (one.cseq() == other.cseq() || sent.is_some_and(|it| it.cseq() == other.cseq()))
        && one.to_tag().is_none()
}
