//! What a call has agreed on: its last offer with its answer, as the relay was asked about them. A re-offer changes the
//! relay's legs at once; when the far side refuses it, both sides go on as before (RFC 3261 section 14.1, RFC 6141
//! section 3.3), and so must the relay. ng has no word for that, but the agreed pair, asked again, says it to any relay.
//!
//! It is a memory of bounded size that a call can do without: after a restart, or when it is full of younger calls, a
//! refused re-offer stays at the relay until the next offer.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use control_proto::{Command, Request};

use super::super::names::MediaId;

/// Octets of all that is remembered: ten thousand calls with bodies of three kilobytes.
const MAX_SIZE: usize = 64 << 20;

/// What a request costs beside its body.
const REQUEST: usize = 1024;

/// Offers of one session that may be open: one from either side, and a fork's.
const MAX_OPEN: usize = 4;

/// An offer and its answer.
#[derive(Debug, Clone)]
pub(in crate::core) struct Agreement {
    pub(in crate::core) offer: Arc<Request>,
    pub(in crate::core) answer: Arc<Request>,
}

impl Agreement {
    /// The offer, to be asked again. By now its answerer has a name.
    pub(in crate::core) fn offer_again(&self) -> Request {
        let mut offer = Request::clone(&self.offer);
        offer.to_tag.clone_from(&self.answer.to_tag);
        offer
    }

    /// Whether it is that of the dialog with these two tags. A forked call has several dialogs and one session.
    pub(super) fn is_between(&self, tags: [&str; 2]) -> bool {
        let [one, other] = [&self.offer.from_tag, &self.answer.to_tag].map(Option::as_deref);
        [one, other] == tags.map(Some) || [other, one] == tags.map(Some)
    }

    fn size(&self) -> usize {
        let body = |request: &Request| request.sdp.as_ref().map_or(0, Vec::len);
        let bodies = body(&self.offer).saturating_add(body(&self.answer));
        bodies.saturating_add(2 * REQUEST)
    }
}

/// The negotiation of one session, until something is agreed on.
#[derive(Default)]
pub(super) struct Negotiation {
    /// The last offer of each party.
    open: Vec<Arc<Request>>,
    /// The last offer that was answered, and nobody has confirmed.
    answered: Option<Agreement>,
    /// How many offers there were.
    turn: u64,
    /// An offer was refused that the relay has taken: the tags of its dialog.
    pub(super) spoilt: Option<[String; 2]>,
}

impl Negotiation {
    /// The relay is asked about a body.
    pub(super) fn note(&mut self, request: Arc<Request>) {
        let is_of = |offer: &Arc<Request>| offer.from_tag == request.from_tag;
        match request.command {
            Command::Offer => {
                self.turn = self.turn.wrapping_add(1);
                self.open.retain(|offer| !is_of(offer));
                if self.open.len() < MAX_OPEN {
                    self.open.push(request);
                }
            }
            Command::Answer => {
                let offer = self.open.iter().find(|offer| is_of(offer));
                self.answered = offer.map(|offer| Agreement {
                    offer: Arc::clone(offer),
                    answer: Arc::clone(&request),
                });
            }
            _ => {}
        }
    }

    /// Which offer is the latest.
    pub(super) fn turn(&self) -> u64 {
        self.turn
    }

    /// What was answered is agreed on.
    pub(super) fn confirm(&mut self) -> Option<Agreement> {
        self.answered.take()
    }

    /// The offer of this party is refused by the other.
    pub(super) fn refuse(&mut self, offerer: &str, answerer: &str) {
        let is_its = |offer: &Request| offer.from_tag.as_deref() == Some(offerer);
        let before = self.open.len();
        self.open.retain(|offer| !is_its(offer));
        if self.open.len() < before {
            self.spoilt = Some([offerer, answerer].map(str::to_owned));
        }
        self.answered.take_if(|answered| is_its(&answered.offer));
    }
}

/// The agreements of all calls.
#[derive(Default)]
pub(super) struct Agreements {
    by_session: HashMap<MediaId, (u64, Agreement)>,
    by_age: BTreeMap<u64, MediaId>,
    size: usize,
    numbered: u64,
}

impl Agreements {
    /// Remembers one, in place of the session's last; the oldest go when there is no room.
    pub(super) fn insert(&mut self, id: MediaId, agreement: Agreement) {
        self.remove(id);
        self.numbered = self.numbered.wrapping_add(1);
        self.size = self.size.saturating_add(agreement.size());
        self.by_age.insert(self.numbered, id);
        self.by_session.insert(id, (self.numbered, agreement));
        while self.size > MAX_SIZE
            && let Some((_, oldest)) = self.by_age.first_key_value()
        {
            self.remove(*oldest);
        }
    }

    pub(super) fn remove(&mut self, id: MediaId) {
        if let Some((age, agreement)) = self.by_session.remove(&id) {
            self.by_age.remove(&age);
            self.size = self.size.saturating_sub(agreement.size());
        }
    }

    pub(super) fn get(&self, id: MediaId) -> Option<&Agreement> {
        self.by_session.get(&id).map(|(_, agreement)| agreement)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_session.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::names::RelayId;
    use super::*;

    fn request(command: Command, from: &str, size: usize) -> Request {
        let mut request = Request::new(command);
        request.from_tag = Some(from.to_owned());
        request.to_tag = Some("answerer".to_owned());
        request.sdp = Some(vec![b'x'; size]);
        request
    }

    fn made(command: Command, from: &str, size: usize) -> Arc<Request> {
        Arc::new(request(command, from, size))
    }

    fn agreement(size: usize) -> Agreement {
        Agreement {
            offer: Arc::new(request(Command::Offer, "a", size)),
            answer: Arc::new(request(Command::Answer, "a", size)),
        }
    }

    #[test]
    fn the_oldest_make_room() {
        let mut agreements = Agreements::default();
        let id = |number: usize| MediaId::new(number.to_be_bytes(), RelayId([1; 4]));
        let size = 100_000;
        let room = MAX_SIZE / agreement(size).size();
        for number in 0..room + 10 {
            agreements.insert(id(number), agreement(size));
            agreements.insert(id(number), agreement(size));
        }
        assert_eq!(agreements.len(), room);
        assert!(agreements.get(id(9)).is_none() && agreements.get(id(10)).is_some());
        for number in 0..room + 10 {
            agreements.remove(id(number));
        }
        assert_eq!((agreements.size, agreements.by_age.len()), (0, 0));
    }

    #[test]
    fn an_answer_belongs_to_the_offer_of_its_offerer_and_a_refused_offer_to_none() {
        let mut negotiation = Negotiation::default();
        negotiation.note(made(Command::Offer, "a", 1));
        negotiation.note(made(Command::Offer, "b", 2));
        negotiation.note(made(Command::Answer, "a", 3));
        negotiation.refuse("b", "a");
        assert!(negotiation.spoilt.is_some());
        let agreed = negotiation.confirm().unwrap();
        assert_eq!(agreed.offer.sdp.as_ref().map(Vec::len), Some(1));
        negotiation.note(made(Command::Answer, "b", 4));
        assert!(negotiation.confirm().is_none());
        negotiation.note(made(Command::Offer, "a", 5));
        negotiation.note(made(Command::Answer, "a", 6));
        negotiation.refuse("a", "b");
        assert!(negotiation.confirm().is_none(), "an early answer is none");
    }
}
