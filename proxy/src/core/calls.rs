//! The calls that stand: known from the 2xx to their INVITE until somebody hangs up, so that the edge can hang up where
//! nobody else will. A call between two of our browsers passes twice and is two calls here.
//!
//! No request finds its way by this table, which is lost with the process: that is the token's part. A call belongs
//! to a client and not to a flow, and so goes along when its browser comes back on another WebSocket.

mod dialog;
mod ending;
mod following;
mod record;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use sip::Message;

pub(super) use self::dialog::{Dialog, Owed};
use self::record::Begun;
pub use self::record::{CallRecord, Party};
use super::face::{FlowId, Source};
use super::names::{ClientId, MediaId, RelayId, Side};
use super::route::Peer;
use super::sign_in::Account;
use super::tags::{Swap, Swaps};

/// Dialogs of one call: as many answers as a fork may sensibly have.
const MAX_DIALOGS: usize = 8;

/// One call, as it passed the edge once.
pub(super) struct Call {
    call_id: String,
    /// The browser's side of it.
    client: ClientId,
    /// Where that client was when it was last known to know of the call.
    flow: FlowId,
    /// The other browser, where no SIP server is between the two: it called, and stands where else a phone does.
    peer: Option<Peer>,
    /// Where requests to the phone's side go.
    upstream: Source,
    dialogs: Vec<Dialog>,
    /// By what the edge can prove that it speaks for the browser.
    account: Option<Arc<Account>>,
    begun: Begun,
    /// What its browser calls the phone, where that is not the phone's own tag.
    swap: Option<Swap>,
    standing: Standing,
    /// At this age the edge ends it; when it is over, it is forgotten then.
    until: Instant,
}

/// What is known of a call's browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It is connected.
    There,
    /// Its flow closed: until then it may come back.
    Away(Instant),
    /// The call's relay has no such call any more: it is ended then.
    Lost(Instant),
    /// The call ended while it was away, and it will be told should it come back.
    Over,
}

impl Call {
    /// Whose call it is.
    fn clients(&self) -> impl Iterator<Item = ClientId> + use<> {
        let peer = self.peer.as_ref().map(|peer| peer.client);
        [Some(self.client), peer].into_iter().flatten()
    }

    /// One of its clients is on this flow. Gives its side back if that is news.
    fn moved(&mut self, client: ClientId, flow: FlowId) -> Option<Side> {
        let (side, known) = match &mut self.peer {
            Some(peer) if peer.client == client => (Side::Phone, &mut peer.flow),
            _ => (Side::Browser, &mut self.flow),
        };
        (std::mem::replace(known, flow) != flow).then_some(side)
    }

