//! The media sessions under negotiation, and the questions that the relay has not answered.
//!
//! An established call needs no entry: its Call-ID and the token in its Route name it at the relay. So a restarted
//! edge can serve it. What grows with the number of calls is only what they have agreed on ([`Agreements`]), a memory of
//! bounded size that a call can do without.

use std::collections::BTreeMap;
use std::collections::hash_map::{Entry, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use control_proto::Request;
use sip::Message;

use super::super::ack::HeldAck;
use super::super::deadline::after;
use super::super::face::AskId;
use super::super::names::{MediaId, RelayId};
use super::super::numbered::Numbered;
use super::super::transactions::ContextId;
use super::agreed::{Agreement, Agreements, Negotiation};
use super::restore::Restoration;

/// Dialogs of one call remembered: as many answers as a fork may sensibly have.
const MAX_DIALOGS: usize = 8;

/// How often the relay is reminded of an offer that nobody has answered. A relay frees such a call (ours after a
/// minute), but a phone may ring for three.
const REMIND: Duration = Duration::from_secs(25);

/// Who waits for the relay's reply.
pub(in crate::core) enum Waiter {
    /// A request on its way out.
    Request(ContextId),
    /// A response on its way back.
    Response(ContextId),
    /// An INFO that goes on if the relay cannot do what it asks for.
    Info(ContextId),
    /// An ACK, which has no transaction to wait in.
    Ack(Box<HeldAck>),
    /// The agreed answer, which is to be asked again after its offer.
    Restoration(Box<Restoration>),
    /// Who wants to know whether the relay lives.
    Relay,
    /// Nobody: a `delete`, or the reminder of an offer.
    Nobody,
}

/// A question under way.
pub(in crate::core) struct Ask {
    pub(in crate::core) waiter: Waiter,
    pub(in crate::core) media: MediaId,
    pub(in crate::core) call_id: String,
    deadline: Instant,
}

#[derive(Default)]
struct Session {
    call_id: String,
    /// Requests under way that use it.
    users: usize,
    /// Whether the relay was asked about it: only then is there something to end.
    at_relay: bool,
    /// Whether a 2xx has been seen: then only a BYE may end it.
    established: bool,
    /// The tags of those who answered with a 2xx.
    dialogs: Vec<String>,
    /// Who made an offer in a response that has no answer yet.
    late: Option<String>,
    /// The answer that an ACK or PRACK brought, before and after, for when the ACK comes again.
    ack: Option<(Vec<u8>, Vec<u8>)>,
    /// The offer that is out and has no answer, and when the relay is reminded of it.
    unanswered: Option<(Instant, Request)>,
    /// What is being agreed on.
    negotiation: Negotiation,
    /// When it is forgotten, or, if nothing was established, ended.
    expires: Option<Instant>,
}

/// What is to be done with a session at the relay.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::core) enum Verdict {
    Keep,
    Release,
}

/// All of them.
#[derive(Default)]
pub(in crate::core) struct MediaSessions {
    /// In order, so that one is found by its name alone.
    sessions: BTreeMap<MediaId, Session>,
    asks: Numbered<AskId, Ask>,
    /// How many of these each relay has not answered.
    open: HashMap<RelayId, usize>,
    agreements: Agreements,
    named: u64,
}

impl MediaSessions {
    /// How many there are.
    pub(in crate::core) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// How many questions are out.
    pub(in crate::core) fn asks_out(&self) -> usize {
        self.asks.len()
    }

    /// One more request uses this session, which is made if need be. False if there are too many.
    pub(super) fn enlist(
        &mut self,
        id: MediaId,
        call_id: &str,
        established: bool,
        limit: usize,
    ) -> bool {
        if !self.sessions.contains_key(&id) && self.sessions.len() >= limit {
            return false;
        }
        let new = || Session {
            call_id: call_id.to_owned(),
            established,
            ..Session::default()
        };
        let session = self.sessions.entry(id).or_insert_with(new);
        session.users = session.users.saturating_add(1);
        session.expires = None;
        true
    }

    /// What is negotiated or asked, for a test that wants nothing left.
    #[cfg(test)]
    pub(in crate::core) fn left(&self) -> String {
        let sessions = self.sessions.iter().map(|(id, session)| {
            format!(
                "{id} {} users {} {:?}; ",
                session.call_id, session.users, session.expires
            )
        });
        let asks = self
            .asks
            .values()
            .map(|ask| format!("ask about {}; ", ask.call_id));
        sessions.chain(asks).collect()
    }

