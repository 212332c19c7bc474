//! Numbers of the requests that the edge may have to prove for its browser (`sign_in/proof.rs`). One that goes again with a proof has a
//! higher CSeq than before (RFC 3261 section 22.2), of which the browser knows nothing. So to the SIP server its requests have
//! four times the number that it gave them, and one more for each proof: whatever is challenged, they keep their order.
//!
//! Nothing of that must be remembered. A response gets the number that its request came with. A dialog's token says that it is
//! so there, and how often the request was proved that began it: the ACK and the PRACK of that INVITE name its number.

use sip::{CSeq, Error, Message, Method};

use super::Core;
use super::face::{FlowId, Source};
use super::route::Route;
use super::transactions::ContextId;

/// Numbers for one of the browser's. More than [`MOST`].
const STEP: u32 = 4;

/// Times that one request is proved at most.
pub(super) const MOST: u8 = 2;

/// CSeq is below (RFC 3261 section 8.1.1.5).
const END: u32 = 1 << 31;

/// The SIP server's number for a browser's.
pub(super) fn raised(number: u32, proofs: u8) -> u32 {
    let raised = number.checked_mul(STEP);
    let raised = raised.and_then(|raised| raised.checked_add(proofs.into()));
    raised.filter(|raised| *raised < END).unwrap_or(number)
}

impl Core {
    /// What a dialog begins with whose browser is on this flow: no proof yet, or `None` where the edge has none to give.
    pub(super) fn numbers_of(&self, flow: FlowId) -> Option<u8> {
        self.account_of(flow).map(|_| 0)
    }

    /// Gives a context's request the number that it has at the SIP server.
    pub(super) fn number(
        &mut self,
        id: ContextId,
        request: &mut Message,
        route: &Route,
    ) -> Result<(), Error> {
        let Some(context) = self.transactions.get_mut(id) else {
            return Ok(());
        };
        let (from, proofs) = (context.from, context.proofs());
        match from {
            Source::Flow(flow) => self.number_up(flow, request, route, Some(proofs)),
            Source::Upstream(_) => Ok(()),
        }
    }

    /// The same of an ACK: it has its INVITE's.
    pub(super) fn number_ack(
        &mut self,
        from: Source,
        ack: &mut Message,
        route: &Route,
    ) -> Result<(), Error> {
        match from {
            Source::Flow(flow) => self.number_up(flow, ack, route, None),
            Source::Upstream(_) => Ok(()),
        }
    }

    fn number_up(
        &mut self,
        flow: FlowId,
        request: &mut Message,
        route: &Route,
        proofs: Option<u8>,
    ) -> Result<(), Error> {
        let (Source::Upstream(_), Some(first)) = (route.to, route.numbered) else {
            return Ok(());
        };
        let Some(CSeq { number, method }) = request.cseq() else {
            return Ok(());
        };
        if let (Method::Prack, Some(ack)) = (&method, request.header("RAck")) {
            let words: Vec<&str> = ack.split_ascii_whitespace().collect();
            if let [response, number, method] = words.as_slice()
                && let Ok(number) = number.parse()
            {
                let proofs = self.proofs_of(flow, request, number).unwrap_or(first);
                let number = raised(number, proofs);
                let ack = format!("{response} {number} {method}");
                request.set("RAck", ack)?;
            }
        }
        let proofs = proofs.or_else(|| self.proofs_of(flow, request, number));
        let number = raised(number, proofs.unwrap_or(first));
        request.set("CSeq", CSeq { number, method }.to_string())
    }

    /// How often the INVITE with this number was proved, in the call of a request that follows it.
    fn proofs_of(&mut self, flow: FlowId, request: &Message, number: u32) -> Option<u8> {
        self.transactions.of_flow(flow).into_iter().find_map(|id| {
            let context = self.transactions.get_mut(id)?;
            let invite = &context.request;
            let is_it = context.method == Method::Invite
                && context.from == Source::Flow(flow)
                && invite.call_id() == request.call_id()
                && invite.cseq()?.number == number;
            is_it.then(|| context.proofs())
        })
    }
}

/// Gives a response the number that its request came with.
pub(super) fn restore(response: &mut Message, request: &Message) -> Result<(), Error> {
    match request.cseq() {
        Some(known) if response.cseq().as_ref() != Some(&known) => {
            response.set("CSeq", known.to_string())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_comes_between_two_of_the_browsers_numbers() {
        let all: Vec<u32> = (1..4)
            .flat_map(|number| (0..=MOST).map(move |proofs| raised(number, proofs)))
            .collect();
        assert!(all.is_sorted() && all.windows(2).all(|two| two[0] != two[1]));
        assert_eq!(raised(END - 1, 2), END - 1, "there is no higher one");
    }
}
