//! What is written down of every call when it is over: whoever ended it, and whether it was answered at all. A challenge
//! that the caller can still meet is not the end of a call.

use std::time::{Duration, Instant};

use sip::{Message, Method};

use super::super::Core;
use super::super::event::Event;
use super::super::face::{Command, FlowId};
use super::super::names::{MediaId, Side};
use super::super::refusal::phrase;
use super::super::request::side;
use super::super::route::aor_of;
use super::super::transactions::{ContextId, Proxied};
use super::Call;

/// Who ended a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// The browser, or the loss of its connection.
    Browser,
    /// The other side.
    Phone,
    /// We.
    Edge,
}

/// One call that is over, as it passed the edge once: a call between two of our browsers has two records with one
/// Call-ID. The core has no wall clock: what is said of time is how long ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRecord {
    /// The Call-ID.
    pub call_id: String,
    /// From, as `user@host`.
    pub from: String,
    /// To, as `user@host`.
    pub to: String,
    /// Whether the browser called (or else was called).
    pub browser_called: bool,
    /// From the INVITE to now.
    pub lasted: Duration,
    /// From the answer to now; `None` if nobody answered.
    pub talked: Option<Duration>,
    /// The final status of its INVITE.
    pub status: u16,
    /// Who ended it.
    pub ended_by: Party,
    /// And why: a reason phrase, or the text of a Reason header (RFC 3326); at most 120 characters.
    pub reason: String,
    /// The browser's connection; `None` if it was never found.
    pub flow: Option<FlowId>,
    /// Our name for the registered client, the same from call to call; as `flow`.
    pub client: Option<String>,
    /// The call at the relay; as `flow`.
    pub media: Option<String>,
    /// Why one side heard nothing, in the relay's words; `None` where it has not said so. The core leaves it open: the relay
    /// is heard when the call is over.
    pub fault: Option<String>,
}

/// What a record says of a call before it is over.
#[derive(Debug, Clone)]
pub(super) struct Begun {
    record: CallRecord,
    pub(super) at: Instant,
    answered: Option<Instant>,
}

impl Begun {
    /// The call of this INVITE, of which `response` is a final one.
    pub(super) fn new(context: &Proxied, response: &Message, now: Instant) -> Self {
        let status = response.status().unwrap_or_default();
        let name = |header| phrase(&aor_of(&context.request, header).unwrap_or_default());
        let call_id = context.request.call_id().unwrap_or_default();
        let of_fork = || context.fork.as_ref()?.spoken_by();
        let route = context.route.as_ref().or_else(of_fork);
        let media = route.and_then(|route| route.media);
        let record = CallRecord {
            call_id: call_id.to_owned(),
            from: name("From"),
            to: name("To"),
            browser_called: side(context.from) == Side::Browser,
            lasted: Duration::ZERO,
            talked: None,
            status,
            ended_by: Party::Edge,
            reason: String::new(),
            flow: route.map(|route| route.flow),
            client: route.map(|route| route.client.to_string()),
            media: media.map(|media: MediaId| super::super::media::call_name(call_id, media)),
            fault: None,
        };
        Self {
            record,
            at: context.began,
            answered: (status < 300).then_some(now),
        }
    }

    fn ended(&self, by: Party, reason: &str, now: Instant) -> CallRecord {
        let since = |at| now.saturating_duration_since(at);
        CallRecord {
            lasted: since(self.at),
            talked: self.answered.map(since),
            ended_by: by,
            reason: phrase(reason),
            ..self.record.clone()
        }
    }
}

impl From<Side> for Party {
    fn from(side: Side) -> Self {
        match side {
            Side::Browser => Self::Browser,
            Side::Phone => Self::Phone,
        }
    }
}

impl Core {
    /// Nobody answered this INVITE.
    pub(super) fn never_answered(&mut self, id: ContextId, response: &Message, now: Instant) {
        let Some(context) = self.transactions.get_mut(id) else {
            return;
        };
        // A branch that fails is not yet the call.
        if context.parent.is_some() || may_come_again(&context.request, response) {
            return;
        }
        let said = response.reason().unwrap_or_default().into_owned();
        let (by, reason) = match &context.taken_back {
            Some((by, why)) => (*by, (*why).to_owned()),
            None if context.answered_here => (Party::Edge, said),
            None => (Party::from(side(context.from).other()), said),
        };
        let record = Begun::new(context, response, now).ended(by, &reason, now);
        self.report_call(record);
    }

    /// An answered call is over.
    pub(super) fn write_down(&mut self, call: &Call, by: Party, reason: &str, now: Instant) {
        self.report_call(call.begun.ended(by, reason, now));
    }

    /// Whoever sent this BYE ended the call.
    pub(super) fn write_down_bye(&mut self, call: &Call, by: Side, bye: &Message, now: Instant) {
        let reason = bye.header("Reason").unwrap_or("BYE".into());
        self.write_down(call, by.into(), &reason, now);
    }

    /// An answered call that there is no room to remember.
    pub(super) fn write_down_unfollowed(
        &mut self,
        id: ContextId,
        response: &Message,
        now: Instant,
    ) {
        if let Some(context) = self.transactions.get_mut(id) {
            let reason = "Answered, And Not Followed From Then On";
            let record = Begun::new(context, response, now).ended(Party::Edge, reason, now);
            self.report_call(record);
        }
    }

    /// The edge stops: what stands may go on, but nobody will be here to write it down.
    pub(in crate::core) fn stopped(&mut self, now: Instant) {
        for call in self.calls.take_all() {
            self.write_down(&call, Party::Edge, "The Edge Stopped", now);
        }
    }

    fn report_call(&mut self, record: CallRecord) {
        let event = Event::CallEnded(Box::new(record));
        self.commands.push_back(Command::Report(event));
    }
}

/// Whether a challenge is one that the caller can meet: it had shown no credentials, or only too old ones.
fn may_come_again(invite: &Message, response: &Message) -> bool {
    let [asked, shown] = match response.status() {
        Some(401) => ["WWW-Authenticate", "Authorization"],
        Some(407) => ["Proxy-Authenticate", "Proxy-Authorization"],
        _ => return false,
    };
    let is_stale = |challenge: std::borrow::Cow<'_, str>| {
        let challenge = challenge.to_ascii_lowercase().replace([' ', '"'], "");
        challenge.contains("stale=true")
    };
    invite.is(&Method::Invite) && (!invite.has(shown) || response.headers(asked).any(is_stale))
}