    fn deadline(&self) -> Instant {
        match self.standing {
            Standing::Away(until) | Standing::Lost(until) => until.min(self.until),
            Standing::There | Standing::Over => self.until,
        }
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct Calls {
    by_media: HashMap<MediaId, Call>,
    by_client: HashMap<ClientId, BTreeSet<MediaId>>,
    /// When each is looked at, whatever happens until then.
    due: BTreeSet<(Instant, MediaId)>,
    /// How many are over.
    over: usize,
    swaps: Swaps,
    /// Clients that have registered from another flow, and of whose calls nobody has thought yet.
    back: Vec<ClientId>,
}

impl Calls {
    /// How many have not ended.
    pub(super) fn standing(&self) -> usize {
        self.by_media.len().saturating_sub(self.over)
    }

    fn get_mut(&mut self, media: MediaId) -> Option<&mut Call> {
        self.by_media.get_mut(&media)
    }

    /// A call that has not ended.
    fn standing_mut(&mut self, media: MediaId) -> Option<&mut Call> {
        let call = self.by_media.get_mut(&media);
        call.filter(|call| call.standing != Standing::Over)
    }

    fn insert(&mut self, media: MediaId, call: Call) {
        self.remove(media);
        for client in call.clients() {
            self.by_client.entry(client).or_default().insert(media);
        }
        self.due.insert((call.deadline(), media));
        let over = usize::from(call.standing == Standing::Over);
        self.over = self.over.saturating_add(over);
        if let Some(swap) = &call.swap {
            self.swaps.insert(&call.call_id, (media, swap.clone()));
        }
        self.by_media.insert(media, call);
    }

    fn remove(&mut self, media: MediaId) -> Option<Call> {
        let call = self.by_media.remove(&media)?;
        for client in call.clients() {
            let Some(calls) = self.by_client.get_mut(&client) else {
                continue;
            };
            calls.remove(&media);
            if calls.is_empty() {
                self.by_client.remove(&client);
            }
        }
        self.due.remove(&(call.deadline(), media));
        let over = usize::from(call.standing == Standing::Over);
        self.over = self.over.saturating_sub(over);
        self.swaps.remove(&call.call_id, media);
        Some(call)
    }

    /// What is known of a call's browser changes, and with it when the call is looked at.
    fn set(&mut self, media: MediaId, standing: Standing) {
        if let Some(mut call) = self.remove(media) {
            call.standing = standing;
            self.insert(media, call);
        }
    }

    /// The dialog of this BYE is over. Gives the call back if that was its last.
    fn hung_up(&mut self, media: MediaId, bye: &Message) -> Option<Call> {
        let call = self.standing_mut(media)?;
        let tags = [bye.from_tag(), bye.to_tag()];
        match call.dialogs.as_slice() {
            [only] if only.is_between(tags) => self.remove(media),
            _ => {
                call.dialogs.retain(|dialog| !dialog.is_between(tags));
                None
            }
        }
    }

    /// The dialog of a call that a message belongs to.
    pub(super) fn dialog_mut(&mut self, media: MediaId, message: &Message) -> Option<&mut Dialog> {
        self.standing_mut(media)?.dialog_mut(message)
    }

    fn take_all(&mut self) -> Vec<Call> {
        let media: Vec<_> = self.by_media.keys().copied().collect();
        let all = media.into_iter().filter_map(|media| self.remove(media));
        all.filter(|call| call.standing != Standing::Over).collect()
    }

    /// Where an end of the dialog that a message belongs to is reached, if it has said so.
    pub(super) fn target(&self, media: MediaId, message: &Message, side: Side) -> Option<&str> {
        let tags = [message.from_tag(), message.to_tag()];
        let mut dialogs = self.by_media.get(&media)?.dialogs.iter();
        let target = dialogs.find(|dialog| dialog.is_between(tags))?.target(side);
        Some(target).filter(|target| !target.is_empty())
    }

    /// The tags of phones that browsers know by another one.
    pub(super) fn swaps(&self) -> &Swaps {
        &self.swaps
    }

    pub(super) fn swaps_mut(&mut self) -> &mut Swaps {
        &mut self.swaps
    }

    /// A client has registered from another flow. Once it has its answer, it is asked about its calls.
    pub(super) fn came_back(&mut self, client: ClientId) {
        if self.by_client.contains_key(&client) {
            self.back.push(client);
        }
    }

    /// Whether a call has not ended.
    pub(super) fn stands(&self, media: MediaId) -> bool {
        let call = self.by_media.get(&media);
        call.is_some_and(|call| call.standing != Standing::Over)
    }

    /// Until when a call waits for its browser, and where that client of it was last.
    pub(super) fn waits_for(&self, media: MediaId, client: ClientId) -> Option<(Instant, FlowId)> {
        let call = self.by_media.get(&media)?;
        let Standing::Away(_) = call.standing else {
            return None;
        };
        let peer = call.peer.as_ref().filter(|peer| peer.client == client);
        Some((call.deadline(), peer.map_or(call.flow, |peer| peer.flow)))
    }

    /// When the first is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    fn pop_due(&mut self, now: Instant) -> Option<(MediaId, Call)> {
        let (_, media) = self.due.first().copied().filter(|(at, _)| *at <= now)?;
        Some((media, self.remove(media)?))
    }

    /// Those of this relay that had begun then and have not ended.
    fn at_relay(&self, relay: RelayId, then: Instant) -> Vec<MediaId> {
        let all = self.by_media.iter();
        let goes_on = |call: &Call| matches!(call.standing, Standing::There | Standing::Away(_));
        let is_its = |media: MediaId, call: &Call| media.relay() == relay && call.begun.at <= then;
        let its = all.filter(|(media, call)| is_its(**media, call) && goes_on(call));
        its.map(|(media, _)| *media).collect()
    }

    /// Whether a client has a call that has not ended.
    pub(super) fn has_of(&self, client: ClientId) -> bool {
        let calls = self.by_client.get(&client).into_iter().flatten();
        let mut calls = calls.filter_map(|media| self.by_media.get(media));
        calls.any(|call| call.standing != Standing::Over)
    }

    fn of_client(&self, client: ClientId) -> Vec<MediaId> {
        let calls = self.by_client.get(&client).into_iter().flatten();
        calls.copied().collect()
    }

    /// Whether nothing at all is left.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.by_media.is_empty()
            && self.by_client.is_empty()
            && self.due.is_empty()
            && self.over == 0
    }
}