    /// The session of this name, at whichever relay.
    pub(in crate::core) fn named(&self, name: [u8; 8]) -> Option<MediaId> {
        let [first, last] = [[0; 4], [u8::MAX; 4]].map(|relay| MediaId::new(name, RelayId(relay)));
        let mut found = self.sessions.range(first..=last);
        found.next().map(|(id, _)| *id)
    }

    /// The Call-ID of a session.
    pub(in crate::core) fn call_id(&self, id: MediaId) -> Option<String> {
        self.sessions
            .get(&id)
            .map(|session| session.call_id.clone())
    }

    pub(super) fn knows(&self, id: MediaId) -> bool {
        self.sessions.contains_key(&id)
    }

    pub(in crate::core) fn forget(&mut self, id: MediaId) {
        self.sessions.remove(&id);
        self.agreements.remove(id);
    }

    /// How many calls' agreements are remembered.
    #[cfg(test)]
    pub(in crate::core) fn agreed_calls(&self) -> usize {
        self.agreements.len()
    }

    /// The relay is asked about a body that somebody has sent.
    pub(super) fn note(&mut self, id: MediaId, request: Arc<Request>) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.negotiation.note(request);
        }
    }

    /// What was answered last is agreed on.
    pub(in crate::core) fn agreed(&mut self, id: MediaId) {
        let session = self.sessions.get_mut(&id);
        if let Some(agreement) = session.and_then(|session| session.negotiation.confirm()) {
            self.agreements.insert(id, agreement);
        }
    }

    /// The offer of this party is refused by the other.
    pub(super) fn refused(&mut self, id: MediaId, offerer: &str, answerer: &str) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.negotiation.refuse(offerer, answerer);
        }
    }

    /// What the relay is to be brought back to, once nobody negotiates; and the latest offer's number.
    pub(super) fn take_spoilt(&mut self, id: MediaId) -> Option<(Agreement, u64)> {
        let session = self.sessions.get_mut(&id)?;
        if session.users > 0 {
            return None;
        }
        let [one, other] = session.negotiation.spoilt.take()?;
        let agreement = self.agreements.get(id)?.clone();
        if !agreement.is_between([&one, &other]) {
            return None;
        }
        Some((agreement, session.negotiation.turn()))
    }

    /// Whether nobody else negotiates.
    pub(super) fn is_alone(&self, id: MediaId) -> bool {
        let session = self.sessions.get(&id);
        session.is_some_and(|session| session.users == 1 && session.late.is_none())
    }

    /// Whether nobody negotiates.
    pub(super) fn is_idle(&self, id: MediaId) -> bool {
        let session = self.sessions.get(&id);
        session.is_none_or(|session| session.users == 0 && session.late.is_none())
    }

    /// What the dialog with these tags has agreed on last.
    pub(super) fn agreement(&self, id: MediaId, tags: [&str; 2]) -> Option<&Agreement> {
        let agreement = self.agreements.get(id)?;
        agreement.is_between(tags).then_some(agreement)
    }

    /// The number of the latest offer.
    pub(super) fn turn(&self, id: MediaId) -> u64 {
        let session = self.sessions.get(&id);
        session.map_or(0, |session| session.negotiation.turn())
    }

    /// The relay is asked about it.
    pub(super) fn at_relay(&mut self, id: MediaId) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.at_relay = true;
        }
    }

    /// An offer goes to the relay. Gives back when it is to be reminded of it.
    pub(super) fn offered(
        &mut self,
        id: MediaId,
        offer: &Request,
        now: Instant,
    ) -> Option<Instant> {
        let session = self.sessions.get_mut(&id)?;
        let at = after(now, REMIND);
        session.unanswered = Some((at, offer.clone()));
        Some(at)
    }

    /// An answer goes to the relay: it will not forget the call now.
    pub(super) fn answered(&mut self, id: MediaId) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.unanswered = None;
        }
    }

    /// The offer that the relay is to be reminded of now. `Err` is when to look again.
    pub(super) fn reminder(
        &mut self,
        id: MediaId,
        now: Instant,
    ) -> Option<Result<(String, Request), Instant>> {
        let session = self.sessions.get_mut(&id)?;
        let (at, offer) = session.unanswered.as_mut()?;
        if *at > now {
            return Some(Err(*at));
        }
        *at = after(now, REMIND);
        Some(Ok((session.call_id.clone(), offer.clone())))
    }

    pub(super) fn offered_late(&mut self, id: MediaId, offerer: &str) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.late = Some(offerer.to_owned());
            session.ack = None;
        }
    }

    pub(super) fn late_offerer(&self, id: MediaId) -> Option<String> {
        self.sessions.get(&id)?.late.clone()
    }

    pub(super) fn answered_late(&mut self, id: MediaId) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.late = None;
        }
    }

    /// The answer that this very ACK body had before.
    pub(super) fn answered_before(&self, id: MediaId, before: &[u8]) -> Option<Vec<u8>> {
        let (known, after) = self.sessions.get(&id)?.ack.as_ref()?;
        (known == before).then(|| after.clone())
    }

    pub(in crate::core) fn acknowledged(&mut self, id: MediaId, before: &[u8], after: &[u8]) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.late = None;
            session.ack = Some((before.to_vec(), after.to_vec()));
        }
    }

    /// A 2xx to INVITE: this dialog exists.
    pub(in crate::core) fn established(&mut self, id: MediaId, tag: &str) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.established = true;
            if session.dialogs.len() < MAX_DIALOGS
                && !session.dialogs.iter().any(|known| known == tag)
            {
                session.dialogs.push(tag.to_owned());
            }
        }
    }

    /// A request that used the session is answered. With `end` a session that nobody else uses, and that was never
    /// established, is to be ended now; otherwise it is kept for `keep`, and the alarm's moment is given back.
    pub(in crate::core) fn dismiss(
        &mut self,
        id: MediaId,
        end: bool,
        keep: Duration,
        now: Instant,
    ) -> (Verdict, Option<Instant>) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return (Verdict::Keep, None);
        };
        session.users = session.users.saturating_sub(1);
        if session.users == 0 {
            session.unanswered = None;
        }
        if session.users > 0 {
            return (Verdict::Keep, None);
        }
        if end && !session.established {
            if session.at_relay {
                return (Verdict::Release, None);
            }
            self.sessions.remove(&id);
            return (Verdict::Keep, None);
        }
        session.expires = Some(after(now, keep));
        (Verdict::Keep, session.expires)
    }

    /// Whether a BYE with these tags ends the session: not if it ends one dialog of a fork and another goes on.
    pub(in crate::core) fn hung_up(&mut self, id: MediaId, bye: &Message) -> Verdict {
        let Some(session) = self.sessions.get_mut(&id) else {
            return Verdict::Release;
        };
        let tags = [bye.from_tag(), bye.to_tag()];
        session
            .dialogs
            .retain(|dialog| !tags.contains(&Some(dialog)));
        if session.dialogs.is_empty() {
            Verdict::Release
        } else {
            Verdict::Keep
        }
    }

    /// Looks at a session whose alarm went off. `Err` is when to look again.
    pub(in crate::core) fn expire(
        &mut self,
        id: MediaId,
        now: Instant,
    ) -> Result<Option<String>, Instant> {
        let Some(session) = self.sessions.get(&id) else {
            return Ok(None);
        };
        let Some(at) = session.expires else {
            return Ok(None);
        };
        if at > now {
            return Err(at);
        }
        let orphan = (session.at_relay && !session.established).then(|| session.call_id.clone());
        self.sessions.remove(&id);
        Ok(orphan)
    }

    /// Notes a question. `None` if this relay has not answered as many as that: the others' do not count. The end of a call
    /// is always noted, since it frees something, and whether a relay lives, which is asked once at a time.
    pub(in crate::core) fn asked(
        &mut self,
        media: MediaId,
        call_id: String,
        waiter: Waiter,
        deadline: Instant,
        limit: usize,
    ) -> Option<AskId> {
        let open = self.open.entry(media.relay()).or_default();
        if *open >= limit && !matches!(waiter, Waiter::Nobody | Waiter::Relay) {
            return None;
        }
        *open = open.saturating_add(1);
        self.named = self.named.wrapping_add(1);
        let id = AskId(self.named);
        self.asks.insert(
            id,
            Ask {
                waiter,
                media,
                call_id,
                deadline,
            },
        );
        Some(id)
    }

    /// Takes a question that is answered.
    pub(in crate::core) fn replied(&mut self, id: AskId) -> Option<Ask> {
        let ask = self.asks.remove(&id)?;
        if let Entry::Occupied(mut open) = self.open.entry(ask.media.relay()) {
            *open.get_mut() = open.get().saturating_sub(1);
            if *open.get() == 0 {
                open.remove();
            }
        }
        Some(ask)
    }

    /// Whether the relay has had its time.
    pub(in crate::core) fn overdue(&self, id: AskId, now: Instant) -> bool {
        self.asks.get(&id).is_some_and(|ask| ask.deadline <= now)
    }

    /// Whether nobody negotiates this session any more, and nothing was established: what the relay holds is waste.
    pub(in crate::core) fn is_orphan(&self, id: MediaId) -> bool {
        !self.sessions.contains_key(&id)
    }
}
